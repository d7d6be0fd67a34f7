import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Store } from "../state/store";
import { wordsOf } from "./fold";
import { Icon } from "./Icon";
import { Marking } from "./marking";

const FIND_AFTER = 200;

/** Opens the search in this conversation: what isn't in view isn't in the document, so the browser can't find it. */
export function FindButton({ store }: { store: Store }) {
  const open = () => {
    if (store.finder.find === null) store.finder.look("");
    else document.getElementById("find")?.focus();
  };
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== "f" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
      // A second time it is the browser's own.
      if (store.expired || store.threadId === null || document.activeElement?.id === "find") return;
      event.preventDefault();
      open();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  return (
    <button type="button" class="bare" aria-label="Find in this conversation" title="Find (Ctrl+F)" aria-expanded={store.finder.find !== null} onClick={open}>
      <Icon name="search" />
    </button>
  );
}

/** The search in one conversation. */
export function FindBar({ store }: { store: Store }) {
  const { find } = store.finder;
  const [query, setQuery] = useState(find?.query ?? "");
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  useLayoutEffect(() => {
    // Where a hit was opened from the list, the keyboard goes on in what was found.
    if (store.finder.hit === null && find?.query === "") field.current?.select();
    return () => clearTimeout(timer.current);
  }, []);
  useEffect(() => {
    if (find !== null && timer.current === undefined) setQuery(find.query);
  }, [find?.query]);
  useMarks(store);

  if (find === null) return null;
  const type = (value: string) => {
    setQuery(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      timer.current = undefined;
      store.finder.look(value);
    }, FIND_AFTER);
  };
  const many = find.hits?.length ?? 0;
  const close = () => {
    store.finder.end();
    document.getElementById("composer")?.focus({ preventScroll: true });
  };
  const step = (by: number) => store.finder.step(by);
  return (
    <search class="find" aria-label="Find in this conversation">
      <input
        id="find"
        ref={field}
        type="search"
        dir="auto"
        aria-label="Find in this conversation"
        placeholder="Find"
        maxLength={200}
        value={query}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") close();
          else if (event.key === "ArrowUp" || (event.key === "Enter" && !event.shiftKey)) step(-1);
          else if (event.key === "ArrowDown" || event.key === "Enter") step(1);
          else return;
          event.preventDefault();
        }}
      />
      <p class="quiet" role="status">
        {find.problem ?? tell(find.query, find.hits === null, find.at, many)}
      </p>
      <button type="button" class="bare" aria-label="Earlier match" title="Earlier match (Enter)" disabled={many === 0} onClick={() => step(-1)}>
        <Icon name="up" />
      </button>
      <button type="button" class="bare" aria-label="Later match" title="Later match (Shift+Enter)" disabled={many === 0} onClick={() => step(1)}>
        <Icon name="down" />
      </button>
      <button type="button" class="bare" aria-label="Close the search" title="Close (Esc)" onClick={close}>
        <Icon name="close" />
      </button>
    </search>
  );
}

function tell(query: string, looking: boolean, at: number, many: number): string {
  if (query.trim() === "") return "";
  if (looking) return "Searching …";
  if (many === 0) return "Not found";
  return `${at + 1} of ${many >= 100 ? "the newest 100" : many}`;
}

/** Marks what was found in as much of the conversation as is in the document. */
function useMarks(store: Store): void {
  const marking = useRef<Marking | null>(null);
  useEffect(() => {
    marking.current = new Marking();
    return () => marking.current?.end();
  }, []);
  useEffect(() => {
    const { find, hit, shown } = store.finder;
    marking.current?.show(wordsOf(find?.query ?? ""), find?.hits ?? [], hit, shown);
  });
}
