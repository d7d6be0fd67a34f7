import { MOST_MESSAGES, messageOf, type SearchHit } from "../client";
import { pathOf, type Route } from "./route";
import type { Store } from "./store";

/** What is looked for in one conversation, and where it was found. */
export type Find = {
  readonly threadId: string;
  readonly query: string;
  /** In the order in which they were said; null: it's being looked for. */
  hits: SearchHit[] | null;
  /** The hit that is shown. */
  at: number;
  problem: string | null;
};

/** The search in the conversation that is shown. It stands in the address, so that a reload or a link finds the same. */
export class Finder {
  find: Find | null = null;
  /** Moves whenever a hit is to be shown. */
  shown = 0;
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get hit(): SearchHit | null {
    return this.find?.hits?.[this.find.at] ?? null;
  }

  /** Look for what the address says. */
  asAsked(): void {
    const { route, client } = this.#store;
    if (route.page !== "chat" || route.threadId === null || route.find == null) this.find = null;
    else if (client.cursor !== null) this.look(route.find, route.message ?? null);
  }

  /** Look for words in the conversation that is shown, and show this message, or else the last one that has them. */
  look(query: string, message: string | null = null): void {
    const { threadId } = this.#store;
    if (threadId === null) return;
    const nothing = query.trim() === "";
    const find: Find = { threadId, query, hits: nothing ? [] : null, at: -1, problem: null };
    this.find = find;
    this.#setAddress({ page: "chat", threadId, find: query });
    if (!nothing) void this.#search(find, message);
  }

  /** Go to an earlier hit, or a later one; behind the last comes the first. */
  step(by: number): void {
    const { find } = this;
    const many = find?.hits?.length ?? 0;
    if (find === null || many === 0) return;
    find.at = (find.at + by + many) % many;
    void this.#show(find);
  }

  end(): void {
    const { threadId } = this.#store;
    this.find = null;
    if (threadId !== null) this.#setAddress({ page: "chat", threadId });
  }

  #setAddress(route: Route): void {
    this.#store.route = route;
    history.replaceState(null, "", pathOf(route));
    this.#store.changed();
  }

  async #search(find: Find, message: string | null): Promise<void> {
    try {
      const hits = (await this.#store.api.search(find.query, find.threadId)).hits.reverse();
      const at = hits.findIndex((hit) => hit.message_id === message);
      find.hits = hits;
      find.at = at < 0 ? hits.length - 1 : at;
    } catch (error) {
      find.hits = [];
      find.problem = messageOf(error);
    }
    await this.#show(find);
  }

  /** Load as much of the conversation as it takes, and have it shown. */
  async #show(find: Find): Promise<void> {
    this.#store.changed();
    const hit = find.hits?.[find.at];
    const conversation = this.#store.conversations.get(find.threadId);
    if (hit === undefined || conversation === undefined) return;
    await conversation.reading;
    while (!conversation.has(hit.run_id, hit.role) && conversation.before !== null && conversation.problem === null) {
      await this.#store.loadOlder(conversation, MOST_MESSAGES);
    }
    if (this.find !== find || this.hit !== hit) return;
    this.shown += 1;
    this.#store.changed();
  }
}
