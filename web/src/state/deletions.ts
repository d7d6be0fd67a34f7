import { type Api, messageOf, Problem } from "../client";

const UNDO_FOR = 8_000;

type Deletion = { id: string; title: string; timer: ReturnType<typeof setTimeout> | null; problem: string | null };

/** Threads that are hidden and not deleted yet: the server can't undo, so the request waits until nobody will. */
export class Deletions {
  items: Deletion[] = [];
  readonly #api: Api;
  readonly #changed: () => void;

  constructor(api: Api, changed: () => void) {
    this.#api = api;
    this.#changed = changed;
  }

  hides(id: string): boolean {
    return this.items.some((item) => item.id === id && item.problem === null);
  }

  begin(id: string, title: string): void {
    this.done(id);
    const item: Deletion = { id, title, problem: null, timer: setTimeout(() => void this.#carryOut(item), UNDO_FOR) };
    this.items.push(item);
    this.#changed();
  }

  undo(id: string): void {
    this.done(id);
  }

  /** It is deleted, or won't be. */
  done(id: string): void {
    const item = this.items.find((each) => each.id === id);
    if (item?.timer) clearTimeout(item.timer);
    this.items = this.items.filter((each) => each.id !== id);
    this.#changed();
  }

  /** The page goes away: nobody can undo any more. */
  flush(): void {
    for (const item of this.items) {
      if (item.timer === null) continue;
      clearTimeout(item.timer);
      void fetch(`/api/threads/${encodeURIComponent(item.id)}`, { method: "DELETE", keepalive: true });
    }
  }

  /** Delete after all: the server was away, or refused. */
  again(id: string): void {
    const item = this.items.find((each) => each.id === id);
    if (item === undefined) return;
    item.problem = null;
    void this.#carryOut(item);
  }

  async #carryOut(item: Deletion): Promise<void> {
    item.timer = null;
    this.#changed();
    try {
      await this.#api.deleteThread(item.id);
    } catch (error) {
      // Gone already, perhaps from another tab: that is what was wanted.
      if (error instanceof Problem && error.status === 404) this.done(item.id);
      else item.problem = messageOf(error);
    }
    this.#changed();
  }
}
