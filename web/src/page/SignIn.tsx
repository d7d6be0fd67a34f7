import { useEffect, useRef, useState } from "preact/hooks";
import { messageOf } from "../client";
import type { Store } from "../state/store";
import { Mark } from "./Icon";

/** Sign in, as a page or (`again`) over the page whose session ended: what was typed there stays. */
export function SignIn({ store, again = false }: { store: Store; again?: boolean }) {
  const [email, setEmail] = useState(again ? (store.me?.user.email ?? "") : "");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<string | null>(store.trouble?.text ?? null);
  const [busy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);

  const attempt = async (work: () => Promise<unknown>) => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
      await store.signedIn();
    } catch (error) {
      setProblem(messageOf(error));
      setBusy(false);
      first.current?.focus();
    }
  };

  useEffect(() => {
    const redeem = () => {
      const code = location.hash.slice(1);
      if (location.pathname !== "/sign-in" || code === "") return false;
      // The code works once; it needn't stay in the address bar or the history.
      history.replaceState(null, "", location.pathname);
      void attempt(() => store.api.redeem(decodeURIComponent(code)));
      return true;
    };
    if (!redeem()) first.current?.focus();
    addEventListener("hashchange", redeem);
    return () => removeEventListener("hashchange", redeem);
  }, []);

  const form = (
    <form
      class="card sign-in"
      onSubmit={(event) => {
        event.preventDefault();
        void attempt(() => store.api.signIn(email, password));
      }}
    >
      <Mark />
      <h1 id="sign-in-title">{again ? "Your session has ended" : "Sign in to Netra"}</h1>
      <p class="quiet">
        {again ? (
          "Sign in again to go on where you were. What you typed is kept."
        ) : (
          <>
            With your password, or by the one-time link that <code>netra up</code> shows.
          </>
        )}
      </p>
      {problem !== null && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <label for="email">E-mail address</label>
      <input
        id="email"
        ref={first}
        type="text"
        inputMode="email"
        autocomplete="username"
        required
        maxLength={320}
        value={email}
        onInput={(event) => setEmail(event.currentTarget.value)}
      />
      <label for="password">Password</label>
      <input
        id="password"
        type="password"
        autocomplete="current-password"
        required
        maxLength={1000}
        value={password}
        onInput={(event) => setPassword(event.currentTarget.value)}
      />
      <button type="submit" class="primary" disabled={busy}>
        {busy ? "Signing in …" : "Sign in"}
      </button>
    </form>
  );
  return again ? (
    <div class="veil" role="dialog" aria-modal="true" aria-labelledby="sign-in-title">
      {form}
    </div>
  ) : (
    <main class="centre">{form}</main>
  );
}
