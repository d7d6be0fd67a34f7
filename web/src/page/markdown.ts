import DOMPurify from "dompurify";
import { Marked, type Token, type TokensList } from "marked";

/** Turns what agents write into DOM. Raw HTML is shown as it was written, pictures are named and not loaded, and
 * whatever is left goes through DOMPurify with a short list of elements. */

const escaped: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (text: string) => text.replace(/[&<>"']/g, (sign) => escaped[sign] ?? sign);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ href, text }) => `<a href="${escape(href)}">${escape(text || "picture")}</a>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

const ALLOWED = {
  ALLOWED_TAGS: (
    "p br hr strong em del code pre blockquote ul ol li a table thead tbody tr th td h1 h2 h3 h4 h5 h6"
  ).split(" "),
  ALLOWED_ATTR: ["href", "title", "class", "start", "align"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
} as const;

/** The top-level blocks of a text; each can be drawn by itself. */
export function blocksOf(text: string): TokensList {
  return marked.lexer(text);
}

export function drawBlock(block: Token): DocumentFragment {
  const html = marked.parser([block]);
  const drawn = DOMPurify.sanitize(html, { ...ALLOWED, ALLOWED_TAGS: [...ALLOWED.ALLOWED_TAGS], ALLOWED_ATTR: [...ALLOWED.ALLOWED_ATTR] });
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
  for (const table of drawn.querySelectorAll("table")) table.replaceWith(scrolling(table, "Table"));
  for (const pre of drawn.querySelectorAll("pre")) pre.replaceWith(codeBlock(pre));
  return drawn;
}

/** Wide things scroll by themselves, with the keyboard too. */
function scrolling(inner: HTMLElement, label: string): HTMLElement {
  const outer = document.createElement("div");
  outer.className = "scrolling";
  outer.tabIndex = 0;
  outer.setAttribute("role", "region");
  outer.setAttribute("aria-label", label);
  outer.append(inner.cloneNode(true));
  return outer;
}

function codeBlock(pre: HTMLElement): HTMLElement {
  const language = /language-(\S+)/.exec(pre.querySelector("code")?.className ?? "")?.[1] ?? "";
  const figure = document.createElement("figure");
  figure.className = "code";
  const head = document.createElement("figcaption");
  head.append(language);
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "link";
  copy.textContent = "Copy";
  copy.setAttribute("aria-label", "Copy this code");
  const text = (pre.textContent ?? "").replace(/\n$/, "");
  copy.addEventListener("click", () => void copyText(text, copy));
  head.append(copy);
  const body = scrolling(pre, language ? `Code, ${language}` : "Code");
  figure.append(head, body);
  return figure;
}

const SHOWN_FOR = 2_000;

async function copyText(text: string, button: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copying isn't allowed";
  }
  setTimeout(() => (button.textContent = "Copy"), SHOWN_FOR);
}
