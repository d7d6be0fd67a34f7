import "./style/base.css";
import "./style/layout.css";
import "./style/transcript.css";
import "./style/settings.css";
import { render } from "preact";
import { Store } from "../state/store";
import { showTheme } from "../state/theme";
import { App } from "./App";

const root = document.getElementById("app");
if (root === null) throw new Error("the page has no #app");

showTheme();
const store = new Store(() => render(<App store={store} />, root));
// For people who look under the hood, and for tests: `netra.cursor`, `netra.violations`.
Object.assign(globalThis, { netra: store.client });
void store.begin();
