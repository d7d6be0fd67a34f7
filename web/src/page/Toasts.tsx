import type { Store } from "../state/store";
import { Icon } from "./Icon";

/** What can be undone still, and what went wrong. */
export function Toasts({ store }: { store: Store }) {
  const dismiss = () => {
    store.problem = null;
    store.changed();
  };
  return (
    <div class="toasts">
      {store.deletions.items
        .filter((item) => item.timer !== null || item.problem !== null)
        .map((item) => (
          <div class="toast" role={item.problem === null ? "status" : "alert"} key={item.id}>
            <span>{item.problem ?? `Deleted “${item.title}”.`}</span>
            {item.problem === null ? (
              <button type="button" class="link" onClick={() => store.deletions.undo(item.id)}>
                Undo
              </button>
            ) : (
              <button type="button" class="link" onClick={() => store.deletions.done(item.id)}>
                All right
              </button>
            )}
          </div>
        ))}
      {store.problem !== null && (
        <div class="toast" role="alert">
          <span>{store.problem}</span>
          <button type="button" class="bare" aria-label="Dismiss" onClick={dismiss}>
            <Icon name="close" />
          </button>
        </div>
      )}
    </div>
  );
}
