import { occurrences } from "./fold";

/** A text in which words are marked. */
export function Marked({ text, words }: { text: string; words: string[] }) {
  const parts = [];
  let at = 0;
  for (const [from, to] of occurrences(text, words)) {
    parts.push(text.slice(at, from), <mark key={from}>{text.slice(from, to)}</mark>);
    at = to;
  }
  return (
    <>
      {parts}
      {text.slice(at)}
    </>
  );
}
