import { useEffect, useRef, useState } from "preact/hooks";
import { type Found, messageOf, type ThreadInfo } from "../client";
import type { Store } from "../state/store";
import { fold, wordsOf } from "./fold";
import { groupsOf } from "./groups";
import { Icon, Mark } from "./Icon";
import { SearchHits } from "./SearchHits";
import { ThreadRow } from "./ThreadRow";

const SEARCH_AFTER = 200;

/** The way around: threads, search, account. On a phone it slides in. */
export function Sidebar({ store }: { store: Store }) {
  const [query, setQuery] = useState("");
  const open = store.drawer;
  const setOpen = store.openDrawer;
  const [found, setFound] = useState<Found | string | null>(null);
  const [archive, setArchive] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const wanted = query.trim();

  useEffect(() => setOpen(false), [store.route]);
  useEffect(() => {
    // On a wide window there is no drawer, so none may keep what is beside it out of reach.
    const narrow = matchMedia("(max-width: 48rem)");
    const close = () => setOpen(false);
    narrow.addEventListener("change", close);
    return () => narrow.removeEventListener("change", close);
  }, []);
  useEffect(() => {
    const search = (event: KeyboardEvent) => {
      if (event.key !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey || store.expired) return;
      event.preventDefault();
      setOpen(true);
      requestAnimationFrame(() => field.current?.select());
    };
    addEventListener("keydown", search);
    return () => removeEventListener("keydown", search);
  }, []);
  useEffect(() => {
    setFound(null);
    if (wanted === "") return;
    let stale = false;
    const timer = setTimeout(() => {
      store.search(wanted).then(
        (all) => stale || setFound(all),
        (error: unknown) => stale || setFound(messageOf(error)),
      );
    }, SEARCH_AFTER);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [wanted]);

  const go = (act: () => void) => (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    setOpen(false);
    act();
  };
  const begin = () => {
    store.go({ page: "chat", threadId: null });
    document.getElementById("composer")?.focus();
  };

  const busy = store.busyThreads();
  const words = wordsOf(wanted);
  const all = [...store.threads.values()]
    .filter((thread) => !store.deletions.hides(thread.id))
    .sort((a, b) => b.updated_at.localeCompare(a.updated_at) || b.id.localeCompare(a.id));
  const titled = wanted === "" ? [] : all.filter(({ title }) => holds(fold(title), fold(wanted).split(/\s+/)));
  const archived = all.filter((thread) => thread.archived);
  const list = (threads: ThreadInfo[], label: string) => (
    <ul class="threads" aria-label={label}>
      {threads.map((thread) => (
        <ThreadRow
          key={thread.id}
          thread={thread}
          current={store.threadId === thread.id}
          working={busy.has(thread.id)}
          unread={store.unread.has(thread.id)}
          onOpen={go(() => store.go({ page: "chat", threadId: thread.id }))}
          onRename={(title) => void store.rename(thread.id, title)}
          onPin={(pinned) => void store.pin(thread.id, pinned)}
          onArchive={(away) => void store.archive(thread.id, away)}
          onDelete={() => store.delete(thread.id)}
        />
      ))}
    </ul>
  );

  return (
    <>
      <button
        type="button"
        class="bare drawer-button"
        aria-label={open ? "Close the list of conversations" : "Show the list of conversations"}
        aria-expanded={open}
        aria-controls="sidebar"
        onClick={() => setOpen(!open)}
      >
        <Icon name={open ? "close" : "menu"} />
        {!open && store.unread.size > 0 && <span class="dot unread" />}
      </button>
      {open && <div class="scrim" onClick={() => setOpen(false)} />}
      <nav
        id="sidebar"
        class={open ? "sidebar open" : "sidebar"}
        aria-label="Conversations"
        onKeyDown={(event) => {
          if (event.key !== "Escape" || !open) return;
          event.preventDefault();
          setOpen(false);
        }}
      >
        <div class="brand">
          <Mark />
          <span>Netra</span>
        </div>
        <a class="new" href="/" onClick={go(begin)}>
          <Icon name="plus" />
          New conversation
        </a>
        <div class="search">
          <Icon name="search" />
          <input
            type="search"
            dir="auto"
            aria-label="Search your conversations"
            placeholder="Search"
            title="Search (Ctrl+K)"
            ref={field}
            maxLength={200}
            value={query}
            onInput={(event) => setQuery(event.currentTarget.value)}
          />
        </div>
        <div class="scroll">
          {wanted === "" ? (
            <>
              {groupsOf(all.filter((thread) => !thread.archived && store.lists(thread))).map(({ label, threads }) => (
                <section key={label}>
                  <h2 class="note">{label}</h2>
                  {list(threads, label)}
                </section>
              ))}
              {store.moreThreads !== null && (
                <button type="button" class="link more" onClick={() => void store.loadMoreThreads()}>
                  Show older conversations
                </button>
              )}
              <button
                type="button"
                class="link more archive"
                aria-expanded={archive}
                onClick={() => {
                  setArchive(!archive);
                  if (store.moreArchived === undefined) void store.loadMoreThreads(true);
                }}
              >
                <Icon name="box" /> Archive
              </button>
              {archive && list(archived, "Archived conversations")}
              {archive && archived.length === 0 && store.moreArchived === null && <p class="quiet note">Nothing is archived.</p>}
              {archive && store.moreArchived != null && (
                <button type="button" class="link more" onClick={() => void store.loadMoreThreads(true)}>
                  Show more of the archive
                </button>
              )}
            </>
          ) : (
            <>
              {titled.length > 0 && (
                <section>
                  <h2 class="note">Titles</h2>
                  {list(titled, "Conversations with such a title")}
                </section>
              )}
              <SearchHits found={found} query={wanted} words={words} none={titled.length === 0} store={store} go={go} />
            </>
          )}
        </div>
        <div class="account">
          <a href="/settings" aria-current={store.route.page === "settings" ? "page" : undefined} onClick={go(() => store.go({ page: "settings" }))}>
            <Icon name="gear" />
            <span class="who">{store.me?.user.email}</span>
            <span class="unseen">: settings</span>
          </a>
          <button type="button" class="bare" aria-label="Sign out" title="Sign out" onClick={() => void signOut(store)}>
            <Icon name="leave" />
          </button>
        </div>
      </nav>
    </>
  );
}

function holds(title: string, parts: string[]): boolean {
  return parts.every((part) => title.includes(part));
}

async function signOut(store: Store): Promise<void> {
  try {
    await store.signOut();
  } catch (error) {
    store.failed(error, () => void signOut(store));
  }
}
