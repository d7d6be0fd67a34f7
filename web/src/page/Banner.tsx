import type { Store } from "../state/store";

/** Quiet news about the connection; nothing while all is well. */
export function Banner({ store }: { store: Store }) {
  const { status } = store;
  const text =
    status.state === "waiting"
      ? `${status.reason} Netra goes on by itself as soon as it's back.`
      : status.state === "connecting" && store.client.cursor !== null
        ? "Connecting again …"
        : null;
  return (
    <div class="banner" role="status" data-state={status.state}>
      {text !== null && (
        <p>
          <span>{text}</span>
          {status.state === "waiting" && (
            <button type="button" class="link" onClick={() => store.client.start()}>
              Try now
            </button>
          )}
        </p>
      )}
    </div>
  );
}
