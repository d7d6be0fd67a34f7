/** Calls `draw` at most once per animation frame, however often something changes. */
export class Frame {
  #waiting = false;

  readonly #draw: () => void;

  constructor(draw: () => void) {
    this.#draw = draw;
  }

  readonly request = (): void => {
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => {
      this.#waiting = false;
      this.#draw();
    });
  };
}
