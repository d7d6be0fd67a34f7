import { keep, kept } from "../../state/keep";

/** How code is shown in this browser: lines numbered, long lines wrapped. One choice holds for all code. */

const CHOICES = { numbers: "Line numbers", wrap: "Wrap" } as const;
type Choice = keyof typeof CHOICES;

function chosen(choice: Choice): boolean {
  return kept(`code:${choice}`) !== null;
}

/** Show code as it was chosen. */
export function chooseView(): void {
  for (const choice of Object.keys(CHOICES) as Choice[]) document.documentElement.classList.toggle(`code-${choice}`, chosen(choice));
}

/** A button that chooses. */
export function viewButton(choice: Choice): HTMLElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link";
  button.dataset.choice = choice;
  button.textContent = CHOICES[choice];
  button.setAttribute("aria-pressed", String(chosen(choice)));
  button.addEventListener("click", () => {
    keep(`code:${choice}`, chosen(choice) ? null : "yes");
    chooseView();
    for (const each of document.querySelectorAll<HTMLElement>(`button[data-choice=${choice}]`)) {
      each.setAttribute("aria-pressed", String(chosen(choice)));
    }
  });
  return button;
}
