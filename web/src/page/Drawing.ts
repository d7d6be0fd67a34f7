import type { Token, Tokens } from "marked";
import { CodeBlock, codeBlockOf } from "./code/CodeBlock";
import { drawFormulas } from "./formula";
import { blocksOf, drawBlock, htmlOf } from "./markdown";
import { morph } from "./morph";

const OPENS = /^( {0,3})(`{3,}|~{3,})([^\n]*)\n/;
/** Items of a list that is being written which may still change: the last one, and the one that it may turn out to be
 * part of. */
const UNSETTLED = 2;
/** The level of the heading that stands above every text. */
const ABOVE = 2;

/** A list of which the first items are on the page for good. */
type OpenList = { ordered: boolean; head: string; items: number; inner: string };
/** A fence that isn't closed yet. `from`: where in the text its next line begins; `partial`: how much of that line is
 * shown. */
type OpenCode = { block: CodeBlock; begins: number; from: number; partial: number; indent: number; fence: string };

/** A text on the page, block by block. While it is written, only what may still change is read anew, be it in a list or
 * a piece of code: a token more costs the same under ten lines and under ten thousand. When the text is whole it is read
 * once as a whole, since a later line may change what an earlier one means. */
export class Drawing {
  readonly #place: HTMLElement;
  #shown = "";
  /** How much of the text is on the page for good, and in how many blocks. */
  #settled = 0;
  #blocks = 0;
  /** Each block on the page, as HTML. */
  #drawn: string[] = [];
  /** Behind each block: the level of the last heading. */
  #levels: number[] = [];
  #list: OpenList | null = null;
  #code: OpenCode | null = null;

  constructor(place: HTMLElement) {
    this.#place = place;
  }

  draw(text: string, live: boolean): void {
    if (!live || !text.startsWith(this.#shown)) this.#readAnew();
    this.#shown = text;
    if (!live) this.#read(text, false);
    // Behind a fence that closes the text goes on.
    else while (this.#code === null ? this.#read(text, true) : this.#takeCode(this.#code, text));
  }

  #readAnew(): void {
    this.#settled = this.#blocks = 0;
    this.#list = null;
    this.#code = null;
  }

  /** Read what isn't settled. True: a fence was opened, and is to be read by its lines. */
  #read(text: string, live: boolean): boolean {
    const tokens = blocksOf(text.slice(this.#settled)).filter((token) => token.raw !== "");
    if (this.#list !== null && !continues(tokens[0], this.#list)) {
      this.#readAnew();
      return true;
    }
    const first = this.#blocks;
    this.#drawn.length = Math.min(this.#drawn.length, first + tokens.length);
    while (this.#place.childElementCount > first + tokens.length) this.#place.lastElementChild?.remove();
    let begins = this.#settled;
    tokens.forEach((token, index) => {
      const at = begins;
      begins += token.raw.length;
      const last = index === tokens.length - 1;
      if (live && last && token.type === "code" && this.#openCode(token as Tokens.Code, at, first + index)) return;
      this.#show(first + index, token, !live || !last);
      if (live && last && token.type === "list") this.#settleItems(token as Tokens.List, at);
      else if (live && index < tokens.length - UNSETTLED) this.#settle(token);
    });
    return this.#code !== null;
  }

  #settle(token: Token): void {
    this.#settled += token.raw.length;
    this.#blocks += 1;
    this.#list = null;
  }

  #show(at: number, token: Token, complete: boolean): void {
    const list = at === this.#blocks ? this.#list : null;
    const tail = own(htmlOf(token));
    const html = list === null ? tail : list.head + list.inner + innerOf(tail) + tail.slice(tail.lastIndexOf("</"));
    let block = this.#place.children[at];
    if (this.#drawn[at] !== html || block === undefined) {
      this.#drawn[at] = html;
      const drawn = drawBlock(tail);
      if (block === undefined) {
        block = document.createElement("div");
        block.append(drawn);
        this.#place.append(block);
      } else if (list !== null && block.firstElementChild !== null && drawn.firstElementChild !== null) {
        morph(block.firstElementChild, drawn.firstElementChild, list.items);
      } else morph(block, drawn);
    }
    this.#levels[at] = level(block, this.#levels[at - 1] ?? ABOVE);
    if (complete) for (const figure of block.querySelectorAll(".code")) codeBlockOf(figure)?.end();
  }

  /** Leave the first items of the list that is being written as they are from now on. */
  #settleItems(token: Tokens.List, begins: number): void {
    const count = token.items.length - UNSETTLED;
    if (count < 1) return;
    const items = token.items.slice(0, count);
    const html = htmlOf({ ...token, items } as Token);
    if (this.#list === null) {
      this.#list = { ordered: token.ordered, head: html.slice(0, html.indexOf(">\n") + 2), items: 0, inner: "" };
      // What is before it is complete.
      this.#settled = begins;
      this.#blocks = this.#drawn.length - 1;
    }
    this.#list.items += count;
    this.#list.inner += own(innerOf(html));
    this.#settled += items.reduce((sum, item) => sum + item.raw.length, 0);
  }

  /** Begin to read a fence by its lines. False: it's none, it's complete, or its first line isn't. */
  #openCode(token: Tokens.Code, begins: number, at: number): boolean {
    const opened = OPENS.exec(token.raw);
    if (opened === null) return false;
    const [first, indent = "", fence = "", info = ""] = opened;
    const lines = token.raw.slice(first.length).replace(/\n$/, "").split("\n");
    if (lines.some((line) => closes(line, fence))) return false;
    const block = new CodeBlock(/^\S*/.exec(info.trim())?.[0] ?? "");
    const element = document.createElement("div");
    element.append(block.element);
    const present = this.#place.children[at];
    if (present === undefined) this.#place.append(element);
    else present.replaceWith(element);
    delete this.#drawn[at];
    this.#levels[at] = this.#levels[at - 1] ?? ABOVE;
    this.#settled = begins;
    this.#blocks = at;
    this.#list = null;
    this.#code = { block, begins, from: begins + first.length, partial: 0, indent: indent.length, fence };
    return true;
  }

  /** Take what was written into the fence since. True: it's closed. */
  #takeCode(code: OpenCode, text: string): boolean {
    for (let end = text.indexOf("\n", code.from); end >= 0; end = text.indexOf("\n", code.from)) {
      const line = text.slice(code.from, end);
      code.from = end + 1;
      if (closes(line, code.fence)) {
        this.#closeCode(code, text);
        return true;
      }
      code.block.append(`${dedented(line, code.indent).slice(code.partial)}\n`);
      code.partial = 0;
    }
    const begun = text.slice(code.from);
    // It may become the end.
    if (/^ *(?:`*|~*)[ \t]*$/.test(begun)) return false;
    const shown = dedented(begun, code.indent);
    code.block.append(shown.slice(code.partial));
    code.partial = shown.length;
    return false;
  }

  #closeCode(code: OpenCode, text: string): void {
    code.block.end();
    const at = this.#blocks;
    const [token] = blocksOf(text.slice(code.begins, code.from));
    if (token !== undefined) this.#drawn[at] = own(htmlOf(token));
    const block = this.#place.children[at];
    if (block !== undefined) drawFormulas(block);
    this.#settled = code.from;
    this.#blocks = at + 1;
    this.#code = null;
  }
}

/** Tell what headings there are by levels that follow each other, whatever signs the writer chose; gives the last. */
function level(block: Element, before: number): number {
  let last = before;
  for (const heading of block.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    last = Math.min(ABOVE + Number(heading.tagName[1]), last + 1);
    heading.setAttribute("aria-level", String(last));
  }
  return last;
}

/** A text of its own: engines keep one that was put together as its parts, and a part that was cut out as a view of the
 * whole, so that each block would keep alive the whole answer as it was when the block was read. */
function own(html: string): string {
  return JSON.parse(JSON.stringify(html)) as string;
}

function continues(token: Token | undefined, list: OpenList): boolean {
  return token?.type === "list" && (token as Tokens.List).ordered === list.ordered;
}

/** The items of a list that is HTML. */
function innerOf(html: string): string {
  return html.slice(html.indexOf(">\n") + 2, html.lastIndexOf("</"));
}

/** Whether a line ends what such a fence began: at least as many of its signs, and nothing else (CommonMark 0.31.2, 4.5). */
function closes(line: string, fence: string): boolean {
  const signs = dedented(line, 3).trimEnd();
  return signs.length >= fence.length && signs === (fence[0] ?? "").repeat(signs.length);
}

function dedented(line: string, indent: number): string {
  return line.slice(Math.min(indent, /^ */.exec(line)?.[0].length ?? 0));
}
