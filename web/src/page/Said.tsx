import { useState } from "preact/hooks";
import { Markdown } from "./Markdown";
import { moment } from "./wording";

/** More than this of one message is folded at first. */
const LINES = 16;
const CHARS = 1_600;

type Props = { text: string; at?: string; waiting?: boolean };

/** What the user said, as it was typed, but for code between fences, which is drawn as code. */
export function Said({ text, at, waiting = false }: Props) {
  const [open, setOpen] = useState(false);
  const long = text.length > CHARS || text.split("\n", LINES + 1).length > LINES;
  return (
    <div class={waiting ? "said waiting" : "said"} title={at === undefined ? undefined : moment(at)}>
      <h2 class="unseen">You said</h2>
      <div class={long && !open ? "said-text folded" : "said-text"}>
        {segmentsOf(text).map((segment, index) =>
          segment.kind === "code" ? (
            <Markdown key={index} text={segment.text} live={false} />
          ) : segment.kind === "quote" ? (
            <blockquote key={index} dir="auto">
              {segment.text}
            </blockquote>
          ) : (
            <p key={index} dir="auto">
              {segment.text}
            </p>
          ),
        )}
      </div>
      {long && (
        <button type="button" class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Show less" : "Show all"}
        </button>
      )}
    </div>
  );
}

type Segment = { kind: "text" | "quote" | "code"; text: string };

const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/;
const QUOTE = /^ {0,3}> ?/;

/** Takes a message apart at its fences and quotes; what has no end goes on to the message's. */
export function segmentsOf(text: string): Segment[] {
  const segments: Segment[] = [];
  let fence: string | null = null;
  const add = (kind: Segment["kind"], line: string, anew = false) => {
    const last = segments.at(-1);
    if (last?.kind === kind && !anew) last.text += `\n${line}`;
    else segments.push({ kind, text: line });
  };
  for (const line of text.split("\n")) {
    if (fence !== null) {
      add("code", line);
      const end = FENCE.exec(line)?.[1];
      if (end?.startsWith(fence) && line.trim() === end) fence = null;
      continue;
    }
    fence = FENCE.exec(line)?.[1] ?? null;
    if (fence !== null) add("code", line, true);
    else if (QUOTE.test(line)) add("quote", line.replace(QUOTE, ""));
    else add("text", line);
  }
  // Empty lines around code and quotes are the distance between them.
  return segments
    .map((segment) => (segment.kind === "text" ? { ...segment, text: segment.text.replace(/^\n+/, "").trimEnd() } : segment))
    .filter((segment) => segment.text !== "");
}
