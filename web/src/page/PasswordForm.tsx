import { useState } from "preact/hooks";
import { messageOf } from "../client";
import type { Store } from "../state/store";

/** Set or change the password; other sessions end by it. */
export function PasswordForm({ store }: { store: Store }) {
  const has = store.me?.has_password ?? true;
  const [current, setCurrent] = useState("");
  const [wanted, setWanted] = useState("");
  const [told, setTold] = useState<{ ok: boolean; text: string } | null>(null);

  const change = async () => {
    try {
      await store.api.changePassword(wanted, has ? current : null);
      setCurrent("");
      setWanted("");
      setTold({ ok: true, text: "The password is set. Other sessions were signed out." });
      if (store.me !== null) store.me = { ...store.me, has_password: true };
      store.changed();
    } catch (error) {
      setTold({ ok: false, text: messageOf(error) });
    }
  };

  return (
    <section aria-labelledby="password-title">
      <h2 id="password-title">Password</h2>
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void change();
        }}
      >
        <input class="unseen" type="text" autocomplete="username" value={store.me?.user.email} tabIndex={-1} readOnly aria-hidden="true" />
        {has ? (
          <>
            <label for="current-password">Current password</label>
            <input
              id="current-password"
              type="password"
              autocomplete="current-password"
              required
              value={current}
              onInput={(event) => setCurrent(event.currentTarget.value)}
            />
          </>
        ) : (
          <p>You have none yet: so far you sign in with one-time links.</p>
        )}
        <label for="new-password">New password</label>
        <input
          id="new-password"
          type="password"
          autocomplete="new-password"
          required
          value={wanted}
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
        {told !== null && (
          <p class={told.ok ? "good" : "problem"} role={told.ok ? "status" : "alert"}>
            {told.text}
          </p>
        )}
        <button type="submit" class="small">
          {has ? "Change the password" : "Set a password"}
        </button>
      </form>
    </section>
  );
}
