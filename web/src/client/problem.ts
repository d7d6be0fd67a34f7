/** A refusal by the server, or the news that it can't be reached. `message` is for the person. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status = 0,
    readonly field: string | null = null,
    /** Seconds after which it may be tried again. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
    this.name = "Problem";
  }
}

/** The code of a problem that never reached the server. */
export const UNREACHABLE = "unreachable";
export const NOT_AUTHENTICATED = "not_authenticated";

/** What any thrown value says to a person. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
