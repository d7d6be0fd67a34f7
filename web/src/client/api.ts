import { Problem, UNREACHABLE } from "./problem";
import type { AgentCompleted, Json } from "./protocol";
import type { Cursor } from "./tiling";

/** How an answer ended: by itself, cut at a limit or by a filter, or refused. */
export type FinishReason = NonNullable<AgentCompleted["finish_reason"]>;
export type RunState = "queued" | "running" | "completed" | "failed" | "stopped";
export type Account = { id: string; email: string; role: string };
export type Me = { user: Account; session_id: string; expires_at: string; has_password: boolean };
export type About = { version: string; agent: string; model: string; offline: boolean; examples: string[] };
export type ThreadInfo = {
  id: string;
  title: string;
  created_at: string;
  updated_at: string;
  pinned: boolean;
  archived: boolean;
};
export type ThreadChange = { title?: string; pinned?: boolean; archived?: boolean };
export type MessageInfo = {
  id: string;
  number: number;
  thread_id: string;
  run_id: string;
  role: "user" | "agent";
  text: string;
  state: "complete" | "stopped" | "failed";
  client_message_id: string | null;
  created_at: string;
  seq: number;
  finish_reason: FinishReason | null;
  output: Json;
};
export type RunInfo = {
  id: string;
  thread_id: string;
  message_id: string;
  state: RunState;
  agent: string;
  model: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  stop_requested_at: string | null;
  stop_reason: string | null;
  error_code: string | null;
  error_message: string | null;
  error_retryable: boolean | null;
  terminal_seq: number | null;
};
export type ToolInfo = {
  tool_call_id: string;
  tool_name: string;
  parameters: Json;
  status: string | null;
  result: Json;
  duration_ms: number | null;
};
/** `chars` counts code points of the run's whole text or reasoning. */
export type PartInfo = {
  kind: "text" | "thinking" | "tool";
  began_at: string;
  ended_at: string | null;
  chars: number;
  tool_call_id: string | null;
};
/** Tools with the beginning of their parameters, and without their results. */
export type RunOutline = { parts: PartInfo[]; tools: ToolInfo[] };
export type RunSoFar = { run: RunInfo; text: string; thinking: string; tools: ToolInfo[]; parts: PartInfo[] };
export type Snapshot = { threads: ThreadInfo[]; next: string | null; open_runs: RunSoFar[]; cursor: Cursor };
export type ThreadPage = { threads: ThreadInfo[]; next: string | null };
export type ThreadDetail = {
  thread: ThreadInfo;
  messages: MessageInfo[];
  runs: RunInfo[];
  outlines: Record<string, RunOutline>;
  open_runs: RunSoFar[];
  cursor: Cursor;
};
export type SearchHit = {
  message_id: string;
  number: number;
  run_id: string;
  thread_id: string;
  title: string;
  role: "user" | "agent";
  excerpt: string;
  created_at: string;
};
export type Found = { hits: SearchHit[]; threads: ThreadInfo[] };
export type SessionInfo = {
  id: string;
  label: string;
  created_at: string;
  last_seen_at: string;
  expires_at: string;
  current: boolean;
};
type ProblemBody = { code?: string; detail?: string; field?: string; retry_after?: number };

/** Threads of a page of them. */
export const THREADS_PAGE = 60;
/** Messages of a page of them: thirty turns. */
export const MESSAGES_PAGE = 60;
/** The most messages that the server gives at once. */
export const MOST_MESSAGES = 200;

/** Netra's HTTP, typed. Every method throws `Problem`. Credentials are the browser's cookie, or whatever `fetch` adds. */
export class Api {
  readonly #base: string;
  readonly #fetch: typeof fetch;

  constructor(base = "", fetcher: typeof fetch = (input, init) => fetch(input, init)) {
    this.#base = base;
    this.#fetch = fetcher;
  }

  signIn = (email: string, password: string) =>
    this.#ask<{ user: Account }>("POST", "/api/auth/login", { email, password });
  redeem = (code: string) => this.#ask<{ user: Account }>("POST", "/api/auth/redeem", { code });
  signOut = () => this.#ask<void>("POST", "/api/auth/logout", {});
  signOutEverywhere = () => this.#ask<{ revoked: number }>("POST", "/api/auth/sessions/revoke-all", {});
  me = () => this.#ask<Me>("GET", "/api/auth/me");
  about = () => this.#ask<About>("GET", "/api/about");
  changePassword = (wanted: string, current: string | null) =>
    this.#ask<void>("POST", "/api/auth/password", { new_password: wanted, current_password: current });
  sessions = () => this.#ask<{ sessions: SessionInfo[] }>("GET", "/api/auth/sessions");
  revoke = (id: string) => this.#ask<void>("DELETE", `/api/auth/sessions/${encodeURIComponent(id)}`);
  deleteAccount = (password: string | null) => this.#ask<void>("DELETE", "/api/account", { password });

  snapshot = () => this.#ask<Snapshot>("GET", `/api/snapshot?limit=${THREADS_PAGE}`);
  threads = (cursor: string | null, archived = false) =>
    this.#ask<ThreadPage>(
      "GET",
      `/api/threads?limit=${THREADS_PAGE}${archived ? "&archived=true" : ""}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
    );
  /** The last messages of a thread, `limit` at most, or those before a number. */
  thread = (id: string, limit = MESSAGES_PAGE, before?: number) =>
    this.#ask<ThreadDetail>("GET", `/api/threads/${encodeURIComponent(id)}?limit=${limit}${before ? `&before=${before}` : ""}`);
  createThread = (title: string) => this.#ask<ThreadInfo>("POST", "/api/threads", { title });
  changeThread = (id: string, change: ThreadChange) =>
    this.#ask<ThreadInfo>("PATCH", `/api/threads/${encodeURIComponent(id)}`, change);
  deleteThread = (id: string) => this.#ask<void>("DELETE", `/api/threads/${encodeURIComponent(id)}`);
  run = (id: string) => this.#ask<RunSoFar>("GET", `/api/runs/${encodeURIComponent(id)}`);
  /** Messages and titles that hold the words, the last of which may be a beginning; or one thread's messages. */
  search = (query: string, threadId: string | null = null) =>
    this.#ask<Found>(
      "GET",
      `/api/search?q=${encodeURIComponent(query)}&limit=${threadId === null ? 30 : 100}${threadId === null ? "" : `&thread_id=${encodeURIComponent(threadId)}`}`,
    );

  async #ask<Answer>(method: string, path: string, body?: Json): Promise<Answer> {
    const init: RequestInit = { method, credentials: "same-origin" };
    if (body !== undefined) {
      init.headers = { "Content-Type": "application/json" };
      init.body = JSON.stringify(body);
    }
    let response: Response;
    try {
      response = await this.#fetch(this.#base + path, init);
    } catch {
      throw new Problem(UNREACHABLE, "The server can't be reached. Is Netra running?");
    }
    if (response.status === 204) return undefined as Answer;
    const text = await response.text();
    if (response.ok) return JSON.parse(text) as Answer;
    throw problemOf(response.status, text);
  }
}

function problemOf(status: number, text: string): Problem {
  let body: ProblemBody = {};
  try {
    body = JSON.parse(text) as ProblemBody;
  } catch {
    // A proxy in between answered; its page says nothing to a person here.
  }
  const message = body.detail ?? `The server answered ${status}.`;
  return new Problem(
    body.code ?? "internal",
    message.charAt(0).toUpperCase() + message.slice(1),
    status,
    body.field ?? null,
    body.retry_after ?? null,
  );
}
