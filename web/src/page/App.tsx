import type { Store } from "../state/store";
import { Banner } from "./Banner";
import { Chat } from "./Chat";
import { Settings } from "./Settings";
import { Sidebar } from "./Sidebar";
import { SignIn } from "./SignIn";
import { Still } from "./Still";
import { Toasts } from "./Toasts";

export function App({ store }: { store: Store }) {
  document.title = titleOf(store);
  if (store.route.page === "sign-in" || store.me === null) return <SignIn store={store} />;
  return (
    <>
      <div class="frame" inert={store.expired}>
        <a
          class="skip"
          href="#main"
          onClick={(event) => {
            event.preventDefault();
            (document.querySelector<HTMLElement>(".view") ?? document.querySelector("main"))?.focus();
          }}
        >
          Skip to the conversation
        </a>
        <Still version={store.version}>{() => <Sidebar store={store} />}</Still>
        <div class="stage" inert={store.drawer}>
          <Banner store={store} />
          {store.route.page === "settings" ? <Settings store={store} /> : <Chat store={store} />}
          {store.route.page === "settings" && !store.drawer && <Toasts store={store} />}
        </div>
        {store.drawer && <Toasts store={store} />}
        <p class="unseen" role="status" aria-live="polite">
          {/* Another element each time: the same words twice are two announcements. */}
          <span key={store.announcement.number}>{store.announcement.text}</span>
        </p>
      </div>
      {store.expired && <SignIn store={store} again />}
    </>
  );
}

function titleOf(store: Store): string {
  if (store.me === null || store.route.page === "sign-in") return "Sign in to Netra";
  if (store.route.page === "settings") return "Settings – Netra";
  const title = store.threadId === null ? null : store.threads.get(store.threadId)?.title;
  const waiting = store.unread.size > 0 ? `(${store.unread.size}) ` : "";
  return waiting + (title ? `${title} – Netra` : "Netra");
}
