"""What functions outside of the project want of what they are given: read from contracts.toml.

The rules ask by the dotted name that an import leads to. The walker, which resolves nothing, marks calls whose names are
written like one of these, so that the rules look at them.
"""

from __future__ import annotations

import builtins
import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Any, Final, NamedTuple

_READ: Final[dict[str, Any]] = tomllib.loads(
    resources.files("awaitguard.read").joinpath("contracts.toml").read_text(encoding="utf-8")
)


class Place(NamedTuple):
    """The argument that a contract is about: by position, by keyword, or every one; `listed` if it is a list of them."""

    position: int | None
    keyword: str
    listed: bool


def _places(rows: dict[str, dict[str, Any]]) -> dict[str, Place]:
    return {
        name: Place(row.get("position"), row.get("keyword", ""), row.get("listed", False)) for name, row in rows.items()
    }


def _last(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.rpartition(".")[2] for name in names)


_VALUE: Final[dict[str, list[str]]] = _READ["value"]
_EXCEPTIONS: Final = [
    f"builtins.{name}"
    for name, one in vars(builtins).items()
    if isinstance(one, type) and issubclass(one, BaseException)
]
VALUE_CONTRACTS: Final = frozenset(
    [*_VALUE["functions"], *_EXCEPTIONS, *_VALUE["classes"], *_VALUE["methods"], *_VALUE["loggers"]]
)
VALUE_MODULES: Final = frozenset(_VALUE["modules"])
# By names as they are written.
VALUE_FUNCTIONS: Final = frozenset(name.removeprefix("builtins.") for name in (*_VALUE["functions"], *_EXCEPTIONS))
VALUE_CLASSES: Final = _last(_VALUE["classes"])
VALUE_METHODS: Final = _last(_VALUE["methods"])
LOG_METHODS: Final = _last(_VALUE["loggers"])

AWAITABLE_CONTRACTS: Final = _places(_READ["awaitable"])
RUNNERS: Final = frozenset[str](_READ["loop"]["functions"])
# What calls a plain function without await, by what it does with it.
THREAD_TARGETS, EXECUTORS, SORTS, SIGNALS, EXIT_HANDLERS, LOOP_CALLBACKS = (
    _places(_READ["plain-callable"][kind]) for kind in ("thread", "executor", "key", "signal", "exit", "callback")
)


def wants_value(dotted: str) -> bool:
    """Whether a contract says that something of a library, or a method of its class, uses what it is given as a value."""
    return dotted in VALUE_CONTRACTS or dotted.partition(".")[0] in VALUE_MODULES
