import { Component, createRef } from "preact";
import { blocksOf, drawBlock } from "./markdown";

type Props = { text: string; live: boolean };

/** An answer, drawn block by block. While it is written, only what comes after the last finished block is drawn anew;
 * when it is whole it is drawn once as a whole, since a later line may change what an earlier one means. */
export class Markdown extends Component<Props> {
  readonly #place = createRef<HTMLDivElement>();
  #shown = "";
  /** How much of the text is in blocks that stay, and how many those are. */
  #settled = 0;
  #blocks = 0;

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
    while (place.childElementCount > this.#blocks) place.lastElementChild?.remove();
    tokens.forEach((token, index) => {
      const block = document.createElement("div");
      block.append(drawBlock(token));
      place.append(block);
      if (live && index < tokens.length - 2) {
        this.#settled += token.raw.length;
        this.#blocks += 1;
      }
    });
  }

  render() {
    return <div class={this.props.live ? "markdown live" : "markdown"} ref={this.#place} />;
  }
}
