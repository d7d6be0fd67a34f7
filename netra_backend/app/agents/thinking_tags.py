"""Tells thinking from the answer where a server leaves both in one text, between tags.

Models write their thinking between `<think>` and `</think>`, or in their own manner; a server that knows the model
moves it into a field of its own, and one that doesn't lets it pass. Tags come joined to text, cut into pieces, with
attributes, or only the closing one, where the model's template had opened it. What stands in code isn't a tag.
"""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["Said", "ThinkingTags"]

Said = tuple[Literal["text", "thinking"], str]

_LONGEST = 200
"""Characters of a tag's attributes, or of a run of backticks, beyond which it's text."""

_MOST_STEPS = 20_000
"""Tags and runs of backticks in one answer, beyond which there are no more of them: it's all what it was then."""

_NAMES = ("think", "thinking", "thought", "thoughts", "reasoning", "reason", "seed:think", "mm:think")
"""Elements that models are taught to think in: DeepSeek, Qwen, GLM and most others; ByteDance's Seed; MiniMax."""

_LITERAL: dict[str, str] = {
    "[THINK]": "[/THINK]",  # Mistral's Magistral
    "◁think▷": "◁/think▷",  # Moonshot's Kimi-VL
    "<|START_THINKING|>": "<|END_THINKING|>",  # Cohere's Command A
    "<|begin_of_thought|>": "<|end_of_thought|>",  # Sky-T1
    "<|channel|>analysis<|message|>": "<|end|>",  # OpenAI's gpt-oss, in its raw form
    "<|channel|>commentary<|message|>": "<|end|>",
    "<|channel>thought\n": "<channel|>",  # Google's Gemma 4
}
_SEPARATORS = (
    "<|start|>assistant<|channel|>final<|message|>",
    "<|start|>assistant",
    "<|channel|>final<|message|>",
    "<|return|>",
    "<|begin_of_solution|>",
    "<|end_of_solution|>",
    "<|START_RESPONSE|>",
    "<|END_RESPONSE|>",
)
"""What stands between thinking and answer in the same manners, and is neither."""

_FIXED = sorted({*_LITERAL, *_SEPARATORS, *_LITERAL.values()}, key=len, reverse=True)
_name = "|".join(sorted(map(re.escape, _NAMES), key=len, reverse=True))
_fixed = "|".join(map(re.escape, _FIXED))
_ELEMENT = rf"(?i:<(?:{_name})(?:\s[^<>]{{0,{_LONGEST}}})?>)"
_CLOSING = re.compile(rf"(?i:</\s{{0,9}}(?:{_name})\s{{0,9}}>)")
_TELLING = re.compile(rf"(?P<element>{_ELEMENT})|{_CLOSING.pattern}|{_fixed}|`+|~+")
_BEGUN = re.compile(rf"(?i:<(?:{_name})\s[^<>]{{0,{_LONGEST}}}$|</\s{{0,9}}(?:(?:{_name})\s{{0,9}})?$)")


def _starts(*wholes: str) -> frozenset[str]:
    return frozenset(whole[:length] for whole in wholes for length in range(1, len(whole)))


_FIXED_STARTS = _starts(*_FIXED)
_ELEMENT_STARTS = _starts(*(f"<{slash}{name}>" for name in _NAMES for slash in ("", "/")))
_LONGEST_START = max(map(len, _FIXED_STARTS | _ELEMENT_STARTS))
_SIGN = re.compile(r"[<\[◁]")
_RUN = re.compile(r"[`~]+$")


class ThinkingTags:
    """Takes an answer's text in pieces, of any size, in time linear in its length.

    `opened`: the model's template opens its thinking, so that the answer begins inside it.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self._closing: str | None = "" if opened else None
        """Inside thinking: what ends it; "" stands for any of the elements."""
        self._assumed = opened
        self._held = ""
        self.steps = 0
        """Tags, runs and stretches that were looked at."""
        self._indent = 0  # spaces since the line began; -1 where there's more
        self._fence = ""  # the run that opened a block of code
        self._span = 0  # the length of the run that opened a span of code
        self._blank = True
        """Nothing but space has come as text."""
        self._given = False
        """Some of it was given away as text."""

    @property
    def assumed(self) -> bool:
        """All that came is thinking by assumption only: no tag has said so."""
        return self._assumed

    def feed(self, piece: str) -> list[Said]:
        """What the piece says, as far as that is certain; the beginning of what may be a tag is kept back."""
        if not self._held and self._closing is None and _quiet(piece):
            self._pass(piece)
            self._given = self._given or not self._blank
            return [("text", piece)] if piece else []
        said: list[Said] = []
        self._read(self._held + piece, said, last=False)
        self._given = self._given or not self._blank
        return _joined(said)

    def finish(self) -> list[Said]:
        """The text is over: what was kept back is what it is."""
        said: list[Said] = []
        self._read(self._held, said, last=True)
        return _joined(said)

    def _read(self, text: str, said: list[Said], *, last: bool) -> None:
        kept = len(text) if last else _kept_back(text)
        self._held = text[kept:]
        at = 0
        while at < kept:
            self.steps += 1
            if self.steps > _MOST_STEPS:
                said.append(("text" if self._closing is None else "thinking", text[at:kept]))
                return
            at = self._answer(text, at, kept, said) if self._closing is None else self._think(text, at, kept, said)

    def _think(self, text: str, at: int, kept: int, said: list[Said]) -> int:
        if self._closing:
            start = text.find(self._closing, at, kept)
            end = start + len(self._closing)
        else:
            found = _CLOSING.search(text, at, kept)
            start, end = found.span() if found is not None else (-1, -1)
        if start < 0:
            said.append(("thinking", text[at:kept]))
            return kept
        said.append(("thinking", text[at:start]))
        self._closing = None
        self._assumed = False
        self._indent = 0
        return end

    def _answer(self, text: str, at: int, kept: int, said: list[Said]) -> int:
        found = _TELLING.search(text, at, kept)
        if found is None:
            self._say(text[at:kept], said)
            return kept
        if found.start() > at:
            self._say(text[at : found.start()], said)
        sign = found[0]
        if sign[0] in "`~":
            self._run(sign, said)
        elif self._fence or self._span:
            self._say(sign, said)
        elif found["element"]:
            self._closing = ""
        elif sign in _LITERAL:
            self._closing = _LITERAL[sign]
        else:
            # A closing tag that nothing opened, or what stands between thinking and answer.
            if _CLOSING.match(sign) and not self._given:
                # The model's template had opened it, and nothing was shown yet: all of it is thinking.
                said[:] = [("thinking", part) for _, part in said]
                self._blank = True
            elif _CLOSING.match(sign) and self._indent:
                self._say("\n\n", said)
        return found.end()

    def _run(self, run: str, said: list[Said]) -> None:
        """A run of backticks or tildes, which may open or close code."""
        fences = 0 <= self._indent <= 3 and len(run) >= 3
        if self._fence:
            if fences and run.startswith(self._fence):
                self._fence = ""
        elif fences:
            self._fence, self._span = run, 0
        elif run[0] == "`":
            self._span = 0 if self._span == len(run) else self._span or len(run)
        self._say(run, said)

    def _say(self, text: str, said: list[Said]) -> None:
        self._pass(text)
        said.append(("text", text))

    def _pass(self, text: str) -> None:
        end = text.rfind("\n") + 1
        if end:
            self._span = 0  # a span of code ends with its paragraph; a stray backtick mustn't reach further than a line
        rest = text[end:]
        indent = 0 if end else self._indent
        self._indent = indent + len(rest) if indent >= 0 and not rest.strip(" ") else -1
        self._blank = self._blank and (not text or text.isspace())


def _quiet(piece: str) -> bool:
    return _SIGN.search(piece) is None and "`" not in piece and "~" not in piece


def _kept_back(text: str) -> int:
    """From where on the text may be the beginning of a tag, or of more of the same run; its length where it isn't."""
    run = _RUN.search(text, max(0, len(text) - _LONGEST))
    kept = run.start() if run is not None and run.start() > len(text) - _LONGEST else len(text)
    for sign in _SIGN.finditer(text, max(0, len(text) - _LONGEST_START)):
        rest = text[sign.start() :]
        if rest in _FIXED_STARTS or rest.lower() in _ELEMENT_STARTS:
            kept = min(kept, sign.start())
            break
    # Whatever else was found may stand among the attributes of a tag that has begun before it.
    begun = text.rfind("<", max(0, len(text) - 2 * _LONGEST))
    return min(kept, begun) if begun >= 0 and _BEGUN.match(text, begun) is not None else kept


def _joined(said: list[Said]) -> list[Said]:
    joined: list[Said] = []
    for kind, text in said:
        if not text:
            continue
        if joined and joined[-1][0] == kind:
            joined[-1] = (kind, joined[-1][1] + text)
        else:
            joined.append((kind, text))
    return joined
