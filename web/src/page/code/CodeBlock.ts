import { copy } from "../clipboard";
import { type Mode, modeOf } from "./languages";
import { viewButton } from "./view";

const SHOWN_FOR = 2_000;
/** Lines in a group that is laid out by itself, so that a line more costs the same under ten and under ten thousand. */
const GROUP = 64;

type Painters = typeof import("./painter");

/** A piece of code on the page. What comes is appended: a line that is complete is coloured and never touched again. */
export class CodeBlock {
  readonly element = document.createElement("figure");
  readonly language: string;
  readonly #code = document.createElement("code");
  #group: HTMLElement | null = null;
  #count = 0;
  #last: HTMLElement | null = null;
  /** What there is of a line that isn't complete yet. */
  #open: Text | null = null;
  #painter: InstanceType<Painters["Painter"]> | null = null;

  constructor(language: string, text = "") {
    this.language = language;
    if (/^[\w+#.-]+$/.test(language)) this.#code.className = `language-${language}`;
    this.#build();
    this.append(text);
    const mode = modeOf(language);
    if (mode !== null) void this.#colour(mode);
  }

  /** The code, from the page itself: pieces kept beside it would keep alive the whole texts that they were cut from. */
  get text(): string {
    return [...this.#code.querySelectorAll(".line")].map((line) => (line.textContent ?? "").replace(/\n$/, "")).join("\n");
  }

  /** Append what was written since. */
  append(text: string): void {
    const lines = text.split("\n");
    lines.forEach((line, index) => {
      this.#write(line);
      if (index < lines.length - 1) this.#endLine();
    });
  }

  /** Show what another block does, if this one only has to grow for it. */
  becomes(other: CodeBlock): boolean {
    if (this.language !== other.language) return false;
    const [shown, wanted] = [this.text, other.text];
    if (!wanted.startsWith(shown)) return false;
    const more = wanted.slice(shown.length);
    // A line that was ended has its end already.
    this.append(this.#open === null && shown !== "" ? more.replace(/^\n/, "") : more);
    return true;
  }

  /** Nothing more comes. */
  end(): void {
    if (this.#open !== null) this.#endLine();
  }

  #write(text: string): void {
    if (text === "" && this.#open !== null) return;
    if (this.#open !== null) {
      this.#open.appendData(text);
      return;
    }
    if (text === "") return;
    this.#open = document.createTextNode(text);
    this.#newLine().append(this.#open);
  }

  #newLine(): HTMLElement {
    const before = this.#last;
    // A group can't end with an empty line: nothing of it would be seen.
    const full = this.#group !== null && this.#group.childElementCount >= GROUP && before?.textContent !== "";
    if (this.#group === null || full) {
      this.#group = document.createElement("span");
      this.#group.className = "lines";
      this.#code.append(this.#group);
    } else before?.append("\n");
    const line = document.createElement("span");
    line.className = "line";
    this.#count += 1;
    line.dataset.number = String(this.#count);
    this.#group.append(line);
    this.#last = line;
    return line;
  }

  #endLine(): void {
    const line = this.#open === null ? this.#newLine() : this.#last;
    const text = this.#open?.data ?? "";
    this.#open = null;
    if (line !== null && this.#painter !== null) this.#paint(line, text);
  }

  #paint(line: HTMLElement, text: string): void {
    const pieces = this.#painter?.line(text);
    if (pieces == null) {
      this.#painter = null;
      return;
    }
    line.replaceChildren(
      ...pieces.map(({ text: piece, kind }) => {
        if (kind === null) return piece;
        const span = document.createElement("span");
        span.className = `tok-${kind}`;
        span.textContent = piece;
        return span;
      }),
    );
  }

  /** Colour what stands there already, and from then on each line as it's completed. */
  async #colour(loading: Promise<Mode>): Promise<void> {
    let mode: Mode;
    let painters: Painters;
    try {
      [mode, painters] = await Promise.all([loading, import("./painter")]);
    } catch {
      return; // Not loaded: it stays as it's written.
    }
    this.#painter = new painters.Painter(mode);
    for (const line of this.#code.querySelectorAll<HTMLElement>(".line")) {
      if (line === this.#open?.parentElement) break;
      const text = line.textContent ?? "";
      this.#paint(line, text.replace(/\n$/, ""));
      if (this.#painter === null) break;
      if (text.endsWith("\n")) line.append("\n");
    }
  }

  #build(): void {
    this.element.className = "code";
    blocks.set(this.element, this);
    const head = document.createElement("figcaption");
    const name = document.createElement("span");
    name.className = "language";
    name.textContent = this.language;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "link";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy this code");
    button.addEventListener("click", () => void this.#copy(button));
    head.append(name, viewButton("numbers"), viewButton("wrap"), button);
    const pre = document.createElement("pre");
    pre.dir = "ltr";
    pre.append(this.#code);
    const scroller = document.createElement("div");
    scroller.className = "scrolling";
    scroller.tabIndex = 0;
    scroller.setAttribute("role", "group");
    scroller.setAttribute("aria-label", this.language === "" ? "Code" : `Code, ${this.language}`);
    scroller.append(pre);
    this.element.append(head, scroller);
  }

  async #copy(button: HTMLElement): Promise<void> {
    button.textContent = (await copy(this.text.replace(/\n$/, ""))) ? "Copied" : "Copying isn't allowed";
    setTimeout(() => (button.textContent = "Copy"), SHOWN_FOR);
  }
}

const blocks = new WeakMap<Element, CodeBlock>();

/** The block that an element shows. */
export function codeBlockOf(element: Element): CodeBlock | null {
  return blocks.get(element) ?? null;
}
