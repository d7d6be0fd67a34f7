import { codeBlockOf } from "./code/CodeBlock";

/** Make what is on the page look as what was drawn anew, and leave alone what does already: what is selected stays
 * selected, and text that grows is appended to. The first `from` elements stand for something else. */
export function morph(shown: ParentNode & Node, drawn: ParentNode & Node, from = 0): void {
  let present = from === 0 ? shown.firstChild : (shown.children[from - 1]?.nextSibling ?? null);
  for (const wanted of [...drawn.childNodes]) {
    const next: ChildNode | null = present?.nextSibling ?? null;
    if (present === null) shown.append(wanted);
    else if (!became(present, wanted)) present.replaceWith(wanted);
    present = next;
  }
  while (present !== null) {
    const next: ChildNode | null = present.nextSibling;
    present.remove();
    present = next;
  }
}

/** Turn one node into another; false: it has to be replaced. */
function became(present: Node, wanted: Node): boolean {
  if (present instanceof Text && wanted instanceof Text) {
    if (wanted.data === present.data) return true;
    if (wanted.data.startsWith(present.data)) present.appendData(wanted.data.slice(present.data.length));
    else present.data = wanted.data;
    return true;
  }
  if (!(present instanceof Element && wanted instanceof Element)) return false;
  const code = codeBlockOf(present);
  const wantedCode = codeBlockOf(wanted);
  if (code !== null || wantedCode !== null) return code !== null && wantedCode !== null && code.becomes(wantedCode);
  if (present.tagName !== wanted.tagName || !sameAttributes(present, wanted)) return false;
  morph(present, wanted);
  return true;
}

function sameAttributes(one: Element, other: Element): boolean {
  return (
    one.attributes.length === other.attributes.length &&
    [...one.attributes].every(({ name, value }) => other.getAttribute(name) === value)
  );
}
