import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ThreadInfo } from "../client";
import { RowMenu } from "./RowMenu";

type Props = {
  thread: ThreadInfo;
  current: boolean;
  working: boolean;
  unread: boolean;
  onOpen: (event: MouseEvent) => void;
  onRename: (title: string) => void;
  onPin: (pinned: boolean) => void;
  onArchive: (archived: boolean) => void;
  onDelete: () => void;
};

/** One thread in the list. With the keyboard: F2 renames, Delete deletes, and the menu has everything. */
export function ThreadRow({ thread, current, working, unread, onOpen, onRename, onPin, onArchive, onDelete }: Props) {
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
        <span class="title" dir="auto">
          {thread.title}
        </span>
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
      <RowMenu
        label={`More for “${thread.title}”`}
        entries={[
          { label: "Rename", key: "F2", icon: "pencil", act: () => setEditing(true) },
          thread.pinned
            ? { label: "Unpin", icon: "pin", act: () => onPin(false) }
            : { label: "Pin", icon: "pin", act: () => onPin(true) },
          thread.archived
            ? { label: "Bring back", icon: "unbox", act: () => onArchive(false) }
            : { label: "Archive", icon: "box", act: () => onArchive(true) },
          { label: "Delete", key: "Del", icon: "trash", act: onDelete },
        ]}
      />
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
