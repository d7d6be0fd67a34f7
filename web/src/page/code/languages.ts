import type { StreamParser } from "@codemirror/streamparser";

export type Mode = StreamParser<unknown>;

/** How the languages are read that are commonly met, by CodeMirror's modes; each is loaded when it's first met. */
const MODES: Record<string, () => Promise<Mode>> = {
  bash: () => import("@codemirror/legacy-modes/mode/shell").then(({ shell }) => shell),
  c: () => import("@codemirror/legacy-modes/mode/clike").then(({ c }) => c),
  cpp: () => import("@codemirror/legacy-modes/mode/clike").then(({ cpp }) => cpp),
  csharp: () => import("@codemirror/legacy-modes/mode/clike").then(({ csharp }) => csharp),
  css: () => import("@codemirror/legacy-modes/mode/css").then(({ css }) => css),
  dart: () => import("@codemirror/legacy-modes/mode/clike").then(({ dart }) => dart),
  diff: () => import("@codemirror/legacy-modes/mode/diff").then(({ diff }) => diff),
  dockerfile: () => import("@codemirror/legacy-modes/mode/dockerfile").then(({ dockerFile }) => dockerFile),
  go: () => import("@codemirror/legacy-modes/mode/go").then(({ go }) => go),
  html: () => import("@codemirror/legacy-modes/mode/xml").then(({ html }) => html),
  java: () => import("@codemirror/legacy-modes/mode/clike").then(({ java }) => java),
  javascript: () => import("@codemirror/legacy-modes/mode/javascript").then(({ javascript }) => javascript),
  json: () => import("@codemirror/legacy-modes/mode/javascript").then(({ json }) => json),
  kotlin: () => import("@codemirror/legacy-modes/mode/clike").then(({ kotlin }) => kotlin),
  lua: () => import("@codemirror/legacy-modes/mode/lua").then(({ lua }) => lua),
  php: () => import("./php").then(({ php }) => php),
  powershell: () => import("@codemirror/legacy-modes/mode/powershell").then(({ powerShell }) => powerShell),
  python: () => import("@codemirror/legacy-modes/mode/python").then(({ python }) => python),
  r: () => import("@codemirror/legacy-modes/mode/r").then(({ r }) => r),
  ruby: () => import("@codemirror/legacy-modes/mode/ruby").then(({ ruby }) => ruby),
  rust: () => import("@codemirror/legacy-modes/mode/rust").then(({ rust }) => rust),
  scala: () => import("@codemirror/legacy-modes/mode/clike").then(({ scala }) => scala),
  sql: () => import("@codemirror/legacy-modes/mode/sql").then(({ standardSQL }) => standardSQL),
  swift: () => import("@codemirror/legacy-modes/mode/swift").then(({ swift }) => swift),
  toml: () => import("@codemirror/legacy-modes/mode/toml").then(({ toml }) => toml),
  typescript: () => import("@codemirror/legacy-modes/mode/javascript").then(({ typescript }) => typescript),
  xml: () => import("@codemirror/legacy-modes/mode/xml").then(({ xml }) => xml),
  yaml: () => import("@codemirror/legacy-modes/mode/yaml").then(({ yaml }) => yaml),
};

/** What people and models call them besides. */
const ALIASES: Record<string, string> = {
  "c#": "csharp", "c++": "cpp", cc: "cpp", console: "bash", cs: "csharp", cxx: "cpp", docker: "dockerfile", golang: "go",
  h: "c", hpp: "cpp", htm: "html", js: "javascript", json5: "json", jsonc: "json", jsonl: "json", jsx: "javascript",
  kt: "kotlin", kts: "kotlin", less: "css", mjs: "javascript", mysql: "sql", patch: "diff", pgsql: "sql",
  plpgsql: "sql", postgres: "sql", postgresql: "sql", ps1: "powershell", pwsh: "powershell", py: "python", py3: "python",
  python3: "python", rb: "ruby", rs: "rust", scss: "css", sh: "bash", shell: "bash", sqlite: "sql", svelte: "html",
  svg: "xml", ts: "typescript", tsx: "typescript", vue: "html", xhtml: "html", yml: "yaml", zsh: "bash",
}; // prettier-ignore

const loading = new Map<string, Promise<Mode>>();

/** The mode of a language by any of its names; null: it has none here. */
export function modeOf(name: string): Promise<Mode> | null {
  const asked = name.toLowerCase();
  const language = Object.hasOwn(ALIASES, asked) ? (ALIASES[asked] ?? asked) : asked;
  const load = Object.hasOwn(MODES, language) ? MODES[language] : undefined;
  if (load === undefined) return null;
  let mode = loading.get(language);
  if (mode === undefined) {
    mode = load();
    loading.set(language, mode);
    // Not loaded: the next block tries again.
    mode.catch(() => loading.delete(language));
  }
  return mode;
}
