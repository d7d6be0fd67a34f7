import { useEffect, useState } from "preact/hooks";
import { messageOf, type SessionInfo } from "../client";
import type { Store } from "../state/store";
import { chooseTheme, type Theme, theme } from "../state/theme";
import { DeleteAccount } from "./DeleteAccount";
import { PasswordForm } from "./PasswordForm";
import { modelName, moment } from "./wording";

/** What belongs to the account and to this browser. */
export function Settings({ store }: { store: Store }) {
  return (
    <main id="main" class="settings" tabIndex={-1}>
      <div class="column">
        <h1>Settings</h1>
        <p class="quiet">Signed in as {store.me?.user.email}</p>
        <ThemeChoice />
        <Model store={store} />
        <Sessions store={store} />
        <PasswordForm store={store} />
        <section aria-labelledby="export-title">
          <h2 id="export-title">Your data</h2>
          <p>Everything that you and the agent said, and your notes.</p>
          <p class="row">
            <a class="button small" href="/api/export?format=json" download>
              Export as JSON
            </a>
            <a class="button small" href="/api/export?format=markdown" download>
              Export as Markdown
            </a>
          </p>
        </section>
        <DeleteAccount store={store} />
      </div>
    </main>
  );
}

const THEMES: [Theme, string][] = [
  ["system", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
];

function ThemeChoice() {
  const [chosen, setChosen] = useState(theme());
  return (
    <section aria-labelledby="theme-title">
      <h2 id="theme-title">Appearance</h2>
      <fieldset class="choice">
        <legend class="unseen">Theme</legend>
        {THEMES.map(([value, label]) => (
          <label key={value}>
            <input
              type="radio"
              name="theme"
              checked={chosen === value}
              onChange={() => {
                chooseTheme(value);
                setChosen(value);
              }}
            />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
    </section>
  );
}

function Model({ store }: { store: Store }) {
  const { about } = store;
  return (
    <section aria-labelledby="model-title">
      <h2 id="model-title">Model</h2>
      {about === null ? (
        <p class="quiet">…</p>
      ) : (
        <p>
          {about.offline ? (
            <>
              <strong>Offline agent</strong>: rules and tools, not a language model. Start Netra with{" "}
              <code>NETRA_MODEL=openai:NAME</code> to use one.
            </>
          ) : (
            <>
              <strong>{modelName(about.model)}</strong>, run by {about.agent}
            </>
          )}{" "}
          <span class="quiet">Netra {about.version}</span>
        </p>
      )}
    </section>
  );
}

function Sessions({ store }: { store: Store }) {
  const [sessions, setSessions] = useState<SessionInfo[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const attempt = async (work: () => Promise<void>) => {
    try {
      setProblem(null);
      await work();
    } catch (error) {
      setProblem(messageOf(error));
    }
  };
  const read = async () => setSessions((await store.api.sessions()).sessions);
  useEffect(() => void attempt(read), []);
  return (
    <section aria-labelledby="sessions-title">
      <h2 id="sessions-title">Sessions</h2>
      {problem !== null && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <ul class="sessions">
        {sessions?.map((session) => (
          <li key={session.id}>
            <span>
              <strong>{programOf(session.label)}</strong>
              {session.current && <span class="badge">this browser</span>}
              <span class="quiet">
                since {moment(session.created_at)}, last used {moment(session.last_seen_at)}
              </span>
            </span>
            {!session.current && (
              <button
                type="button"
                class="small"
                aria-label={`Sign out ${programOf(session.label)}, since ${moment(session.created_at)}`}
                onClick={() =>
                  void attempt(async () => {
                    await store.api.revoke(session.id);
                    await read();
                  })
                }
              >
                Sign out
              </button>
            )}
          </li>
        ))}
      </ul>
      <p class="row">
        <button type="button" class="small" onClick={() => void attempt(() => store.signOut(true))}>
          Sign out everywhere
        </button>
      </p>
    </section>
  );
}

/** What a browser calls itself, in words. */
function programOf(label: string): string {
  const browser = /(Firefox|Edg|OPR|Chrome|Safari)\//.exec(label)?.[1];
  if (browser === undefined) return label.slice(0, 60);
  const name = { Edg: "Edge", OPR: "Opera" }[browser] ?? browser;
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(label)?.[1];
  return system === undefined ? name : `${name} on ${system.replace("Mac OS X", "macOS")}`;
}
