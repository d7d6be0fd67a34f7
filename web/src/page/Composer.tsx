import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { keep, kept } from "../state/keep";
import type { Outgoing, WhenBusy } from "../state/outbox";
import type { Run } from "../state/run";
import type { Store } from "../state/store";
import { Icon } from "./Icon";

const ROWS_HEIGHT = 240;

/** `open`: what can be stopped, be it a run or a message that becomes one. */
type Props = { store: Store; threadId: string | null; open: Run | Outgoing | null };

/** Where one writes. What is written is kept over reloads, expired sessions and other threads. */
export function Composer({ store, threadId, open }: Props) {
  const draft = `draft:${store.me?.user.id}:${threadId ?? "new"}`;
  const [text, setText] = useState(() => kept(draft) ?? "");
  const field = useRef<HTMLTextAreaElement>(null);
  const taken = useRef(store.proposal);
  const most = store.client.limits?.max_text_chars ?? 100_000;
  const tooLong = text.length > most;
  const empty = text.trim() === "";
  const hint = tooLong ? `${text.length - most} characters too long` : open !== null && !open.stopping ? "Esc stops the agent" : null;

  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) field.current?.focus();
  }, []);
  useLayoutEffect(() => {
    const element = field.current;
    if (element === null) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight, ROWS_HEIGHT)}px`;
  }, [text]);

  useEffect(() => {
    if (store.proposal === null || store.proposal === taken.current) return;
    const proposed = store.proposal.text;
    // What was typed stays; only what was proposed before gives way.
    const kept = text.trim() === "" || text === taken.current?.text ? "" : `${text.trimEnd()}\n`;
    taken.current = store.proposal;
    write(kept + proposed);
    field.current?.focus();
  }, [store.proposal]);

  const write = (value: string) => {
    setText(value);
    keep(draft, value);
  };
  const send = (whenBusy: WhenBusy) => {
    if (empty || tooLong) return;
    write("");
    void store.say(threadId, text, whenBusy);
    field.current?.focus();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send(open === null ? "reject" : "queue");
      }}
    >
      <label class="unseen" for="composer">
        Message
      </label>
      <textarea
        id="composer"
        ref={field}
        rows={1}
        dir="auto"
        placeholder={open === null ? "Write a message" : "Write the next message"}
        value={text}
        aria-describedby={hint === null ? undefined : "composer-help"}
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send(open === null ? "reject" : "queue");
        }}
      />
      <div class="composer-actions">
        {open !== null && !empty && (
          <>
            <button type="submit" class="small" disabled={tooLong} title="Send when this answer is finished (Enter)">
              Queue
            </button>
            <button type="button" class="small" disabled={tooLong} title="Stop this answer and send" onClick={() => send("interrupt")}>
              Interrupt
            </button>
          </>
        )}
        {open !== null ? (
          <button
            type="button"
            class="round stop"
            aria-label={open.stopping ? "Stopping" : "Stop the agent"}
            title="Stop (Esc)"
            aria-disabled={open.stopping}
            onClick={() => !open.stopping && void store.stop(threadId)}
          >
            <Icon name="stop" />
          </button>
        ) : (
          <button type="submit" class="round send" aria-label="Send" title="Send (Enter)" aria-disabled={empty || tooLong}>
            <Icon name="send" />
          </button>
        )}
      </div>
      {hint !== null && (
        <p id="composer-help" class={tooLong ? "problem" : "quiet"}>
          {hint}
        </p>
      )}
    </form>
  );
}
