import type { Found } from "../client";
import { pathOf } from "../state/route";
import type { Store } from "../state/store";
import { Marked } from "./Marked";

type Props = {
  /** A text: why nothing can be found now; null: it's being looked for. */
  found: Found | string | null;
  query: string;
  words: string[];
  /** Nothing else was found. */
  none: boolean;
  store: Store;
  go: (act: () => void) => (event: MouseEvent) => void;
};

/** The messages that were found. Each opens where it stands in its conversation. */
export function SearchHits({ found, query, words, none, store, go }: Props) {
  if (found === null) return <p class="quiet note">Searching …</p>;
  if (typeof found === "string") {
    return (
      <p class="problem note" role="alert">
        {found}
      </p>
    );
  }
  if (found.hits.length === 0) return none ? <p class="quiet note">Nothing found.</p> : null;
  return (
    <section>
      <h2 class="note">In messages</h2>
      <ul class="hits" aria-label="Messages found">
        {found.hits.map((hit) => {
          const route = { page: "chat", threadId: hit.thread_id, find: query, message: hit.message_id } as const;
          return (
            <li key={hit.message_id}>
              <a href={pathOf(route)} onClick={go(() => store.go(route))}>
                <strong dir="auto">{hit.title}</strong>
                <span dir="auto">
                  {hit.role === "user" && <span class="unseen">You: </span>}
                  <Marked text={hit.excerpt} words={words} />
                </span>
              </a>
            </li>
          );
        })}
      </ul>
      {found.hits.length >= 100 && <p class="quiet note">These are the newest hundred. Another word narrows it down.</p>}
    </section>
  );
}
