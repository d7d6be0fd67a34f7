"""Code: its colours, its lines, and that it is appended to and never drawn anew while it is written."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import Text, WaitFor
from tests.harness.stage import Stage

SAMPLES = {
    "python": ("def greet(name):\n    return f'hello {name}'  # kindly", {"keyword", "string", "comment"}),
    "javascript": ("const x = 'one'; // two\nasync function go() { return 3; }", {"keyword", "string", "comment"}),
    "typescript": ("interface A { b: string }\nconst c: A = { b: 'd' };", {"keyword", "string"}),
    "json": ('{"a": [1, true, "b"]}', {"string", "number", "atom"}),
    "html": ('<a href="x">y</a> <!-- z -->', {"keyword", "string", "comment"}),
    "css": (".a { color: red; } /* b */", {"comment", "name"}),
    "sql": ("SELECT a FROM b WHERE c = 'd' -- e", {"keyword", "string", "comment"}),
    "bash": ('for f in *; do echo "$f"; done # all', {"keyword", "string", "comment"}),
    "java": ('public class A { String b = "c"; } // d', {"keyword", "string", "comment"}),
    "c": ("int main(void) { return 0; } /* a */", {"keyword", "number", "comment"}),
    "c++": ("class A { int b = 1; }; // c", {"keyword", "number", "comment"}),
    "csharp": ('public class A { string b = "c"; } // d', {"keyword", "string", "comment"}),
    "go": ('func main() { fmt.Println("a") } // b', {"keyword", "string", "comment"}),
    "rust": ('fn main() { let a = "b"; } // c', {"keyword", "string", "comment"}),
    "php": ("<?php function a($b) { return 'c'; } // d", {"keyword", "string", "comment", "meta"}),
    "ruby": ("def a\n  puts 'b' # c\nend", {"keyword", "string", "comment"}),
    "kotlin": ('fun main() { val a = "b" } // c', {"keyword", "string", "comment"}),
    "yaml": ("a: 'b' # c", {"string", "comment"}),
    "powershell": ("if ($a) { Write-Host 'b' } # c", {"keyword", "string", "comment"}),
    "swift": ('func a() { let b = "c" } // d', {"keyword", "string", "comment"}),
}


def pieces(text: str, seed: int = 1) -> Iterator[Text]:
    """A text as a model gives it, in small pieces of chance."""
    chance = random.Random(seed)
    while text:
        size = chance.randint(1, 12)
        yield Text(text[:size])
        text = text[size:]


async def kinds(tab: Tab, language: str) -> set[str]:
    return set(
        await tab.page.evaluate(
            """(language) => [...document.querySelectorAll('figure.code')]
                .filter((figure) => figure.querySelector('.language').textContent === language)
                .flatMap((figure) => [...figure.querySelectorAll('[class^=tok-]')])
                .map((piece) => piece.className.slice(4))""",
            language,
        )
    )


async def test_the_commonest_languages_have_colours_and_their_text_is_as_it_was_written(
    stage: Stage, open_tab: OpenTab
) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    text = "\n\n".join(f"```{language}\n{code}\n```" for language, (code, _) in SAMPLES.items())
    await tab.say(stage.script([*pieces(text)]))
    await tab.state("completed")
    for language, (code, wanted) in SAMPLES.items():

        async def coloured(language: str = language, wanted: set[str] = wanted) -> bool:
            return wanted <= await kinds(tab, language)

        await tab.until(coloured, f"the colours {wanted} of {language}")
        number = list(SAMPLES).index(language)
        assert (await tab.page.locator("figure.code pre").nth(number).inner_text()).rstrip("\n") == code, language


TEXTS = {
    "code": "Here:\n\n```python\n"
    + "\n".join(f"x{n} = 'a{n}'  # ```" for n in range(60))
    + "\n\n\nend = 1\n```\n\nAnd on.",
    "tildes": "~~~~ js extra\nconst a = `b`;\n~~~\n```\nstill\n~~~~\n\nafter",
    "indented fence": "  ```py\n  a = 1\n    b = 2\n c = 3\n  ```\nafter",
    "list": "".join(f"- item **{n}**\n" for n in range(40)) + "\nand a paragraph",
    "numbers": "".join(f"{n}. item `{n}`\n" for n in range(3, 40)) + "40. the end\n",
    "nested": "".join(f"- item {n}\n  - inner {n}\n    1. deep\n    2. deeper\n" for n in range(12)),
    "loose": "".join(f"- item {n}\n\n" for n in range(12)) + "end",
    "loose at last": "".join(f"- item {n}\n" for n in range(8)) + "\n- apart\n\nend",
    "code in a list": "1. first\n\n   ```py\n   a = 1\n\n   b = 2\n   ```\n2. second\n3. third\n4. fourth\n",
    "two lists": "- a\n- b\n- c\n- d\n* e\n* f\n* g\n\n1) h\n2) i\n3) j\n4) kkk\n",
    "table": "| a | b |\n|---|--:|\n" + "".join(f"| {n} | {n * n} |\n" for n in range(30)) + "\nend",
    "quote": "".join(f"> line {n}\n" for n in range(20)) + ">\n> - a\n> - b\n> - c\n> - d\n\nend",
    "heading below": "a line\nand another\n===\n\ntext\n---\n\n- a\n- b\n- c\n---\nend",
    "unclosed": "```\nnever\nclosed",
    "empty": "```\n```\n\n```python\n\n```\nend",
    "lazy": "- a\nlazy\n- b\n- c\n- d\nlazy too\n\n    four\n\nend",
    "mixed": "# Title\n\n" + "text $a^2$ and \\(b\\).\n\n" * 5 + "- [x] a\n- [ ] b\n- [ ] c\n- [x] d\n\n---\n\nend",
}


async def drawn(tab: Tab, text: str) -> str:
    """The answer's elements, when what draws its formulas and colours its code has been loaded."""

    async def ready() -> bool:
        coloured = "= " not in text or "```py" not in text or await tab.answer.locator("[class^=tok-]").count() > 0
        return coloured and await tab.answer.locator(".language-formula").count() == 0

    await tab.until(ready, "formulas and colours")
    return await tab.answer.evaluate("(answer) => answer.innerHTML")


@pytest.mark.parametrize("name", TEXTS)
async def test_what_is_appended_to_looks_as_what_is_drawn_whole(stage: Stage, open_tab: OpenTab, name: str) -> None:
    text = TEXTS[name]
    tab = await open_tab(stage.server.url, stage.alice)
    go_on = asyncio.Event()
    await tab.say(stage.script([*pieces(text, seed=len(name)), WaitFor(go_on)]))
    shown = "".join(text.split())[-3:].strip("`~|*-_")

    async def all_there() -> bool:
        return await tab.answer.count() > 0 and (await tab.answer.inner_text()).rstrip().endswith(shown)

    if shown:
        await tab.until(all_there, "the whole text")
    live = await drawn(tab, text)
    go_on.set()
    await tab.state("completed")
    whole = await drawn(tab, text)
    if name not in {"loose at last", "unclosed", "lazy", "code in a list"}:
        # These mean something else by their ends.
        assert live == whole
    await tab.page.reload()
    await tab.ready()
    await tab.state("completed")

    async def same() -> bool:
        return await drawn(tab, text) == whole

    try:
        await tab.until(same, "the same after a reload")
    except AssertionError:
        assert await drawn(tab, text) == whole
        raise


async def test_what_is_there_stays_and_stays_selected_while_more_is_written(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    steps = [asyncio.Event() for _ in range(3)]
    await tab.say(
        stage.script(
            [
                Text("```python\nfirst = 1\nsecond = 2\n"),
                WaitFor(steps[0]),
                Text("third = 3\nfourth"),
                WaitFor(steps[1]),
                Text(" = 4\n```\n\n- one\n- two\n- three\n- four\n- fi"),
                WaitFor(steps[2]),
                Text("ve\n- six\n"),
            ]
        )
    )
    second = tab.page.locator(".line").nth(1)
    await expect(second.locator(".tok-number")).to_have_count(1)
    await second.evaluate("(line) => { window.kept = line; getSelection().selectAllChildren(line); }")
    selected = "() => kept.isConnected && getSelection().toString().trim()"
    steps[0].set()
    await expect(tab.page.locator(".line").nth(3)).to_have_text("fourth")
    assert await tab.page.evaluate(selected) == "second = 2"
    steps[1].set()
    await expect(tab.answer.locator("li")).to_have_count(5)
    assert await tab.page.evaluate(selected) == "second = 2"
    await (
        tab.answer.locator("li")
        .nth(3)
        .evaluate("(item) => { window.kept = item; getSelection().selectAllChildren(item); }")
    )
    steps[2].set()
    await tab.state("completed")
    await expect(tab.answer.locator("li")).to_have_count(6)
    assert await tab.page.evaluate(selected) == "four"


async def test_lines_can_be_numbered_and_wrapped_and_it_is_remembered(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text(f"```\n{'long ' * 80}\nshort\n```")]))
    await tab.state("completed")
    line = tab.page.locator(".line").first
    scroller = tab.page.locator("figure.code .scrolling")
    assert await scroller.evaluate("(box) => box.scrollWidth > box.clientWidth")
    await tab.page.locator("figure.code").hover()
    await tab.page.get_by_role("button", name="Wrap").click()
    assert await scroller.evaluate("(box) => box.scrollWidth <= box.clientWidth")
    await tab.page.get_by_role("button", name="Line numbers").click()
    number = "(line) => getComputedStyle(line, '::before').content"
    assert await line.evaluate(number) == '"1"'
    await tab.page.reload()
    await tab.ready()
    assert await line.evaluate(number) == '"1"'
    assert await scroller.evaluate("(box) => box.scrollWidth <= box.clientWidth")
    await expect(tab.page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "true")
    # Numbers are for the eye: what is selected and copied has none.
    await tab.page.locator("pre").evaluate("(pre) => getSelection().selectAllChildren(pre)")
    assert "1" not in await tab.page.evaluate("() => getSelection().toString()")


async def test_code_that_means_harm_to_its_reader_is_left_plain(stage: Stage, open_tab: OpenTab) -> None:
    """A mode that looks back at every bracket would stand still at a hundred thousand of them."""
    tab = await open_tab(stage.server.url, stage.alice)
    deep = "\n".join("(" * 900 for _ in range(120))
    await tab.say(stage.script([Text(f"```java\n{deep}\n```\n\n```js\n{'[' * 50_000}\n```\n\nthe end")]))
    await tab.state("completed")
    await expect(tab.answer).to_contain_text("the end")
    assert await tab.page.evaluate("() => document.querySelectorAll('.line').length") == 121
