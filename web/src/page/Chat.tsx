import { useEffect, useRef } from "preact/hooks";
import type { Conversation, Turn } from "../state/conversation";
import type { Outgoing } from "../state/outbox";
import type { Store } from "../state/store";
import { Composer } from "./Composer";
import { Suggestions, Welcome } from "./Empty";
import { FindBar, FindButton } from "./FindBar";
import { OutgoingView } from "./OutgoingView";
import { Still } from "./Still";
import { Toasts } from "./Toasts";
import { TurnView } from "./TurnView";
import { WindowedList } from "./WindowedList";
import { modelName } from "./wording";

/** `earlier`: tries of the same message that failed. */
type Item =
  | { kind: "turn"; turn: Turn; earlier: Turn[]; last: boolean }
  | { kind: "outgoing"; item: Outgoing; earlier: Turn[] }
  | { kind: "gap" };

/** One conversation: its transcript and the place to write. */
export function Chat({ store }: { store: Store }) {
  const { threadId, conversation } = store;
  const open = store.openRun(threadId);
  const stoppable = [...(open === null ? [] : [open]), ...store.outbox.sending(threadId)];
  const outgoing = store.outbox.of(threadId);
  const title = threadId === null ? "New conversation" : (store.threads.get(threadId)?.title ?? "Conversation");

  useEffect(() => {
    const stop = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented || store.expired) return;
      // There it leaves the search or the title.
      if (event.target instanceof HTMLInputElement) return;
      if (store.openRun(threadId) !== null || store.outbox.sending(threadId).length > 0) void store.stop(threadId);
    };
    addEventListener("keydown", stop);
    return () => removeEventListener("keydown", stop);
  }, [threadId]);

  const fresh = threadId === null || (conversation?.loaded === true && conversation.turns.length === 0);
  const empty = fresh && outgoing.length === 0;
  return (
    <main id="main" class={empty ? "chat fresh" : "chat"} tabIndex={-1}>
      <header class="chat-head">
        <h1 dir="auto">{title}</h1>
        {threadId !== null && <FindButton store={store} />}
        {store.about !== null && (
          <span class={store.about.offline ? "model offline" : "model"} title={store.about.offline ? OFFLINE : "The model in use"}>
            {store.about.offline ? "Offline agent" : modelName(store.about.model)}
          </span>
        )}
      </header>
      {store.finder.find !== null && <FindBar key={threadId} store={store} />}
      {empty ? (
        <Welcome store={store} />
      ) : !conversation?.loaded && outgoing.length === 0 ? (
        <Loading conversation={conversation} store={store} />
      ) : (
        <Transcript key={threadId} conversation={conversation} outgoing={outgoing} store={store} busy={open !== null} />
      )}
      {!store.drawer && <Toasts store={store} />}
      <Composer key={threadId ?? "new"} store={store} threadId={threadId} open={stoppable.find((one) => !one.stopping) ?? stoppable[0] ?? null} />
      {empty && <Suggestions store={store} />}
    </main>
  );
}

const OFFLINE = "Rules and tools, not a language model";

function Loading({ conversation, store }: { conversation: Conversation | null; store: Store }) {
  if (conversation?.problem == null) return <LoadingTurns />;
  return (
    <div class="transcript empty">
      <p class="problem" role="alert">
        {conversation.problem}
      </p>
      <button type="button" class="small" onClick={() => void store.load(conversation.threadId, true)}>
        Try again
      </button>
    </div>
  );
}

/** Where turns will be. The first sight of the page has the same (index.html). */
function LoadingTurns() {
  return (
    <div class="transcript" role="status" aria-label="The conversation is loading">
      <div class="skeleton-main">
        <p class="skeleton-said" />
        <p />
        <p />
        <p class="skeleton-short" />
      </div>
    </div>
  );
}

type TranscriptProps = { conversation: Conversation | null; outgoing: Outgoing[]; store: Store; busy: boolean };

function Transcript({ conversation, outgoing, store, busy }: TranscriptProps) {
  // The list goes away after the store has moved on to another thread.
  const threadId = useRef(store.threadId).current;
  const items = itemsOf(conversation, outgoing, store);
  return (
    <WindowedList
      items={items}
      endFor={store.lastSaid}
      show={shown(store, items)}
      place={store.places.get(threadId)}
      onLeave={(place) => store.places.set(threadId, place)}
      busy={busy}
      label="Conversation"
      keyOf={keyOf}
      onTop={conversation?.before != null && !conversation.loading ? () => void store.loadOlder(conversation) : undefined}
      draw={(item) => {
        if (item.kind === "outgoing") return <OutgoingView item={item.item} earlier={item.earlier} store={store} />;
        if (item.kind === "gap") return <GapLine conversation={conversation} store={store} />;
        const run = store.runs.get(item.turn.runId);
        return (
          <Still version={`${item.turn.version} ${run?.version} ${run?.state} ${item.earlier.length} ${item.last}`}>
            {() => <TurnView turn={item.turn} run={run} earlier={item.earlier} last={item.last} store={store} />}
          </Still>
        );
      }}
    />
  );
}

/** The turn that holds what was found; an earlier try stands in the one that was made after it. */
function shown({ finder: { hit, shown: turn } }: Store, items: Item[]): { key: string; turn: number } | null {
  if (hit === null) return null;
  const later = items.find((item) => item.kind !== "gap" && item.earlier.some((each) => each.runId === hit.run_id));
  return { key: later === undefined ? hit.run_id : keyOf(later), turn };
}

function keyOf(item: Item): string {
  return item.kind === "turn" ? item.turn.runId : item.kind === "gap" ? "gap" : item.item.clientMessageId;
}

/** What stands below each other. A message that was said again because it failed stands there once. */
function itemsOf(conversation: Conversation | null, outgoing: Outgoing[], store: Store): Item[] {
  const items: Item[] = [];
  let earlier: Turn[] = [];
  const sameAsFailed = (text: string | undefined) => earlier[0] !== undefined && earlier[0].said?.text === text;
  const standing = () => {
    // They were not said again: each is a turn of its own, and the last of them may be tried again.
    const last = earlier.pop();
    if (last !== undefined) items.push({ kind: "turn", turn: last, earlier, last: false });
    earlier = [];
  };
  for (const turn of conversation?.turns ?? []) {
    if (!sameAsFailed(turn.said?.text)) standing();
    if (turn.said !== null && store.runs.get(turn.runId)?.state === "failed") {
      earlier.push(turn);
      continue;
    }
    items.push({ kind: "turn", turn, earlier, last: false });
    earlier = [];
  }
  const [next, ...rest] = outgoing;
  if (!sameAsFailed(next?.text)) standing();
  if (conversation?.gap) items.push({ kind: "gap" });
  const last = items.at(-1);
  if (next !== undefined) items.push({ kind: "outgoing", item: next, earlier });
  else if (last?.kind === "turn") last.last = true;
  return [...items, ...rest.map((item): Item => ({ kind: "outgoing", item, earlier: [] }))];
}

function GapLine({ conversation, store }: { conversation: Conversation | null; store: Store }) {
  return (
    <p class="gap" role="note">
      <span>Something may be missing here: this page was away for too long.</span>
      <button
        type="button"
        class="link"
        disabled={conversation === null || conversation.loading}
        onClick={() => conversation && void store.load(conversation.threadId, true)}
      >
        Load
      </button>
    </p>
  );
}
