import { expect, test } from "vitest";
import { modeOf } from "../src/page/code/languages";
import { type Piece, Painter } from "../src/page/code/painter";

async function painted(language: string, code: string): Promise<(Piece[] | null)[]> {
  const mode = modeOf(language);
  if (mode === null) throw new Error(`${language} has no mode`);
  const painter = new Painter(await mode);
  return code.split("\n").map((line) => painter.line(line));
}

test("pieces are the line, whatever it is", async () => {
  for (const language of ["python", "c++", "html", "php", "sql", "YAML", "js"]) {
    for (const line of ["", "  x = 'a' # b", "</span><b>", "\t\u202e{[(", "'''", "/* a", "<?php $a[#[", "\\"]) {
      const [pieces] = await painted(language, line);
      expect(pieces?.map(({ text }) => text).join("")).toBe(line);
    }
  }
});

test("what was open on a line before is open on the next", async () => {
  const [, inside, , after] = await painted("python", '"""one\ntwo\n"""\nthree = 4');
  expect(inside).toEqual([{ text: "two", kind: "string" }]);
  expect(after?.at(-1)).toEqual({ text: "4", kind: "number" });
});

test("who nests beyond all measure, or writes lines without end, is read no further", async () => {
  const deep = await painted("java", `${"(".repeat(150)}\n${"(".repeat(150)}\nint a;`);
  expect(deep.map((pieces) => pieces !== null)).toEqual([true, false, false]);
  const long = await painted("js", `x\n${"a ".repeat(1_000)}\ny`);
  expect(long.map((pieces) => pieces !== null)).toEqual([true, false, false]);
  const honest = await painted("js", "{ a(b[c]); }\n".repeat(500));
  expect(honest.every((pieces) => pieces !== null)).toBe(true);
});

test("what no language is called has no mode", () => {
  for (const name of ["", "__proto__", "constructor", "toString", "mermaid"]) expect(modeOf(name)).toBeNull();
});
