"""Sources that a server names beside its text are put under it, as links that can be nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.model_server import End, FakeModelServer, Raw, Text
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn
from tests.unit.agents.wire import DONE, HEAD, chunk, stream


def cited(url: object, title: object = None) -> dict[str, Any]:
    return {"type": "url_citation", "url_citation": {"url": url, "title": title}}


def beside(**said: object) -> dict[str, Any]:
    """A chunk that says something beside its choices, as Perplexity does."""
    return {**HEAD, "choices": [], **said}


FOUND: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "as OpenAI and OpenRouter say it": (
        [chunk({"annotations": [cited("https://a.example/1", "A page"), cited("https://b.example/2")]})],
        ["[A page](https://a.example/1)", "<https://b.example/2>"],
    ),
    "without an object of its own": (
        [chunk({"annotations": [{"type": "url", "url": "https://a.example"}]})],
        ["<https://a.example>"],
    ),
    "as Perplexity says it, in every chunk anew": (
        [beside(citations=["https://a.example"]), beside(citations=["https://a.example", "http://b.example"])],
        ["<https://a.example>", "<http://b.example>"],
    ),
    "as Perplexity's search results": (
        [beside(search_results=[{"title": "A", "url": "https://a.example"}])],
        ["[A](https://a.example)"],
    ),
    "one twice": ([chunk({"annotations": [cited("https://a.example")] * 3})], ["<https://a.example>"]),
    "a title that would end its link": (
        [chunk({"annotations": [cited("https://a.example", "x](javascript:alert(1))[`y\n<b>")]})],
        ["[x (javascript:alert(1)) y b](https://a.example)"],
    ),
    "an address that would end its link": (
        [chunk({"annotations": [cited("https://a.example/(b)", "A")]})],
        ["<https://a.example/(b)>"],
    ),
    "addresses that are none": (
        [
            chunk(
                {
                    "annotations": [
                        cited(url, "A")
                        for url in (
                            *("javascript:alert(1)", "data:text/html,x", "//a.example", "a.example", "", None, 5),
                            *("https://a.example/\nb", "https://a.example/> b", "https://a.example/" + "x" * 2000),
                        )
                    ]
                }
            ),
            beside(citations=["file:///etc/passwd", {"url": ["https://a.example"]}]),
        ],
        [],
    ),
}


@pytest.mark.parametrize(("chunks", "sources"), FOUND.values(), ids=FOUND)
async def test_they_stand_under_the_text(
    server: FakeModelServer, runtime_of: RuntimeOf, chunks: list[dict[str, Any]], sources: list[str]
) -> None:
    server.queue.append([Raw(stream(chunk({"content": "It is so."}), *chunks, chunk({}, "stop"), DONE)), End()])
    await runtime_of().start(a_turn("go"), sink := Sink()).wait()
    listed = "".join(f"\n{number}. {source}" for number, source in enumerate(sources, start=1))
    assert sink.shown_text == "It is so." + (f"\n\nSources:{listed}" if sources else "")


async def test_there_are_so_many_and_no_more(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    many = [f"https://a.example/{number}" for number in range(500)]
    said = stream(chunk({"content": "So."}), beside(citations=many), chunk({}, "stop"), DONE)
    server.queue.append([Raw(said), End()])
    await runtime_of().start(a_turn("go"), sink := Sink()).wait()
    assert sink.shown_text.count("https://") == 100


async def test_an_answer_that_goes_on_with_tools_has_none(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    async def look() -> str:
        return "seen"

    call = {"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}}
    begun = [chunk({"content": "I look."}), chunk({"annotations": [cited("https://a.example")]})]
    server.queue += [
        [Raw(stream(*begun, chunk({"tool_calls": [call]}), chunk({}, "tool_calls"), DONE)), End()],
        [Text("Done."), End("stop", done=True)],
    ]
    await runtime_of(look).start(a_turn("go"), sink := Sink()).wait()
    assert sink.shown_text == "I look.\n\nDone."
