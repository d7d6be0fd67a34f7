import {
  type About,
  Api,
  type Found,
  type Gap,
  type LogEvent,
  type Me,
  messageOf,
  NetraClient,
  NOT_AUTHENTICATED,
  Problem,
  type Snapshot,
  MESSAGES_PAGE,
  type Status,
  type ThreadChange,
  type ThreadDetail,
  type ThreadInfo,
} from "../client";
import { Conversation } from "./conversation";
import { Deletions } from "./deletions";
import { Finder } from "./finder";
import { Frame } from "./frame";
import { forget, keep, kept } from "./keep";
import { Outbox, type Outgoing, type WhenBusy } from "./outbox";
import type { Place } from "./place";
import { pathOf, type Route, routeOf } from "./route";
import { applyToRun, isOpen, newRun, type Run, runSoFar, takeWhole } from "./run";

/** What went wrong, said once, with the way on: what can be tried `again`. */
export type Trouble = { text: string; again: (() => void) | null };

/** Everything the page shows. It changes at once when something happens, and is drawn once per animation frame. */
export class Store {
  readonly api = new Api();
  readonly client: NetraClient;
  route: Route = routeOf(location.pathname, location.search);
  me: Me | null = null;
  about: About | null = null;
  /** Before the first answer of the server nothing is known of the session. */
  beginning = true;
  /** The session ended while the page was in use. */
  expired = false;
  status: Status = { state: "stopped" };
  trouble: Trouble | null = null;
  threads = new Map<string, ThreadInfo>();
  /** Where the list of threads goes on; null at its end. */
  moreThreads: string | null = null;
  /** The list is loaded as far back as this; what is known from further back has no place in it yet. */
  #listedFrom = "";
  /** The same of the archived ones; undefined: nobody asked for them yet. */
  moreArchived: string | null | undefined = undefined;
  runs = new Map<string, Run>();
  conversations = new Map<string, Conversation>();
  unread = new Set<string>();
  /** What is looked for in the conversation that is shown. */
  readonly finder = new Finder(this);
  /** Whether the list of conversations lies over the page, as it does on a phone. */
  drawer = false;
  /** The last message that was said on this page, by its own id. */
  lastSaid: string | null = null;
  /** Where each conversation was left, as long as this page lives. */
  readonly places = new Map<string | null, Place>();
  /** What is to be written into the composer; another object is another wish. */
  proposal: { text: string } | null = null;
  outbox: Outbox;
  deletions: Deletions;
  /** What a screen reader is told. */
  announcement = { number: 0, text: "" };
  /** Moves with every change but the pieces of an answer, which come in dozens a second and concern the turn alone. */
  version = 0;
  #gap: Gap | null = null;
  /** Where events go on after the last snapshot. */
  #begun: Snapshot["cursor"] | null = null;
  /** The page of the thread with which the page was opened, asked for before anything else is known. */
  #early: { id: string; page: Promise<ThreadDetail> } | null = null;
  readonly #frame: Frame;
  readonly #wanted = new Set<string>();
  /** The runs whose parts are being asked for. */
  readonly #asked = new Set<string>();

  constructor(draw: () => void) {
    this.#frame = new Frame(draw);
    this.client = new NetraClient(this, { api: this.api });
    this.outbox = new Outbox("", this.changed);
    this.deletions = new Deletions(this.api, this.changed);
    addEventListener("popstate", () => this.#arrive());
    addEventListener("online", () => this.client.wake());
    addEventListener("offline", () => this.client.wake());
    addEventListener("pagehide", () => this.deletions.flush());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      this.client.wake();
      this.#read();
    });
  }

  readonly changed = (): void => {
    this.version += 1;
    this.#frame.request();
  };

  readonly openDrawer = (open: boolean): void => {
    if (this.drawer === open) return;
    this.drawer = open;
    this.changed();
  };

  /** Find out who is signed in, and begin. */
  async begin(): Promise<void> {
    this.changed();
    if (this.route.page !== "sign-in") this.#askAtOnce();
    try {
      this.#welcome(await this.api.me());
      if (this.route.page === "sign-in" && location.hash === "") this.go({ page: "chat", threadId: null }, true);
    } catch (error) {
      if (!isSignedOut(error)) this.trouble = { text: messageOf(error), again: null };
    }
    this.beginning = false;
    this.changed();
  }

  /** Ask for everything at once that the first sight needs: on a long line each question after another costs. */
  #askAtOnce(): void {
    if (this.threadId !== null) {
      this.#early = { id: this.threadId, page: this.api.thread(this.threadId) };
      // Who waits for it is told; if nobody does, it isn't needed.
      this.#early.page.catch(() => {});
    }
    this.client.start();
  }

  /** Somebody signed in on this page. */
  async signedIn(): Promise<void> {
    const me = await this.api.me();
    if (this.me !== null && this.me.user.id !== me.user.id) {
      // Nothing of the other account may stay, in memory or on the page.
      location.assign("/");
      return;
    }
    this.#welcome(me);
    if (this.route.page === "sign-in") this.go({ page: "chat", threadId: null }, true);
    this.changed();
  }

  #welcome(me: Me): void {
    const again = this.me !== null;
    this.me = me;
    this.trouble = null;
    this.expired = false;
    if (!again) {
      this.outbox = new Outbox(me.user.id, this.changed);
      this.unread = new Set(kept(`unread:${me.user.id}`)?.split(" ").filter(Boolean));
    }
    void this.#readAbout();
    if (this.status.state === "stopped" || this.status.state === "signed-out") this.client.start();
    if (this.status.state === "live") this.#sendWaiting();
  }

  async #readAbout(): Promise<void> {
    try {
      this.about = await this.api.about();
      this.changed();
    } catch {
      // It is told by the next run.
    }
  }

  /** Leave this browser without a trace. */
  async signOut(everywhere = false): Promise<void> {
    await (everywhere ? this.api.signOutEverywhere() : this.api.signOut());
    this.leave();
  }

  leave(): void {
    this.client.close();
    if (this.me !== null) {
      forget(`draft:${this.me.user.id}`);
      forget(`outbox:${this.me.user.id}`, sessionStorage);
      keep(`unread:${this.me.user.id}`, null);
    }
    location.assign("/sign-in");
  }

  // What the client tells

  snapshot(snapshot: Snapshot): void {
    this.#begun = snapshot.cursor;
    const gap = this.#gap;
    this.#gap = null;
    this.threads = new Map(snapshot.threads.map((thread) => [thread.id, thread]));
    this.#takeList(snapshot);
    this.moreArchived = undefined;
    const open = new Map(snapshot.open_runs.map((so) => [so.run.id, runSoFar(so)]));
    for (const [id, run] of this.runs) if (!isOpen(run) && !open.has(id)) open.set(id, run);
    this.runs = open;
    if (gap === null) this.conversations.clear();
    else for (const conversation of this.conversations.values()) conversation.gap = true;
    this.#showThread();
    this.finder.asAsked();
    this.changed();
  }

  event(event: LogEvent): void {
    this.#applyToThreads(event);
    if (event.run_id !== null) {
      let run = this.runs.get(event.run_id);
      if (run === undefined) {
        run = newRun(event.run_id, event.thread_id ?? "", "queued");
        this.runs.set(run.id, run);
      }
      applyToRun(run, event);
      this.#noteEnd(run, event);
    }
    if (event.thread_id !== null) this.conversations.get(event.thread_id)?.takeEvent(event);
    if (event.type === "agent_message_delta" || event.type === "agent_thinking") this.#frame.request();
    else this.changed();
  }

  statusChanged(status: Status): void {
    this.status = status;
    if (status.state === "signed-out") this.expired = this.me !== null;
    if (status.state === "live") this.#sendWaiting();
    this.changed();
  }

  gap(gap: Gap): void {
    this.#gap = gap;
  }

  stopUnrecorded({ runs }: { runs: string[] }): void {
    for (const id of runs) this.#stopping(this.runs.get(id));
    this.changed();
  }

  otherUser(): void {
    location.assign("/");
  }

  #applyToThreads(event: LogEvent): void {
    switch (event.type) {
      case "thread_created": {
        const { thread_id: id, title, created_at } = event.payload;
        this.threads.set(id, { id, title, created_at, updated_at: created_at, pinned: false, archived: false });
        // Seen from its first event on, so there is nothing to load.
        const conversation = new Conversation(id);
        conversation.loaded = true;
        this.conversations.set(id, conversation);
        return;
      }
      case "thread_renamed": {
        const thread = this.threads.get(event.payload.thread_id);
        if (thread) this.threads.set(thread.id, { ...thread, title: event.payload.title });
        return;
      }
      case "thread_filed": {
        const { thread_id: id, pinned, archived } = event.payload;
        const thread = this.threads.get(id);
        if (thread) this.threads.set(id, { ...thread, pinned, archived });
        else void this.#learn(id);
        return;
      }
      case "thread_deleted":
        this.#forgetThread(event.payload.thread_id);
        return;
      case "message_created": {
        const thread = event.thread_id === null ? undefined : this.threads.get(event.thread_id);
        if (thread) this.threads.set(thread.id, { ...thread, updated_at: event.ts });
        else if (event.thread_id !== null) void this.#learn(event.thread_id);
        const { run_id, run_state, client_message_id } = event.payload;
        if (!this.runs.has(run_id)) this.runs.set(run_id, newRun(run_id, event.thread_id ?? "", run_state));
        const sent = this.outbox.items.find((item) => item.clientMessageId === client_message_id);
        if (sent && event.thread_id !== null) this.#sent(sent, event.thread_id, run_id);
        return;
      }
      default:
        return;
    }
  }

  #noteEnd(run: Run, event: LogEvent): void {
    const here = this.threadId === run.threadId;
    if (event.type === "agent_started" && here) this.#announce("The agent is at work.");
    if (event.type === "tool_executing" && here) this.#announce(`Using ${event.payload.tool_name}`);
    if (isOpen(run)) return;
    if (here) {
      const said = run.text.slice(0, 600);
      this.#announce(
        run.state === "completed" ? `Answer finished. ${said}` : run.state === "stopped" ? "Stopped." : `No answer. ${run.error?.message ?? ""}`,
      );
    }
    if (!here || document.visibilityState !== "visible") {
      this.unread.add(run.threadId);
      this.#keepUnread();
    }
  }

  #announce(text: string): void {
    this.announcement = { number: this.announcement.number + 1, text };
  }

  #forgetThread(id: string): void {
    this.threads.delete(id);
    this.conversations.delete(id);
    for (const [runId, run] of this.runs) if (run.threadId === id) this.runs.delete(runId);
    this.deletions.done(id);
    this.unread.delete(id);
    this.#keepUnread();
    if (this.me !== null) keep(`draft:${this.me.user.id}:${id}`, null);
    if (this.threadId === id) this.go({ page: "chat", threadId: null }, true);
  }

  // Where we are

  get threadId(): string | null {
    return this.route.page === "chat" ? this.route.threadId : null;
  }

  get conversation(): Conversation | null {
    return this.threadId === null ? null : (this.conversations.get(this.threadId) ?? null);
  }

  /** The open run of a thread that works, else the one that waits. */
  openRun(threadId: string | null): Run | null {
    let found: Run | null = null;
    for (const run of this.runs.values()) {
      if (run.threadId !== threadId || !isOpen(run)) continue;
      if (run.state === "running") return run;
      found ??= run;
    }
    return found;
  }

  /** The threads in which something works or waits. */
  busyThreads(): Set<string> {
    const busy = new Set<string>();
    for (const run of this.runs.values()) if (isOpen(run)) busy.add(run.threadId);
    return busy;
  }

  go(route: Route, replace = false): void {
    if (replace) history.replaceState(null, "", pathOf(route));
    else history.pushState(null, "", pathOf(route));
    this.#arrive();
  }

  #arrive(): void {
    this.route = routeOf(location.pathname, location.search);
    this.#showThread();
    this.finder.asAsked();
    this.#read();
    this.changed();
  }

  #read(): void {
    if (this.threadId !== null && this.unread.delete(this.threadId)) this.#keepUnread();
    this.changed();
  }

  #keepUnread(): void {
    if (this.me !== null) keep(`unread:${this.me.user.id}`, [...this.unread].join(" "));
  }

  // Threads

  #showThread(): void {
    const id = this.threadId;
    if (id !== null && this.client.cursor !== null && !this.conversations.get(id)?.loaded) void this.load(id);
  }

  /** Read the last page of a thread; after a gap, anew. */
  async load(id: string, anew = false): Promise<void> {
    let conversation = this.conversations.get(id);
    if (conversation === undefined || anew) {
      conversation = new Conversation(id);
      this.conversations.set(id, conversation);
    }
    await this.#loadPage(conversation);
  }

  async loadOlder(conversation: Conversation, limit = MESSAGES_PAGE): Promise<void> {
    if (conversation.before !== null) await this.#loadPage(conversation, conversation.before, limit);
  }

  /** Read a page, or wait for the one that is being read. */
  async #loadPage(conversation: Conversation, before?: number, limit = MESSAGES_PAGE): Promise<void> {
    conversation.reading ??= this.#readPage(conversation, limit, before);
    this.changed();
    await conversation.reading;
  }

  async #readPage(conversation: Conversation, limit: number, before?: number): Promise<void> {
    try {
      const detail = await this.#page(conversation.threadId, limit, before);
      if (!this.threads.has(detail.thread.id)) this.threads.set(detail.thread.id, detail.thread);
      conversation.takePage(detail, this.runs, limit);
      conversation.problem = null;
    } catch (error) {
      // It is said where the conversation would stand, or else where something is already.
      conversation.problem = messageOf(error);
      if (conversation.loaded || isSignedOut(error)) this.failed(error, () => void this.#loadPage(conversation, before, limit));
    } finally {
      conversation.reading = null;
      this.changed();
    }
  }

  async #page(id: string, limit: number, before?: number): Promise<ThreadDetail> {
    const early = this.#early;
    this.#early = null;
    if (early?.id === id && before === undefined) {
      const detail = await early.page;
      // What is older than the snapshot lacks what happened between them.
      const { epoch, seq } = this.#begun ?? detail.cursor;
      if (detail.cursor.epoch === epoch && detail.cursor.seq >= seq) return detail;
    }
    return this.api.thread(id, limit, before);
  }

  // Finding

  /** Search all conversations; threads that were found by their titles are known from then on. */
  async search(query: string): Promise<Found> {
    const found = await this.api.search(query);
    for (const thread of found.threads) if (!this.threads.has(thread.id)) this.threads.set(thread.id, thread);
    this.changed();
    return found;
  }

  /** Ask for all that a run did, where that is known in short only, or not at all. */
  async loadParts(run: Run): Promise<void> {
    if (run.whole || this.#asked.has(run.id)) return;
    this.#asked.add(run.id);
    try {
      takeWhole(run, await this.api.run(run.id));
    } catch (error) {
      this.failed(error, () => void this.loadParts(run));
    }
    this.#asked.delete(run.id);
    this.changed();
  }

  /** A thread that is further back than the list is loaded came to its front. */
  async #learn(id: string): Promise<void> {
    try {
      const { thread } = await this.api.thread(id, 1);
      if (!this.threads.has(id)) this.threads.set(id, thread);
    } catch (error) {
      // Deleted meanwhile: then there is nothing to list.
      if (!(error instanceof Problem && error.status === 404)) this.failed(error, () => void this.#learn(id));
    }
    this.changed();
  }

  /** Whether a thread has a place in the list as far as it's loaded. */
  lists(thread: ThreadInfo): boolean {
    return thread.pinned || this.moreThreads === null || thread.updated_at >= this.#listedFrom;
  }

  #takeList({ threads, next }: { threads: ThreadInfo[]; next: string | null }): void {
    this.moreThreads = next;
    this.#listedFrom = threads.at(-1)?.updated_at ?? "";
  }

  async loadMoreThreads(archived = false): Promise<void> {
    try {
      const page = await this.api.threads((archived ? this.moreArchived : this.moreThreads) ?? null, archived);
      if (archived) this.moreArchived = page.next;
      else this.#takeList(page);
      for (const thread of page.threads) if (!this.threads.has(thread.id)) this.threads.set(thread.id, thread);
    } catch (error) {
      this.failed(error, () => void this.loadMoreThreads(archived));
    }
    this.changed();
  }

  async rename(id: string, title: string): Promise<void> {
    const wanted = title.trim();
    if (wanted !== "" && wanted !== this.threads.get(id)?.title) await this.#change(id, { title: wanted });
  }

  async pin(id: string, pinned: boolean): Promise<void> {
    await this.#change(id, pinned ? { pinned, archived: false } : { pinned });
  }

  async archive(id: string, archived: boolean): Promise<void> {
    await this.#change(id, archived ? { archived, pinned: false } : { archived });
  }

  /** Change a thread: shown at once, and taken back if the server refuses. */
  async #change(id: string, change: ThreadChange): Promise<void> {
    const thread = this.threads.get(id);
    if (thread === undefined) return;
    this.threads.set(id, { ...thread, ...change });
    this.changed();
    try {
      await this.api.changeThread(id, change);
    } catch (error) {
      this.threads.set(id, thread);
      this.failed(error, () => void this.#change(id, change));
    }
    this.changed();
  }

  /** Hide a thread now, and delete it when it's too late to undo. */
  delete(id: string): void {
    this.deletions.begin(id, this.threads.get(id)?.title ?? "");
    if (this.threadId === id) this.go({ page: "chat", threadId: null });
  }

  // Talking

  async say(threadId: string | null, text: string, whenBusy: WhenBusy = "reject"): Promise<void> {
    const item = this.outbox.add(threadId, text, whenBusy);
    this.lastSaid = item.clientMessageId;
    await this.#send(item);
  }

  /** Say once more what had no answer; however often it's pressed, once. */
  async sayOnce(threadId: string, text: string): Promise<void> {
    if (this.outbox.of(threadId).length === 0 && this.openRun(threadId) === null) await this.say(threadId, text);
  }

  /** Put a text into the composer, for the person to change and to send. */
  readonly compose = (text: string): void => {
    this.proposal = { text };
    this.changed();
  };

  /** Send a refused message again, as the person decided. */
  async sayAgain(item: Outgoing, whenBusy: WhenBusy = item.whenBusy): Promise<void> {
    item.whenBusy = whenBusy;
    if (item.problem?.code === "idempotency_conflict") item.clientMessageId = crypto.randomUUID();
    await this.#send(item);
  }

  #sendWaiting(): void {
    for (const item of this.outbox.items) if (item.problem === null && !this.#wanted.has(item.clientMessageId)) void this.#send(item);
  }

  async #send(item: Outgoing): Promise<void> {
    this.#wanted.add(item.clientMessageId);
    const ack = await this.outbox.send(this.client, item);
    this.#wanted.delete(item.clientMessageId);
    if (!ack?.thread_id) return;
    // The acknowledgement may overtake its event, and what is acknowledged can be stopped.
    const untold = (ack.seq ?? 0) > (this.client.cursor?.seq ?? Number.POSITIVE_INFINITY);
    if (ack.run_id && untold && !this.runs.has(ack.run_id)) this.runs.set(ack.run_id, newRun(ack.run_id, ack.thread_id, "queued"));
    this.#sent(item, ack.thread_id, ack.run_id ?? null);
  }

  #sent(item: Outgoing, threadId: string, runId: string | null): void {
    this.outbox.drop(item.clientMessageId);
    if (item.stopping) {
      item.stopping = false; // both the event and the acknowledgement tell that it is there
      // Only this one: more may have been said meanwhile.
      if (runId !== null) void this.#stop({ runId }, (run) => run.id === runId);
    }
    if (item.threadId === null && this.route.page === "chat" && this.route.threadId === null) {
      // What was typed meanwhile goes along.
      const draft = `draft:${this.me?.user.id}:`;
      keep(`${draft}${threadId}`, kept(`${draft}new`));
      keep(`${draft}new`, null);
      this.go({ page: "chat", threadId }, true);
    }
  }

  /** Stop what works, what waits and what is being sent in a thread: shown at once, then as the server tells it. */
  async stop(threadId: string | null): Promise<void> {
    this.outbox.stop(threadId);
    if (threadId !== null && this.openRun(threadId) !== null) await this.#stop({ threadId }, (run) => run.threadId === threadId);
  }

  async #stop(which: { runId: string } | { threadId: string }, isMeant: (run: Run) => boolean): Promise<void> {
    const meant = [...this.runs.values()].filter((run) => isMeant(run) && isOpen(run));
    for (const run of meant) this.#stopping(run);
    this.changed();
    try {
      await this.client.stop(which);
    } catch (error) {
      // A stop that couldn't be recorded goes on nevertheless; any other refusal can be pressed again.
      if (!(error instanceof Problem && error.code === "stop_not_recorded")) for (const run of meant) this.#stopping(run, false);
      this.failed(error, null);
    }
  }

  #stopping(run: Run | undefined, stopping = true): void {
    if (run === undefined || !isOpen(run)) return;
    run.stopping = stopping;
    run.version += 1;
  }

  /** Say that something failed, and how to go on. Where nothing can be repeated, what is on the page already says how. */
  failed(error: unknown, again: (() => void) | null): void {
    if (isSignedOut(error)) this.expired = true;
    else this.trouble = { text: messageOf(error), again };
    this.changed();
  }

  readonly dismiss = (): void => {
    this.trouble = null;
    this.changed();
  };
}

function isSignedOut(error: unknown): boolean {
  return error instanceof Problem && error.code === NOT_AUTHENTICATED;
}
