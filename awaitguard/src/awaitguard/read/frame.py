"""The scope that is being walked: what is known about it so far."""

from __future__ import annotations

import ast
from typing import Any, Final

from awaitguard.read.summary import PLAIN, UNKNOWN, Flag, RawBinding, RawSite

Owner = tuple[str, str]


def raw_binding(kind: str, value: Any, at: int, block: int, line: int, name: str = "", level: int = 0) -> RawBinding:
    """A Binding as it is stored."""
    return kind, value, at, block, line, name, level


class Frame:
    """A module, class, function or lambda while its body is walked."""

    __slots__ = (
        "annotation", "attributes", "awaits", "bases", "bindings", "block", "body", "calls", "consumed", "containers", "declared_plain",
        "decorators", "driven", "exact", "flags", "forgettable", "fuzzy", "held", "index", "keywords", "kind", "loads", "made", "methods", "name", "outer",
        "param_use", "params", "parent", "pending", "position", "quiet", "renamed", "replaced", "returns", "self_name",
        "site_start", "stars", "taken", "tested", "tracked", "wrappers", "yields",
    )  # fmt: skip

    def __init__(self, kind: str, name: str, index: int, parent: Frame | None, block: int) -> None:
        self.kind = kind
        self.name = name
        self.index = index
        self.parent = parent
        self.block = block
        self.body = block
        self.position = 0
        self.bindings: dict[str, list[RawBinding]] = {}
        self.flags = 0
        self.params: list[tuple[str, str, int, bool, int]] = []
        self.param_use: dict[str, int] = {}
        self.decorators: tuple[int, ...] = ()
        self.annotation = UNKNOWN
        self.returns: list[int] = []
        self.yields: list[int] = []
        self.bases: tuple[int, ...] = ()
        self.keywords: tuple[tuple[str, int], ...] = ()
        self.attributes: dict[str, list[RawBinding]] = {}
        self.stars: list[tuple[str, int, int]] = []
        self.calls: list[int] = []
        # Names whose latest value can't be followed, and names of imports that say nothing about colours.
        self.fuzzy: set[str] = set()
        self.quiet: dict[str, str] = {}
        # Names whose latest value came from a call: their uses are recorded.
        self.tracked: set[str] = set()
        # Names that a test like isawaitable() or hasattr() asked about.
        self.tested: set[str] = set()
        # Attributes of other objects that are set here (`client.send = Mock()`): they aren't what their class says.
        self.replaced: set[str] = set()
        # Names that hold what a method gave, the name of the method and its object.
        self.methods: dict[str, tuple[str, ast.expr]] = {}
        # Names that hold what a parameter gave when it was called, and names that hold a parameter.
        self.made: dict[str, str] = {}
        self.renamed: dict[str, str] = {}
        # Functions inside that hand on all that they are given, and the parameter that gets it.
        self.wrappers: list[tuple[int, str]] = []
        # Names that hold a method that is taken by its name: `run = getattr(job, "run", None)`.
        self.taken: dict[str, tuple[str, ast.expr]] = {}
        self.loads: dict[str, int] = {}
        self.consumed: set[str] = set()
        # Names whose value is awaited here, or given to someone who may.
        self.driven: set[str] = set()
        self.containers: dict[str, str] = {}
        # Containers that are declared to hold plain values.
        self.declared_plain: set[str] = set()
        self.forgettable: list[tuple[str, int, RawSite, bool, int]] = []
        # Names that are kept though their values are plain, because someone awaits or loops over them.
        self.exact: set[str] = set()
        self.pending: list[tuple[str, RawSite]] = []
        self.held: dict[str, tuple[int, int]] = {}
        self.awaits = 0
        self.site_start = 0
        self.self_name = ""
        self.outer: set[str] = set()

    @property
    def is_function(self) -> bool:
        return self.kind in ("function", "lambda")

    def bind(self, name: str, binding: RawBinding) -> None:
        """Record that `name` gets a value here."""
        found = self.bindings.get(name)
        if found is None:
            self.bindings[name] = [binding]
        else:
            found.append(binding)
        if binding[0] == "unknown" or (binding[0] == "value" and binding[1] in (UNKNOWN, PLAIN)):
            self.fuzzy.add(name)
        else:
            self.fuzzy.discard(name)
        self.quiet.pop(name, None)
        self.tracked.discard(name)

    def finish(self) -> tuple[Any, ...]:
        """The finished scope as the plain tuple that `summary.load` turns into a Scope."""
        params = tuple(
            [
                (name, kind, annotation, has_default, self.param_use.get(name, 0), default)
                for name, kind, annotation, has_default, default in self.params
            ]
        )
        is_function = self.is_function
        return (
            self.kind,
            self.name,
            self.parent.index if self.parent else UNKNOWN,
            self.block,
            self.body,
            self.position,
            self.local_bindings() if is_function else self.bindings,
            self.flags,
            params,
            self.decorators,
            self.annotation,
            tuple(self.yields if self.flags & Flag.GENERATOR else self.returns),
            self.bases,
            self.keywords,
            self.attributes,
            tuple(self.stars),
            tuple(self.calls) if is_function and not self.flags & Flag.ASYNC else (),
        )

    def local_bindings(self) -> dict[str, list[RawBinding]]:
        """Only what someone reads is kept, and of names that can't be followed only that they are there."""
        loads, kept = self.loads, dict[str, list[RawBinding]]()
        for name, found in self.bindings.items():
            if name not in loads and name.removesuffix("[]") not in loads:
                continue
            if name in self.param_use and not found:
                continue
            kept[name] = (
                []
                if all(one[0] == "unknown" or one[1] == PLAIN for one in found if one[0] in VALUE_KINDS)
                and not any(one[0] not in VALUE_KINDS for one in found)
                and name not in self.exact
                else found
            )
        return kept


VALUE_KINDS: Final = frozenset({"value", "unknown"})
