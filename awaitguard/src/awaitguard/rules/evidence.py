"""What proves a finding, from line to line: where names get their values, and where what they stand for is defined.

Nobody carries this along. For the findings that are reported, their question is asked again here, and each step that
resolving it takes is written down.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from awaitguard.finding import Finding, Step
from awaitguard.infer import callers
from awaitguard.infer.lookup import LATE, reaching_bindings
from awaitguard.infer.resolver import called_name
from awaitguard.infer.signature import colour_of_scope
from awaitguard.infer.value import CLASS, FUNCTION, INSTANCE, MODULE, PARTIAL, SUPER, Definition, Value, Values
from awaitguard.infer.words import AWAITED
from awaitguard.read.summary import (
    NONE,
    OP_ANNOTATED,
    OP_ATTR,
    OP_AWAIT,
    OP_CALL,
    OP_DEFAULT,
    OP_DICT,
    OP_ELEMENT,
    OP_ENTER,
    OP_GETATTR,
    OP_ITEM,
    OP_LIST,
    OP_NAME,
    OP_SCOPE,
    OP_SUBSCRIPTED,
    OP_UNION,
    OP_UNPACK,
    Binding,
    Scope,
    Summary,
    Use,
    qualname,
    unpack_position,
)

if TYPE_CHECKING:
    from awaitguard.infer.resolver import Resolver

MOST: Final = 14  # steps that one finding shows
DEPTH: Final = 8
EACH: Final = 3  # of several bindings, candidates or decorators so many are followed
KINDS: Final = {"sync": "a plain function", "async": "an async function", "class": "a class", "property": "a property",
    "generator": "a generator function", "async generator": "an async generator function",
    "context manager": "a context manager", "async context manager": "an async context manager",
    "decorated": "a function under a decorator"}  # fmt: skip
# Findings about definitions stand at a name, those about values at an expression.
OF_FILES: Final = "AG00"  # what can't be read, a pipe perhaps, isn't opened again
OF_IMPORTS: Final = ("AG301", "AG302", "AG303", "AG304")
# Of these only the call counts, not what it gives.
OF_CALLS: Final = ("AG305", "AG306", "AG307", "AG308", "AG309", "AG311")
# What is given counts there, beside what it is given to.
PROTOCOL, MEMBER, LOOP, LOCK, RETURNS, RETURNED = "AG206", "AG310", "AG153", "AG171", "AG202", "AG128"
OVERRIDES: Final = ("AG204", "AG205")
# Decorators that say nothing about the colour.
SILENT: Final = frozenset(
    {"abstractmethod", "staticmethod", "classmethod", "property", "override", "overload", "cached_property"}
)
OF_ARGUMENTS: Final = ("AG129", "AG16", "AG206", "AG311")


def evidence(resolver: Resolver, finding: Finding) -> tuple[Step, ...]:
    """The steps that lead from a finding's place to what proves it; empty if the place can't be found again."""
    if finding.code.startswith(OF_FILES):
        return ()
    return resolver.patiently(lambda: steps_of(resolver, finding))


def steps_of(resolver: Resolver, finding: Finding) -> tuple[Step, ...]:
    """The same, as far as the resolver gets without patience."""
    summary = resolver.table.summary(finding.path)
    if summary is None:
        return ()
    trace = Trace(resolver, finding)
    if finding.code in OF_IMPORTS:
        trace.missing(finding)
    else:
        exprs = expressions(summary, finding)
        for expr in exprs:
            trace.expression(finding.path, summary, expr, 0)
        if finding.code.startswith(OF_ARGUMENTS):
            for call in exprs or calls(summary, finding):
                trace.arguments(finding.path, summary, call, 0)
        if not exprs:
            trace.around(finding, summary)
        if finding.code == PROTOCOL:
            trace.implemented(finding)
        elif finding.code == MEMBER:
            trace.lineage(finding)
        elif finding.code == LOOP:
            trace.chain(finding)
        elif finding.code == LOCK:
            trace.held(finding, summary)
        elif finding.code == RETURNED:
            trace.returns(finding, summary)
    trace.cause(finding)
    here = (finding.path, finding.line)
    return tuple([step for step in trace.steps if (step.path, step.line) != here or "is defined" in step.text][:MOST])


def expressions(summary: Summary, finding: Finding) -> list[int]:
    """The expressions that a finding's place is about."""
    found: list[int] = []
    for raw in summary.sites:
        use, index, _, position, call, _ = raw
        expr = summary.exprs[index]
        places = [position, expr[5] if expr[0] == OP_CALL else position]
        if not any(stands_at(one, finding) for one in places):
            continue
        if use in (Use.ARGUMENT, Use.VALUE_ARGUMENT, Use.LOGGED, Use.SCHEDULED) and call > NONE:
            found.append(summary.exprs[call][1])
        found.append(index)
    return list(dict.fromkeys(found))


def calls(summary: Summary, finding: Finding) -> list[int]:
    """The calls that stand at a finding's place."""
    return [
        index for index, expr in enumerate(summary.exprs) if expr[0] == OP_CALL and stands_at(expr[5], finding)
    ]  # fmt: skip


def stands_at(position: int, finding: Finding) -> bool:
    """Whether a position is a finding's; columns are left out where characters and bytes may differ."""
    line, column, end_line, end_column = unpack_position(position)
    if (line, end_line) != (finding.line, finding.end_line):
        return False
    return abs(column + 1 - finding.column) + abs(end_column + 1 - finding.end_column) == 0 or (
        column + 1 > finding.column and end_column - column == finding.end_column - finding.column
    )


class Trace:
    """The steps that were taken, each place once."""

    def __init__(self, resolver: Resolver, finding: Finding) -> None:
        self.resolver = resolver
        # Of what a call with wrong arguments gives nobody asks.
        self.follows_results = not finding.code.startswith(OF_CALLS)
        self.steps: list[Step] = []
        self.seen: set[tuple[object, ...]] = set()
        self.defined: list[Definition] = []  # in the order in which they were come upon

    def add(self, path: str, line: int, text: str) -> None:
        if line <= 0:
            return
        for number, step in enumerate(self.steps):
            if (step.path, step.line) == (path, line):
                if text not in step.text:
                    self.steps[number] = step._replace(text=f"{step.text}; {text}")
                return
        self.steps.append(Step(path, line, text))

    def is_new(self, *key: object) -> bool:
        if key in self.seen or len(self.steps) >= MOST:
            return False
        self.seen.add(key)
        return True

    def expression(self, path: str, summary: Summary, index: int, depth: int) -> None:
        """Where an expression's value comes from."""
        if index <= NONE or depth > DEPTH or not self.is_new("expression", path, index):
            return
        expr = summary.exprs[index]
        operator = expr[0]
        if operator == OP_NAME:
            self.dotted(path, summary, index, depth)
        elif operator == OP_CALL:
            self.expression(path, summary, expr[1], depth + 1)
            self.results(path, summary, index, depth)
            if any(value.kind == PARTIAL for value in self.resolver.infer(path, index)):
                self.arguments(path, summary, index, depth)
        elif operator in (OP_ATTR, OP_GETATTR):
            self.expression(path, summary, expr[1], depth + 1)
            self.attribute(self.resolver.infer(path, expr[1]), str(expr[2]), depth)
        elif operator in (OP_AWAIT, OP_ITEM, OP_ELEMENT, OP_ENTER, OP_UNPACK, OP_DEFAULT):
            self.expression(path, summary, expr[1], depth + 1)
        elif operator == OP_UNION:
            for one in expr[1:][:EACH]:
                self.expression(path, summary, one, depth + 1)
        elif operator == OP_LIST:
            for one in expr[1][:EACH]:
                self.expression(path, summary, one, depth + 1)
        elif operator == OP_DICT:
            for _, one in expr[1][:EACH]:
                self.expression(path, summary, one, depth + 1)
        elif operator == OP_SCOPE:
            self.definition((path, expr[1]), depth)
        elif operator == OP_ANNOTATED:
            self.annotation(path, summary, expr[1], depth)
            self.expression(path, summary, expr[2], depth + 1)

    def results(self, path: str, summary: Summary, call: int, depth: int) -> None:
        """What a call gives, where that isn't the function's own colour: the object that a plain function hands out."""
        for value in self.resolver.infer(path, call)[:EACH] if self.follows_results else ():
            for target in self.resolver.infer(path, summary.exprs[call][1])[:EACH]:
                scope = self.scope(target.definition)
                if scope is None or target.kind == CLASS or scope.is_async:
                    continue
                if scope.annotation > NONE and value.kind == INSTANCE:
                    line = unpack_position(scope.position)[0]
                    self.add(target.module, line, f"`{scope.name}` is declared to give it")
                inner = self.resolver.table.summary(target.module)
                for returned in scope.returns[:EACH]:
                    if inner is not None and returned > NONE:
                        self.returned(target.module, inner, returned, depth)
            if value.kind == INSTANCE:
                self.definition(value.definition, depth)
        for target in self.resolver.infer(path, summary.exprs[call][1])[:EACH]:
            if target.kind == CLASS:
                found, _ = self.resolver.class_member(target.definition, "__init__")
                for one in (found or ())[:1]:
                    self.definition(one.definition, depth)

    def returned(self, path: str, summary: Summary, index: int, depth: int) -> None:
        expr = summary.exprs[index]
        if expr[0] == OP_CALL:
            self.add(path, unpack_position(expr[5])[0], f"`{called_name(summary, index)}(...)` is what it returns")
        self.expression(path, summary, index, depth + 1)

    def dotted(self, path: str, summary: Summary, index: int, depth: int) -> None:
        """A name, or a chain of attributes on one."""
        _, text, block = summary.exprs[index][:3]
        parts = str(text).split(".")
        self.name(path, summary, parts[0], block, index, depth)
        for number in range(1, len(parts)):
            base = ".".join(parts[:number])
            values = self.resolver.dotted(path, summary, index, base, block)
            self.attribute(values, parts[number], depth)

    def name(self, path: str, summary: Summary, name: str, block: int, at: int, depth: int) -> None:
        """Where a name gets its value."""
        holder = holder_of(summary, name, block)
        if holder is None:
            for module, level, _ in summary.scopes[0].stars:
                target = self.resolver.imported_module(path, module, level)
                inner = self.resolver.table.summary(target) if target else None
                if target and inner is not None and name in inner.scopes[0].bindings:
                    self.member(target, name, depth)
            return
        scope = summary.scopes[holder]
        late = block < 0 or summary.scope_of(block) != holder
        use_block = scope.body if late else block
        bindings = scope.bindings.get(name) or []
        reaching, always = reaching_bindings(summary.blocks, bindings, use_block, LATE if late else at)
        for one in reaching[:EACH]:
            self.binding(path, summary, name, one, depth)
        if not always:
            self.parameter(path, summary, holder, name, depth)

    def parameter(self, path: str, summary: Summary, holder: int, name: str, depth: int) -> None:
        scope = summary.scopes[holder]
        param = next((one for one in scope.params if one.name == name), None)
        if param is None:
            return
        line = unpack_position(scope.position)[0]
        owner = summary.scopes[scope.parent] if scope.parent >= 0 else None
        if param is scope.params[0] and owner is not None and owner.kind == "class" and param.annotation <= NONE:
            self.add(path, unpack_position(owner.position)[0], f"`{name}` is of this class, `{owner.name}`")
        elif param.annotation > NONE:
            self.add(path, line, f"`{name}` is a parameter of `{scope.name}`, declared here")
            self.annotation(path, summary, param.annotation, depth)
        elif depth == 0:
            self.add(path, line, f"`{name}` is a parameter of `{scope.name}`")
            if param.default > NONE:
                self.expression(path, summary, param.default, depth + 1)

    def annotation(self, path: str, summary: Summary, annotation: int, depth: int) -> None:
        """The classes that an annotation names, and how it comes to know them."""
        if annotation <= NONE or depth > DEPTH:
            return
        expr = summary.exprs[annotation]
        if expr[0] == OP_NAME:
            self.dotted(path, summary, annotation, depth + 1)
        elif expr[0] == OP_SUBSCRIPTED:
            for part in (expr[1], *expr[2])[:EACH]:
                self.annotation(path, summary, part, depth + 1)
        elif expr[0] == OP_UNION:
            for part in expr[1:][:EACH]:
                self.annotation(path, summary, part, depth + 1)

    def binding(self, path: str, summary: Summary, name: str, binding: Binding, depth: int) -> None:
        if not self.is_new("binding", path, name, binding.at, binding.line) or depth > DEPTH:
            return
        if binding.kind in ("def", "class"):
            self.definition((path, binding.value), depth)
        elif binding.kind in ("value", "narrowed"):
            self.add(path, binding.line, f"`{name}` gets its value")
            if isinstance(binding.value, int):
                self.expression(path, summary, binding.value, depth + 1)
        elif binding.kind in ("from", "import"):
            self.add(path, binding.line, f"`{name}` is imported")
            if binding.kind == "from":
                target = self.resolver.imported_module(path, binding.value, binding.level)
                if target:
                    self.member(target, binding.name, depth + 1)

    def member(self, path: str, name: str, depth: int) -> None:
        """A name of a module, as others import it."""
        summary = self.resolver.table.summary(path)
        if summary is None or depth > DEPTH or not self.is_new("member", path, name):
            return
        bindings = summary.scopes[0].bindings.get(name)
        for one in (bindings or [])[-EACH:]:
            self.binding(path, summary, name, one, depth)
        if not bindings:
            for module, level, _ in summary.scopes[0].stars:
                target = self.resolver.imported_module(path, module, level)
                if target and target != path:
                    self.member(target, name, depth + 1)

    def attribute(self, values: Values, name: str, depth: int) -> None:
        """Where objects get an attribute."""
        for value in values[:EACH]:
            if value.kind == MODULE:
                self.member(value.module, name, depth + 1)
            elif value.kind in (INSTANCE, CLASS, SUPER):
                self.of_class(value, name, depth)

    def of_class(self, value: Value, name: str, depth: int) -> None:
        if depth > DEPTH:
            return
        self.definition(value.definition, depth)
        order, _ = self.resolver.lineage(value.definition)
        for path, index in order[1:] if value.kind == SUPER else order:
            summary = self.resolver.table.summary(path)
            if summary is None:
                return
            scope = summary.scopes[index]
            bindings = scope.bindings.get(name) or scope.attributes.get(name)
            if not bindings:
                continue
            if (path, index) != value.definition:
                self.definition((path, index), depth, f"`{scope.name}` is a base of it")
            for one in bindings[:EACH]:
                self.binding(path, summary, name, one, depth + 1)
            return

    def definition(self, definition: Definition, depth: int, text: str = "") -> None:
        """The line of a function or class, and those of the decorators above it."""
        path, index = definition
        scope = self.scope(definition)
        summary = self.resolver.table.summary(path)
        if scope is None or summary is None or index <= 0 or not self.is_new("definition", path, index):
            return
        self.defined.append(definition)
        names = self.resolver.decorator_names(summary, scope)
        colour = colour_of_scope(scope, names)
        what = KINDS.get(colour, colour)
        name = qualname(summary, index)
        if colour == "class" and scope.bases:
            bases = [
                str(summary.exprs[one][1]) for one in scope.bases if one > NONE and summary.exprs[one][0] == OP_NAME
            ]
            what = f"a class with the base{'s' if len(bases) > 1 else ''} {', '.join(bases)}" if bases else what
        self.add(path, unpack_position(scope.position)[0], text or f"`{name}` is defined: {what}")
        if scope.kind == "function":
            for decorator in scope.decorators[:EACH]:
                if decorator > NONE and (
                    summary.exprs[decorator][0] != OP_NAME
                    or str(summary.exprs[decorator][1]).rpartition(".")[2] not in SILENT
                ):
                    self.expression(path, summary, decorator, depth + 1)
                    self.wrapper(path, decorator)

    def wrapper(self, path: str, decorator: int) -> None:
        """What a project's decorator puts in the place of a function."""
        for value in self.resolver.infer(path, decorator)[:1] if decorator > NONE else ():
            scope, summary = self.scope(value.definition), self.resolver.table.summary(value.module)
            if scope is None or summary is None or scope.kind != "function" or value.module.startswith("/"):
                continue
            for number, inner in enumerate(summary.scopes):
                if inner.parent == value.scope and inner.kind == "function":
                    self.definition((value.module, number), DEPTH)

    def scope(self, definition: Definition) -> Scope | None:
        path, index = definition
        summary = self.resolver.table.summary(path) if path else None
        return summary.scopes[index] if summary is not None and 0 <= index < len(summary.scopes) else None

    def arguments(self, path: str, summary: Summary, index: int, depth: int) -> None:
        """Where what a call is given comes from, and what its parameters are declared to be."""
        expr = summary.exprs[index]
        if expr[0] != OP_CALL:
            return
        self.expression(path, summary, expr[1], depth)
        for one in (*expr[2], *(value for _, value in expr[3])):
            if isinstance(one, int):
                self.expression(path, summary, one, depth + 1)
        for target in self.resolver.infer(path, expr[1])[:EACH]:
            inner = self.resolver.table.summary(target.module) if target.module[:1] not in ("", "/") else None
            scope = self.scope(target.definition)
            if inner is not None and scope is not None and scope.kind == "function":
                for param in scope.params:
                    self.annotation(target.module, inner, param.annotation, depth + 1)

    def implemented(self, finding: Finding) -> None:
        """The member of a Protocol that the finding's cause has in another colour."""
        name = finding.cause.name.rpartition(".")[2] if finding.cause is not None else ""
        for definition in list(self.defined):
            scope = self.scope(definition)
            if scope is not None and scope.kind == "class" and self.resolver.is_protocol(definition):
                self.of_class(Value(INSTANCE, *definition), name, 0)

    def lineage(self, finding: Finding) -> None:
        """All bases of the class that lacks something."""
        for definition in list(self.defined):
            scope = self.scope(definition)
            line = unpack_position(scope.position)[0] if scope is not None and scope.kind == "class" else 0
            if finding.cause is not None and (finding.cause.path, finding.cause.line) == (definition[0], line):
                for base in self.resolver.lineage(definition)[0][1:]:
                    self.definition(base, 0)

    def chain(self, finding: Finding) -> None:
        """The calls by which a plain function comes to start a loop, whose names the message has."""
        names = finding.message.rpartition("(")[2].partition(")")[0].split(" -> ")
        current = next((one for one in self.defined if self.qualname(one) == names[0]), None)
        for name in names[1:]:
            current = self.call(current, name) if current is not None else None

    def call(self, function: Definition, name: str) -> Definition | None:
        """The line on which a function calls something, and what that is."""
        scope, summary = self.scope(function), self.resolver.table.summary(function[0])
        if scope is None or summary is None:
            return None
        for index in scope.calls:
            expr = summary.exprs[index]
            called = summary.exprs[expr[1]]
            text = str(called[1] if called[0] == OP_NAME else called[-1])
            if text.rpartition(".")[2] != name.rpartition(".")[2]:
                continue
            self.add(function[0], unpack_position(expr[5])[0], f"it calls `{name}`")
            for target in self.resolver.infer(function[0], expr[1])[:1]:
                self.definition(target.definition, 0)
                return target.definition
        return None

    def qualname(self, definition: Definition) -> str:
        summary = self.resolver.table.summary(definition[0])
        return qualname(summary, definition[1]) if summary is not None else ""

    def around(self, finding: Finding, summary: Summary) -> None:
        """A finding about a definition: its own line, and the bases of its class up to the one that the finding names."""
        for index, scope in enumerate(summary.scopes):
            if index <= 0 or unpack_position(scope.position)[0] != finding.line:
                continue
            owner = scope.parent if scope.kind != "class" else index
            self.definition((finding.path, index), 0)
            if finding.code == RETURNS:
                self.given(finding)
            if owner > 0 and summary.scopes[owner].kind == "class":
                self.definition((finding.path, owner), 0)
                for base in self.resolver.lineage((finding.path, owner))[0][1:]:
                    self.definition(base, 0)
                    if finding.cause is not None and finding.cause.path == base[0] and self.named(finding, base):
                        break
                self.caller(finding, (finding.path, owner), scope.name)

    def given(self, finding: Finding) -> None:
        """The classes that two functions of one name give."""
        for path, line in [
            (finding.path, finding.line),
            (finding.cause.path, finding.cause.line) if finding.cause else ("", 0),
        ]:
            summary = self.resolver.table.summary(path) if path else None
            for index, scope in enumerate(summary.scopes if summary is not None else ()):
                if scope.kind == "function" and unpack_position(scope.position)[0] == line:
                    self.definition((path, index), 0)
                    for value in self.resolver.result(Value(FUNCTION, path, index))[:EACH]:
                        if value.kind == INSTANCE:
                            self.definition(value.definition, 0)

    def caller(self, finding: Finding, owner: Definition, name: str) -> None:
        """Code that awaits the method of an override, or of a class above or below it."""
        found = callers.place(self.resolver, AWAITED, owner, name) if finding.code in OVERRIDES else None
        if found is not None:
            self.add(found[0], unpack_position(found[1])[0], f"`{name}` is awaited here")

    def held(self, finding: Finding, summary: Summary) -> None:
        """The await that runs while a lock is held."""
        lines = sorted(unpack_position(raw[3])[0] for raw in summary.sites if raw[0] == Use.AWAIT)
        after = [line for line in lines if line > finding.line]
        if after:
            self.add(finding.path, after[0], "this `await` runs while it is held")

    def returns(self, finding: Finding, summary: Summary) -> None:
        """The function that returns a coroutine."""
        for raw in summary.sites:
            if raw[0] == Use.RETURN and stands_at(raw[3], finding):
                self.definition((finding.path, raw[2]), 0)

    def named(self, finding: Finding, base: Definition) -> bool:
        """The member of a base that a finding's cause is, if it is one."""
        summary = self.resolver.table.summary(base[0])
        for index, scope in enumerate(summary.scopes if summary is not None else ()):
            named = finding.cause is not None and finding.cause.line == unpack_position(scope.position)[0]
            if scope.parent == base[1] and named:
                self.definition((base[0], index), 0)
                return True
        return False

    def missing(self, finding: Finding) -> None:
        """An import of what isn't there: the module that was searched, or the nearest one above it."""
        cause = finding.cause
        if cause is None:
            return
        if cause.path and not cause.path.endswith("/"):
            self.add(cause.path, 1, "this module is searched, and nothing in it has the name")
        if cause.path:
            return
        parts = cause.name.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            above = self.resolver.modules.find(".".join(parts[:cut]), finding.path)
            if above is not None and not above.endswith("/"):
                self.add(above, 1, f"this is `{'.'.join(parts[:cut])}`, which has no `{parts[cut]}` beside it")
                return

    def cause(self, finding: Finding) -> None:
        """The definition that the finding blames, if no step has come to it."""
        cause = finding.cause
        if cause is None or not cause.path or not cause.line:
            return
        if not any(
            (step.path, step.line) == (cause.path, cause.line) and "defined" in step.text for step in self.steps
        ):
            self.add(cause.path, cause.line, f"`{cause.name}` is defined: {KINDS.get(cause.colour, cause.colour)}")


def holder_of(summary: Summary, name: str, block: int) -> int | None:
    """The scope in which a name is bound that is used in a block; None if nothing in the file binds it."""
    index = summary.scope_of(~block if block < 0 else block)
    own = True
    while index >= 0:
        scope = summary.scopes[index]
        bound = name in scope.bindings or any(param.name == name for param in scope.params)
        if (own or scope.kind != "class") and bound:
            return index
        own = False
        index = scope.parent
    return None


def all_evidence(resolver: Resolver, findings: Iterable[Finding]) -> dict[Finding, tuple[Step, ...]]:
    """The evidence of each finding."""
    found: dict[Finding, tuple[Step, ...]] = {}
    for one in findings:
        resolver.forget()
        found[one] = evidence(resolver, one)
    return found
