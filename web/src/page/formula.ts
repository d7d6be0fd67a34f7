import type { TokenizerAndRendererExtension, Tokens } from "marked";
import { escape } from "./escape";

/** Formulas as models write them: `\(a\)` and `$a$` in a line, `\[a\]` and `$$a$$` by themselves. Markdown alone would
 * take their backslashes for its own. They are drawn as MathML, which browsers know; what draws it is loaded when the
 * first formula is met, and until then (or where it isn't one) the formula stands as it was written. */

/** Characters of a formula. What is longer is text, so that looking for an end costs no more than this for each sign. */
const LONGEST = 1_000;

type Formula = Tokens.Generic & { tex: string };

const inline: TokenizerAndRendererExtension = {
  name: "formula",
  level: "inline",
  start: (rest) => next(rest, /\\\(|\\\[|\$/),
  tokenizer: (rest) => between(rest, "\\(", "\\)") ?? between(rest, "\\[", "\\]") ?? between(rest, "$$", "$$") ?? money(rest),
  renderer: (token) => `<code class="language-formula">${escape((token as Formula).raw)}</code>`,
};

const block: TokenizerAndRendererExtension = {
  name: "formulaBlock",
  level: "block",
  start: (rest) => next(rest, /^(?:\\\[|\$\$)/m),
  tokenizer: (rest) => {
    const found = between(rest, "\\[", "\\]") ?? between(rest, "$$", "$$");
    if (found === undefined || !/^[ \t]*(?:\n|$)/.test(rest.slice(found.raw.length, found.raw.length + 100))) return undefined;
    return { ...found, type: "formulaBlock" };
  },
  renderer: (token) => `<p><code class="language-formula">${escape((token as Formula).raw)}</code></p>`,
};

/** For marked. */
export const FORMULAS = [inline, block];

/** Where the next formula may begin. It's asked at every piece of text, so it doesn't look to the text's end each time. */
function next(rest: string, begins: RegExp): number {
  const found = rest.slice(0, LONGEST).search(begins);
  return found < 0 && rest.length > LONGEST ? LONGEST : found;
}

function between(rest: string, opens: string, closes: string): Formula | undefined {
  if (!rest.startsWith(opens)) return undefined;
  const end = rest.slice(0, LONGEST).indexOf(closes, opens.length);
  const tex = rest.slice(opens.length, end);
  if (end < 0 || tex.trim() === "" || tex.includes("\n\n")) return undefined;
  return { type: "formula", raw: rest.slice(0, end + closes.length), tex };
}

/** `$a$`, and not "from $5 to $7, or US$ 5": no space inside the signs, no digit behind (Pandoc's rule), and either one
 * letter or something that only formulas have. */
function money(rest: string): Formula | undefined {
  const found = between(rest, "$", "$");
  if (found === undefined || found.tex !== found.tex.trim() || found.tex.includes("\n")) return undefined;
  if (!/[\\^_={}<>]/.test(found.tex) && !/^[A-Za-z]'*$/.test(found.tex)) return undefined;
  return /\d/.test(rest[found.raw.length] ?? "") ? undefined : found;
}

type Draw = typeof import("katex").default.render;

let loading: Promise<Draw> | null = null;
let draw: Draw | null = null;

/** Put formulas where they stand as they were written, below this element. */
export function drawFormulas(within: ParentNode): void {
  const found = [...within.querySelectorAll<HTMLElement>("code.language-formula, code.language-math")];
  if (found.length === 0) return;
  if (draw !== null) {
    for (const each of found) drawOne(each, draw);
    return;
  }
  loading ??= import("katex").then(({ default: { render } }) => (draw = render));
  loading.then(
    (render) => found.forEach((each) => drawOne(each, render)),
    // Not loaded: they stay readable as they were written, and the next one tries again.
    () => (loading = null),
  );
}

function drawOne(code: HTMLElement, render: Draw): void {
  const written = code.textContent ?? "";
  const sign = ["\\(", "\\[", "$$", "$"].find((opens) => written.startsWith(opens));
  const tex = sign === undefined ? written : written.slice(sign.length, -sign.length);
  const formula = document.createElement("span");
  const displayMode = sign === undefined || sign === "\\[" || sign === "$$";
  formula.className = displayMode ? "formula block" : "formula";
  try {
    // `trust: false` (its default) draws no links and no pictures; the rest bounds what macros and sizes can do.
    render(tex, formula, { displayMode, output: "mathml", throwOnError: true, strict: "ignore", maxExpand: 200, maxSize: 20 });
  } catch {
    return; // not a formula: it stays as it was written
  }
  formula.title = written;
  (code.closest("figure") ?? code).replaceWith(formula);
}
