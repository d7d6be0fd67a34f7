const PATHS = {
  plus: "M12 5v14M5 12h14",
  search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14ZM16.200 16.200 20 20",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6 6 18",
  pencil: "M4 20l1-4L16 5l3 3L8 19l-4 1ZM14 7l3 3",
  trash: "M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12M10.500 10.500v5M13.500 10.500v5",
  gear: "M12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6ZM12 3v3M12 18v3M3 12h3M18 12h3M5.600 5.600l2.100 2.100M16.300 16.300l2.100 2.100M18.400 5.600l-2.100 2.100M7.700 16.300l-2.100 2.100",
  send: "M12 19V6M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  copy: "M9 9h10v11H9zM15 9V5H5v11h4",
  check: "M5 13l4 4L19 7",
  cross: "M7 7l10 10M17 7 7 17",
  down: "M12 5v13M6 13l6 6 6-6",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  pin: "M9 4h6l-1 7 3 3H7l3-3-1-7ZM12 14v6",
  box: "M4 5h16v4H4zM5.500 9v10h13V9M10 13h4",
  unbox: "M4 5h16v4H4zM5.500 9v10h13V9M12 17v-6M9.500 13.500 12 11l2.500 2.500",
  up: "M12 19V6M6 11l6-6 6 6",
  leave: "M10 5H5v14h5M14 8l4 4-4 4M18 12H9",
  back: "M19 12H5M11 6l-6 6 6 6",
} as const;

/** A picture beside words, or in a button that has a label: it says nothing itself. */
export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M2 16C7 8.500 11.500 6 16 6s9 2.500 14 10c-5 7.500-9.500 10-14 10S7 23.500 2 16Z" />
      <circle class="mark-white" cx="16" cy="16" r="5.500" />
      <circle cx="16" cy="16" r="2.500" />
    </svg>
  );
}
