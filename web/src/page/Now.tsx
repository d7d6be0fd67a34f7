import { useEffect, useState } from "preact/hooks";
import type { Run, ToolPart } from "../state/run";
import type { Store } from "../state/store";
import { seconds } from "./wording";

const TICK = 500;
/** A model that is silent for so long, in ms, is waited for; a shorter silence is part of writing. */
const SILENCE = 3_000;

/** The last line of a run that works: what it does just now, and for how long. It stays in sight. */
export function Now({ run, store }: { run: Run; store: Store }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((number) => number + 1), TICK);
    return () => clearInterval(timer);
  }, []);
  const now = Date.now() + store.client.ahead;
  const { text, since } = run.stopping ? { text: "Stopping …", since: null } : doing(run, now);
  const took = since === null ? 0 : now - since;
  return (
    <p class={run.stopping ? "now stopping" : "now"}>
      <span class="pulse" aria-hidden="true" />
      <span class="now-what">{took >= 1000 ? `${text}, ${seconds(took)}` : text}</span>
    </p>
  );
}

function doing(run: Run, now: number): { text: string; since: number | null } {
  const tools = (run.parts ?? []).filter((part): part is ToolPart => part.kind === "tool" && part.status === null);
  if (tools.length > 0) {
    const text = tools.length === 1 ? `Using ${tools[0]?.name}` : `Using ${tools.length} tools`;
    return { text, since: Math.min(...tools.map((tool) => tool.beganAt)) };
  }
  const last = run.parts?.at(-1);
  if (last?.kind === "thinking") return { text: "Thinking", since: last.beganAt };
  if (last?.kind === "text" && now - run.toldAt < SILENCE) return { text: "Writing", since: null };
  return { text: last?.kind === "text" ? "Waiting for the model" : "Working", since: run.toldAt || null };
}
