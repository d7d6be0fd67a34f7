import type { Json, LogEvent, RunInfo, RunSoFar, RunState } from "../client";

export type ThinkingStep = { kind: "thinking"; text: string };
export type ToolStep = {
  kind: "tool";
  id: string;
  name: string;
  parameters: Json;
  /** null: under way. */
  status: string | null;
  result: Json;
  durationMs: number | null;
};
export type Step = ThinkingStep | ToolStep;

/** A run as this page knows it. `version` moves with every change, so that what shows it knows when to. */
export type Run = {
  id: string;
  threadId: string;
  state: RunState;
  agent: string;
  model: string;
  text: string;
  /** null: the run ended before this page looked; ask for them. */
  steps: Step[] | null;
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
    steps: [],
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

/** A run from its row alone: how it ended is known, what it did isn't. */
export function runOf(info: RunInfo): Run {
  return {
    ...newRun(info.id, info.thread_id, info.state),
    agent: info.agent,
    model: info.model,
    steps: null,
    startedAt: time(info.started_at),
    finishedAt: time(info.finished_at),
    stopping: info.stop_requested_at !== null,
    stopReason: info.stop_reason,
    error:
      info.error_code === null
        ? null
        : { code: info.error_code, message: info.error_message ?? info.error_code, retryable: true },
  };
}

/** A run with everything that was told of it. */
export function runSoFar(so: RunSoFar): Run {
  return { ...runOf(so.run), text: so.text, steps: stepsOf(so) };
}

export function stepsOf(so: RunSoFar): Step[] {
  const tools = so.tools.map(
    (tool): Step => ({
      kind: "tool",
      id: tool.tool_call_id,
      name: tool.tool_name,
      parameters: tool.parameters,
      status: tool.status,
      result: tool.result,
      durationMs: tool.duration_ms,
    }),
  );
  return so.thinking ? [{ kind: "thinking", text: so.thinking }, ...tools] : tools;
}

/** Take one of the run's own events. */
export function applyToRun(run: Run, event: LogEvent): void {
  run.version += 1;
  run.steps ??= [];
  switch (event.type) {
    case "agent_started":
      run.state = "running";
      run.agent = event.payload.agent;
      run.model = event.payload.model;
      run.earlierLeftOut = event.payload.earlier_turns_left_out ?? 0;
      run.earlierInShort = event.payload.earlier_turns_in_short ?? 0;
      run.startedAt = time(event.ts);
      return;
    case "agent_thinking": {
      const last = run.steps.at(-1);
      if (last?.kind === "thinking") last.text += event.payload.reasoning;
      else run.steps.push({ kind: "thinking", text: event.payload.reasoning });
      return;
    }
    case "tool_executing":
      run.steps.push({
        kind: "tool",
        id: event.payload.tool_call_id,
        name: event.payload.tool_name,
        parameters: event.payload.parameters,
        status: null,
        result: null,
        durationMs: null,
      });
      return;
    case "tool_completed": {
      const { tool_call_id, status, result, duration_ms } = event.payload;
      const step = run.steps.find((each) => each.kind === "tool" && each.id === tool_call_id);
      if (step?.kind === "tool") Object.assign(step, { status, result, durationMs: duration_ms });
      return;
    }
    case "agent_message_delta":
      run.text += event.payload.text;
      return;
    case "agent_stopping":
      run.stopping = true;
      run.stopReason = event.payload.reason;
      return;
    case "agent_completed":
      end(run, "completed", event.payload.final_response, event.ts);
      return;
    case "agent_stopped":
      run.stopReason = event.payload.reason;
      end(run, "stopped", event.payload.partial_response, event.ts);
      return;
    case "agent_failed": {
      const { code, message, retryable } = event.payload;
      run.error = { code, message, retryable };
      end(run, "failed", event.payload.partial_response, event.ts);
      return;
    }
    default:
      return;
  }
}

function end(run: Run, state: RunState, text: string, ts: string): void {
  run.state = state;
  run.text = text;
  run.finishedAt = time(ts);
}

function time(ts: string | null): number | null {
  return ts === null ? null : Date.parse(ts);
}
