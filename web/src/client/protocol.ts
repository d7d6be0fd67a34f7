// Netra protocol 1. Made from docs/protocol.schema.json by protocol-types.mjs; don't edit it by hand.

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/** What a frame did, after it was committed. Which fields are there depends on the frame that it answers. */
export type Ack = {
  thread_id?: string | null;
  run_id?: string | null;
  message_id?: string | null;
  seq?: number | null;
  epoch?: string | null;
  head?: number | null;
  runs?: Array<RunOutcome> | null;
};

/** The run's last event: the whole answer, or with a `finish_reason` other than `stop` what came before it was cut.

    `output` is the structured output, where the agent's output isn't text. Either may be missing in an old log. */
export type AgentCompleted = {
  final_response: string;
  message_id: string;
  usage: TokenUsage;
  finish_reason?: "content_filter" | "length" | "refusal" | "stop";
  output?: Json;
};

/** The run's last event: it could not go on. `message` is safe to show. No text, no message: `message_id` null. */
export type AgentFailed = {
  code: string;
  message: string;
  retryable: boolean;
  partial_response: string;
  message_id?: string | null;
  usage?: TokenUsage;
};

/** A piece of the answer as it is written. Neighbours of one run are merged on replay. */
export type AgentMessageDelta = {
  text: string;
};

/** The first event of a run that began to work.

    `earlier_turns_left_out` says how many earlier turns of the thread its model isn't given, as they are too many or
    too long for its history (counted up to 1,000); `earlier_turns_in_short`, of how many it's told the texts alone,
    without reasoning, tool calls and results. */
export type AgentStarted = {
  agent: string;
  model: string;
  message_id: string;
  earlier_turns_left_out?: number;
  earlier_turns_in_short?: number;
};

/** The run's last event: stopped, with the answer as far as it was shown. No text, no message: `message_id` null. */
export type AgentStopped = {
  reason: string;
  partial_response: string;
  message_id: string | null;
  usage: TokenUsage;
};

/** A stop is on record; the run's last event will be `agent_stopped`. */
export type AgentStopping = {
  reason: string;
  requested_by: string;
};

/** A piece of the model's reasoning. Neighbours of one run are merged on replay. */
export type AgentThinking = {
  reasoning: string;
};

/** The first frame, when the handshake carried no credentials. */
export type Authenticate = {
  type: "authenticate";
  id: string;
  payload: AuthenticateBody;
};

/** Either of the two: a single-use ticket from `POST /api/ws-ticket`, or a session token. */
export type AuthenticateBody = {
  ticket?: string | null;
  token?: string | null;
};

/** The socket is authenticated. `head` is the last number of the log: a `resume` without cursor starts there. */
export type ConnectionReady = {
  connection_id: string;
  user_id: string;
  epoch: string;
  head: number;
  protocol_version: number;
  limits: Limits;
};

/** Stands where deleted events were, so that ranges still tile. */
export type Erased = Record<string, never>;

/** A refusal. `code` is for programs, `message` for a person; `retry_after` is in seconds. */
export type ErrorInfo = {
  code: string;
  message: string;
  field?: string | null;
  retry_after?: number | null;
};

/** Numbers `from_seq` to `to_seq` can't be told; live events go on at `to_seq` + 1. Refresh over HTTP. */
export type Gap = {
  reason: "ahead" | "epoch" | "retention";
  from_seq: number;
  to_seq: number;
  epoch: string;
};

/** What this server accepts. Sizes in bytes or characters, as named; times in seconds. */
export type Limits = {
  max_frame_bytes: number;
  max_text_chars: number;
  messages_per_minute: number;
  max_sockets_per_user: number;
  max_running_runs_per_user: number;
  max_queued_runs_per_user: number;
};

/** Somebody said something in a thread; every tab of the user sees it. */
export type MessageCreated = {
  message_id: string;
  role: "user";
  text: string;
  client_message_id: string | null;
  run_id: string;
  run_state: "queued" | "running";
};

/** Ask whether the server is there. */
export type Ping = {
  type: "ping";
  id: string;
  payload?: PingBody;
};

/** Nothing. */
export type PingBody = Record<string, never>;

/** The answer to `ping`. */
export type Pong = Record<string, never>;

/** Start the flow of events, from a cursor or from the head. */
export type Resume = {
  type: "resume";
  id: string;
  payload: ResumeBody;
};

/** The cursor: the last number the client has taken, and the life of the log it belongs to. Both or neither. */
export type ResumeBody = {
  epoch?: string | null;
  seq?: number | null;
};

/** What a stop did to one run. `seq` is that of the terminal event, where the run had already ended. */
export type RunOutcome = {
  run_id: string;
  outcome: "already_finished" | "stopping";
  seq?: number | null;
};

/** The server is about to close this socket (1012). Come back with this cursor. */
export type ServerDraining = {
  epoch: string;
  seq: number;
};

/** Stop runs. */
export type StopAgent = {
  type: "stop_agent";
  id: string;
  payload: StopAgentBody;
};

/** Which runs to stop: one, those of a thread, or (neither given) all of the user's. */
export type StopAgentBody = {
  run_id?: string | null;
  thread_id?: string | null;
  reason?: string | null;
};

/** The log is away: these runs were cancelled, and their `agent_stopped` follows when it is back. */
export type StopUnrecorded = {
  runs: Array<string>;
};

/** A new conversation. */
export type ThreadCreated = {
  thread_id: string;
  title: string;
  created_at: string;
};

/** A conversation is gone; its events are `erased`. */
export type ThreadDeleted = {
  thread_id: string;
};

/** A conversation is pinned, or archived, or (neither) among the others again. One that is archived comes back when
    something is said in it. */
export type ThreadFiled = {
  thread_id: string;
  pinned: boolean;
  archived: boolean;
};

/** A conversation has another title. */
export type ThreadRenamed = {
  thread_id: string;
  title: string;
};

/** What a run consumed; zero where the model doesn't say. */
export type TokenUsage = {
  input_tokens?: number;
  output_tokens?: number;
  requests?: number;
  tool_calls?: number;
};

/** The one end of a tool call. `unknown`: cut or abandoned, it may have had its effect. */
export type ToolCompleted = {
  tool_call_id: string;
  tool_name: string;
  status: "cancelled" | "error" | "ok" | "unknown";
  result: Json;
  duration_ms: number;
};

/** A tool is about to start; committed before it does. */
export type ToolExecuting = {
  tool_call_id: string;
  tool_name: string;
  parameters: Json;
};

/** Say something; starts a run. */
export type UserMessage = {
  type: "user_message";
  id: string;
  payload: UserMessageBody;
};

/** A message that starts a run. `client_message_id` makes repeating it harmless. */
export type UserMessageBody = {
  text: string;
  client_message_id: string;
  thread_id?: string | null;
  when_busy?: "interrupt" | "queue" | "reject";
};

export type MessageCreatedEvent = {
  type: "message_created";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: MessageCreated;
};

export type AgentStartedEvent = {
  type: "agent_started";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: AgentStarted;
};

export type AgentThinkingEvent = {
  type: "agent_thinking";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: AgentThinking;
};

export type ToolExecutingEvent = {
  type: "tool_executing";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: ToolExecuting;
};

export type ToolCompletedEvent = {
  type: "tool_completed";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: ToolCompleted;
};

export type AgentCompletedEvent = {
  type: "agent_completed";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: AgentCompleted;
};

export type AgentMessageDeltaEvent = {
  type: "agent_message_delta";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: AgentMessageDelta;
};

export type AgentStoppingEvent = {
  type: "agent_stopping";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: AgentStopping;
};

export type AgentStoppedEvent = {
  type: "agent_stopped";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: AgentStopped;
};

export type AgentFailedEvent = {
  type: "agent_failed";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: AgentFailed;
};

export type ThreadCreatedEvent = {
  type: "thread_created";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: ThreadCreated;
};

export type ThreadRenamedEvent = {
  type: "thread_renamed";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: ThreadRenamed;
};

export type ThreadFiledEvent = {
  type: "thread_filed";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: ThreadFiled;
};

export type ThreadDeletedEvent = {
  type: "thread_deleted";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: ThreadDeleted;
};

export type ErasedEvent = {
  type: "erased";
  seq: number;
  first_seq?: number;
  epoch: string;
  thread_id: string | null;
  run_id: string | null;
  ts: string;
  payload: Erased;
};

export type ConnectionReadyFrame = {
  type: "connection_ready";
  ts: string;
  payload: ConnectionReady;
};

export type AckFrame = {
  type: "ack";
  ts: string;
  payload: Ack;
  reply_to: string | null;
};

export type ErrorInfoFrame = {
  type: "error";
  ts: string;
  payload: ErrorInfo;
  reply_to: string | null;
};

export type GapFrame = {
  type: "gap";
  ts: string;
  payload: Gap;
};

export type PongFrame = {
  type: "pong";
  ts: string;
  payload: Pong;
  reply_to: string | null;
};

export type StopUnrecordedFrame = {
  type: "stop_unrecorded";
  ts: string;
  payload: StopUnrecorded;
};

export type ServerDrainingFrame = {
  type: "server_draining";
  ts: string;
  payload: ServerDraining;
};

export type LogEvent = MessageCreatedEvent | AgentStartedEvent | AgentThinkingEvent | ToolExecutingEvent | ToolCompletedEvent | AgentCompletedEvent | AgentMessageDeltaEvent | AgentStoppingEvent | AgentStoppedEvent | AgentFailedEvent | ThreadCreatedEvent | ThreadRenamedEvent | ThreadFiledEvent | ThreadDeletedEvent | ErasedEvent;

export type SocketFrame = ConnectionReadyFrame | AckFrame | ErrorInfoFrame | GapFrame | PongFrame | StopUnrecordedFrame | ServerDrainingFrame;

export type ServerMessage = LogEvent | SocketFrame;

export type ClientFrame = Authenticate | Resume | UserMessage | StopAgent | Ping;
