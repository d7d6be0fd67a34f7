import type { ThreadInfo } from "../client";

export type Group = { label: string; threads: ThreadInfo[] };

/** Threads, the last used first, under headings: the pinned ones, then by when they were last used. */
export function groupsOf(threads: ThreadInfo[], now = new Date()): Group[] {
  const groups = new Map<string, ThreadInfo[]>();
  const pinned = threads.filter((thread) => thread.pinned);
  if (pinned.length > 0) groups.set("Pinned", pinned);
  for (const thread of threads) {
    if (thread.pinned) continue;
    const label = labelOf(new Date(thread.updated_at), now);
    const group = groups.get(label);
    if (group === undefined) groups.set(label, [thread]);
    else group.push(thread);
  }
  return [...groups].map(([label, members]) => ({ label, threads: members }));
}

/** When that was, in words, by the days of this place. */
function labelOf(then: Date, now: Date): string {
  const day = (back: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - back);
  if (then >= day(0)) return "Today";
  if (then >= day(1)) return "Yesterday";
  if (then >= day(7)) return "Previous 7 days";
  if (then >= day(30)) return "Previous 30 days";
  return then.toLocaleDateString([], { month: "long", year: "numeric" });
}
