import { Component, createRef, type VNode } from "preact";
import type { Place } from "../state/place";
import { Icon } from "./Icon";

type Props<Item> = {
  items: Item[];
  keyOf: (item: Item) => string;
  draw: (item: Item) => VNode;
  /** Called when the beginning comes into view. */
  onTop?: (() => void) | undefined;
  busy: boolean;
  label: string;
  /** Another value: the reader wants to see the end now, wherever they were reading. */
  endFor?: string | null;
  /** Another `turn`: the reader wants to see this item now. */
  show?: { key: string; turn: number } | null;
  /** Where to begin; the end where there is none. */
  place?: Place | undefined;
  /** Called with where the reader stood when the list goes away. */
  onLeave?: ((place: Place) => void) | undefined;
};

const GUESS = 180;
const OVERSCAN = 900;
/** A person who moves down to within this of the end has moved to the end: it may go on growing below. */
const NEAR = 48;
/** Browsers round where they scroll to. */
const ROUNDING = 1;
/** Pixels above an item that the reader was brought to. */
const SPACE = 24;
const UPWARDS = new Set(["ArrowUp", "PageUp", "Home"]);

function elementOf(node: Node | null): Element | null {
  return node instanceof Element ? node : (node?.parentElement ?? null);
}

/** A list of which only the part in view is in the document.
 *
 * It follows its end until the person moves up, however little, and again once the person moves to the end. What is
 * being read stays where it is, whatever changes above. */
export class WindowedList<Item> extends Component<Props<Item>, { tick: number }> {
  override state = { tick: 0 };
  readonly #view = createRef<HTMLDivElement>();
  readonly #heights = new Map(this.props.place?.heights);
  readonly #keys = new WeakMap<Element, string>();
  readonly #measure = new ResizeObserver((entries) => this.#measured(entries));
  #follows = this.props.place?.follows ?? true;
  /** Where the view was put last, by this list or by the person. */
  #lastTop = 0;
  /** How high its content was then. */
  #lastHeight = 0;
  /** The last item when the list ceased to follow: what comes after it is new to the reader. */
  #seen: string | null = null;
  #finger: number | null = null;
  /** A button of the mouse is down in the list. */
  #pressing = false;
  #range = "";
  /** The first item in view, and how far its top is above the view's. */
  #anchor: Place["anchor"] = this.props.place?.anchor ?? null;

  override componentDidMount(): void {
    if (this.#view.current) this.#measure.observe(this.#view.current);
    this.#settle();
  }

  override componentDidUpdate(before: Props<Item>): void {
    const { endFor, show } = this.props;
    if (before.endFor !== endFor) this.#toEnd();
    else if (show && before.show?.turn !== show.turn) this.#show(show.key);
    else this.#settle();
  }

  /** Go to an item, and stay there. */
  #show(key: string): void {
    this.#leaveEnd();
    this.#anchor = { key, offset: -SPACE };
    this.#settle();
    this.#redraw();
  }

  override componentWillUnmount(): void {
    this.#measure.disconnect();
    this.props.onLeave?.({ follows: this.#follows, anchor: this.#anchor, heights: this.#heights });
  }

  /** Go to the end, and follow it from now on. */
  #toEnd(): void {
    this.#follows = true;
    this.#settle();
    this.#redraw();
  }

  readonly #pressedToEnd = (event: MouseEvent): void => {
    // The button goes with it, and the keyboard should be where the reader is. A mouse presses with a count.
    const next = event.detail === 0 ? this.#view.current : document.getElementById("composer");
    if (event.detail === 0 || matchMedia("(pointer: fine)").matches) next?.focus({ preventScroll: true });
    this.#toEnd();
  };

  #leaveEnd(): void {
    if (!this.#follows) return;
    this.#follows = false;
    const last = this.props.items.at(-1);
    this.#seen = last === undefined ? null : this.props.keyOf(last);
    this.#redraw();
  }

  /** How many items came after those that were there when the list ceased to follow. */
  #unseen(): number {
    if (this.#seen === null) return 0;
    const { items, keyOf } = this.props;
    const at = items.findIndex((item) => keyOf(item) === this.#seen);
    return at < 0 ? 0 : items.length - 1 - at;
  }

  /** Whether somebody moved the view up. A browser moves it too, but only where its content became another height. */
  #movedUp(view: HTMLElement): boolean {
    return view.scrollTop < this.#lastTop - ROUNDING && view.scrollHeight === this.#lastHeight;
  }

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
      if (!this.#selects()) view.scrollTop = view.scrollHeight;
    } else {
      const top = this.#reading();
      if (top !== null && Math.abs(top - view.scrollTop) >= 1) view.scrollTop = top;
    }
    this.#lastTop = view.scrollTop;
    this.#lastHeight = view.scrollHeight;
    if (this.props.items.length > 0 && view.scrollTop < OVERSCAN) this.props.onTop?.();
    if (this.#rangeNow().join() !== this.#range) this.#redraw();
  }

  /** Whether the person is selecting just now: what they point at must not move away. */
  #selects(): boolean {
    return this.#pressing && getSelection()?.isCollapsed === false;
  }

  readonly #down = (event: PointerEvent): void => {
    if (event.pointerType !== "mouse") return;
    this.#pressing = true;
    addEventListener(
      "pointerup",
      () => {
        this.#pressing = false;
        this.#settle();
      },
      { once: true },
    );
  };

  /** How far below the list's top the reader stands. */
  #reading(): number | null {
    if (this.#anchor === null) return null;
    let top = 0;
    for (const item of this.props.items) {
      if (this.props.keyOf(item) === this.#anchor.key) return top + this.#anchor.offset;
      top += this.#height(item);
    }
    return null;
  }

  readonly #scrolled = (): void => {
    const view = this.#view.current;
    if (view === null) return;
    const toEnd = view.scrollHeight - view.clientHeight - view.scrollTop;
    const followed = this.#follows;
    if (this.#movedUp(view)) this.#leaveEnd();
    else if (view.scrollTop > this.#lastTop + ROUNDING && toEnd < NEAR) this.#follows = true;
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

  readonly #wheeled = (event: WheelEvent): void => {
    if (event.deltaY < 0 && this.#canMoveUp(event.target)) this.#leaveEnd();
  };

  readonly #pressed = (event: KeyboardEvent): void => {
    if ((UPWARDS.has(event.key) || (event.key === " " && event.shiftKey)) && this.#canMoveUp(event.target)) this.#leaveEnd();
  };

  readonly #touched = (event: TouchEvent): void => {
    this.#finger = event.touches[0]?.clientY ?? null;
  };

  readonly #dragged = (event: TouchEvent): void => {
    const finger = event.touches[0]?.clientY ?? null;
    if (finger === null || this.#finger === null) return;
    if (finger > this.#finger && this.#canMoveUp(event.target)) this.#leaveEnd();
    this.#finger = finger;
  };

  /** Whether a move upwards at this place moves the list: what scrolls by itself inside it goes first. */
  #canMoveUp(target: EventTarget | null): boolean {
    const view = this.#view.current;
    if (view === null || view.scrollTop <= 0) return false;
    for (let at = target instanceof Element ? target : null; at !== null && at !== view; at = at.parentElement) {
      if (at.scrollTop > 0) return false;
    }
    return true;
  }

  #redraw(): void {
    this.setState({ tick: this.state.tick + 1 });
  }

  /** The items that are in the document: from, to. */
  #rangeNow(): [number, number] {
    const { items } = this.props;
    const view = this.#view.current;
    const height = view?.clientHeight ?? 0;
    const total = items.reduce((sum, item) => sum + this.#height(item), 0);
    // Not where the view stands now: it can't stand below what is in the document, and that is decided here.
    const start = this.#follows ? Math.max(0, total - height) : (this.#reading() ?? view?.scrollTop ?? 0);
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

  /** What the person holds, by selecting in it or by having the focus there: from, to. It stays, however far away. */
  #held(): [number, number] | null {
    const { items, keyOf } = this.props;
    const selection = getSelection();
    const nodes = [document.activeElement];
    if (selection !== null && !selection.isCollapsed) nodes.push(elementOf(selection.anchorNode), elementOf(selection.focusNode));
    const keys = new Set(nodes.map((node) => node?.closest(".item")).map((item) => (item ? this.#keys.get(item) : undefined)));
    const held = items.flatMap((item, index) => (keys.has(keyOf(item)) ? [index] : []));
    return held.length === 0 ? null : [Math.min(...held), Math.max(...held) + 1];
  }

  /** The stretches of items that are drawn, in their order. */
  #stretches(range: [number, number]): [number, number][] {
    const held = this.#held();
    if (held === null) return [range];
    if (held[0] <= range[1] && range[0] <= held[1]) return [[Math.min(range[0], held[0]), Math.max(range[1], held[1])]];
    return held[0] < range[0] ? [held, range] : [range, held];
  }

  render() {
    const { items, keyOf, draw, busy, label } = this.props;
    const range = this.#rangeNow();
    this.#range = range.join();
    const unseen = this.#unseen();
    const sum = (part: Item[]) => part.reduce((total, item) => total + this.#height(item), 0);
    const space = (key: number, from: number, to: number) => (
      <div key={`space ${key < 1 ? key : "between"}`} style={{ height: `${sum(items.slice(from, to))}px` }} />
    );
    const observe = (key: string) => (element: HTMLElement | null) => {
      if (element === null || this.#keys.get(element) === key) return;
      this.#keys.set(element, key);
      this.#measure.observe(element);
    };
    const drawn: VNode[] = [];
    let at = 0;
    for (const [from, to] of this.#stretches(range)) {
      drawn.push(space(drawn.length, at, from));
      for (const item of items.slice(from, to)) {
        drawn.push(
          <div class="item" key={keyOf(item)} ref={observe(keyOf(item))}>
            {draw(item)}
          </div>,
        );
      }
      at = to;
    }
    drawn.push(space(-1, at, items.length));
    return (
      <div class="transcript">
        {/* Announcing every piece of an answer would be noise: the status line of the page says what matters. */}
        <div
          class="view"
          ref={this.#view}
          onScroll={this.#scrolled}
          onWheel={this.#wheeled}
          onPointerDown={this.#down}
          onKeyDown={this.#pressed}
          onTouchStart={this.#touched}
          onTouchMove={this.#dragged}
          role="log"
          aria-live="off"
          aria-busy={busy}
          aria-label={label}
          tabIndex={0}
        >
          {drawn}
        </div>
        {!this.#follows && (
          <button
            type="button"
            class="to-end"
            aria-label={unseen === 0 ? "To the latest" : `To the latest, ${unseen} new`}
            title="To the latest"
            onClick={this.#pressedToEnd}
          >
            <Icon name="down" />
            {unseen > 0 && <span class="count">{unseen}</span>}
          </button>
        )}
      </div>
    );
  }
}
