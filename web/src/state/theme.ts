import { keep, kept } from "./keep";

export type Theme = "light" | "dark" | "system";

export function theme(): Theme {
  const chosen = kept("theme");
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

/** Use a theme, and remember it in this browser. */
export function chooseTheme(chosen: Theme): void {
  keep("theme", chosen === "system" ? null : chosen);
  showTheme();
}

export function showTheme(): void {
  const chosen = theme();
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}
