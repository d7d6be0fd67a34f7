import { expect, test } from "vitest";
import { advance, backoff, type LogEvent, TilingError } from "../src/client";

const event = (seq: number, first_seq?: number, epoch = "a") =>
  ({ type: "erased", seq, ...(first_seq && { first_seq }), epoch, thread_id: null, run_id: null, ts: "", payload: {} }) as LogEvent;

test("ranges that tile move the cursor", () => {
  let cursor = { epoch: "a", seq: 4 };
  for (const next of [event(5), event(9, 6), event(10)]) cursor = advance(cursor, next);
  expect(cursor).toEqual({ epoch: "a", seq: 10 });
});

test.each([
  ["a hole", event(6)],
  ["a repetition", event(4)],
  ["an overlap", event(7, 4)],
  ["a hole before a range", event(9, 7)],
  ["another life of the log", event(5, undefined, "b")],
])("%s is noticed", (_, wrong) => {
  expect(() => advance({ epoch: "a", seq: 4 }, wrong)).toThrow(TilingError);
});

test("waiting grows to a bound, and differs", () => {
  expect(backoff(0, () => 0)).toBe(250);
  expect(backoff(0, () => 1)).toBe(500);
  expect(backoff(3, () => 0.5)).toBe(3000);
  expect(backoff(1000, () => 1)).toBe(30_000);
  expect(new Set(Array.from({ length: 20 }, () => backoff(5))).size).toBeGreaterThan(1);
});
