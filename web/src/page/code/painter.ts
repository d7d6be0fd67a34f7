import { StringStream } from "@codemirror/streamparser";
import type { Mode } from "./languages";

/** A piece of a line, and the class that colours it. */
export type Piece = { text: string; kind: string | null };

const TAB = 4;
/** Characters of a line that is coloured. Some modes look back to its beginning at each word. */
const LONGEST = 1_000;
/** Brackets that are open at a time. Some modes go through all of them at each word; who nests thousands wants the page
 * to stand still. */
const DEEPEST = 200;
/** How often a mode may look without going on; CodeMirror's own number. */
const TRIES = 10;

const KINDS: Record<string, string> = {
  annotation: "meta", atom: "atom", attribute: "name", attributeName: "name", bool: "atom", builtin: "function",
  character: "string", className: "type", comment: "comment", controlKeyword: "keyword", def: "function",
  definition: "function", deleted: "deleted", docString: "comment", escape: "string", function: "function",
  inserted: "inserted", keyword: "keyword", labelName: "meta", literal: "atom", meta: "meta", modifier: "keyword",
  moduleKeyword: "keyword", namespace: "type", null: "atom", number: "number", operatorKeyword: "keyword",
  processingInstruction: "meta", property: "name", propertyName: "name", qualifier: "type", regexp: "string",
  standard: "function", string: "string", "string-2": "string", tag: "keyword", tagName: "keyword", type: "type",
  typeName: "type", unit: "number", url: "string",
}; // prettier-ignore

/** Reads the lines of one piece of code, one after the other; each costs what is in it, however many came before. */
export class Painter {
  readonly #mode: Mode;
  readonly #state: unknown;
  #ended = false;
  #depth = 0;

  constructor(mode: Mode) {
    this.#mode = mode;
    this.#state = mode.startState?.(TAB) ?? {};
  }

  /** The next line in pieces; null: this code isn't coloured from here on. */
  line(text: string): Piece[] | null {
    if (text.length > LONGEST || this.#deep(text)) this.#ended = true;
    if (this.#ended) return null;
    const pieces: Piece[] = [];
    try {
      if (text === "") this.#mode.blankLine?.(this.#state, TAB);
      const stream = new StringStream(text, TAB, TAB);
      while (!stream.eol()) {
        const kind = kindOf(this.#next(stream));
        const last = pieces.at(-1);
        if (last !== undefined && last.kind === kind) last.text += stream.current();
        else pieces.push({ text: stream.current(), kind });
        stream.start = stream.pos;
      }
    } catch {
      // The mode couldn't read it: what is written stays as it is.
      this.#ended = true;
      return null;
    }
    return pieces;
  }

  /** Whether too many brackets are open somewhere in this line. */
  #deep(text: string): boolean {
    let deepest = this.#depth;
    for (const sign of text) {
      if ("([{".includes(sign)) deepest = Math.max(deepest, ++this.#depth);
      else if (")]}".includes(sign)) this.#depth = Math.max(0, this.#depth - 1);
    }
    return deepest > DEEPEST;
  }

  #next(stream: StringStream): string | null {
    for (let tries = 0; tries < TRIES; tries++) {
      const style = this.#mode.token(stream, this.#state);
      if (stream.pos > stream.start) return style;
    }
    throw new Error("the mode doesn't go on");
  }
}

function kindOf(style: string | null | undefined): string | null {
  for (const name of (style ?? "").split(/[ .]/).reverse()) {
    if (Object.hasOwn(KINDS, name)) return KINDS[name] ?? null;
  }
  return null;
}
