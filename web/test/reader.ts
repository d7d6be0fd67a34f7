import { connect, createServer, type Server, type Socket } from "node:net";
import { inject } from "vitest";
import { Api, type Gap, type LogEvent, NetraClient, type Snapshot, type Status } from "../src/client";

let taken = 0;

/** A TCP proxy that can cut, refuse, and let through again. */
export class Wire {
  readonly #open = new Set<Socket>();
  #server!: Server;
  refuses = false;
  url = "";

  static async to(url: string): Promise<Wire> {
    const wire = new Wire();
    const port = Number(new URL(url).port);
    wire.#server = createServer((near) => {
      if (wire.refuses) {
        near.destroy();
        return;
      }
      const far = connect(port, "127.0.0.1");
      for (const [one, other] of [[near, far], [far, near]] as const) {
        wire.#open.add(one);
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          wire.#open.delete(one);
          other.destroy();
        });
      }
    });
    await new Promise<void>((resolve) => wire.#server.listen(0, "127.0.0.1", resolve));
    wire.url = `http://127.0.0.1:${(wire.#server.address() as { port: number }).port}`;
    return wire;
  }

  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }

  close(): void {
    this.refuses = true;
    this.cut();
    this.#server.close();
  }
}

/** A client that signed in by cookie, as a browser does, and remembers all it was told. */
export class Reader {
  readonly events: LogEvent[] = [];
  readonly snapshots: Snapshot[] = [];
  readonly gaps: Gap[] = [];
  readonly statuses: Status["state"][] = [];
  readonly api: Api;
  readonly client: NetraClient;
  /** May hold a message back before the client sees it. */
  drops: (data: string) => boolean = () => false;
  #waiting: (() => void)[] = [];

  private constructor(readonly url: string, cookie: string) {
    const headers = { cookie, origin: url };
    this.api = new Api(url, (input, init) => fetch(input, { ...init, headers: { ...init?.headers, ...headers } }));
    this.client = new NetraClient(
      {
        snapshot: (snapshot) => this.#note(() => this.snapshots.push(snapshot)),
        event: (event) => this.#note(() => this.events.push(event)),
        statusChanged: (status) => this.#note(() => this.statuses.push(status.state)),
        gap: (gap) => this.#note(() => this.gaps.push(gap)),
      },
      { url, api: this.api, open: (address) => this.#open(address, headers) },
    );
  }

  static async signIn(url: string): Promise<Reader> {
    const person = inject("netra").people[taken++];
    if (person === undefined) throw new Error("no people left: let the server make more");
    const answer = await fetch(`${url}/api/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: url },
      body: JSON.stringify(person),
    });
    const cookie = answer.headers.getSetCookie()[0]?.split(";")[0];
    if (cookie === undefined) throw new Error(`no cookie: ${answer.status}`);
    return new Reader(url, cookie);
  }

  /** Wait until it is so. */
  async until(seen: () => boolean): Promise<void> {
    while (!seen()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async begin(): Promise<void> {
    this.client.start();
    await this.until(() => this.client.status.state === "live");
  }

  of(runId: string): LogEvent[] {
    return this.events.filter((event) => event.run_id === runId);
  }

  async end(runId: string): Promise<LogEvent> {
    const last = () => this.of(runId).find((event) => /^agent_(completed|stopped|failed)$/.test(event.type));
    await this.until(() => last() !== undefined);
    return last() as LogEvent;
  }

  textOf(runId: string): string {
    return this.of(runId)
      .map((event) => (event.type === "agent_message_delta" ? event.payload.text : ""))
      .join("");
  }

  #note(what: () => void): void {
    what();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #open(address: string, headers: Record<string, string>): WebSocket {
    // Node's WebSocket takes headers; the type is the browser's.
    const socket = new WebSocket(address, { headers } as unknown as string[]);
    const reader = this;
    const handle: { current: WebSocket["onmessage"] } = { current: null };
    socket.addEventListener("message", (message) => {
      if (!reader.drops(String(message.data))) handle.current?.call(socket, message);
    });
    Object.defineProperty(socket, "onmessage", { set: (value: WebSocket["onmessage"]) => (handle.current = value) });
    return socket;
  }
}
