import { useState } from "preact/hooks";
import { messageOf } from "../client";
import type { Store } from "../state/store";

/** Remove the account. Asked twice: it can't be undone. */
export function DeleteAccount({ store }: { store: Store }) {
  const [asked, setAsked] = useState(false);
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const has = store.me?.has_password ?? true;

  const carryOut = async () => {
    try {
      await store.api.deleteAccount(has ? password : null);
      store.leave();
    } catch (error) {
      setProblem(messageOf(error));
    }
  };

  return (
    <section class="danger" aria-labelledby="delete-title">
      <h2 id="delete-title">Delete the account</h2>
      <p>
        Removes your conversations, notes and sessions at once and for good. <strong>It can't be undone.</strong>
      </p>
      {!asked ? (
        <button type="button" class="small" onClick={() => setAsked(true)}>
          Delete my account …
        </button>
      ) : (
        <form
          class="fields"
          onSubmit={(event) => {
            event.preventDefault();
            void carryOut();
          }}
        >
          {has ? (
            <>
              <label for="delete-password">Your password</label>
              <input
                id="delete-password"
                type="password"
                autocomplete="current-password"
                required
                value={password}
                onInput={(event) => setPassword(event.currentTarget.value)}
              />
            </>
          ) : (
            <p>You have no password: this works within ten minutes of signing in by a one-time link.</p>
          )}
          {problem !== null && (
            <p class="problem" role="alert">
              {problem}
            </p>
          )}
          <p class="row">
            <button type="submit" class="small destructive">
              Delete everything
            </button>
            <button type="button" class="link" onClick={() => setAsked(false)}>
              Keep it
            </button>
          </p>
        </form>
      )}
    </section>
  );
}
