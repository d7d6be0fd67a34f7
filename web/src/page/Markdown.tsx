import { Component, createRef } from "preact";
import { blocksOf, drawBlock, htmlOf } from "./markdown";

type Props = { text: string; live: boolean };

/** An answer, drawn block by block. While it is written, only what comes after the last finished block is read anew; when
 * it is whole it is read once as a whole, since a later line may change what an earlier one means. A block that looks as
 * before stays as it is, with whatever is selected in it. */
export class Markdown extends Component<Props> {
  readonly #place = createRef<HTMLDivElement>();
  #shown = "";
  /** How much of the text is in blocks that stay, and how many those are. */
  #settled = 0;
  #blocks = 0;
  /** Each block on the page, as HTML. */
  readonly #drawn: string[] = [];

  override shouldComponentUpdate(next: Props): boolean {
    return next.text !== this.props.text || next.live !== this.props.live;
  }

  override componentDidMount(): void {
    this.#draw();
  }

  override componentDidUpdate(before: Props): void {
    if (before.live && !this.props.live) this.#reset();
    this.#draw();
  }

  #reset(): void {
    this.#settled = this.#blocks = 0;
    this.#shown = "";
  }

  #draw(): void {
    const place = this.#place.current;
    if (place === null) return;
    const { text, live } = this.props;
    if (!text.startsWith(this.#shown)) this.#reset();
    this.#shown = text;
    const tokens = blocksOf(text.slice(this.#settled)).filter((token) => token.raw !== "");
    const first = this.#blocks;
    this.#drawn.length = Math.min(this.#drawn.length, first + tokens.length);
    while (place.childElementCount > this.#drawn.length) place.lastElementChild?.remove();
    tokens.forEach((token, index) => {
      this.#show(place, first + index, htmlOf(token));
      if (live && index < tokens.length - 2) {
        this.#settled += token.raw.length;
        this.#blocks += 1;
      }
    });
  }

  #show(place: HTMLElement, at: number, html: string): void {
    if (this.#drawn[at] === html) return;
    const block = document.createElement("div");
    block.append(drawBlock(html));
    this.#drawn[at] = html;
    const before = place.children[at];
    if (before === undefined) place.append(block);
    else before.replaceWith(block);
  }

  render() {
    return <div class={this.props.live ? "markdown live" : "markdown"} ref={this.#place} />;
  }
}
