import type { LogEvent } from "./protocol";

/** The last number that was taken, and the life of the log it belongs to. */
export type Cursor = { epoch: string; seq: number };

/** Something is missing or came twice: the server or the network broke the one promise that delivery rests on. */
export class TilingError extends Error {
  override name = "TilingError";
}

/** The cursor after an event. The one line that checks delivery: ranges tile. */
export function advance(cursor: Cursor, event: LogEvent): Cursor {
  const first = event.first_seq ?? event.seq;
  if (event.epoch !== cursor.epoch || first !== cursor.seq + 1 || event.seq < first) {
    throw new TilingError(
      `expected ${cursor.seq + 1} of ${cursor.epoch}, got ${first} to ${event.seq} of ${event.epoch}`,
    );
  }
  return { epoch: event.epoch, seq: event.seq };
}
