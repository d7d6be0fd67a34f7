import { Component, createRef } from "preact";
import { Drawing } from "./Drawing";

type Props = { text: string; live: boolean };

/** Of the time, so much at most goes into drawing one answer while it is written: one part in this many. A block whose
 * nature makes it costly is drawn less often, and the page stays at hand. */
const SHARE = 10;

/** An answer, or whatever else is written in Markdown. While it is written it is appended to. */
export class Markdown extends Component<Props> {
  readonly #place = createRef<HTMLDivElement>();
  #drawing: Drawing | null = null;
  #notBefore = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  override shouldComponentUpdate(next: Props): boolean {
    return next.text !== this.props.text || next.live !== this.props.live;
  }

  override componentDidMount(): void {
    this.#draw();
  }

  override componentDidUpdate(): void {
    this.#draw();
  }

  override componentWillUnmount(): void {
    clearTimeout(this.#timer);
  }

  readonly #draw = (): void => {
    clearTimeout(this.#timer);
    const place = this.#place.current;
    if (place === null) return;
    const { text, live } = this.props;
    const began = performance.now();
    if (live && began < this.#notBefore) {
      this.#timer = setTimeout(this.#draw, this.#notBefore - began);
      return;
    }
    this.#drawing ??= new Drawing(place);
    this.#drawing.draw(text, live);
    // Where it stands then is part of what it costs.
    if (live) void place.offsetHeight;
    const ended = performance.now();
    this.#notBefore = ended + (SHARE - 1) * (ended - began);
  };

  render() {
    return <div class={this.props.live ? "markdown live" : "markdown"} ref={this.#place} />;
  }
}
