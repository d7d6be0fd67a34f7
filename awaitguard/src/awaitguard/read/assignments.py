"""Assignments: what gets which value, and what of it is forgotten."""

from __future__ import annotations

import ast
from typing import Final, cast

from awaitguard.read.expressions import Expressions
from awaitguard.read.frame import Frame, raw_binding
from awaitguard.read.naming import dotted_name, position
from awaitguard.read.nodes import (
    Attribute,
    Call,
    Constant,
    List,
    Name,
    Starred,
    Subscript,
    Tuple,
)
from awaitguard.read.summary import (
    ABSENT,
    NONE,
    OP_ANNOTATED,
    OP_DEFAULT,
    OP_NAME,
    UNKNOWN,
    ParamUse,
    Use,
)

PLAIN_TYPES: Final = frozenset({"int", "str", "float", "bool", "bytes", "dict", "list", "set", "tuple", "Any", "Dict", "List",
    "Set", "Tuple", "Callable", "Optional", "object", "None"})  # fmt: skip


# What a type that is given a name begins with: `Users = Annotated[Store, Depends(get_store)]`.
TYPE_FORMS: Final = frozenset({"Annotated", "Optional", "Union", "Type"})


class Assignments(Expressions):
    """The part of the walker that visits assignments."""

    def is_plain_type(self, annotation: int) -> bool:
        if annotation <= NONE:
            return True
        expr = self.exprs[annotation]
        if expr[0] == "[":
            return self.is_plain_type(expr[1]) and all(self.is_plain_type(one) for one in expr[2])
        return expr[0] == OP_NAME and str(expr[1]).rpartition(".")[2] in PLAIN_TYPES - {"Optional"}

    def assign(self, node: ast.Assign) -> bool:
        first = node.targets[0]
        value = node.value
        if type(first) in (Tuple, List) and type(value) in (Tuple, List) and len(node.targets) == 1:
            left, right = cast("ast.Tuple", first).elts, cast("ast.Tuple", value).elts
            if len(left) == len(right) and not any(type(one) is Starred for one in [*left, *right]):
                found = [self.assigned(one, two) for one, two in zip(left, right, strict=True)]
                for one, two, index in zip(left, right, found, strict=True):
                    self.store(one, index, two)
                return False
        index = self.assigned(first, value)
        for target in node.targets:
            self.store(target, index, value)
        if type(first) is Name and first.id == "__all__" and self.frame.kind == "module":
            self.export(value)
        return False

    def export(self, value: ast.expr) -> None:
        """Keep the names in `__all__`, if it is a plain list of them."""
        if type(value) not in (List, Tuple):
            return
        names = [one.value if type(one) is Constant else None for one in cast("ast.List", value).elts]
        if all(isinstance(name, str) for name in names):
            exported = [raw_binding("all", tuple(names), len(self.exprs), self.block, value.lineno)]
            self.frame.bindings["__all__"] = [*self.frame.bindings["__all__"][:-1], *exported]

    def take(self, name: str, called: str, arguments: list[ast.expr]) -> None:
        """Remember what `run = getattr(job, "run", None)` takes, and `result = run()` after it."""
        if called == "getattr" and len(arguments) > 1 and type(arguments[1]) is Constant:
            self.frame.taken[name] = (str(arguments[1].value), arguments[0])
        elif called in self.frame.taken:
            self.frame.methods[name] = self.frame.taken[called]

    def assigned(self, target: ast.expr, value: ast.expr) -> int:
        """Visit the right side of an assignment, knowing where its value goes."""
        kind = type(target)
        use: int = Use.OTHER
        if kind is Name:
            name = cast("ast.Name", target).id
            use, self.owner = Use.ASSIGN, ("name", name)
            given = value.func if type(value) is Call else value
            if type(given) is Name and given.id in self.frame.param_use:
                (self.frame.made if type(value) is Call else self.frame.renamed)[name] = given.id
            if type(value) is Call and type(value.func) is Attribute:
                self.frame.methods[name] = (value.func.attr, value.func.value)
            elif type(value) is Call and type(value.func) is Name:
                self.take(name, value.func.id, value.args)
        elif kind is Attribute:
            attribute = cast("ast.Attribute", target)
            if type(attribute.value) is Name and self.is_self(attribute.value.id):
                use, self.owner = Use.STORED, ("attribute", attribute.attr)
        elif kind is Subscript:
            use = self.filled(cast("ast.Subscript", target).value) or Use.OTHER
        elif kind in (ast.Tuple, ast.List):
            use = Use.ITERATE if type(value) is Call else Use.OTHER
        index = self.visit(value, use)
        self.owner = None
        if type(value) is Call and self.is_get_logger(value.func):
            self.loggers.add(target.attr if type(target) is Attribute else target.id if type(target) is Name else "")
        if (
            type(value) is Subscript
            and kind is Name
            and self.frame.kind != "function"
            and dotted_name(value.value).rpartition(".")[2] in TYPE_FORMS
        ):
            return self.annotation(value)
        return index

    def is_self(self, name: str) -> bool:
        """Whether a name is the first parameter of the method around this code."""
        frame: Frame | None = self.frame
        while frame is not None and frame.is_function:
            if frame.self_name == name and name:
                return True
            frame = frame.parent
        return False

    def store(self, target: ast.expr, index: int, value: ast.expr) -> None:
        kind = type(target)
        if kind is Name:
            name = cast("ast.Name", target).id
            self.forget(name, index, value)
            if name == self.absent and type(value) is Call and index > NONE:
                index = self.add((OP_DEFAULT, index))
            self.bind_name(name, index, value)
        elif kind is Attribute:
            self.bind_attribute(cast("ast.Attribute", target), index)
        elif kind is Subscript:
            subscript = cast("ast.Subscript", target)
            if type(subscript.value) is Name:
                name = subscript.value.id
                if name in self.frame.tracked:
                    self.site(Use.SUBSCRIPT, self.add((OP_NAME, name, self.block)), subscript.value)
                self.frame.loads[name] = len(self.exprs)
                if name in self.frame.param_use:
                    self.frame.param_use[name] |= ParamUse.AS_VALUE
                self.bind_item(name, index, value)
            else:
                self.visit(subscript.value, Use.STATEMENT)
                if type(subscript.value) is Attribute:
                    self.bind_attribute_item(subscript.value, index, value, by_key=True)
            self.value_wanted(subscript.slice, Use.OPERAND)
        elif kind in (ast.Tuple, ast.List):
            whole = index
            for number, element in enumerate(cast("ast.Tuple", target).elts):
                starred = type(element) is Starred
                inner = element.value if type(element) is Starred else element
                self.bind_target(inner, ("x", whole, number), UNKNOWN if starred else whole)
        elif kind is Starred:
            self.bind_target(target, ("x", index, 0), UNKNOWN)

    def forget(self, name: str, index: int, value: ast.expr) -> None:
        """Note an assignment of a call's result, to see later whether anyone reads it."""
        frame = self.frame
        loaded = frame.loads.get(name, -1)
        for number, (other, at, site, _, block) in enumerate(frame.forgettable):
            # Overwritten in the same stretch of code before anyone looked.
            if other == name and block == self.block and loaded < at:
                self.sites.append((int(Use.FORGOTTEN), *site[1:4], UNKNOWN, name))
                del frame.forgettable[number]
                break
        if index > NONE and type(value) is Call and not self.muted:
            site = (int(Use.STORED), index, frame.index, position(value), UNKNOWN, 0)
            if name in frame.outer:
                self.stored_globals.append((name, site))
            elif frame.is_function:
                frame.forgettable.append((name, len(self.exprs), site, self.loops, self.block))
            elif (
                not dotted_name(value.func).rpartition(".")[2][:1].isupper()
            ):  # no class, so it may be an async function
                (self.stored_settings if frame.kind == "class" else self.stored_globals).append((name, site))

    def bind_item(self, name: str, index: int, value: ast.expr) -> None:
        """`name[key] = value`: one more thing that the container may hold."""
        frame: Frame | None = self.frame
        while frame is not None and name not in frame.bindings:
            frame = frame.parent
        if frame is not None:
            kind = "value" if index >= 0 else "unknown"
            frame.exact.add(name)
            frame.bindings.setdefault(name + "[]", []).append(
                raw_binding(kind, index, len(self.exprs), self.block, value.lineno)
            )

    def bind_attribute_item(self, container: ast.Attribute, index: int, value: ast.expr, by_key: bool) -> None:
        """`self.items.append(x)`, `self.items[key] = x`: what the attribute's container may hold."""
        owner = container.value
        if type(owner) is not Name:
            return
        method: Frame | None = self.frame
        while method is not None and method.self_name != owner.id:
            method = method.parent
        if method is not None and method.parent is not None and method.parent.kind == "class":
            kind = "value" if index > NONE else "unknown"
            item = raw_binding(kind, index, len(self.exprs), self.block, value.lineno, "key" if by_key else "")
            method.parent.attributes.setdefault(container.attr + "[]", []).append(item)

    def annotated(self, node: ast.AnnAssign) -> bool:
        annotation = self.annotation(node.annotation)
        value = ABSENT if node.value is None else self.assigned(node.target, node.value)
        if value == ABSENT and self.frame.kind == "function":
            return False
        if type(node.target) is Name and node.value is not None:
            self.forget(node.target.id, value, node.value)
        index = self.add((OP_ANNOTATED, annotation, value))
        if type(node.target) is Name:
            self.bind_name(node.target.id, index, node.value or node.target)
            if node.target.id == "__all__" and node.value is not None and self.frame.kind == "module":
                self.export(node.value)
            if annotation > NONE and self.exprs[annotation][0] == "[" and self.is_plain_type(annotation):
                self.frame.declared_plain.add(node.target.id)
        elif type(node.target) is Attribute:
            self.bind_attribute(node.target, index)
        else:
            self.visit(cast("ast.Subscript", node.target).value, Use.STATEMENT)
        return False

    def augmented(self, node: ast.AugAssign) -> bool:
        target = node.target
        if type(target) is Name:
            # `tasks += [coroutine()]` fills a container like append does.
            use = self.filled(target) if target.id in self.frame.containers else 0
            self.visit(node.value, use or Use.OPERAND)
            self.owner = None
            self.frame.loads[target.id] = len(self.exprs)
            if target.id not in self.frame.containers or target.id == "__all__":
                self.bind_name(target.id, UNKNOWN, node.value)
        else:
            self.visit(node.value, Use.OPERAND)
            self.visit(target, Use.STATEMENT)
        return False
