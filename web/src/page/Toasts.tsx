import { useEffect, useRef } from "preact/hooks";
import type { Store } from "../state/store";
import { Icon } from "./Icon";

/** What can be undone still, and what went wrong. They have a place of their own, so that they lie on nothing. */
export function Toasts({ store }: { store: Store }) {
  const undo = (id: string) => {
    store.deletions.undo(id);
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`.thread a[href="/t/${CSS.escape(id)}"]`)?.focus());
  };
  const { trouble } = store;
  const again = trouble?.again;
  const leaveDrawer = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !store.drawer) return;
    event.preventDefault();
    store.openDrawer(false);
  };
  return (
    <div class="toasts" onKeyDown={leaveDrawer}>
      {store.deletions.items
        .filter((item) => item.timer !== null || item.problem !== null)
        .map((item) =>
          item.problem === null ? (
            <div class="toast" role="status" key={item.id}>
              <span>Deleted “{item.title}”.</span>
              <Undo onUndo={() => undo(item.id)} />
            </div>
          ) : (
            <div class="toast" role="alert" key={item.id}>
              <span>
                “{item.title}” wasn't deleted. {item.problem}
              </span>
              <button type="button" class="link" onClick={() => store.deletions.again(item.id)}>
                Try again
              </button>
              <Dismiss onDismiss={() => store.deletions.done(item.id)} />
            </div>
          ),
        )}
      {trouble !== null && (
        <div class="toast" role="alert">
          <span>{trouble.text}</span>
          {again != null && (
            <button
              type="button"
              class="link"
              onClick={() => {
                store.dismiss();
                again();
              }}
            >
              Try again
            </button>
          )}
          <Dismiss onDismiss={store.dismiss} />
        </div>
      )}
    </div>
  );
}

function Dismiss({ onDismiss }: { onDismiss: () => void }) {
  return (
    <button type="button" class="bare" aria-label="Dismiss" onClick={onDismiss}>
      <Icon name="close" />
    </button>
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
