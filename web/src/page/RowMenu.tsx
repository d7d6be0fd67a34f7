import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./Icon";

type Entry = { label: string; key?: string; icon: Parameters<typeof Icon>[0]["name"]; act: () => void };
type Props = { label: string; entries: Entry[] };

const GAP = 4;

/** A button with three dots, and what it opens: a menu by the pattern of the ARIA Authoring Practices. */
export function RowMenu({ label, entries }: Props) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLUListElement>(null);

  useLayoutEffect(() => {
    const list = menu.current;
    const opener = button.current;
    if (!open || list === null || opener === null) return;
    // In the top layer, so that no list that scrolls cuts it.
    list.showPopover();
    const from = opener.getBoundingClientRect();
    const below = from.bottom + GAP + list.offsetHeight <= innerHeight;
    list.style.top = `${below ? from.bottom + GAP : Math.max(GAP, from.top - GAP - list.offsetHeight)}px`;
    list.style.left = `${Math.max(GAP, Math.min(from.right - list.offsetWidth, innerWidth - list.offsetWidth - GAP))}px`;
    items(list)[0]?.focus();
    const shut = () => setOpen(false);
    const pressed = ({ target }: PointerEvent) => {
      if (target instanceof Node && !list.contains(target) && !opener.contains(target)) shut();
    };
    addEventListener("resize", shut);
    addEventListener("pointerdown", pressed);
    return () => {
      removeEventListener("resize", shut);
      removeEventListener("pointerdown", pressed);
    };
  }, [open]);

  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <>
      <button
        type="button"
        class="bare more-button"
        ref={button}
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        title="More"
        onClick={() => setOpen(!open)}
      >
        <Icon name="more" />
      </button>
      {open && (
        <ul
          id={id}
          class="menu"
          role="menu"
          aria-label={label}
          popover="manual"
          ref={menu}
          onKeyDown={(event) => {
            if (event.key === "Escape" || event.key === "Tab") {
              event.preventDefault();
              close();
            } else move(event, event.currentTarget);
            event.stopPropagation();
          }}
        >
          {entries.map(({ label: name, key, icon, act }) => (
            <li role="none" key={name}>
              <button
                type="button"
                role="menuitem"
                tabIndex={-1}
                onClick={() => {
                  close();
                  act();
                }}
              >
                <Icon name={icon} />
                <span>{name}</span>
                {key && <kbd aria-hidden="true">{key}</kbd>}
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function items(menu: HTMLElement): HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>("[role=menuitem]")];
}

/** The arrows go around; a letter goes to the next entry that begins so. */
function move(event: KeyboardEvent, menu: HTMLElement): void {
  const all = items(menu);
  const at = all.findIndex((item) => item === document.activeElement);
  const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 };
  let to = steps[event.key];
  if (to === undefined && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const ahead = [...all.slice(at + 1), ...all.slice(0, at + 1)];
    const found = ahead.find((item) => item.textContent?.trim().toLowerCase().startsWith(event.key.toLowerCase()));
    if (found) to = all.indexOf(found);
  }
  if (to === undefined) return;
  event.preventDefault();
  all[to % all.length]?.focus();
}
