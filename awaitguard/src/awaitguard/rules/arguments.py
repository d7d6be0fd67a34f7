"""AG305-AG309, AG311: calls whose arguments don't fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from awaitguard.infer.value import CLASS, FUNCTION, INSTANCE, LIBRARY, PARTIAL, Value
from awaitguard.read.summary import NONE, OP_CALL, OP_NAME, Use
from awaitguard.rules.confidence import BY_SELF, MEANT, PLACED, assumed
from awaitguard.rules.rule import ALWAYS, NEVER, Group, Rule
from awaitguard.rules.signatures import ANYTHING, Parameters, is_doubted, parameters_of

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.infer.resolver import Resolver
    from awaitguard.read.summary import Expr, Site
    from awaitguard.rules.file_check import FileCheck

SEND: Final = "def send(user, text, *, retries=1):\n    return user, text, retries\n\n"
POINT: Final = "from dataclasses import dataclass\n\n@dataclass\nclass Point:\n    x: int\n    y: int = 0\n\n"
ERROR: Final = "Python raises TypeError when the call runs."
KEYWORD: Final = Rule("AG305", "unknown-keyword", "a keyword argument that the function doesn't have",
    f"The parameter was renamed or never was there. {ERROR}", SEND + "send('a', 'b', retry=2)\n", SEND + "send('a', 'b', retries=2)\n")  # fmt: skip
MISSING: Final = Rule("AG306", "missing-argument", "a required argument is missing",
    f"The function needs one more argument. {ERROR}", SEND + "send('a')\n", SEND + "send('a', 'b')\n")  # fmt: skip
TOO_MANY: Final = Rule("AG307", "too-many-arguments", "more positional arguments than the function takes",
    f"The function takes fewer positional arguments. {ERROR}", SEND + "send('a', 'b', 2)\n", SEND + "send('a', 'b', retries=2)\n")  # fmt: skip
FIELD: Final = Rule("AG308", "unknown-field", "an argument that the class's fields or __init__ don't have",
    f"The field was renamed or removed. {ERROR}", POINT + "Point(x=1, z=2)\n", POINT + "Point(x=1, y=2)\n")  # fmt: skip
MISSING_FIELD: Final = Rule("AG309", "missing-field", "a required argument of a class is missing, or there are too many",
    f"Making an instance needs every field without default. {ERROR}", POINT + "Point(y=2)\n", POINT + "Point(1, 2)\n")  # fmt: skip
SWAPPED: Final = Rule("AG311", "swapped-arguments", "two arguments that look swapped",
    "The names of the variables are those of the parameters, but in the other order. Pass them by keyword if it is meant.",
    "def move(source, target):\n    return source, target\n\ndef main(source, target):\n    return move(target, source)\n",
    "def move(source, target):\n    return source, target\n\ndef main(source, target):\n    return move(source, target)\n")  # fmt: skip
OF_OTHERS: Final = frozenset({"dataclasses.replace", "functools.partial"})
REVERSING: Final = ("swap", "revers", "inver", "flip", "transpos", "rotat", "mirror", "undo", "rollback", "other", "back", "__r", "symmetric",
    "commut", "bidirect", "opposite", "cross", "exchange", "_r", "test")  # fmt: skip


class Arguments(Group):
    """Looks at every call of something that is resolved."""

    rules = (KEYWORD, MISSING, TOO_MANY, FIELD, MISSING_FIELD, SWAPPED)
    uses = Use.ALL - {Use.FORGOTTEN, Use.LOCKED}

    only_calls = True

    def cares(self, resolver: Resolver, target: Value) -> int:
        if target.kind == PARTIAL or (target.kind == LIBRARY and target.extra in OF_OTHERS):
            return ALWAYS
        return ALWAYS if parameters_of(resolver, target) not in (None, ANYTHING) else NEVER

    def site(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        expr = file.expr(site.expr)
        if expr[0] != OP_CALL:
            return
        targets = file.values(expr[1])
        complaints: list[tuple[Rule, str]] = []
        for target in targets:
            complaint = self.complain(file, expr, target)
            if complaint is None:
                break
            complaints.append(complaint)
        else:
            if complaints and not self.asks_signature(file, site.scope):
                rule, message = complaints[0]
                name = f"{file.text(expr[1])}()"
                mask = assumed(targets) | (BY_SELF if targets[0].extra == "self" else 0)
                mask |= PLACED if any(is_doubted(file.resolver, one) for one in targets) else 0
                below = targets[0].origin if "decorated" in targets[0].via else targets[0].definition
                yield file.finding(rule, expr[5], f"{name} {message}", below, mask)
            return
        if (
            len(targets) == 1
            and targets[0].kind in (FUNCTION, CLASS)
            and len(expr[2]) + len(expr[3]) > 1
            and "__" not in file.text(expr[1])
        ):
            yield from self.swapped(file, site, expr, targets[0])

    @staticmethod
    def asks_signature(file: FileCheck, scope: int) -> bool:
        """Whether the function looks at signatures itself, and so calls each function as it wants to be called."""
        functions = [call[1] for call in calls_in(file, scope)]
        texts = [str(file.expr(one)[1]) for one in functions if one > 1 and file.expr(one)[0] == OP_NAME]
        return any(text.rpartition(".")[2] in ("signature", "getfullargspec") for text in texts)

    def complain(self, file: FileCheck, expr: Expr, target: Value) -> tuple[Rule, str] | None:
        """What is wrong with a call, if it surely is."""
        if target.kind == LIBRARY:
            if target.extra == "functools.partial":
                return self.complain_of_binding(file, expr)
            return self.complain_of_replace(file, expr, target)
        if target.kind == PARTIAL:
            return self.complain_of_partial(file, expr, target)
        parameters = parameters_of(file.resolver, target)
        if parameters is None or parameters is ANYTHING or fits(parameters, expr):
            return None
        name = file.text(expr[1]).rpartition(".")[2]
        if name.startswith("__") and name not in ("__init__", "__call__"):
            return None  # on a class it may be the method of its metaclass or of its instances
        of_class = target.kind == CLASS
        positional, keywords, has_star = expr[2], [name for name, _ in expr[3]], expr[4]
        has_double_star = None in keywords
        given = {name for name in keywords if name}
        unknown = sorted(given - parameters.by_keyword)
        if unknown and not parameters.var_keyword:
            known = ", ".join(sorted(parameters.by_keyword)) or "none"
            return FIELD if of_class else KEYWORD, f"has no parameter `{unknown[0]}` (it has {known})"
        if not has_star and len(positional) > len(parameters.positional) and not parameters.var_positional:
            return MISSING_FIELD if of_class else TOO_MANY, (
                f"takes {len(parameters.positional)} positional argument(s) and is given {len(positional)}"
            )
        # The name of a positional-only parameter is free for `**kwargs`.
        by_name = given & parameters.by_keyword
        twice = sorted(set(parameters.positional[: len(positional)]) & by_name) if not has_star else []
        if twice:
            return MISSING_FIELD if of_class else TOO_MANY, f"gets `{twice[0]}` twice: by position and by name"
        filled = set(parameters.positional[: len(positional)]) | given
        missing = [name for name in parameters.required if name not in filled]
        if missing and not has_star and not has_double_star:
            return MISSING_FIELD if of_class else MISSING, f"is called without `{missing[0]}`"
        return None

    def complain_of_partial(self, file: FileCheck, expr: Expr, target: Value) -> tuple[Rule, str] | None:
        """A partial takes what its function takes, less what it was given."""
        inner, before = target.extra
        parameters = parameters_of(file.resolver, inner)
        if parameters is None or parameters is ANYTHING or parameters.var_positional or expr[4]:
            return None
        left = len(parameters.positional) - len(before)
        if len(expr[2]) <= left:
            return None
        return TOO_MANY, f"takes {left} more positional argument(s) and is given {len(expr[2])}"

    def complain_of_binding(self, file: FileCheck, expr: Expr) -> tuple[Rule, str] | None:
        """functools.partial takes what the function inside takes; what is missing may come later."""
        first = expr[2][0] if expr[2] else -1
        values = file.values(first) if isinstance(first, int) and first > NONE else ()
        parameters = parameters_of(file.resolver, values[0]) if len(values) == 1 else None
        if parameters is None or parameters is ANYTHING or expr[4]:
            return None
        name = file.text(first)
        unknown = sorted({keyword for keyword, _ in expr[3] if keyword} - parameters.by_keyword)
        if unknown and not parameters.var_keyword:
            known = ", ".join(sorted(parameters.by_keyword)) or "none"
            return KEYWORD, f"is given `{unknown[0]}` for {name}, which has no such parameter (it has {known})"
        if len(expr[2]) - 1 > len(parameters.positional) and not parameters.var_positional:
            return (
                TOO_MANY,
                f"is given {len(expr[2]) - 1} positional argument(s) for {name}, which takes {len(parameters.positional)}",
            )
        return None

    def complain_of_replace(self, file: FileCheck, expr: Expr, target: Value) -> tuple[Rule, str] | None:
        """dataclasses.replace takes the fields of what it copies."""
        first = expr[2][0] if expr[2] else -1
        if target.extra != "dataclasses.replace" or not isinstance(first, int):
            return None
        values = file.values(first)
        if len(values) != 1 or values[0].kind != INSTANCE or not file.resolver.is_dataclass(*values[0].definition):
            return None
        parameters = parameters_of(file.resolver, Value(CLASS, *values[0].definition))
        if parameters is None or parameters.var_keyword:
            return None
        unknown = sorted({name for name, _ in expr[3] if name} - parameters.by_keyword)
        return (FIELD, f"gives `{unknown[0]}`, which the dataclass doesn't have") if unknown else None

    def swapped(self, file: FileCheck, site: Site, expr: Expr, target: Value) -> Iterator[Finding]:
        names = [self.argument_name(file, one) for one in expr[2]]
        if not expr[3] and sum(map(bool, names)) < 2:
            return
        parameters = parameters_of(file.resolver, target)
        if parameters is None or parameters is ANYTHING:
            return
        wanted = list(parameters.positional[: len(names)])
        # `move(source=target, target=source)` is as wrong as by position; with attributes of other objects it is meant.
        names = [*names[: len(wanted)], *(self.variable_name(file, one) for keyword, one in expr[3] if keyword)]
        wanted += [keyword for keyword, _ in expr[3] if keyword]
        for first, name in enumerate(names[: len(wanted)]):
            if not name or name == wanted[first] or name not in wanted:
                continue
            second = wanted.index(name)
            if second > first and second < len(names) and names[second] == wanted[first]:
                scope = file.summary.scopes[site.scope]
                around = f"{scope.name} {file.text(expr[1])}".lower()
                short = len(name) < 3 or len(wanted[first]) < 3
                itself = target.definition == (file.path, site.scope)  # recursion, as in the towers of Hanoi
                both = self.calls_straight(file, site.scope, expr, (first, second), wanted)
                # An override that swaps what it hands to its base means to.
                handed = "super" in target.via and file.text(expr[1]).rpartition(".")[2] == scope.name
                reversing = both or handed or any(word in around for word in REVERSING)
                mask = assumed([target]) | (MEANT if short or itself or reversing else 0)
                message = f"{file.text(expr[1])}() gets `{name}` as `{wanted[first]}` and `{wanted[first]}` as `{name}`"
                yield file.finding(SWAPPED, expr[5], message, target.definition, mask)
                return

    def calls_straight(
        self, file: FileCheck, scope: int, expr: Expr, places: tuple[int, int], wanted: Sequence[str]
    ) -> bool:
        """Whether the function is called in the usual order too, so that the other direction is meant."""
        for call in calls_in(file, scope):
            if file.text(call[1]) != file.text(expr[1]):
                continue
            given = dict(zip(wanted, (self.argument_name(file, one) for one in call[2]), strict=False))
            # Of names that are given by keyword only those are kept that are the name of another one.
            given.update((keyword, self.argument_name(file, one) or keyword) for keyword, one in call[3] if keyword)
            if all(given.get(wanted[one]) == wanted[one] for one in places):
                return True
        return False

    @staticmethod
    def argument_name(file: FileCheck, argument: int | str) -> str:
        if isinstance(argument, str):
            return argument
        if argument > 1 and file.expr(argument)[0] == OP_NAME:
            return str(file.expr(argument)[1]).rpartition(".")[2]
        return ""

    @staticmethod
    def variable_name(file: FileCheck, argument: int) -> str:
        name = str(file.expr(argument)[1]) if argument > NONE and file.expr(argument)[0] == OP_NAME else ""
        return "" if "." in name else name


def fits(parameters: Parameters, call: Expr) -> bool:
    """Whether a call surely fits that gives arguments only by position, as most do."""
    count, required = len(call[2]), len(parameters.required)
    return (
        not call[3]
        and not call[4]
        and required <= count <= len(parameters.positional)
        and parameters.required == parameters.positional[:required]
    )


def calls_in(file: FileCheck, scope: int) -> Iterator[Expr]:
    """The calls that stand in a function itself."""
    for raw in file.summary.sites:
        if raw[2] == scope and file.expr(raw[1])[0] == OP_CALL:
            yield file.expr(raw[1])
