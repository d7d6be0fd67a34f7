import { useEffect, useRef } from "preact/hooks";
import type { Conversation, Turn } from "../state/conversation";
import type { Outgoing } from "../state/outbox";
import type { Store } from "../state/store";
import { Composer } from "./Composer";
import { Empty } from "./Empty";
import { FindBar, FindButton } from "./FindBar";
import { OutgoingView } from "./OutgoingView";
import { Still } from "./Still";
import { TurnView } from "./TurnView";
import { WindowedList } from "./WindowedList";
import { modelName } from "./wording";

type Item = { kind: "turn"; turn: Turn } | { kind: "outgoing"; item: Outgoing } | { kind: "gap" };

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
  return (
    <main class="chat">
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
      {fresh && outgoing.length === 0 ? (
        <Empty store={store} />
      ) : !conversation?.loaded && outgoing.length === 0 ? (
        <Loading conversation={conversation} store={store} />
      ) : (
        <Transcript key={threadId} conversation={conversation} outgoing={outgoing} store={store} busy={open !== null} />
      )}
      <Composer key={threadId ?? "new"} store={store} threadId={threadId} open={stoppable.find((one) => !one.stopping) ?? stoppable[0] ?? null} />
    </main>
  );
}

const OFFLINE = "Rules and tools, not a language model";

function Loading({ conversation, store }: { conversation: Conversation | null; store: Store }) {
  if (conversation?.problem == null) return <div class="transcript" aria-busy="true" />;
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

type TranscriptProps = { conversation: Conversation | null; outgoing: Outgoing[]; store: Store; busy: boolean };

function Transcript({ conversation, outgoing, store, busy }: TranscriptProps) {
  // The list goes away after the store has moved on to another thread.
  const threadId = useRef(store.threadId).current;
  const items: Item[] = (conversation?.turns ?? []).map((turn) => ({ kind: "turn", turn }));
  if (conversation?.gap) items.push({ kind: "gap" });
  items.push(...outgoing.map((item): Item => ({ kind: "outgoing", item })));
  return (
    <WindowedList
      items={items}
      endFor={store.lastSaid}
      show={shown(store)}
      place={store.places.get(threadId)}
      onLeave={(place) => store.places.set(threadId, place)}
      busy={busy}
      label="Conversation"
      keyOf={(item) => (item.kind === "turn" ? item.turn.runId : item.kind === "gap" ? "gap" : item.item.clientMessageId)}
      onTop={conversation?.before != null && !conversation.loading ? () => void store.loadOlder(conversation) : undefined}
      draw={(item) => {
        if (item.kind === "outgoing") return <OutgoingView item={item.item} store={store} />;
        if (item.kind === "gap") return <GapLine conversation={conversation} store={store} />;
        const run = store.runs.get(item.turn.runId);
        return (
          <Still version={`${item.turn.version} ${run?.version} ${run?.state}`}>
            {() => <TurnView turn={item.turn} run={run} store={store} />}
          </Still>
        );
      }}
    />
  );
}

/** The turn that holds what was found. */
function shown({ finder: { hit, shown: turn } }: Store): { key: string; turn: number } | null {
  return hit === null ? null : { key: hit.run_id, turn };
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
