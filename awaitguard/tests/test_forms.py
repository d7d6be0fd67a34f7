"""What other files read of a summary is in its forms, so that equal forms can't be told apart."""

import marshal
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from awaitguard.check import check_file
from awaitguard.finding import Finding
from awaitguard.infer.modules import Modules
from awaitguard.infer.resolver import Resolver
from awaitguard.infer.table import Table
from awaitguard.infer.trail import SITES, Trail
from awaitguard.infer.words import collect_words
from awaitguard.read.forms import VIEWS, WITH_CALLS, WITH_SITES, View, form, same_views
from awaitguard.read.source import summarise
from awaitguard.read.summary import (
    BINDINGS,
    BODY,
    CALLS,
    FLAGS,
    NAME,
    NO_EXPR,
    NONE,
    OP_CALL,
    OP_CONST,
    OP_NAME,
    OUTER_BLOCK,
    PARAMS,
    PARENT,
    POSITION,
    Use,
)
from awaitguard.rules.facts import file_facts
from awaitguard.rules.rule import split_files

LIBRARY = Path(sysconfig.get_paths()["stdlib"])


def stripped(data: bytes) -> bytes:
    """A summary without what its forms leave out: whoever reads that of another file falls."""
    raw = list(marshal.loads(data))
    if raw[-1] is not None:
        return data
    views = [View(tuple(raw), view) for view in VIEWS if view != WITH_SITES]
    exprs = set[int]().union(*(view.seen_exprs for view in views))
    held = set[int]().union(*(view.seen_blocks for view in views))
    scopes = set[int]().union(*(view.seen_scopes for view in views))
    names = set[tuple[int, str]]().union(*(view.seen_names for view in views))
    awaited = views[0].awaited_attributes()
    kept: list[Any] = []
    for index, scope in enumerate(raw[2]):
        parts = list(scope)
        parts[BINDINGS] = {name: found for name, found in scope[BINDINGS].items() if (index, name) in names}
        parts[POSITION] = 0
        kept.append(tuple(parts) if index in scopes else (*scope[:3], *(None,) * 4, scope[7], *(None,) * 9))
    sites = [one for one in raw[3] if one[0] == Use.AWAIT and awaited_attribute(raw[0], one[1]) in awaited]
    for site in sites:
        exprs |= {site[1], raw[0][site[1]][1]}
    raw[0] = tuple(one if index in exprs or index < 2 else None for index, one in enumerate(raw[0]))
    raw[1] = [one if index in held else None for index, one in enumerate(raw[1])]
    raw[2] = kept
    raw[3] = sites
    raw[4] = [one for one in raw[4] if one[0].startswith("nest_asyncio")]
    raw[6] = []
    return marshal.dumps(tuple(raw))


def awaited_attribute(exprs: Any, index: int) -> str:
    """`send` of `await self.send(...)`."""
    call = exprs[index] if index > NONE else NO_EXPR
    function = exprs[call[1]] if call[0] == OP_CALL and call[1] > NONE else NO_EXPR
    return function[1].partition(".")[2] if function[0] == OP_NAME else ""


class Watched(Trail):
    """Gives those files whole whose sites are asked for."""

    def __init__(self, sources: dict[str, bytes], whole: dict[str, bytes]) -> None:
        super().__init__()
        self.sources, self.whole = sources, whole
        self.table: Table | None = None

    def note(self, name: str) -> None:
        super().note(name)
        path = name.removesuffix(SITES)
        if path != name and self.sources[path] is not self.whole[path] and self.table is not None:
            self.sources[path] = self.whole[path]
            self.table.loaded.pop(path, None)


def findings(files: dict[str, bytes], strip: bool) -> list[Finding]:
    """The findings of each file by itself, the others as they are or stripped; causes without their lines."""
    made = {path: summarise(data) for path, data in files.items()}
    words = collect_words((path, said) for path, (_, said) in made.items())
    others = {path: stripped(data) if strip else data for path, (data, _) in made.items()}
    found: list[Finding] = []
    for path in sorted(files):
        sources = {**others, path: made[path][0]}
        modules = Modules("/nonexistent", files)
        modules.trail = Watched(sources, {one: data for one, (data, _) in made.items()})
        table = Table(modules, sources.get, words)
        modules.trail.table = table
        summary = table.summary(path)
        if summary is None:
            continue
        resolver = Resolver(table)
        found += check_file(path, summary, resolver)[0]
        file_facts(path, summary, resolver)
    return [one._replace(cause=one.cause and one.cause._replace(line=0)) for one in found]


def pairs() -> list[dict[str, bytes]]:
    """Both forms of all pairs, as `test_pairs.py` reads them."""
    texts = ["\n" + path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("pairs/*.txt"))]
    blocks = [block.partition("\n")[2] for text in texts for block in text.split("\n== ")[1:]]
    found: list[dict[str, bytes]] = []
    for block in blocks:
        for mark in ("#=\n", "#!\n"):
            files = split_files("".join(line for line in block.splitlines(True) if not line.endswith(mark)))
            found.append({path: text.encode() for path, text in files.items()})
    return found


def test_other_files_read_no_more_of_a_pair_than_its_forms_show():
    several = [files for files in pairs() if len(files) > 1]
    assert len(several) > 200
    for files in several:
        assert findings(files, strip=True) == findings(files, strip=False)


@pytest.mark.parametrize("package", ["asyncio", "concurrent", "unittest", "email"])
def test_other_files_read_no_more_of_the_library_than_its_forms_show(package: str):
    files = {path.relative_to(LIBRARY).as_posix(): path.read_bytes() for path in (LIBRARY / package).rglob("*.py")}
    files["user.py"] = f"import {package}\nfrom {package} import *\n".encode()
    assert findings(files, strip=True) == findings(files, strip=False)


RICH = """
import asyncio, inspect
from shop import thing as other
from shop.rest import *

class Base(other, metaclass=other.Meta):
    size: int = 1
    def __init__(self, call=other()):
        self.call = call
    @other.wrap
    async def run(self, *, key: other = None) -> other:
        await self.call()
        table = {}
        table["x"] = other
        return table["x"]
    def start(self):
        if self.size:
            asyncio.run(self.run())
        return [self.run() for _ in range(3)]

def asks(function):
    def inner(value):
        return inspect.iscoroutinefunction(function)
    return inner if inner else lambda: function

try:
    found = other()
except ImportError:
    found = None
while found:
    found = Base(found)
"""


def changed_scopes(raw: tuple[Any, ...]) -> Iterator[tuple[int, str, tuple[Any, ...]]]:
    """Each scope with one thing changed in it, and what that is."""
    for index, scope in enumerate(raw[2]):
        for field, value in enumerate(scope):
            if field in (POSITION, PARENT, OUTER_BLOCK, BODY):
                continue
            others: list[Any] = []
            if isinstance(value, str):
                others = [value + "x"] if field == NAME else []
            elif isinstance(value, int):
                others = [value ^ 1 << 14] if field == FLAGS else [NONE]
            elif isinstance(value, dict):
                others = [{name: found for name, found in value.items() if name != gone} for gone in value]
                for name, found in value.items():
                    for number, one in enumerate(found):
                        for place, new in ((2, 0 if one[2] > len(raw[0]) // 2 else 1 << 59), (5, "another"), (6, 7)):
                            # at, name, level
                            bound = [*found[:number], (*one[:place], new, *one[place + 1 :]), *found[number + 1 :]]
                            others.append({**value, name: bound})
            elif value:
                others = [value[:-1], (*value, value[0])]
                if field == PARAMS:
                    others += [((name, kind, annotation, not default, use, made), *value[1:])
                               for name, kind, annotation, default, use, made in value[:1]]  # fmt: skip
                    others += [((*value[0][:4], 32, value[0][5]), *value[1:])]
            for other in others:
                yield index, f"field {field}", (*scope[:field], other, *scope[field + 1 :])


def test_whatever_others_can_see_is_in_a_form():
    """Of all that is reached nothing can be changed without the form showing it, but where it stands."""
    raw = marshal.loads(summarise(RICH.encode())[0])
    for view in VIEWS:
        shown = View(raw, view)
        plain = shown.form()
        for index in shown.seen_exprs:
            exprs = (*raw[0][:index], (OP_CONST, "another", None), *raw[0][index + 1 :])
            assert View((exprs, *raw[1:]), view).form() != plain, raw[0][index]
        for index in shown.seen_blocks:
            for field in range(3, 8):
                block = list(raw[1][index])
                block[field] = 99 if field == 3 else not block[field]
                blocks = [*raw[1][:index], tuple(block), *raw[1][index + 1 :]]
                assert View((raw[0], blocks, *raw[2:]), view).form() != plain, (raw[1][index], field)
        for index, what, scope in changed_scopes(raw):
            if index not in shown.seen_scopes or (what == f"field {CALLS}" and view != WITH_CALLS):
                continue
            if what == f"field {BINDINGS}" and not any(
                scope[BINDINGS].get(name) != found and (index, name) in shown.seen_names
                for name, found in raw[2][index][BINDINGS].items()
            ):
                continue
            scopes = [*raw[2][:index], scope, *raw[2][index + 1 :]]
            assert View((*raw[:2], scopes, *raw[3:]), view).form() != plain, (raw[2][index], what)


def test_where_things_stand_is_in_no_form():
    before = summarise(RICH.encode())[0]
    after = summarise(
        ("# moved\n\n" + RICH.replace("\nclass", "\n\n\n# said\nclass").replace("    ", "      ")).encode()
    )[0]
    assert before != after
    assert [form(before, view) for view in VIEWS] == [form(after, view) for view in VIEWS]
    assert same_views(before, after) == (True,) * len(VIEWS)
