import type { FinishReason, Json, Problem } from "../client";

/** A time of day, as people here write it. */
export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** A moment, as people here write it. */
export function moment(ts: string): string {
  return new Date(ts).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

export function duration(ms: number): string {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** A time that goes on, or is told in passing: in whole seconds. */
export function seconds(ms: number): string {
  const whole = Math.floor(ms / 1000);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** A model by its own name, without the kind of server that runs it. */
export function modelName(model: string): string {
  return model.replace(/^openai:/, "");
}

/** What is said under an answer that isn't whole; null where it is. */
export function wordsOfEnd(finishReason: FinishReason): string | null {
  switch (finishReason) {
    case "length":
      return "The answer was cut here: it reached the model’s limit. Ask it to go on.";
    case "content_filter":
      return "The answer was cut here by the filter of the model’s provider.";
    case "refusal":
      return "The model refused to answer.";
    default:
      return null;
  }
}

/** Why a message wasn't taken, in the page's own words where the server's are for programs. */
export function wordsOfRefusal(problem: Problem): string {
  if (problem.code === "thread_busy") return "The agent is still busy in this conversation.";
  if (problem.code === "not_found") return "This conversation is gone; it may have been deleted elsewhere.";
  return problem.message;
}

/** Whether a text is this value as JSON, however it is spaced. */
export function tells(text: string, value: Json): boolean {
  try {
    return JSON.stringify(JSON.parse(text)) === JSON.stringify(value);
  } catch {
    return false;
  }
}

/** Any value, to be read in full. */
export function pretty(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** Any value, on one line. */
export function shortly(value: Json): string {
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    return Object.entries(value)
      .map(([name, inner]) => `${name}: ${typeof inner === "string" ? inner : JSON.stringify(inner)}`)
      .join(", ");
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Earlier turns; the server counts up to a thousand. */
export function turns(count: number): string {
  if (count >= 1000) return "1,000 or more earlier turns";
  return count === 1 ? "one earlier turn" : `${count} earlier turns`;
}
