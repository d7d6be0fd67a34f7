/** Which way a text runs: as its first letter does (the rule P2 of Unicode's bidirectional algorithm, as in `dir="auto"`). */

const LETTER = /\p{L}/u;
const RIGHT_TO_LEFT =
  /\p{Script=Hebrew}|\p{Script=Arabic}|\p{Script=Syriac}|\p{Script=Thaana}|\p{Script=Nko}|\p{Script=Samaritan}|\p{Script=Mandaic}|\p{Script=Adlam}/u;

export function directionOf(text: string): "ltr" | "rtl" {
  const first = LETTER.exec(text);
  return first !== null && RIGHT_TO_LEFT.test(first[0]) ? "rtl" : "ltr";
}
