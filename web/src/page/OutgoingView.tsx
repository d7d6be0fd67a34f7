import type { Outgoing, WhenBusy } from "../state/outbox";
import type { Store } from "../state/store";

/** A message that the server doesn't have yet, or refused. */
export function OutgoingView({ item, store }: { item: Outgoing; store: Store }) {
  const { problem } = item;
  const again = (whenBusy: WhenBusy) => () => void store.sayAgain(item, whenBusy);
  return (
    <article class="turn">
      <div class="said outgoing">
        <h3 class="unseen">You said</h3>
        <p dir="auto">{item.text}</p>
      </div>
      {problem === null ? (
        <p class="quiet sending">{item.stopping ? "Stopping …" : "Sending …"}</p>
      ) : (
        <div class="refused">
          <p class="problem" role="alert">
            {problem.message}
          </p>
          {problem.code === "thread_busy" ? (
            <>
              <button type="button" class="small" onClick={again("queue")}>
                Send after this answer
              </button>
              <button type="button" class="small" onClick={again("interrupt")}>
                Interrupt and send
              </button>
            </>
          ) : (
            <button type="button" class="small" onClick={again(item.whenBusy)}>
              Send again
            </button>
          )}
          <button type="button" class="link" onClick={() => store.outbox.drop(item.clientMessageId)}>
            Discard
          </button>
        </div>
      )}
    </article>
  );
}
