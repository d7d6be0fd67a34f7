"""Findings that were false on published projects, each as a case before it was mended; and some that must stay.

The cases are in the text files of `published/`: each begins with `== title (projects)`, and `# file: path` starts another
file. `wheels.txt` and `sources.txt` come from projects that were checked again and again, `fresh.txt` and `agents.txt` from
the first sight of others. Those that have a wrong twin are pairs instead (`pairs/published.txt`).
"""

from pathlib import Path
from textwrap import dedent

import pytest

from awaitguard.memory import check_sources
from awaitguard.rules.rule import split_files


def read(name: str) -> list[object]:
    """The cases of a file, each as the test's parameter."""
    text = (Path(__file__).parent / "published" / name).read_text(encoding="utf-8")
    blocks = [block.partition("\n") for block in ("\n" + text).split("\n== ")[1:]]
    return [pytest.param(split_files(source), id=title) for title, _, source in blocks]


def places(files: dict[str, str], *, only_certain: bool = False) -> list[tuple[str, str, int]]:
    levels = {"certain"} if only_certain else {"certain", "likely"}
    return [(one.code, one.path, one.line) for one in check_sources(files) if one.level in levels]


@pytest.mark.parametrize(
    "files", [case for name in ("wheels", "sources", "fresh", "agents") for case in read(f"{name}.txt")]
)
def test_silent(files: dict[str, str]):
    assert places(files) == []


@pytest.mark.parametrize("files", read("uncertain.txt"))
def test_never_certain(files: dict[str, str]):
    # Other code may put something else in the place of what is seen.
    assert places(files, only_certain=True) == []


def codes(source: str | dict[str, str]) -> list[tuple[str, str]]:
    files = (
        {"app.py": dedent(source)} if isinstance(source, str) else {path: dedent(text) for path, text in source.items()}
    )
    return [(finding.code, finding.level) for finding in check_sources(files) if finding.level != "hint"]


def test_a_stub_that_raises_stays_a_finding():
    assert codes("""
        class Base:
            def run(self):
                raise NotImplementedError
        class Job(Base):
            async def run(self):
                return 1
    """) == [("AG204", "likely")]


def test_a_missing_argument_in_a_subclass_of_slots_stays_a_finding():
    # sqlalchemy/orm/context.py had one of these.
    assert codes("""
        class Entity:
            __slots__ = ()
        class Bundle(Entity):
            __slots__ = ('expr',)
            def __init__(self, state, expr, current, extra=True):
                self.expr = expr
        Bundle(1, 2)
    """) == [("AG309", "certain")]


def test_a_subclass_beside_the_call_may_have_the_method_in_another_colour():
    # aiohttp's tests have one; the override itself is a finding, which they silence for mypy.
    found = codes(
        {
            "shop/__init__.py": "",
            "shop/client.py": "class Response:\n    async def read(self):\n        return 1\n\n\nclass Request:\n"
            "    def send(self) -> Response:\n        return Response()\n",
            "tests/test_client.py": "from shop.client import Request, Response\n\n\nclass Custom(Response):\n    def read(self):\n        return 'x'\n\n\n"
            "def test(request: Request):\n    assert request.send().read() == 'x'\n",
        }
    )
    assert found == [("AG204", "likely")]
