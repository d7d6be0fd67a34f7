"""What the fake model server can be told to do: the steps of a response, and the default script."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Text:
    """A piece of the answer."""

    delta: str


@dataclass(frozen=True)
class Thinking:
    """A piece of reasoning, as `reasoning_content`."""

    delta: str


@dataclass(frozen=True)
class ToolCall:
    """A whole tool call; `arguments` is sent as JSON, or as it is where it's a string."""

    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict[str, Any])
    id: str = ""


@dataclass(frozen=True)
class Pause:
    """Silence, in seconds."""

    seconds: float


@dataclass(frozen=True)
class WaitFor:
    """Silence until the event is set. `reached` is set when the server gets here."""

    event: asyncio.Event
    reached: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Hang:
    """Silence until the client hangs up. As the first step, it comes before the headers. `reached` as above."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Headers:
    """Send the response's headers now (else they go out with the first piece), and `more` of them."""

    more: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Status:
    """Answer with this status and body instead of a stream."""

    code: int
    body: str | dict[str, Any] = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Raw:
    """Bytes into the stream, as they are."""

    data: bytes


@dataclass(frozen=True)
class Wire:
    """Bytes onto the connection, as they are. What it carries is all up to the script then: head, framing and end."""

    data: bytes


@dataclass(frozen=True)
class Tokens:
    """Usage figures, sent in the last piece."""

    prompt: int
    completion: int


@dataclass(frozen=True)
class Cut:
    """Close the connection here, in the middle of the response."""


@dataclass(frozen=True)
class End:
    """End the stream here; by default without `finish_reason` and `[DONE]`, as a half-broken server does."""

    finish_reason: str | None = None
    done: bool = False


Step = Text | Thinking | ToolCall | Pause | WaitFor | Hang | Headers | Status | Raw | Wire | Tokens | Cut | End
Response = Sequence[Step]
Script = Sequence[Response]


def words(wanted: str) -> Script:
    """The default script: numbered words, as many and as fast as the message says (see the module's text)."""

    def number(name: str, otherwise: float) -> float:
        match = re.search(rf"\b{name}=([0-9.]+)", wanted)
        return float(match[1]) if match else otherwise

    pace = number("pace", 0)

    def paced(steps: Sequence[Step]) -> list[Step]:
        return [each for step in steps for each in ((Pause(pace), step) if pace else (step,))]

    tokens = int(number("tokens", 10))
    script: list[Response] = []
    opening = paced([Thinking(f"t{i} ") for i in range(int(number("thinking", 0)))])
    answer = paced([Text(f"w{i} ") for i in range(tokens)])
    if tool := re.search(r"\btool=(\S+)", wanted):
        arguments = re.search(r"\bargs=(\{.*\})", wanted)
        script.append([*opening, ToolCall(tool[1], arguments[1] if arguments else "{}")])
        opening = []
    script.append([*opening, *answer, Tokens(len(wanted.split()), tokens)])
    return script
