import { Api, type Snapshot } from "./api";
import { backoff } from "./backoff";
import { NOT_AUTHENTICATED, Problem } from "./problem";
import type { Ack, ClientFrame, Gap, Limits, LogEvent, ServerMessage, StopUnrecorded } from "./protocol";
import { advance, type Cursor, TilingError } from "./tiling";

export type Status =
  | { state: "connecting" }
  | { state: "live" }
  /** `retryAt` is in ms since 1970. */
  | { state: "waiting"; retryAt: number; reason: string }
  | { state: "signed-out" }
  | { state: "stopped" };

export type Listener = {
  /** Everything as it stood at `snapshot.cursor`; the events that follow go on from exactly there. */
  snapshot(snapshot: Snapshot): void;
  event(event: LogEvent): void;
  statusChanged(status: Status): void;
  /** Some events can't be told any more; a `snapshot` follows. */
  gap?(gap: Gap): void;
  /** The browser's cookie is another account's now: what is shown isn't theirs. */
  otherUser?(): void;
  /** The log is away: these runs were cancelled, the record follows. */
  stopUnrecorded?(stop: StopUnrecorded): void;
};

export type Say = {
  text: string;
  threadId: string | null;
  clientMessageId: string;
  whenBusy?: "reject" | "queue" | "interrupt";
};

export type ClientOptions = {
  /** Where the server is; absent: where the page came from. */
  url?: string;
  api?: Api;
  /** Opens the socket; programs outside of a browser add their credentials here. */
  open?: (url: string) => WebSocket;
};

type Body = { [Type in ClientFrame["type"]]: Extract<ClientFrame, { type: Type }>["payload"] };
type Request = {
  frame: ClientFrame;
  resolve: (ack: Ack) => void;
  reject: (problem: Problem) => void;
};

const PING_EVERY = 25_000;
const PONG_WITHIN = 10_000;
const OPEN_WITHIN = 15_000;
const SESSION_ENDED = 4401;
const TOO_MANY_SOCKETS = 4429;

/** One reader of a user's log: reads the snapshot, follows the socket from its cursor, checks that nothing is missing,
 * and comes back by itself. What was asked while it is away is asked again: the server knows repeated frames. */
export class NetraClient {
  readonly api: Api;
  cursor: Cursor | null = null;
  limits: Limits | null = null;
  /** How often the tiling check failed. It stays 0. */
  violations = 0;
  /** How far the server's clock is ahead of this one, in ms. */
  ahead = 0;
  status: Status = { state: "stopped" };
  readonly #listener: Listener;
  readonly #url: string;
  readonly #open: (url: string) => WebSocket;
  readonly #requests = new Map<string, Request>();
  #userId: string | null = null;
  #nextId = 1;
  #attempt = 0;
  /** Numbers the tries to connect, so that the remains of an older one are known as such. */
  #life = 0;
  #socket: WebSocket | null = null;
  #flowing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #heartbeat: ReturnType<typeof setTimeout> | undefined;

  constructor(listener: Listener, options: ClientOptions = {}) {
    this.#listener = listener;
    this.#url = options.url ?? location.origin;
    this.api = options.api ?? new Api(options.url ?? "");
    this.#open = options.open ?? ((url) => new WebSocket(url));
  }

  /** Begin, or come back at once if it waits. */
  start(): void {
    if (this.#socket !== null && this.status.state === "live") return;
    void this.#connect();
  }

  /** Begin anew from a snapshot. */
  refresh(): void {
    this.cursor = null;
    void this.#connect();
  }

  /** End for good; whatever is unanswered is refused. */
  close(): void {
    this.#drop();
    this.#tell({ state: "stopped" });
    this.#refuseAll(new Problem("closed", "The connection was closed."));
  }

  /** The network or the machine may have been away: find out now, not at the next ping. */
  wake(): void {
    if (this.status.state === "waiting") this.start();
    else if (this.status.state === "live") this.#ping();
  }

  /** Say something; resolves when it is durable. Repeating it with the same id does nothing twice. */
  say(said: Say): Promise<Ack> {
    return this.#ask("user_message", {
      text: said.text,
      client_message_id: said.clientMessageId,
      thread_id: said.threadId,
      when_busy: said.whenBusy ?? "reject",
    });
  }

  /** Stop a run, a thread's runs, or everything; resolves when the stop is durable. */
  stop(which: { runId?: string; threadId?: string } = {}): Promise<Ack> {
    return this.#ask("stop_agent", { run_id: which.runId ?? null, thread_id: which.threadId ?? null });
  }

  #ask<Type extends "user_message" | "stop_agent">(type: Type, payload: Body[Type]): Promise<Ack> {
    return new Promise((resolve, reject) => {
      if (this.status.state === "stopped") {
        reject(new Problem("closed", "The connection was closed."));
        return;
      }
      const frame = { type, id: this.#newId(), payload } as ClientFrame;
      this.#requests.set(frame.id, { frame, resolve, reject });
      if (this.#flowing) this.#send(frame);
    });
  }

  async #connect(): Promise<void> {
    this.#drop();
    const life = this.#life;
    this.#tell({ state: "connecting" });
    try {
      if (this.cursor === null) {
        const snapshot = await this.api.snapshot();
        if (life !== this.#life) return;
        this.cursor = snapshot.cursor;
        this.#listener.snapshot(snapshot);
      } else if (this.#attempt > 0) {
        // A refused handshake doesn't tell the page why; this does.
        await this.api.me();
        if (life !== this.#life) return;
      }
    } catch (error) {
      if (life !== this.#life) return;
      if (error instanceof Problem && error.code === NOT_AUTHENTICATED) this.#signedOut();
      else this.#retry(error instanceof Error ? error.message : String(error));
      return;
    }
    const socket = this.#open(`${this.#url.replace(/^http/, "ws")}/ws`);
    this.#socket = socket;
    this.#heartbeat = setTimeout(() => this.#retry("The server doesn't answer."), OPEN_WITHIN);
    socket.onmessage = (message: MessageEvent<string>) => {
      if (life === this.#life) this.#take(JSON.parse(message.data) as ServerMessage);
    };
    socket.onclose = (closed) => {
      if (life !== this.#life) return;
      if (closed.code === SESSION_ENDED) this.#signedOut();
      else this.#retry(closed.code === TOO_MANY_SOCKETS ? "Netra is open in too many tabs." : "The connection was lost.");
    };
  }

  #take(message: ServerMessage): void {
    this.#beat();
    switch (message.type) {
      case "connection_ready":
        this.limits = message.payload.limits;
        this.ahead = Date.parse(message.ts) - Date.now();
        if (this.#userId !== null && this.#userId !== message.payload.user_id) {
          this.close();
          this.#listener.otherUser?.();
          return;
        }
        this.#userId = message.payload.user_id;
        this.#send({ type: "resume", id: "resume", payload: this.cursor ?? {} });
        return;
      case "ack":
        if (message.reply_to === "resume") this.#resumed();
        else this.#answer(message.reply_to, (request) => request.resolve(message.payload));
        return;
      case "error": {
        const { code, message: text, field, retry_after } = message.payload;
        const problem = new Problem(code, text.charAt(0).toUpperCase() + text.slice(1), 0, field, retry_after);
        if (message.reply_to === "resume") this.#retry(problem.message);
        else this.#answer(message.reply_to, (request) => request.reject(problem));
        return;
      }
      case "gap":
        this.#listener.gap?.(message.payload);
        this.refresh();
        return;
      case "stop_unrecorded":
        this.#listener.stopUnrecorded?.(message.payload);
        return;
      case "pong":
      case "server_draining":
        return;
      default:
        this.#takeEvent(message);
    }
  }

  #takeEvent(event: LogEvent): void {
    if (this.cursor === null) return;
    try {
      this.cursor = advance(this.cursor, event);
    } catch (error) {
      if (!(error instanceof TilingError)) throw error;
      this.violations += 1;
      console.error(error);
      this.refresh();
      return;
    }
    this.#listener.event(event);
  }

  #resumed(): void {
    this.#attempt = 0;
    this.#flowing = true;
    this.#tell({ state: "live" });
    for (const { frame } of this.#requests.values()) this.#send(frame);
  }

  #answer(id: string | null, settle: (request: Request) => void): void {
    const request = id === null ? undefined : this.#requests.get(id);
    if (id === null || request === undefined) return;
    this.#requests.delete(id);
    settle(request);
  }

  #signedOut(): void {
    this.#drop();
    this.#tell({ state: "signed-out" });
    this.#refuseAll(new Problem(NOT_AUTHENTICATED, "Your session has ended. Sign in again to go on."));
  }

  #retry(reason: string): void {
    this.#drop();
    const wait = backoff(this.#attempt);
    this.#attempt += 1;
    this.#tell({ state: "waiting", retryAt: Date.now() + wait, reason });
    this.#timer = setTimeout(() => void this.#connect(), wait);
  }

  /** Let go of the socket and of every timer; later remains of this life are ignored. */
  #drop(): void {
    this.#life += 1;
    this.#flowing = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#heartbeat);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** Something came: the connection lives. Ask again only after a silence. */
  #beat(): void {
    clearTimeout(this.#heartbeat);
    this.#heartbeat = setTimeout(() => this.#ping(), PING_EVERY);
  }

  #ping(): void {
    clearTimeout(this.#heartbeat);
    this.#send({ type: "ping", id: this.#newId(), payload: {} });
    this.#heartbeat = setTimeout(() => this.#retry("The connection was lost."), PONG_WITHIN);
  }

  #send(frame: ClientFrame): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  #newId(): string {
    return String(this.#nextId++);
  }

  #tell(status: Status): void {
    this.status = status;
    this.#listener.statusChanged(status);
  }

  #refuseAll(problem: Problem): void {
    const waiting = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of waiting) request.reject(problem);
  }
}
