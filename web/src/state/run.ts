import type { Json, LogEvent, PartInfo, RunInfo, RunOutline, RunSoFar, RunState, ToolInfo } from "../client";

export type TextPart = { kind: "text"; text: string };
/** `text` null: known in short only. Times are in ms since 1970, by the server's clock. */
export type ThinkingPart = { kind: "thinking"; text: string | null; beganAt: number; endedAt: number };
export type ToolPart = {
  kind: "tool";
  id: string;
  name: string;
  parameters: Json;
  beganAt: number;
  /** null: under way. */
  status: string | null;
  result: Json;
  durationMs: number | null;
};
/** What a run said and did, in its order. A card that asks the user something will be a kind of its own. */
export type Part = TextPart | ThinkingPart | ToolPart;

/** A run as this page knows it. `version` moves with every change, so that what shows it knows when to. */
export type Run = {
  id: string;
  threadId: string;
  state: RunState;
  agent: string;
  model: string;
  text: string;
  /** null: the run ended before this page looked; ask for them. */
  parts: Part[] | null;
  /** Whether they are whole, with every thought and result; else they are enough to be drawn, and the rest is asked for. */
  whole: boolean;
  /** When it last told something, by the server's clock. */
  toldAt: number;
  /** Earlier turns of the thread that the model isn't given, and those that it's given by their texts alone. */
  earlierLeftOut: number;
  earlierInShort: number;
  startedAt: number | null;
  finishedAt: number | null;
  stopping: boolean;
  stopReason: string | null;
  error: { code: string; message: string; retryable: boolean } | null;
  version: number;
};

export function newRun(id: string, threadId: string, state: RunState): Run {
  return {
    id,
    threadId,
    state,
    agent: "",
    model: "",
    text: "",
    parts: [],
    whole: true,
    toldAt: 0,
    earlierLeftOut: 0,
    earlierInShort: 0,
    startedAt: null,
    finishedAt: null,
    stopping: false,
    stopReason: null,
    error: null,
    version: 0,
  };
}

export function isOpen(run: Run): boolean {
  return run.state === "queued" || run.state === "running";
}

/** A run from its row, and in short what it did: `text` is that of its answer. */
export function runOf(info: RunInfo, outline: RunOutline | undefined, text: string): Run {
  return {
    ...newRun(info.id, info.thread_id, info.state),
    agent: info.agent,
    model: info.model,
    text,
    parts: outline === undefined ? null : partsOf(outline.parts, outline.tools, text, null),
    whole: false,
    startedAt: time(info.started_at),
    finishedAt: time(info.finished_at),
    stopping: info.stop_requested_at !== null,
    stopReason: info.stop_reason,
    error:
      info.error_code === null
        ? null
        : {
            code: info.error_code,
            message: info.error_message ?? info.error_code,
            retryable: info.error_retryable === true,
          },
  };
}

/** A run with everything that was told of it. */
export function runSoFar(so: RunSoFar): Run {
  const run = runOf(so.run, undefined, so.text);
  takeWhole(run, so);
  return run;
}

/** Put what was asked for in the place of what was known in short. */
export function takeWhole(run: Run, so: RunSoFar): void {
  run.parts = partsOf(so.parts, so.tools, so.text, so.thinking);
  run.whole = true;
  run.toldAt = Math.max(run.startedAt ?? 0, ...so.parts.map((part) => time(part.ended_at ?? part.began_at) ?? 0));
  run.version += 1;
}

function partsOf(parts: PartInfo[], tools: ToolInfo[], text: string, thinking: string | null): Part[] {
  const saying = pieces(text);
  const thought = thinking === null ? null : pieces(thinking);
  const called = new Map(tools.map((tool) => [tool.tool_call_id, tool]));
  return parts.flatMap((part): Part[] => {
    const beganAt = Date.parse(part.began_at);
    if (part.kind === "text") return [{ kind: "text", text: saying(part.chars) }];
    if (part.kind === "thinking") {
      return [{ kind: "thinking", text: thought?.(part.chars) ?? null, beganAt, endedAt: time(part.ended_at) ?? beganAt }];
    }
    const tool = called.get(part.tool_call_id ?? "");
    return tool === undefined
      ? []
      : [
          {
            kind: "tool",
            id: tool.tool_call_id,
            name: tool.tool_name,
            parameters: tool.parameters,
            beganAt,
            status: tool.status,
            result: tool.result,
            durationMs: tool.duration_ms,
          },
        ];
  });
}

/** Takes a text apart by numbers of characters as the server counts them: code points, of which some are two here. */
function pieces(text: string): (chars: number) => string {
  let at = 0;
  return (chars) => {
    const from = at;
    for (let left = chars; left > 0 && at < text.length; left -= 1) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
    return text.slice(from, at);
  };
}

/** Take one of the run's own events. */
export function applyToRun(run: Run, event: LogEvent): void {
  run.version += 1;
  run.parts ??= [];
  const at = Date.parse(event.ts);
  const before = run.toldAt || at;
  switch (event.type) {
    case "agent_started":
      run.state = "running";
      run.agent = event.payload.agent;
      run.model = event.payload.model;
      run.earlierLeftOut = event.payload.earlier_turns_left_out ?? 0;
      run.earlierInShort = event.payload.earlier_turns_in_short ?? 0;
      run.startedAt = run.toldAt = at;
      return;
    case "agent_thinking": {
      const last = run.parts.at(-1);
      run.toldAt = at;
      if (last?.kind === "thinking") {
        last.text = (last.text ?? "") + event.payload.reasoning;
        last.endedAt = at;
      } else run.parts.push({ kind: "thinking", text: event.payload.reasoning, beganAt: before, endedAt: at });
      return;
    }
    case "tool_executing":
      run.toldAt = at;
      run.parts.push({
        kind: "tool",
        id: event.payload.tool_call_id,
        name: event.payload.tool_name,
        parameters: event.payload.parameters,
        beganAt: at,
        status: null,
        result: null,
        durationMs: null,
      });
      return;
    case "tool_completed": {
      const { tool_call_id, status, result, duration_ms } = event.payload;
      const part = run.parts.find((each) => each.kind === "tool" && each.id === tool_call_id);
      if (part?.kind === "tool") Object.assign(part, { status, result, durationMs: duration_ms });
      run.toldAt = at;
      return;
    }
    case "agent_message_delta": {
      const last = run.parts.at(-1);
      run.toldAt = at;
      run.text += event.payload.text;
      if (last?.kind === "text") last.text += event.payload.text;
      else run.parts.push({ kind: "text", text: event.payload.text });
      return;
    }
    case "agent_stopping":
      run.stopping = true;
      run.stopReason = event.payload.reason;
      return;
    case "agent_completed":
      end(run, "completed", event.payload.final_response, at);
      return;
    case "agent_stopped":
      run.stopReason = event.payload.reason;
      end(run, "stopped", event.payload.partial_response, at);
      return;
    case "agent_failed": {
      const { code, message, retryable } = event.payload;
      run.error = { code, message, retryable };
      end(run, "failed", event.payload.partial_response, at);
      return;
    }
    default:
      return;
  }
}

function end(run: Run, state: RunState, text: string, at: number): void {
  run.state = state;
  run.text = text;
  run.finishedAt = at;
}

function time(ts: string | null): number | null {
  return ts === null ? null : Date.parse(ts);
}
