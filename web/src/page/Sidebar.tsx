import { useEffect, useState } from "preact/hooks";
import { messageOf, type SearchHit } from "../client";
import type { Store } from "../state/store";
import { Icon, Mark } from "./Icon";
import { ThreadRow } from "./ThreadRow";

const SEARCH_AFTER = 200;

/** The way around: threads, search, account. On a phone it slides in. */
export function Sidebar({ store }: { store: Store }) {
  const [query, setQuery] = useState("");
  const open = store.drawer;
  const setOpen = store.openDrawer;
  const [hits, setHits] = useState<SearchHit[] | string>([]);
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
    setHits([]);
    if (wanted === "") return;
    let stale = false;
    const timer = setTimeout(() => {
      store.api.search(wanted).then(
        (found) => stale || setHits(found.hits),
        (error: unknown) => stale || setHits(messageOf(error)),
      );
    }, SEARCH_AFTER);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [wanted]);

  const go = (path: string) => (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    setOpen(false);
    if (path === "/settings") store.go({ page: "settings" });
    else store.go({ page: "chat", threadId: path === "/" ? null : decodeURIComponent(path.slice(3)) });
    if (path === "/") document.getElementById("composer")?.focus();
  };

  const busy = store.busyThreads();
  const threads = [...store.threads.values()]
    .filter((thread) => !store.deletions.hides(thread.id))
    .filter((thread) => thread.title.toLocaleLowerCase().includes(wanted.toLocaleLowerCase()))
    .sort((a, b) => b.updated_at.localeCompare(a.updated_at) || b.id.localeCompare(a.id));

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
        <a class="new" href="/" onClick={go("/")}>
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
            maxLength={200}
            value={query}
            onInput={(event) => setQuery(event.currentTarget.value)}
          />
        </div>
        <div class="scroll">
          <ul class="threads" aria-label={wanted === "" ? "Conversations" : "Conversations with such a title"}>
            {threads.map((thread) => (
              <ThreadRow
                key={thread.id}
                thread={thread}
                current={store.threadId === thread.id}
                working={busy.has(thread.id)}
                unread={store.unread.has(thread.id)}
                onOpen={go(`/t/${encodeURIComponent(thread.id)}`)}
                onRename={(title) => void store.rename(thread.id, title)}
                onDelete={() => store.delete(thread.id)}
              />
            ))}
          </ul>
          {wanted === "" && store.moreThreads !== null && (
            <button type="button" class="link more" onClick={() => void store.loadMoreThreads()}>
              Show older conversations
            </button>
          )}
          {wanted !== "" && <Hits hits={hits} go={go} none={threads.length === 0} />}
        </div>
        <div class="account">
          <a href="/settings" aria-current={store.route.page === "settings" ? "page" : undefined} onClick={go("/settings")}>
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

type HitsProps = { hits: SearchHit[] | string; none: boolean; go: (path: string) => (event: MouseEvent) => void };

function Hits({ hits, none, go }: HitsProps) {
  if (typeof hits === "string") return <p class="quiet note">{hits}</p>;
  if (hits.length === 0) return none ? <p class="quiet note">Nothing found.</p> : null;
  return (
    <>
      <h2 class="note">In messages</h2>
      <ul class="hits" aria-label="Messages found">
        {hits.map((hit, index) => {
          const path = `/t/${encodeURIComponent(hit.thread_id)}`;
          return (
            <li key={index}>
              <a href={path} onClick={go(path)}>
                <strong dir="auto">{hit.title}</strong>
                <span dir="auto">{hit.excerpt}</span>
              </a>
            </li>
          );
        })}
      </ul>
    </>
  );
}

async function signOut(store: Store): Promise<void> {
  try {
    await store.signOut();
  } catch (error) {
    store.problem = messageOf(error);
    store.changed();
  }
}
