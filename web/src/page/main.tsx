import "./style/base.css";
import "./style/layout.css";
import "./style/transcript.css";
import "./style/code.css";
import "./style/settings.css";
import "./style/room.css";
import { render } from "preact";
import { Store } from "../state/store";
import { showTheme } from "../state/theme";
import { App } from "./App";
import { chooseView } from "./code/view";

const root = document.getElementById("app");
if (root === null) throw new Error("the page has no #app");

showTheme();
chooseView();
let faces = false;
const store = new Store(() => {
  // Until it's known who is here, the page's skeleton stands (index.html).
  if (store.beginning) return;
  root.querySelector(":scope > .skeleton")?.remove();
  render(<App store={store} />, root);
  if (faces || (store.threadId !== null && store.conversation?.loaded !== true)) return;
  faces = true;
  void import("./style/fonts.css");
});
// For people who look under the hood, and for tests: `netra.cursor`, `netra.violations`.
Object.assign(globalThis, { netra: store.client });
void store.begin();
