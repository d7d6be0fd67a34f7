import { type Ack, messageOf, type NetraClient, NOT_AUTHENTICATED, Problem } from "../client";
import { keep, kept } from "./keep";

export type WhenBusy = "reject" | "queue" | "interrupt";

/**
 * A message on its way. `problem`: the server refused it, and the person decides. `stopping`: its run is to stop as soon
 * as there is one.
 */
export type Outgoing = {
  clientMessageId: string;
  threadId: string | null;
  text: string;
  whenBusy: WhenBusy;
  problem: Problem | null;
  stopping: boolean;
};

/** Messages that the server has not acknowledged. They outlive a reload of this tab: sent again, they are known. */
export class Outbox {
  items: Outgoing[] = [];
  readonly #changed: () => void;
  readonly #key: string;

  constructor(userId: string, changed: () => void) {
    this.#key = `outbox:${userId}`;
    this.#changed = changed;
    try {
      this.items = JSON.parse(kept(this.#key, sessionStorage) ?? "[]") as Outgoing[];
    } catch {
      this.items = [];
    }
  }

  of(threadId: string | null): Outgoing[] {
    return this.items.filter((item) => item.threadId === threadId);
  }

  add(threadId: string | null, text: string, whenBusy: WhenBusy): Outgoing {
    const item = { clientMessageId: crypto.randomUUID(), threadId, text, whenBusy, problem: null, stopping: false };
    this.items.push(item);
    this.#save();
    return item;
  }

  /** What the server will have in a moment, as far as anyone knows. */
  sending(threadId: string | null): Outgoing[] {
    return this.of(threadId).filter((item) => item.problem === null);
  }

  /** Stop what comes of the messages that are being sent, once the server has them. */
  stop(threadId: string | null): void {
    for (const item of this.sending(threadId)) item.stopping = true;
    this.#save();
  }

  /** It was told by an event, acknowledged, or given up. */
  drop(clientMessageId: string | null): void {
    const before = this.items.length;
    this.items = this.items.filter((item) => item.clientMessageId !== clientMessageId);
    if (this.items.length !== before) this.#save();
  }

  /** Send it; gives what the server did with it, or null if it was refused. */
  async send(client: NetraClient, item: Outgoing): Promise<Ack | null> {
    item.problem = null;
    this.#changed();
    try {
      const ack = await client.say(item);
      this.drop(item.clientMessageId);
      return ack;
    } catch (error) {
      // It waits until its person has signed in again.
      if (error instanceof Problem && error.code === NOT_AUTHENTICATED) return null;
      item.problem = error instanceof Problem ? error : new Problem("internal", messageOf(error));
      item.stopping = false;
      this.#save();
      return null;
    }
  }

  #save(): void {
    const left = this.items.map((item) => ({ ...item, problem: null }));
    keep(this.#key, left.length > 0 ? JSON.stringify(left) : null, sessionStorage);
    this.#changed();
  }
}
