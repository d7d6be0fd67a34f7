"""AG201-AG203, AG209: functions of one name, or of one family, that no longer agree."""

from __future__ import annotations

import difflib
import itertools
import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from awaitguard.finding import Cause, Finding
from awaitguard.read.summary import unpack_position
from awaitguard.rules.confidence import BY_NAMES, CONVENTION, confidence
from awaitguard.rules.facts import RETURNING, VERBS
from awaitguard.rules.rule import Group, Rule

if TYPE_CHECKING:
    from awaitguard.rules.facts import ProjectFacts, PublicFunction

COLOURS: Final = Rule("AG201", "one-name-two-colours", "one name, two colours in a package",
    "Two functions of one package have the same name, and one has to be awaited while the other must not be. Which one a caller gets "
    "depends on an import line far from the call.",
    "# file: shop/__init__.py\n# file: shop/core.py\ndef get_cart(user):\n    return [user]\n# file: shop/aio.py\nasync def get_cart(user):\n    return [user]\n",
    "# file: shop/__init__.py\n# file: shop/core.py\ndef get_cart(user):\n    return [user]\n# file: shop/aio.py\nasync def get_cart_async(user):\n    return [user]\n")  # fmt: skip
RETURNS: Final = Rule("AG202", "one-name-two-returns", "one name, two return types in a package",
    "Two functions of one package have the same name and parameters and give instances of unrelated classes.",
    "# file: shop/__init__.py\n# file: shop/core.py\nclass Cart:\n    pass\n\ndef get_cart(user):\n    return Cart()\n"
    "# file: shop/legacy.py\nclass Basket:\n    pass\n\ndef get_cart(user):\n    return Basket()\n",
    "# file: shop/__init__.py\n# file: shop/core.py\nclass Cart:\n    pass\n\ndef get_cart(user):\n    return Cart()\n"
    "# file: shop/legacy.py\nfrom shop.core import Cart\n\ndef get_cart(user):\n    return Cart()\n")  # fmt: skip
FAMILY: Final = Rule("AG203", "family-parameter-drift", "functions of a family name the same parameter differently",
    "Functions that stand for each other (get_x, create_x, make_x, or a family of the configuration) should be callable alike: with "
    "other parameter names or another order, changing from one to the other breaks callers by keyword, or swaps values silently.",
    "def get_manager(user_context, mode):\n    return user_context, mode\n\ndef create_manager(context, mode):\n    return context, mode\n",
    "def get_manager(user_context, mode):\n    return user_context, mode\n\ndef create_manager(user_context, mode):\n    return user_context, mode\n")  # fmt: skip
ALIASED: Final = Rule("AG209", "import-under-anothers-name", "an import puts one project function under the name of another",
    "`from a import create_x as get_x`, while the project has a get_x of its own: readers and callers take it for the other one.",
    "# file: shop/__init__.py\n# file: shop/core.py\ndef create_cart():\n    return 1\n\nasync def get_cart():\n    return 1\n"
    "# file: shop/api.py\nfrom shop.core import create_cart as get_cart\n",
    "# file: shop/__init__.py\n# file: shop/core.py\ndef create_cart():\n    return 1\n\nasync def get_cart():\n    return 1\n"
    "# file: shop/api.py\nfrom shop.core import create_cart as new_cart\n")  # fmt: skip

ACTIONS: Final = frozenset(
    {
        "get",
        "create",
        "make",
        "build",
        "open",
        "load",
        "fetch",
        "find",
        "read",
        "send",
        "save",
        "write",
        "delete",
        "start",
        "stop",
    }
)
# Directories and modules that exist to hold the other colour of the same names.
TWINS: Final = frozenset({"aio", "asyncio", "async", "_async", "async_", "sync", "_sync", "sync_", "blocking", "trio", "anyio", "asynchronous",
    "synchronous", "_asyncio", "eventloop", "compat", "_compat", "trio_backend"})  # fmt: skip
SHORT: Final = {"ctx": "context", "uid": "user_id", "cfg": "config", "conf": "config", "conn": "connection", "msg": "message",
    "mgr": "manager", "req": "request", "resp": "response", "res": "response", "ws": "websocket", "db": "database", "env": "environment",
    "addr": "address", "num": "number", "params": "parameters", "args": "arguments", "opts": "options", "evt": "event",
    "sess": "session", "usr": "user", "cb": "callback", "idx": "index", "tid": "thread_id", "rid": "run_id",
    "configuration": "config"}  # fmt: skip
COMMON: Final = frozenset({"main", "run", "setup", "handler", "handle", "test", "start", "stop", "wrapper", "decorator", "execute", "callback", "cli",
    "init", "close", "app", "lifespan", "index", "home", "process", "async_setup_entry", "upgrade", "downgrade"})  # fmt: skip


MANY: Final = 4  # as many classes that functions of one name give are no accident


class Drift(Group):
    """Compares the project's public functions with each other."""

    rules = (COLOURS, RETURNS, FAMILY, ALIASED)

    def project(self, facts: ProjectFacts) -> Iterator[Finding]:
        for name, functions in sorted(facts.functions.items()):
            if len(functions) > 1 and name not in COMMON and len(functions) < 30:
                yield from self.same_name(functions)
        yield from self.families(facts)
        yield from self.renamings(facts)

    def same_name(self, functions: list[PublicFunction]) -> Iterator[Finding]:
        told: set[str] = set()
        for first, second in itertools.combinations(sorted(functions, key=lambda one: one.path), 2):
            if not related(first.path, second.path) and not (len(functions) == 2 and siblings(first, second)):
                continue
            if {first.colour, second.colour} == {"sync", "async"} and not (is_twin(first.path) or is_twin(second.path)):
                plain, waiting = (first, second) if first.colour == "sync" else (second, first)
                if waiting.path in told:
                    continue
                told.add(waiting.path)
                message = f"{waiting.name} is async here and a plain function in {plain.path}:{plain.line}"
                yield report(COLOURS, waiting, message, plain, 0 if begin_alike(first, second) else CONVENTION)
            elif (
                first.colour == second.colour != "decorated"
                and first.name.startswith(RETURNING)
                and first.returns and second.returns and not set(first.returns) & set(second.returns)
                and [name for name, _ in first.params] == [name for name, _ in second.params]
                and "*" not in first.signature + second.signature
                and not (is_twin(first.path) or is_twin(second.path))
            ):  # fmt: skip
                if second.path in told:
                    continue
                told.add(second.path)
                message = (
                    f"{second.name} gives {second.returns[0]} here and {first.returns[0]} in {first.path}:{first.line}"
                )
                # What many modules have, each with a class of its own, is how such modules are made.
                kinds = {one.returns[0] for one in functions if one.returns}
                yield report(RETURNS, second, message, first, CONVENTION if len(kinds) >= MANY else 0)

    def families(self, facts: ProjectFacts) -> Iterator[Finding]:
        for family in facts.families:
            members = [function for name in family for function in facts.functions.get(name, [])]
            for other in members[1:]:
                difference = drift(members[0], other, strict=True)
                if difference:
                    yield report(FAMILY, other, difference, members[0])
        nouns: dict[str, list[PublicFunction]] = {}
        for name, functions in facts.functions.items():
            for verb in VERBS:
                if name.startswith(verb):
                    nouns.setdefault(name.removeprefix(verb), []).extend(functions)
        for _noun, functions in sorted(nouns.items()):
            for first, second in itertools.combinations(sorted(functions, key=lambda one: (one.path, one.position)), 2):
                if first.name != second.name and related(first.path, second.path):
                    difference = drift(first, second, strict=False)
                    if difference:
                        yield report(FAMILY, second, difference, first, BY_NAMES)

    def renamings(self, facts: ProjectFacts) -> Iterator[Finding]:
        for one in facts.renamings:
            for other in facts.functions.get(one.other, []):
                if one.path == other.path or one.other in COMMON:
                    continue
                # Wherever it's imported, also in a script or a test beside the package.
                if top(one.target) != top(other.path) or not alike(one.name, one.other):
                    continue
                line, column, end_line, end_column = unpack_position(one.position)
                message = f"{one.name} is imported as {one.other}, but {other.path}:{other.line} has another function of that name"
                yield Finding(
                    ALIASED.code,
                    ALIASED.name,
                    confidence(ALIASED.code, 0),
                    one.path,
                    line,
                    column + 1,
                    end_line,
                    end_column + 1,
                    message,
                    0,
                    cause(other),
                )
                break


def report(rule: Rule, function: PublicFunction, message: str, other: PublicFunction, assumed: int = 0) -> Finding:
    line, column, _, _ = unpack_position(function.position)
    end = column + 1 + len("def ") + len(function.name)
    return Finding(
        rule.code,
        rule.name,
        confidence(rule.code, assumed),
        function.path,
        line,
        column + 1,
        line,
        end,
        message,
        assumed,
        cause(other),
    )


def cause(function: PublicFunction) -> Cause:
    return Cause(function.name, function.path, function.line, function.colour, function.signature)


def top(path: str) -> str:
    return path.partition("/")[0] if "/" in path else ""


def alike(first: str, second: str) -> bool:
    """Whether two names of functions share their noun (get_cart, create_cart) or their verb (send_mail, send_sms)."""
    one, two = first.partition("_"), second.partition("_")
    nouns = [parts[2] if parts[0] in ACTIONS and parts[2] else name for parts, name in ((one, first), (two, second))]
    return nouns[0] == nouns[1] or (one[0] == two[0] and one[0] in ACTIONS and bool(one[2] and two[2]))


def related(first: str, second: str) -> bool:
    """Whether two files are of one package, or one package is inside the other's."""
    one, two = posixpath.dirname(first), posixpath.dirname(second)
    return (
        one == two or (f"{one}/".startswith(f"{two}/") and bool(two)) or (f"{two}/".startswith(f"{one}/") and bool(one))
    )


def siblings(first: PublicFunction, second: PublicFunction) -> bool:
    """Whether two factories of one name and with the same parameters stand in two parts of one project."""
    return (
        first.name.startswith(VERBS) and bool(first.params) and [name for name, _ in first.params] == [name for name, _ in second.params]
        and top(first.path) == top(second.path) != ""
    )  # fmt: skip


def begin_alike(first: PublicFunction, second: PublicFunction) -> bool:
    """Whether two functions take the same thing first, or nothing at all: others of one name do different things."""
    return [name for name, _ in first.params[:1]] == [name for name, _ in second.params[:1]]


def is_twin(path: str) -> bool:
    """Whether a path says that it holds one colour of something that exists in both."""
    parts = path.lower().removesuffix(".py").split("/")
    words = {word for part in parts for word in (part, *part.split("_"))}
    versions = any(part.startswith("v") and part[1:2].isdigit() for part in parts)
    return versions or bool(words & (TWINS - {"aio"})) or "aio" in parts[:-1]


def drift(first: PublicFunction, second: PublicFunction, strict: bool) -> str:
    """How the parameters of two functions of a family differ, in words; empty if they agree."""
    one, two = [name for name, _ in first.params], [name for name, _ in second.params]
    where = f"{first.name} in {first.path}:{first.line}"
    if strict:
        for left, right in zip(one, two, strict=False):
            if left != right:
                return f"{second.name} calls `{right}` what {where} calls `{left}`"
        if len(one) != len(two) and first.required != second.required:
            return f"{second.name} takes {len(two)} parameter(s) and {where} takes {len(one)}"
        return ""
    if len(one) != len(two):
        # Parameters that one of them has besides, at the end and with defaults, are no drift.
        if first.required != second.required or first.required > min(len(one), len(two)):
            return ""
        one, two = one[: len(two)], two[: len(one)]
    if not one or one == two:
        return ""
    if sorted(one) == sorted(two):
        return f"{second.name} has the same parameters as {where}, in another order"
    different = [
        (index, left, right) for index, (left, right) in enumerate(zip(one, two, strict=True)) if left != right
    ]
    if len(different) != 1 or different[0][2] in one or different[0][1] in two:
        return ""
    index, left, right = different[0]
    types = first.params[index][1], second.params[index][1]
    if all(types) and types[0] != types[1]:
        return ""  # a key for the one and an object for the other: different things
    same_type = bool(first.params[index][1]) and first.params[index][1] == second.params[index][1] and first.params[index][1] not in (
        "str", "int", "bool", "dict", "list", "float", "bytes", "Any")  # fmt: skip
    if similar(left, right) or same_type:
        return f"{second.name} calls `{right}` what {where} calls `{left}`"
    return ""


def words_of(name: str) -> set[str]:
    """The words of a parameter's name, the usual short forms written out."""
    return {whole for word in name.strip("_").split("_") for whole in SHORT.get(word, word).split("_")}


def similar(left: str, right: str) -> bool:
    """Whether two parameter names mean the same thing by their words."""
    one, two = words_of(left), words_of(right)
    if one == two:
        return True
    if one < two or two < one:
        return True
    return difflib.SequenceMatcher(None, left, right).ratio() >= 0.75 and len(min(left, right, key=len)) > 3
