import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ThreadInfo } from "../client";
import { Icon } from "./Icon";

type Props = {
  thread: ThreadInfo;
  current: boolean;
  working: boolean;
  unread: boolean;
  onOpen: (event: MouseEvent) => void;
  onRename: (title: string) => void;
  onDelete: () => void;
};

/** One thread in the list. With the keyboard: F2 renames, Delete deletes. */
export function ThreadRow({ thread, current, working, unread, onOpen, onRename, onDelete }: Props) {
  const [editing, setEditing] = useState(false);
  const link = useRef<HTMLAnchorElement>(null);
  const wasEditing = useRef(false);

  useEffect(() => {
    if (!editing && wasEditing.current) link.current?.focus();
    wasEditing.current = editing;
  }, [editing]);

  if (editing) {
    const end = (title: string | null) => {
      if (title !== null) onRename(title);
      setEditing(false);
    };
    return (
      <li class="thread">
        <TitleField title={thread.title} onEnd={end} />
      </li>
    );
  }
  return (
    <li class={current ? "thread current" : "thread"}>
      <a
        ref={link}
        href={`/t/${encodeURIComponent(thread.id)}`}
        aria-current={current ? "page" : undefined}
        onClick={onOpen}
        onKeyDown={(event) => {
          if (event.key === "F2") setEditing(true);
          else if (event.key === "Delete") onDelete();
        }}
      >
        <span class="title" dir="auto">{thread.title}</span>
        {working && (
          <span class="dot working">
            <span class="unseen">the agent works</span>
          </span>
        )}
        {unread && !working && (
          <span class="dot unread">
            <span class="unseen">unread</span>
          </span>
        )}
      </a>
      <span class="actions">
        <button type="button" class="bare" aria-label={`Rename “${thread.title}”`} title="Rename (F2)" onClick={() => setEditing(true)}>
          <Icon name="pencil" />
        </button>
        <button type="button" class="bare" aria-label={`Delete “${thread.title}”`} title="Delete (Del)" onClick={onDelete}>
          <Icon name="trash" />
        </button>
      </span>
    </li>
  );
}

function TitleField({ title, onEnd }: { title: string; onEnd: (title: string | null) => void }) {
  const field = useRef<HTMLInputElement>(null);
  const ended = useRef(false);
  useLayoutEffect(() => field.current?.select(), []);
  const end = (wanted: string | null) => {
    if (ended.current) return;
    ended.current = true;
    onEnd(wanted);
  };
  return (
    <input
      ref={field}
      aria-label="Title"
      dir="auto"
      defaultValue={title}
      maxLength={200}
      onBlur={(event) => end(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter") end(event.currentTarget.value);
        else if (event.key === "Escape") end(null);
        event.stopPropagation();
      }}
    />
  );
}
