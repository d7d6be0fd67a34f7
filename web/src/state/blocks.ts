import type { Part, Run, ThinkingPart, ToolPart } from "./run";

export type Step = ThinkingPart | ToolPart;
/** What stands below each other in a turn. `key` is the number of the part with which it begins. */
export type Block = { kind: "text"; key: number; text: string } | { kind: "work"; key: number; steps: Step[] };

/** A run's parts as they are drawn: texts, and between them what was thought and done.
 *
 * `answer` is the whole text as it is kept. Where the parts don't say just that (the log was cut), it stands last. */
export function blocksOf(run: Run | undefined, answer: string): Block[] {
  const parts = run?.parts ?? [];
  if (run?.finishedAt !== null && textOf(parts) !== answer) {
    const work = parts.filter((part) => part.kind !== "text");
    return [...join(work), ...(answer.trim() === "" ? [] : [{ kind: "text" as const, key: parts.length, text: answer }])];
  }
  return join(parts);
}

function textOf(parts: Part[]): string {
  return parts.map((part) => (part.kind === "text" ? part.text : "")).join("");
}

function join(parts: Part[]): Block[] {
  const blocks: Block[] = [];
  // The last text, while nothing but thoughts came after it: some models think in mid-line, and it goes on there.
  let open: Extract<Block, { kind: "text" }> | null = null;
  parts.forEach((part, key) => {
    if (part.kind === "text") {
      if (open !== null && !open.text.endsWith("\n") && !part.text.startsWith("\n")) open.text += part.text;
      else if (part.text.trim() !== "") blocks.push((open = { kind: "text", key, text: part.text }));
      return;
    }
    if (part.kind === "tool") open = null;
    const last = blocks.at(-1);
    if (last?.kind === "work") last.steps.push(part);
    else blocks.push({ kind: "work", key, steps: [part] });
  });
  return blocks;
}
