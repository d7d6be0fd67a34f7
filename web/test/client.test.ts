import { afterEach, beforeEach, expect, inject, test } from "vitest";
import { Problem } from "../src/client";
import { Reader, Wire } from "./reader";

let wire: Wire;
let alice: Reader;

beforeEach(async () => {
  wire = await Wire.to(inject("netra").url);
  alice = await Reader.signIn(wire.url);
});

afterEach(() => {
  alice.client.close();
  wire.close();
});

const say = (text: string, more: Partial<Parameters<Reader["client"]["say"]>[0]> = {}) =>
  alice.client.say({ text, threadId: null, clientMessageId: crypto.randomUUID(), ...more });

test("a message brings its events once, in order, and its text in pieces", async () => {
  await alice.begin();
  const { run_id, thread_id } = await say("what is 17*23, and what time is it in Tokyo?");
  const end = await alice.end(run_id!);
  const types = alice.of(run_id!).map((event) => event.type);
  expect(types[0]).toBe("agent_started");
  expect(types).toEqual(expect.arrayContaining(["agent_thinking", "tool_executing", "tool_completed"]));
  expect(end.type === "agent_completed" && end.payload.final_response).toBe(alice.textOf(run_id!));
  expect((await alice.api.thread(thread_id!)).messages.map((message) => message.role)).toEqual(["user", "agent"]);
  expect(alice.client.violations).toBe(0);
});

test("the same message twice is one run", async () => {
  await alice.begin();
  const clientMessageId = crypto.randomUUID();
  const first = await say("what is 2*3?", { clientMessageId });
  const second = await say("what is 2*3?", { clientMessageId });
  expect(second.run_id).toBe(first.run_id);
  await alice.end(first.run_id!);
  expect(alice.events.filter((event) => event.type === "message_created")).toHaveLength(1);
  await expect(say("something else", { clientMessageId })).rejects.toMatchObject({ code: "idempotency_conflict" });
});

test("cut again and again, it misses nothing and takes nothing twice", async () => {
  await alice.begin();
  const { run_id } = await say("count to 8");
  for (let cuts = 0; cuts < 3; cuts++) {
    const before = alice.of(run_id!).length;
    await alice.until(() => alice.of(run_id!).length > before || alice.of(run_id!).at(-1)?.type === "agent_completed");
    wire.cut();
    await alice.until(() => alice.client.status.state === "waiting");
    await alice.until(() => alice.client.status.state === "live");
  }
  const end = await alice.end(run_id!);
  expect(end.type === "agent_completed" && end.payload.final_response).toBe(alice.textOf(run_id!));
  expect(alice.client.violations).toBe(0);
  expect(alice.gaps).toEqual([]);
  expect(alice.snapshots).toHaveLength(1);
});

test("what is said while the server is away arrives when it is back, once", async () => {
  await alice.begin();
  wire.refuses = true;
  wire.cut();
  await alice.until(() => alice.client.status.state === "waiting");
  const said = say("what is 4*5?");
  wire.refuses = false;
  alice.client.wake();
  const { run_id } = await said;
  await alice.end(run_id!);
  expect(alice.textOf(run_id!)).toContain("20");
});

test("a stop is acknowledged, and ends the run with what was shown", async () => {
  await alice.begin();
  const { run_id, thread_id } = await say("count to 500 slowly");
  await alice.until(() => alice.textOf(run_id!) !== "");
  const stopped = await alice.client.stop({ runId: run_id! });
  expect(stopped.runs).toMatchObject([{ run_id, outcome: "stopping" }]);
  const end = await alice.end(run_id!);
  expect(end.type === "agent_stopped" && end.payload.partial_response).toBe(alice.textOf(run_id!));
  expect((await alice.client.stop({ threadId: thread_id! })).runs).toEqual([]);
  await expect(alice.client.stop({ runId: "nobody's" })).rejects.toMatchObject({ code: "not_found" });
});

test("several threads run side by side on one socket", async () => {
  await alice.begin();
  const runs = await Promise.all(["count to 5", "count to 6", "what is 6*7?"].map((text) => say(text)));
  expect(new Set(runs.map((run) => run.thread_id)).size).toBe(3);
  for (const { run_id } of runs) {
    const end = await alice.end(run_id!);
    expect(end.type === "agent_completed" && end.payload.final_response).toBe(alice.textOf(run_id!));
  }
  expect(alice.client.violations).toBe(0);
});

test("a second reader begins mid-run from the snapshot and has the whole", async () => {
  await alice.begin();
  const { run_id } = await say("count to 10");
  await alice.until(() => alice.textOf(run_id!).includes("3"));
  alice.client.refresh();
  await alice.until(() => alice.snapshots.length === 2);
  const at = alice.snapshots[1]!;
  await alice.end(run_id!);
  const later = alice.of(run_id!).filter((event) => event.seq > at.cursor.seq && event.type === "agent_message_delta");
  const whole = at.open_runs[0]!.text + later.map((event) => (event.payload as { text: string }).text).join("");
  const end = await alice.end(run_id!);
  expect(end.type === "agent_completed" && end.payload.final_response).toBe(whole);
});

test("a gap is told, and a snapshot follows it", async () => {
  await alice.begin();
  alice.client.close();
  alice.client.cursor = { epoch: "another", seq: 7 };
  alice.client.start();
  await alice.until(() => alice.snapshots.length === 2);
  expect(alice.gaps).toMatchObject([{ reason: "epoch" }]);
  await alice.until(() => alice.client.status.state === "live");
  const { run_id } = await say("what is 6*7?");
  await alice.end(run_id!);
});

test("an event that is lost on the way is noticed, and made good", async () => {
  await alice.begin();
  let dropped = false;
  alice.drops = (data) => {
    const drop = !dropped && data.includes('"agent_message_delta"');
    dropped ||= drop;
    return drop;
  };
  const { run_id } = await say("count to 5");
  await alice.until(() => alice.client.violations === 1 && alice.snapshots.length === 2);
  await alice.until(() => alice.client.status.state === "live");
  const again = await say("what is 6*7?", { threadId: alice.snapshots[1]!.threads[0]!.id, whenBusy: "queue" });
  await alice.end(again.run_id!);
  expect(alice.client.violations).toBe(1);
  expect(run_id).not.toBe(again.run_id);
});

test("an ended session is told, and what waits is refused", async () => {
  await alice.begin();
  wire.refuses = true;
  wire.cut();
  await alice.until(() => alice.client.status.state === "waiting");
  const said = say("never sent");
  const refused = expect(said).rejects.toBeInstanceOf(Problem);
  wire.refuses = false;
  await alice.api.signOutEverywhere();
  alice.client.wake();
  await alice.until(() => alice.client.status.state === "signed-out");
  await refused;
});
