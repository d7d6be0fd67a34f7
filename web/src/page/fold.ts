const MARKS = /\p{M}/gu;
const WORD = /[\p{L}\p{N}\p{M}_]+/gu;

/** A text as it is searched: case and accents don't count (as on the server, `storage/search_terms.py`). */
export function fold(text: string): string {
  return text.normalize("NFKD").replace(MARKS, "").toLowerCase();
}

/** The words of a query; what is no letter, digit or underscore parts them. */
export function wordsOf(query: string): string[] {
  return (query.match(WORD) ?? []).map(fold);
}

/** Where the words stand in a text: from, to. The last one may be the beginning of what stands there. */
export function occurrences(text: string, words: string[]): [number, number][] {
  const last = words.at(-1);
  const found: [number, number][] = [];
  if (last === undefined) return found;
  const whole = new Set(words);
  for (const { 0: word, index } of text.matchAll(WORD)) {
    const folded = fold(word);
    if (whole.has(folded) || folded.startsWith(last)) found.push([index, index + word.length]);
  }
  return found;
}
