import type { Turn } from "../state/conversation";
import type { Outgoing, WhenBusy } from "../state/outbox";
import type { Store } from "../state/store";
import { Said } from "./Said";
import { Earlier } from "./TurnView";
import { wordsOfRefusal } from "./wording";

/** A message that the server doesn't have yet, or refused. `earlier`: tries of the same that failed. */
export function OutgoingView({ item, earlier, store }: { item: Outgoing; earlier: Turn[]; store: Store }) {
  const { problem } = item;
  const again = (whenBusy: WhenBusy) => () => void store.sayAgain(item, whenBusy);
  return (
    <article class="turn">
      <Said text={item.text} waiting />
      {earlier.map((each) => (
        <Earlier key={each.runId} turn={each} store={store} />
      ))}
      {problem === null ? (
        <p class="quiet sending">{item.stopping ? "Stopping …" : "Sending …"}</p>
      ) : (
        <div class="refused">
          <p class="problem" role="alert">
            {wordsOfRefusal(problem)}
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
