/** How long to wait before the n-th try (from 0): doubling to a bound, and never the same for two clients, so that a
 * restarted server isn't met by all of them at once. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const longest = Math.min(30_000, 500 * 2 ** Math.min(attempt, 10));
  return longest * (0.5 + random() / 2);
}
