import { useEffect, useRef } from "preact/hooks";
import type { Store } from "../state/store";
import { Icon } from "./Icon";

/** What can be undone still, and what went wrong. */
export function Toasts({ store }: { store: Store }) {
  const dismiss = () => {
    store.problem = null;
    store.changed();
  };
  const undo = (id: string) => {
    store.deletions.undo(id);
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`.thread a[href="/t/${CSS.escape(id)}"]`)?.focus());
  };
  return (
    <div class="toasts">
      {store.deletions.items
        .filter((item) => item.timer !== null || item.problem !== null)
        .map((item) => (
          <div class="toast" role={item.problem === null ? "status" : "alert"} key={item.id}>
            <span>{item.problem ?? `Deleted “${item.title}”.`}</span>
            {item.problem === null ? (
              <Undo onUndo={() => undo(item.id)} />
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

/** Takes the focus where deleting left none, so that the keyboard can undo at once. */
function Undo({ onUndo }: { onUndo: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) button.current?.focus();
    return () => {
      if (document.activeElement === button.current) document.getElementById("composer")?.focus();
    };
  }, []);
  return (
    <button type="button" class="link" ref={button} onClick={onUndo}>
      Undo
    </button>
  );
}
