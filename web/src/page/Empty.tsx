import type { Store } from "../state/store";

/** Above the composer of a conversation that hasn't begun. */
export function Welcome({ store }: { store: Store }) {
  return (
    <div class="welcome">
      <h2>What shall we do?</h2>
      {store.about !== null && (
        <p>
          {store.about.offline
            ? "This is Netra's offline agent: rules and tools, not a language model. Every step of its work is shown, and you can stop it at any moment."
            : "You see every step of the agent's work, and you can stop it at any moment."}
        </p>
      )}
    </div>
  );
}

/** Below it: what the agent itself suggests. A click writes it, to be changed and sent. */
export function Suggestions({ store }: { store: Store }) {
  const examples = store.about?.examples ?? [];
  return (
    <ul class="examples" aria-label="Things to try">
      {examples.map((example) => (
        <li key={example}>
          <button type="button" dir="auto" onClick={() => store.compose(example)}>
            {example}
          </button>
        </li>
      ))}
    </ul>
  );
}
