import { clike } from "@codemirror/legacy-modes/mode/clike";
import type { StringStream } from "@codemirror/streamparser";

/** PHP is read as its neighbours with braces are; what the pages around it say is text to it. */

const words = (text: string) => Object.fromEntries(text.split(" ").map((word) => [word, true]));

export const php = clike({
  name: "php",
  keywords: words(
    "abstract and array as break case catch class clone const continue declare default do echo else elseif enum extends" +
      " final finally fn for foreach function global goto if implements include include_once instanceof insteadof" +
      " interface isset list match namespace new or print private protected public readonly require require_once" +
      " return static switch throw trait try unset use var while xor yield self parent",
  ),
  types: words("bool callable float int iterable mixed never object string void"),
  blockKeywords: words("catch do else elseif for foreach if switch try while finally"),
  atoms: words("true false null TRUE FALSE NULL"),
  multiLineStrings: true,
  hooks: {
    $: (stream: StringStream) => {
      stream.eatWhile(/[\w$]/);
      return "variableName.special";
    },
    "#": (stream: StringStream) => {
      if (stream.eat("[")) return "meta";
      stream.skipToEnd();
      return "comment";
    },
    "<": (stream: StringStream) => (stream.match("?php") || stream.match("?=") ? "meta" : false),
    "?": (stream: StringStream) => (stream.eat(">") ? "meta" : false),
  },
});
