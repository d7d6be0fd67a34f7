import DOMPurify, { type Config } from "dompurify";
import { Marked, type Token, type TokensList } from "marked";
import { CodeBlock } from "./code/CodeBlock";
import { directionOf } from "./direction";
import { escape } from "./escape";
import { drawFormulas, FORMULAS } from "./formula";

/** Turns what agents write into DOM. Raw HTML is shown as it was written, pictures are named and not loaded, and
 * whatever is left goes through DOMPurify with a short list of elements. */

/** Signs of emphasis in one paragraph; in one with more of them they are shown as they are. Pairing them costs the
 * square of their number, and whoever writes thousands wants the reader's browser to stand still. */
const MOST_SIGNS = 400;
/** Quotes and lists within each other on one line; each is a level of recursion. */
const NESTED = /^(?: {0,3}(?:>|[*+-]|\d{1,9}[.)])[ \t]?){16}/;

let lastParagraph = "";
let tooMany = false;

/** Whether a paragraph (as marked gives it, once for each of its signs) has too many of them. */
function hasTooMany(paragraph: string): boolean {
  if (paragraph !== lastParagraph) {
    lastParagraph = paragraph;
    tooMany = paragraph.split(/[*_~]/, MOST_SIGNS + 2).length > MOST_SIGNS + 1;
  }
  return tooMany;
}

const marked = new Marked({
  gfm: true,
  breaks: true,
  extensions: FORMULAS,
  tokenizer: {
    // `undefined`: there is none here, so it is text; `false`: look as usual.
    emStrong: (_rest, paragraph) => (hasTooMany(paragraph) ? undefined : false),
    del: (_rest, paragraph) => (hasTooMany(paragraph) ? undefined : false),
    blockquote: (rest) => (NESTED.test(rest) ? undefined : false),
    list: (rest) => (NESTED.test(rest) ? undefined : false),
  },
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ href, text }) => `<a href="${escape(href)}">${escape(text || "picture")}</a>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

/** How a list's item begins that is to be done, or is done. */
const TASK = /^\s*[☐☑] /;

const ALLOWED: Config & { RETURN_DOM_FRAGMENT: true } = {
  ALLOWED_TAGS: (
    "p br hr strong em del code pre blockquote ul ol li a table thead tbody tr th td h1 h2 h3 h4 h5 h6"
  ).split(" "),
  ALLOWED_ATTR: ["href", "title", "class", "start", "align"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  // DOMPurify would take their values for addresses.
  ADD_URI_SAFE_ATTR: ["align", "start"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/** The top-level blocks of a text; each can be drawn by itself. */
export function blocksOf(text: string): TokensList {
  return marked.lexer(text);
}

/** A block as HTML that is not safe yet; equal for blocks that look equal. */
export function htmlOf(block: Token): string {
  return marked.parser([block]);
}

/** What `htmlOf` gave, safe and ready to be shown. */
export function drawBlock(html: string): DocumentFragment {
  const drawn = DOMPurify.sanitize(html, ALLOWED);
  for (const element of drawn.querySelectorAll("[class]")) {
    if (!/^language-[\w+#.-]+$/.test(element.className)) element.removeAttribute("class");
  }
  for (const link of drawn.querySelectorAll("a")) {
    // What pointed to a script points nowhere now: then it is text.
    if (!link.hasAttribute("href")) {
      link.replaceWith(...link.childNodes);
      continue;
    }
    link.target = "_blank";
    link.rel = "noopener noreferrer";
  }
  // A list or a table runs one way as a whole; what stands by itself runs as it begins.
  for (const whole of drawn.querySelectorAll<HTMLElement>("ul, ol, blockquote, table")) whole.dir = directionOf(whole.textContent ?? "");
  for (const line of drawn.querySelectorAll<HTMLElement>("p, h1, h2, h3, h4, h5, h6, td, th")) line.dir = "auto";
  for (const pre of drawn.querySelectorAll("pre")) pre.dir = "ltr";
  for (const item of drawn.querySelectorAll("li")) if (TASK.test(item.textContent ?? "")) item.className = "task";
  for (const table of drawn.querySelectorAll("table")) table.replaceWith(scrolling(table, "Table"));
  for (const pre of drawn.querySelectorAll("pre")) pre.replaceWith(codeBlock(pre));
  drawFormulas(drawn);
  return drawn;
}

/** Wide things scroll by themselves, with the keyboard too. */
function scrolling(inner: HTMLElement, label: string): HTMLElement {
  const outer = document.createElement("div");
  outer.className = "scrolling";
  outer.tabIndex = 0;
  outer.setAttribute("role", "group");
  outer.setAttribute("aria-label", label);
  if (inner.dir !== "") outer.dir = inner.dir;
  outer.append(inner.cloneNode(true));
  return outer;
}

function codeBlock(pre: HTMLElement): HTMLElement {
  const language = /language-(\S+)/.exec(pre.querySelector("code")?.className ?? "")?.[1] ?? "";
  return new CodeBlock(language, (pre.textContent ?? "").replace(/\n$/, "")).element;
}
