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
    let place: HTMLElement | null = null;
    if (!this.#ended) {
      for (const part of document.querySelectorAll<HTMLElement>("[data-run] :is(.said, .markdown)")) {
        const run = part.closest<HTMLElement>("[data-run]")?.dataset.run ?? "";
        // Code in what was said is drawn like code of an answer.
        if (!this.#runs.has(run) || part.parentElement?.closest(".said")) continue;
        const role = part.classList.contains("said") ? "user" : "agent";
        const isCurrent = run === this.#current?.run_id && role === this.#current.role;
        if (isCurrent) place ??= part;
        collect(part, this.#words, isCurrent ? current : others);
      }
    }
    if (place !== null && this.#wanted !== this.#moved && !unfold(place)) {
      this.#moved = this.#wanted;
      bringIntoView(rarest(current) ?? place, place);
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

/** Of several words the one that is found least often says best where they are meant. */
function rarest(marks: Range[]): Range | undefined {
  const byWord = new Map<string, Range[]>();
  for (const mark of marks) {
    const word = mark.toString().toLocaleLowerCase();
    const same = byWord.get(word);
    if (same === undefined) byWord.set(word, [mark]);
    else same.push(mark);
  }
  return [...byWord.values()].sort((a, b) => a.length - b.length)[0]?.[0];
}

/** Open what hides this part of a turn. True where something was opened: then it has another place in a moment. */
function unfold(part: HTMLElement): boolean {
  const earlier = part.closest<HTMLDetailsElement>("details.earlier:not([open])");
  if (earlier !== null) earlier.open = true;
  const more = part.querySelector<HTMLButtonElement>(":scope > button[aria-expanded=false]");
  more?.click();
  return earlier !== null || more !== null;
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
