"""The tool calls of one response, put together from the pieces that a server sends.

OpenAI's own servers number the calls, name each once and send its arguments in pieces. Others leave out the id, the
index or both, repeat them, give every call the same index, or send everything twice. A tool must never run with
arguments that the model didn't give, so a piece is either of one call for certain, or the response fails by name.
Nothing is given away before the response is over: only then has all evidence come.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

__all__ = ["CallLimits", "ToolCalls", "UnclearCalls", "WholeCall"]

_LONGEST_ID = 10_000
_MOST_NAMES = 64
"""Pieces of a tool's name, beyond which only the same may follow."""

_ARGUMENTS = ("arguments", "parameters", "input", "args")
"""Where arguments may be: OpenAI's name for them first, then those of Cohere, Anthropic and others behind proxies."""

_KNOWN = frozenset({*_ARGUMENTS, "index", "id", "type", "function", "name", "extra_content"})
_NO_ARGUMENTS = re.compile(r"(?i)name|type|id|index|description|provider|extra|meta|signature|cache")
"""Fields of a function that aren't what it's called with, whatever is in them."""

_FUNCTION_CALL = "function_call"
"""The index, as it were, of the one call that the API had before it had several."""

Index = int | str | None


class UnclearCalls(Exception):
    """The calls can't be told apart, or are beyond a limit. The message says what came, in words for the user."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How much a model may call for in one response. `arguments` is in characters, of all calls together."""

    calls: int
    arguments: int
    name: int = 10_000


@dataclass(frozen=True, slots=True)
class WholeCall:
    """A call as the model made it. `identity` is None where the server gave it none."""

    name: str
    arguments: str
    identity: str | None
    extra: object = None


class _Shape:
    """Follows JSON as it grows, in time linear in its length. `closed`: it's one whole object."""

    _TELLING = re.compile(r'[{}\[\]"\\]|[^\s{}\[\]"\\]+')

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = self._escaped = self._odd = False
        self.closed = False

    def feed(self, piece: str) -> None:
        for found in self._TELLING.finditer(piece):
            sign = found[0]
            if self.closed:
                self.closed, self._odd = False, True
            if self._odd:
                return
            if self._in_string:
                # Whatever follows a backslash is part of the string.
                if self._escaped:
                    self._escaped = False
                elif sign == "\\":
                    self._escaped = True
                elif sign == '"':
                    self._in_string = False
            elif sign == '"':
                self._in_string = True
                self._odd = not self._depth
            elif sign in "{[":
                self._odd = sign == "[" and not self._depth
                self._depth += 1
            elif sign in "}]":
                self._depth -= 1
                self.closed = self._depth == 0
                self._odd = self._depth < 0
            elif not self._depth:
                self._odd = True


class _Call:
    """One call as far as it came."""

    def __init__(self, index: Index, identity: str | None) -> None:
        self.index = index
        self.identity = identity
        self.names: list[str] = []
        self.arguments: list[str] = []
        self.extra: object = None
        self.strays = False
        """Pieces came under an index of no call."""
        self.anonymous = False
        """Pieces came that said neither an id nor an index of its own."""
        self.unread = False
        """It may have arguments in a field that nobody knows."""
        self._shape = _Shape()

    @property
    def closed(self) -> bool:
        """The arguments so far are one object."""
        return self._shape.closed

    @property
    def so_far(self) -> str:
        return "".join(self.arguments)

    def named(self, name: str) -> None:
        if len(self.names) < _MOST_NAMES:
            self.names.append(name)
        elif name != self.names[-1]:
            raise UnclearCalls("a tool's name came in too many pieces")

    def given(self, arguments: str) -> None:
        self.arguments.append(arguments)
        self._shape.feed(arguments)


class ToolCalls:
    """Takes pieces as they come (`take`), and gives the calls once the response is over (`whole`).

    `offered` are the names of the tools that the model was given: by them a name that came in pieces is told from one
    that came again and again.
    """

    def __init__(self, offered: frozenset[str], limits: CallLimits) -> None:
        self._offered = offered
        self._limits = limits
        self._calls: list[_Call] = []
        self._by_id: dict[str, _Call] = {}
        self._by_index: dict[Index, list[_Call]] = {}
        self._open: _Call | None = None
        self._characters = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    def take(self, pieces: object) -> bool:
        """The `tool_calls` of a delta or of a message. Says whether there were any. Raises `UnclearCalls`."""
        if pieces is None or pieces == []:
            return False
        for piece in cast("list[object]", pieces) if isinstance(pieces, list) else [pieces]:
            if not isinstance(piece, dict):
                raise UnclearCalls("a tool call isn't an object")
            self._piece(cast("dict[str, object]", piece), None)
        return True

    def take_function(self, said: object) -> bool:
        """The `function_call` of a delta or a message, as older servers have it. As `take`."""
        if said is None or said == {}:
            return False
        self._piece({"function": said}, _FUNCTION_CALL)
        return True

    def whole(self, *, cut: bool) -> list[WholeCall]:
        """The calls, in the order in which they began. `cut`: the response ended before the model was through.

        Raises `UnclearCalls` where a call has no name, or may have lost arguments.
        """
        self._check_shares()
        made: list[WholeCall] = []
        taken: set[str] = set()
        for call in self._calls:
            name = self._name(call)
            arguments = _arguments(call.arguments, name)
            if call.unread and not arguments:
                raise UnclearCalls(f"the arguments for {name} are in a field that isn't known")
            if (cut or call.strays) and not _is_object(arguments):
                raise UnclearCalls("the answer was cut in the middle of a tool call")
            identity, number = call.identity, 1
            while identity is not None and identity in taken:
                number += 1
                identity = f"{call.identity}#{number}"
            if identity is not None:
                taken.add(identity)
            made.append(WholeCall(name, arguments, identity, call.extra))
        return made

    def _check_shares(self) -> None:
        """Pieces that could be of several calls were given to one; where another has none, they may be that one's."""
        if len(self._calls) < 2:
            return
        bare: set[tuple[object, str]] = set()
        full: set[tuple[object, str]] = set()
        for number, call in enumerate(self._calls):
            if call.strays:
                raise UnclearCalls("pieces of several tool calls came without saying which call they belong to")
            if call.anonymous and not all(before.arguments for before in self._calls[:number]):
                raise UnclearCalls("arguments came without saying which of several tool calls they belong to")
            name = "".join(call.names[:1])
            shares = (
                [("index", call.index)] if call.identity is None else [("index", call.index), ("id", call.identity)]
            )
            for share in shares:
                # Without an index all calls share that, whatever their ids are.
                (full if call.arguments else bare).add((share, name))
        if bare & full:
            raise UnclearCalls("a tool was called twice under one index or id, or without any, once without arguments")

    def _piece(self, piece: Mapping[str, object], index: Index) -> None:
        said = _function(piece)
        name = said.get("name")
        name = _word(piece.get("name") if name is None else name, "name", self._limits.name)
        identity = _word(piece.get("id"), "id", _LONGEST_ID)
        arguments = _given(said) or (_given(piece) if said is not piece else "")
        self._characters += len(arguments)
        if self._characters > self._limits.arguments:
            raise UnclearCalls(f"the arguments of its tool calls are longer than {self._limits.arguments} characters")
        if index is None:
            index = _index(piece.get("index"))
        if identity is None and name is None and not arguments and not piece.get("extra_content"):
            if _has_more(piece):
                raise UnclearCalls("a tool call has a form that isn't known")
            return  # nothing was said
        call = self._open = self._call_of(index, identity, name, arguments)
        if name is not None:
            call.named(name)
        if arguments:
            call.given(arguments)
        elif _has_more(said):
            call.unread = True
        if piece.get("extra_content"):
            call.extra = piece["extra_content"]

    def _call_of(self, index: Index, identity: str | None, name: str | None, arguments: str) -> _Call:
        """The call that the piece belongs to; it's begun if there's none."""
        if identity is not None:
            return self._by_identity(index, identity, name)
        under = self._by_index.get(index) if index is not None else None
        if under is not None:
            if name is not None and self._is_another(under[-1], name, arguments):
                return self._begin(index, None)
            if len(under) > 1:
                if self._open is not under[-1]:
                    raise UnclearCalls("pieces without an id came under an index that several tool calls share")
                under[-1].anonymous = True
            return under[-1]
        open_call = self._open
        if name is not None:
            if index is None and open_call is not None and not self._is_another(open_call, name, arguments):
                return open_call
            return self._begin(index, None)
        if open_call is None:
            raise UnclearCalls("a piece of a tool call came before any call began")
        if index is None:
            open_call.anonymous = True
        elif open_call.closed:
            raise UnclearCalls("a piece of a tool call came under an index of no call")
        else:
            open_call.strays = True
        return open_call

    def _by_identity(self, index: Index, identity: str, name: str | None) -> _Call:
        known = self._by_id.get(identity)
        under = self._by_index.get(index) if index is not None else None
        if known is not None:
            if index is not None and known.index != index:
                if under is not None:
                    if under[-1].identity != identity:
                        raise UnclearCalls("the id of one tool call came under the index of another")
                    return under[-1]
                if name is not None and known.index is not None:
                    # Every call has the same id; the index tells them apart.
                    return self._begin(index, identity)
            if index != known.index and sum(call.identity == identity for call in self._calls) > 1:
                raise UnclearCalls("a piece came with an id that several tool calls have, and no index of theirs")
            return known
        if under is not None and name is None:
            # A call can't begin without a name, so this is a new id for the same call.
            if len(under) > 1:
                raise UnclearCalls("a piece came under an index that several tool calls share, with an id of none")
            return under[0]
        return self._begin(index, identity)

    def _is_another(self, call: _Call, name: str, arguments: str) -> bool:
        """Whether a piece with that name and no id begins a call of its own, though it could follow on this one."""
        if not call.names:
            return False
        if call.names[-1] == name or "".join(call.names) == name:
            if not call.closed or not arguments or call.so_far.strip() in {"{}", arguments.strip()}:
                # It says again what was said, or fills the room that was kept.
                return False
            if call.index is not None:
                raise UnclearCalls("several tool calls came under one index, without an id")
            return True
        if name.startswith(call.names[-1]) and call.names[-1] not in self._offered:
            return False  # a name that grows
        split = "".join((*call.names, name)) in self._offered
        if split and name in self._offered and "".join(call.names) in self._offered:
            raise UnclearCalls("a tool's name can be read in two ways")
        return not split and (call.closed or name in self._offered)

    def _begin(self, index: Index, identity: str | None) -> _Call:
        if len(self._calls) >= self._limits.calls:
            raise UnclearCalls(f"it calls more than {self._limits.calls} tools at once")
        call = _Call(index, identity)
        self._calls.append(call)
        if identity is not None:
            self._by_id[identity] = call
        if index is not None:
            self._by_index.setdefault(index, []).append(call)
        return call

    def _name(self, call: _Call) -> str:
        if not call.names:
            raise UnclearCalls("a tool call came without a tool's name")
        readings = _readings(call.names)
        offered = [name for name in readings if name in self._offered]
        if len(offered) > 1:
            raise UnclearCalls("a tool's name can be read in two ways")
        name = offered[0] if offered else readings[0]
        if len(name) > self._limits.name:
            raise UnclearCalls(f"a tool's name is longer than {self._limits.name} characters")
        return name


def _function(piece: Mapping[str, object]) -> Mapping[str, object]:
    function = piece.get("function")
    if function is None:
        # Some put name and arguments beside the id, where a function would be.
        return piece if "name" in piece or "arguments" in piece else {}
    if not isinstance(function, dict):
        raise UnclearCalls("a tool call's function isn't an object")
    return cast("dict[str, object]", function)


def _given(place: Mapping[str, object]) -> str:
    """The arguments that are there. An empty object may only keep room for them."""
    found = ""
    for field in _ARGUMENTS:
        arguments = _text_of(place.get(field))
        if arguments.strip() not in {"", "{}"}:
            return arguments
        found = found or arguments
    return found


def _has_more(place: Mapping[str, object]) -> bool:
    """Whether there's a field that may be what a function is called with, under a name that nobody knows."""
    return any(
        bool(value) and isinstance(value, dict | list)
        for name, value in place.items()
        if name not in _KNOWN and not _NO_ARGUMENTS.search(name)
    )


def _readings(pieces: Sequence[str]) -> list[str]:
    """The names that the pieces may stand for, the likeliest first."""
    if len(pieces) == 1:
        return [pieces[0]]
    joined = "".join(pieces)
    if all(piece == pieces[0] for piece in pieces):
        return [pieces[0], joined]
    if _says_again(pieces):
        return [pieces[-1], joined]
    return [joined]


def _says_again(pieces: Sequence[str]) -> bool:
    """Whether the last piece says again what all before it said: each has what came so far, or it alone has."""
    grows = all(after.startswith(before) for before, after in pairwise(pieces))
    return grows or "".join(pieces[:-1]) == pieces[-1]


def _arguments(pieces: Sequence[str], name: str) -> str:
    """What the model gave, as JSON of an object where that is possible; else as it came, which no tool takes."""
    joined = "".join(pieces)
    if not joined.strip() or joined.strip() == "null":
        return ""
    given = _parsed(joined)
    if isinstance(given, str) and _is_object(given):
        return given  # JSON in JSON
    if given is not None or len(pieces) == 1:
        return joined
    if _is_object(pieces[-1]):
        before = "".join(pieces[:-1])
        if _says_again(pieces) or before.strip() == "{}" or _parsed(before) == _parsed(pieces[-1]):
            return pieces[-1]
    if pieces[0].strip() == "{}" and _is_object(rest := "".join(pieces[1:])):
        return rest  # the empty object kept room for what came
    if all(_is_object(piece) for piece in pieces):
        raise UnclearCalls(f"the arguments for {name} came more than once, and differ")
    return joined


def _parsed(text: str) -> object:
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        return None


def _is_object(text: str) -> bool:
    return isinstance(_parsed(text), dict)


def _text_of(arguments: object) -> str:
    if arguments is None or arguments == []:
        return ""
    if isinstance(arguments, str):
        return arguments
    if isinstance(arguments, dict):
        return json.dumps(arguments, ensure_ascii=False)
    raise UnclearCalls("the arguments of a tool call are neither text nor an object")


def _word(value: object, what: str, most: int) -> str | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and what == "id":
        value = str(value)
    if not isinstance(value, str):
        raise UnclearCalls(f"the {what} of a tool call isn't text")
    if len(value) > most:
        raise UnclearCalls(f"the {what} of a tool call is longer than {most} characters")
    return value or None


def _index(value: object) -> Index:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 10:
        return int(value)
    raise UnclearCalls("the index of a tool call isn't a number")
