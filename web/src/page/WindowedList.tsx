import { Component, createRef, type VNode } from "preact";

type Props<Item> = {
  items: Item[];
  keyOf: (item: Item) => string;
  draw: (item: Item) => VNode;
  /** Called when the beginning comes into view. */
  onTop?: (() => void) | undefined;
  busy: boolean;
  label: string;
};

const GUESS = 180;
const OVERSCAN = 900;
const NEAR = 48;

/** A list of which only the part in view is in the document. It follows its end until somebody scrolls up, and what is
 * being read stays where it is whatever changes above. */
export class WindowedList<Item> extends Component<Props<Item>, { tick: number }> {
  override state = { tick: 0 };
  readonly #view = createRef<HTMLDivElement>();
  readonly #heights = new Map<string, number>();
  readonly #keys = new WeakMap<Element, string>();
  readonly #measure = new ResizeObserver((entries) => this.#measured(entries));
  #follows = true;
  #lastTop = 0;
  #range = "";
  /** The first item in view, and how far its top is above the view's. */
  #anchor: { key: string; offset: number } | null = null;

  override componentDidMount(): void {
    if (this.#view.current) this.#measure.observe(this.#view.current);
    this.#settle();
  }

  override componentDidUpdate(): void {
    this.#settle();
  }

  override componentWillUnmount(): void {
    this.#measure.disconnect();
  }

  /** Go to the end, and follow it from now on. */
  readonly toEnd = (): void => {
    this.#follows = true;
    this.#settle();
    this.#redraw();
  };

  #height(item: Item): number {
    return this.#heights.get(this.props.keyOf(item)) ?? GUESS;
  }

  #measured(entries: ResizeObserverEntry[]): void {
    let changed = false;
    for (const { target, borderBoxSize } of entries) {
      const key = this.#keys.get(target);
      const height = borderBoxSize[0]?.blockSize ?? 0;
      if (key === undefined) changed = true;
      else if (target.isConnected && this.#heights.get(key) !== height) {
        this.#heights.set(key, height);
        changed = true;
      }
    }
    if (changed) this.setState({ tick: this.state.tick + 1 });
  }

  /** Put the view where it belongs after a change: at the end, or on what was being read. */
  #settle(): void {
    const view = this.#view.current;
    if (view === null) return;
    if (this.#follows) {
      view.scrollTop = view.scrollHeight;
    } else if (this.#anchor !== null) {
      const top = this.#topOf(this.#anchor.key);
      if (top !== null && Math.abs(top + this.#anchor.offset - view.scrollTop) >= 1) {
        view.scrollTop = top + this.#anchor.offset;
      }
    }
    this.#lastTop = view.scrollTop;
    if (this.props.items.length > 0 && view.scrollTop < OVERSCAN) this.props.onTop?.();
    if (this.#rangeNow().join() !== this.#range) this.#redraw();
  }

  #topOf(key: string): number | null {
    let top = 0;
    for (const item of this.props.items) {
      if (this.props.keyOf(item) === key) return top;
      top += this.#height(item);
    }
    return null;
  }

  readonly #scrolled = (): void => {
    const view = this.#view.current;
    if (view === null) return;
    const toEnd = view.scrollHeight - view.clientHeight - view.scrollTop;
    const followed = this.#follows;
    if (toEnd < NEAR) this.#follows = true;
    else if (view.scrollTop < this.#lastTop - 1) this.#follows = false;
    this.#lastTop = view.scrollTop;
    let top = 0;
    for (const item of this.props.items) {
      const height = this.#height(item);
      if (top + height > view.scrollTop) {
        this.#anchor = { key: this.props.keyOf(item), offset: view.scrollTop - top };
        break;
      }
      top += height;
    }
    if (view.scrollTop < OVERSCAN) this.props.onTop?.();
    if (this.#rangeNow().join() !== this.#range || followed !== this.#follows) this.#redraw();
  };

  #redraw(): void {
    this.setState({ tick: this.state.tick + 1 });
  }

  /** The items that are in the document: from, to. */
  #rangeNow(): [number, number] {
    const { items } = this.props;
    const view = this.#view.current;
    const height = view?.clientHeight ?? 0;
    const total = items.reduce((sum, item) => sum + this.#height(item), 0);
    const start = this.#follows ? Math.max(0, total - height) : (view?.scrollTop ?? 0);
    let from = 0;
    let top = 0;
    while (from < items.length && top + this.#height(items[from] as Item) < start - OVERSCAN) {
      top += this.#height(items[from] as Item);
      from += 1;
    }
    let to = from;
    while (to < items.length && top < start + height + OVERSCAN) {
      top += this.#height(items[to] as Item);
      to += 1;
    }
    return [from, to];
  }

  render() {
    const { items, keyOf, draw, busy, label } = this.props;
    const [from, to] = this.#rangeNow();
    this.#range = [from, to].join();
    const sum = (part: Item[]) => part.reduce((total, item) => total + this.#height(item), 0);
    const observe = (key: string) => (element: HTMLElement | null) => {
      if (element === null || this.#keys.get(element) === key) return;
      this.#keys.set(element, key);
      this.#measure.observe(element);
    };
    return (
      <div class="transcript">
        {/* Announcing every piece of an answer would be noise: the status line of the page says what matters. */}
        <div
          class="view"
          ref={this.#view}
          onScroll={this.#scrolled}
          role="log"
          aria-live="off"
          aria-busy={busy}
          aria-label={label}
          tabIndex={0}
        >
          <div style={{ height: `${sum(items.slice(0, from))}px` }} />
          {items.slice(from, to).map((item) => (
            <div class="item" key={keyOf(item)} ref={observe(keyOf(item))}>
              {draw(item)}
            </div>
          ))}
          <div style={{ height: `${sum(items.slice(to))}px` }} />
        </div>
        {!this.#follows && (
          <button type="button" class="to-end" onClick={this.toEnd}>
            To the latest
          </button>
        )}
      </div>
    );
  }
}
