"""Agents whose output isn't text, to be named by the setting `agent`; each is called as its output is."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import BaseModel, Field
from pydantic_ai import Agent, NativeOutput, PromptedOutput, TextOutput, ToolOutput
from typing_extensions import TypedDict


class City(BaseModel):
    name: str
    people: int = 0
    aliased: str = Field(default="x", serialization_alias="alsoKnownAs")


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.5


class Pair(TypedDict):
    left: int
    right: list[str]


def by_year(year: int) -> dict[int, list[Any]]:
    """A mapping as JSON has none."""
    return {year: [(1, 2), {"\ud83d"}]}


def opaque(name: str) -> object:
    """What no JSON can carry."""
    return object()


def large(name: str) -> list[str]:
    """More than anybody may send."""
    return [name * 1000] * 10_000


def leaving(name: str) -> str:
    """What isn't an `Exception`."""
    raise SystemExit(3)


def shouted(text: str) -> str:
    return text.upper()


def counted(text: str) -> int:
    return len(text)


model = Agent(output_type=City)
dataclass = Agent(output_type=Point)
typed_dict = Agent(output_type=Pair)
several = Agent(output_type=list[City])
either: Agent[None, City | Point] = Agent(output_type=[ToolOutput(City, name="city"), ToolOutput(Point, name="point")])  # pyright: ignore[reportAssignmentType]
yes_or_no = Agent(output_type=bool)
number = Agent(output_type=int)
nothing: Agent[None, list[int]] = Agent(output_type=list[int])
native = Agent(output_type=NativeOutput(City))
prompted = Agent(output_type=PromptedOutput(City))
function = Agent(output_type=by_year)
unusable = Agent(output_type=opaque)
too_large = Agent(output_type=large)
exiting = Agent(output_type=leaving)
shouting = Agent(output_type=TextOutput(shouted))
counting = Agent(output_type=TextOutput(counted))
plain = Agent()


@plain.output_validator
def stripped(output: str) -> str:
    return output.strip()
