import type { SearchHit } from "../client";
import { occurrences } from "./fold";
import { Frame } from "../state/frame";

const FOUND = "found";
const CURRENT = "found-current";
/** Marks in the document at a time; a page full of one word needs no more. */
const MOST = 500;

/** Marks words in the turns that are in the document, without changing it: what is selected there stays selected, and
 * nothing that was written becomes markup. */
export class Marking {
  #words: string[] = [];
  #runs = new Set<string>();
  #current: SearchHit | null = null;
  #wanted = 0;
  /** The `shown` to which the view was moved. */
  #moved = 0;
  readonly #frame = new Frame(() => this.#mark());
  readonly #changes = new MutationObserver(() => this.#frame.request());
  #ended = false;

  constructor() {
    this.#changes.observe(document.body, { childList: true, subtree: true, characterData: true });
  }

  show(words: string[], hits: SearchHit[], current: SearchHit | null, shown: number): void {
    this.#words = words;
    this.#runs = new Set(hits.map((hit) => hit.run_id));
    this.#current = current;
    this.#wanted = shown;
    this.#frame.request();
  }

  end(): void {
    this.#ended = true;
    this.#changes.disconnect();
    this.#words = [];
    this.#current = null;
    this.#mark();
  }

  #mark(): void {
    const others: Range[] = [];
    const current: Range[] = [];
    if (!this.#ended) {
      for (const part of document.querySelectorAll<HTMLElement>(".turn[data-run] :is(.said, .markdown)")) {
        const turn = part.closest<HTMLElement>(".turn");
        const run = turn?.dataset.run ?? "";
        if (!this.#runs.has(run)) continue;
        const role = part.classList.contains("said") ? "user" : "agent";
        const isCurrent = run === this.#current?.run_id && role === this.#current.role;
        collect(part, this.#words, isCurrent ? current : others);
        if (isCurrent && this.#wanted !== this.#moved) {
          this.#moved = this.#wanted;
          bringIntoView(current[0] ?? part, part);
        }
      }
    }
    if (!("highlights" in CSS)) return;
    CSS.highlights.set(FOUND, new Highlight(...others));
    CSS.highlights.set(CURRENT, new Highlight(...current));
  }
}

function collect(within: HTMLElement, words: string[], into: Range[]): void {
  const walker = document.createTreeWalker(within, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null && into.length < MOST; node = walker.nextNode()) {
    for (const [from, to] of occurrences(node.nodeValue ?? "", words)) {
      const range = new Range();
      range.setStart(node, from);
      range.setEnd(node, to);
      into.push(range);
    }
  }
}

/** Bring a mark to a third of the view's height. What is folded away has no place: then its message. */
function bringIntoView(mark: Range | HTMLElement, part: HTMLElement): void {
  const view = part.closest<HTMLElement>(".view");
  if (view === null) return;
  const box = mark.getBoundingClientRect();
  const target = box.height > 0 ? box : part.getBoundingClientRect();
  const frame = view.getBoundingClientRect();
  if (target.top >= frame.top + 16 && target.bottom <= frame.bottom - 16) return;
  view.scrollTop += target.top - frame.top - frame.height / 3;
}
