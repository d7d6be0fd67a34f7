"""The registry: every group of rules in a module of this package."""

from __future__ import annotations

import importlib
import pkgutil

from awaitguard import rules
from awaitguard.read.summary import Use
from awaitguard.rules.rule import Group, Rule


def _collect() -> tuple[Group, ...]:
    found: list[Group] = []
    for module in sorted(pkgutil.iter_modules(rules.__path__), key=lambda one: one.name):
        if module.name == __name__.rpartition(".")[2]:
            continue
        loaded = importlib.import_module(f"{rules.__name__}.{module.name}")
        found.extend(
            value()
            for value in vars(loaded).values()
            if isinstance(value, type)
            and issubclass(value, Group)
            and value.__module__ == loaded.__name__
            and value is not Group
        )
    return tuple(sorted(found, key=lambda group: group.rules[0].code))


GROUPS = _collect()
RULES: dict[str, Rule] = {
    rule.code: rule for rule in sorted((one for group in GROUPS for one in group.rules), key=lambda rule: rule.code)
}
CALL_GROUPS = tuple(group for group in GROUPS if group.uses)
CHOOSY_GROUPS = frozenset(group for group in GROUPS if type(group).cares is not Group.cares)
# Those that look at values which aren't calls, by how the value is used.
VALUE_GROUPS: tuple[tuple[Group, ...], ...] = tuple(
    tuple(group for group in GROUPS if use in group.uses and not group.only_calls)
    for use in range(max(value for value in vars(Use).values() if isinstance(value, int)) + 1)
)
