import type { FinishReason, Json, LogEvent, MessageInfo, ThreadDetail } from "../client";
import { type Run, runOf } from "./run";

/** What the user said, and the run that it started. One of the two may be on a page that isn't loaded. */
export type Turn = {
  runId: string;
  /** Orders the turns of a conversation. */
  seq: number;
  said: { text: string; at: string } | null;
  answered: { text: string; at: string; finishReason: FinishReason; output: Json } | null;
  version: number;
};

/** The turns of one thread, put together from pages of messages and from events, in any order: both know a turn by
 * its run, so nothing stands there twice. */
export class Conversation {
  turns: Turn[] = [];
  loaded = false;
  /** The page that is being read. */
  reading: Promise<void> | null = null;
  problem: string | null = null;
  /** Pages further back begin before this number; null: the beginning is loaded. */
  before: number | null = null;
  /** Events of this thread may be missing. */
  gap = false;
  readonly #byRun = new Map<string, Turn>();

  constructor(readonly threadId: string) {}

  get loading(): boolean {
    return this.reading !== null;
  }

  /** Whether it's loaded as far as this message of a run. */
  has(runId: string, role: "user" | "agent"): boolean {
    const turn = this.#byRun.get(runId);
    return turn !== undefined && (role === "user" ? turn.said : turn.answered) !== null;
  }

  /** Take a page of the thread. What `known` runs are is not touched: they are told by events, which go on. */
  takePage(detail: ThreadDetail, runs: Map<string, Run>, size: number): void {
    for (const message of detail.messages) this.#takeMessage(message);
    for (const info of detail.runs) {
      if (runs.has(info.id) || info.terminal_seq === null) continue;
      const answer = this.#byRun.get(info.id)?.answered?.text ?? "";
      runs.set(info.id, runOf(info, detail.outlines[info.id], answer));
    }
    this.before = detail.messages.length >= size ? (detail.messages[0]?.number ?? null) : null;
    this.loaded = true;
    this.#sort();
  }

  takeEvent(event: LogEvent): void {
    switch (event.type) {
      case "message_created": {
        const turn = this.#turn(event.payload.run_id, event.seq);
        turn.said = { text: event.payload.text, at: event.ts };
        turn.version += 1;
        this.#sort();
        return;
      }
      case "agent_completed":
      case "agent_stopped":
      case "agent_failed": {
        if (event.run_id === null) return;
        const text =
          event.type === "agent_completed" ? event.payload.final_response : event.payload.partial_response;
        const turn = this.#turn(event.run_id, event.seq);
        const finishReason = event.type === "agent_completed" ? (event.payload.finish_reason ?? "stop") : "stop";
        const output = event.type === "agent_completed" ? (event.payload.output ?? null) : null;
        turn.answered = text ? { text, at: event.ts, finishReason, output } : null;
        turn.version += 1;
        return;
      }
      default:
        return;
    }
  }

  #takeMessage(message: MessageInfo): void {
    const turn = this.#turn(message.run_id, message.seq);
    const part = { text: message.text, at: message.created_at };
    if (message.role === "user") turn.said = part;
    else turn.answered = { ...part, finishReason: message.finish_reason ?? "stop", output: message.output };
    turn.version += 1;
  }

  #turn(runId: string, seq: number): Turn {
    let turn = this.#byRun.get(runId);
    if (turn === undefined) {
      turn = { runId, seq, said: null, answered: null, version: 0 };
      this.#byRun.set(runId, turn);
      this.turns.push(turn);
    }
    turn.seq = Math.min(turn.seq, seq);
    return turn;
  }

  #sort(): void {
    this.turns.sort((a, b) => a.seq - b.seq);
  }
}
