import type { Store } from "../state/store";

/** A conversation that hasn't begun: what one can say here. */
export function Empty({ store }: { store: Store }) {
  const { about, threadId } = store;
  return (
    <div class="transcript empty">
      <div class="welcome">
        <h2>What shall we do?</h2>
        <p>
          {about?.offline
            ? "This is Netra's offline agent: rules and tools, not a language model. Every step of its work is shown, and you can stop it at any moment."
            : "You see every step of the agent's work, and you can stop it at any moment."}
        </p>
        <ul class="examples" aria-label="Things to try">
          {about?.examples.map((example) => (
            <li key={example}>
              <button type="button" onClick={() => void store.say(threadId, example)}>
                {example}
              </button>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
