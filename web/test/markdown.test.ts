import { expect, test } from "vitest";
import { blocksOf } from "../src/page/markdown";

test.each(["> ", "- ", "1. ", ">", "> - ", "* > 1. "])("%j within itself is no deeper than can be drawn", (unit) => {
  expect(blocksOf(unit.repeat(50_000 / unit.length) + "deep").length).toBeGreaterThan(0);
});

test("what people write is read as ever", () => {
  expect(blocksOf("a **b** _c_ ~~d~~").map((token) => JSON.stringify(token)).join()).toMatch(/strong.*"em".*"del"/);
  expect(blocksOf("> > quoted\n\n- a\n  - b\n    1. c").map((token) => token.type)).toContain("blockquote");
});
