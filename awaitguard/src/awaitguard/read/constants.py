"""Flags of a module that never change."""

from __future__ import annotations

import ast

from awaitguard.read.nodes import Assign, Constant, Name


class Constants:
    """Flags such as `_IS_SYNC = True`: names in capitals that a module sets once, at its top, and that nothing else binds.

    A parameter or a local variable of the name, a `global` and `globals()` are enough to doubt it. That is looked for
    when somebody asks for one of them, which few modules do.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.is_sure = False
        self.found: dict[str, bool] = {}
        for one in tree.body:
            target = one.targets[0] if type(one) is Assign and len(one.targets) == 1 else None
            value = one.value if type(one) is Assign else None
            if (
                type(target) is Name
                and target.id.isupper()
                and type(value) is Constant
                and isinstance(value.value, bool)
            ):
                self.found[target.id] = value.value

    def get(self, name: str) -> bool | None:
        """What a flag is; None for all that may change."""
        if name in self.found and not self.is_sure:
            self.is_sure = True
            bound = self.bound()
            self.found = {flag: value for flag, value in self.found.items() if bound.get(flag) == 1}
        return self.found.get(name)

    def bound(self) -> dict[str, int]:
        """How often the module gives each name a value, in whatever scope."""
        found: dict[str, int] = {}
        for part in ast.walk(self.tree):
            names: list[str] = []
            if type(part) is Name:
                if part.id == "globals":
                    return {}
                names = [] if isinstance(part.ctx, ast.Load) else [part.id]
            elif isinstance(part, ast.arg):
                names = [part.arg]
            elif isinstance(part, ast.alias):
                names = [part.asname or part.name]
            elif isinstance(part, ast.Global | ast.Nonlocal):
                names = part.names * 2
            for name in names:
                found[name] = found.get(name, 0) + 1
        return found
