"""Thinking told from the answer, by its tags: in whatever pieces they come, and never in code."""

# ruff: noqa: E501 - a table is read by its columns

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netra_backend.app.agents.thinking_tags import ThinkingTags

Said = list[tuple[str, str]]

CASES: dict[str, tuple[str, Said]] = {
    "alone": ("<think>Hm</think>4", [("thinking", "Hm"), ("text", "4")]),
    "joined to text": ("Well, <think>hm</think> four", [("text", "Well, "), ("thinking", "hm"), ("text", " four")]),
    "twice": ("<think>a</think>b<think>c</think>d", [("thinking", "a"), ("text", "b"), ("thinking", "c"), ("text", "d")]),
    "with attributes": ('<think type="deep" lang=en>Hm</think>4', [("thinking", "Hm"), ("text", "4")]),
    "of other names": ("<thinking>a</thinking><reasoning>b</reasoning>c", [("thinking", "ab"), ("text", "c")]),
    "in capitals": ("<THINK>Hm</Think >4", [("thinking", "Hm"), ("text", "4")]),
    "unclosed": ("<think>Hm, so", [("thinking", "Hm, so")]),
    "never finished": ("four <thin", [("text", "four <thin")]),
    "in a block of code": ("```xml\n<think>a</think>\n```\nso", [("text", "```xml\n<think>a</think>\n```\nso")]),
    "in tildes": ("~~~\n<think>\n~~~\n<think>a</think>b", [("text", "~~~\n<think>\n~~~\n"), ("thinking", "a"), ("text", "b")]),
    "in a span of code": ("use `<think>` here", [("text", "use `<think>` here")]),
    "in a longer span": ("use ``a`<think>`` here", [("text", "use ``a`<think>`` here")]),
    "after a stray backtick": ("it`s\n<think>a</think>b", [("text", "it`s\n"), ("thinking", "a"), ("text", "b")]),
    "code within it": ("<think>```\n</think>4", [("thinking", "```\n"), ("text", "4")]),
    "another within it": ("<think>a <think> b</think>c", [("thinking", "a <think> b"), ("text", "c")]),
    "no tags": ("a < b and c > d [x](y) <b>", [("text", "a < b and c > d [x](y) <b>")]),
    "Magistral": ("[THINK]hm[/THINK]4", [("thinking", "hm"), ("text", "4")]),
    "Kimi-VL": ("◁think▷hm◁/think▷4", [("thinking", "hm"), ("text", "4")]),
    "Command A": ("<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>4<|END_RESPONSE|>", [("thinking", "hm"), ("text", "4")]),
    "Seed-OSS": ("<seed:think>hm</seed:think>4", [("thinking", "hm"), ("text", "4")]),
    "gpt-oss": (
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>",
        [("thinking", "hm"), ("text", "4")],
    ),
}  # fmt: skip


def read(text: str, size: int, *, opened: bool = False) -> Said:
    tags = ThinkingTags(opened=opened)
    said = [each for at in range(0, len(text), size) for each in tags.feed(text[at : at + size])] + tags.finish()
    joined: Said = []
    for kind, piece in said:
        if joined and joined[-1][0] == kind:
            joined[-1] = (kind, joined[-1][1] + piece)
        else:
            joined.append((kind, piece))
    return joined


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(("text", "said"), CASES.values(), ids=CASES)
def test_in_pieces_of_any_size(text: str, said: Said, size: int) -> None:
    assert read(text, size) == said


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_template_that_opens_it(size: int) -> None:
    assert read("Hm.\n</think>\n\n4", size, opened=True) == [("thinking", "Hm.\n"), ("text", "\n\n4")]
    assert read("Hm.", size, opened=True) == [("thinking", "Hm.")]


def test_a_closing_tag_alone() -> None:
    """What was shown can't be taken back; what wasn't is thinking. The tag is never shown."""
    assert read("Hm.</think>4", 3) == [("text", "Hm.\n\n4")]
    assert read("Hm.</think>4", 1000) == [("thinking", "Hm."), ("text", "4")]
    assert read("</think>4", 1) == [("text", "4")]


_pieces = st.sampled_from(
    [
        "<",
        "</",
        "think",
        ">",
        "<think>",
        "</think>",
        "`",
        "```",
        "\n",
        " ",
        "a",
        "~~~",
        "[THINK]",
        "[/THINK]",
        "<|end|>",
        "<thinking x='",
    ]
)


@settings(max_examples=500, deadline=None)
@example(["<thinking x='", "~~~", ">"], [1])
@example(["<thinking x='", "[THINK]", ">"], [1])
@given(st.lists(_pieces, max_size=25), st.lists(st.integers(1, 5), min_size=1, max_size=20))
def test_pieces_lose_and_change_nothing(pieces: list[str], sizes: list[int]) -> None:
    """But for tags, all that came is said, in its order; what's a tag doesn't hang on the pieces, once text was shown."""
    text = "x" + "".join(pieces)
    tags = ThinkingTags()
    said = tags.feed(text[:1])
    at, turn = 1, 0
    while at < len(text):
        said += tags.feed(text[at : at + sizes[turn % len(sizes)]])
        at += sizes[turn % len(sizes)]
        turn += 1
    said += tags.finish()
    whole = ThinkingTags()
    again = whole.feed(text[:1]) + whole.feed(text[1:]) + whole.finish()
    assert [(k, "".join(p for kk, p in said if kk == k)) for k in ("text", "thinking")] == [
        (k, "".join(p for kk, p in again if kk == k)) for k in ("text", "thinking")
    ]


@pytest.mark.parametrize("unit", ["<", "<think ", "`a", "</", "[", "~", "<think>a</think>", "\n", "<think x='"])
def test_the_work_is_bounded(unit: str) -> None:
    """Steps are counted: tags and runs of backticks are looked at so often and no more."""
    tags = ThinkingTags()
    for _ in range(4):
        tags.feed(unit * 20_000)
    tags.finish()
    assert tags.steps <= 20_100
