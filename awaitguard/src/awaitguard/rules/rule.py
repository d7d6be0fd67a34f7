"""What every rule and group of rules has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from awaitguard.rules.confidence import confidence

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.infer.resolver import Resolver
    from awaitguard.infer.value import Value
    from awaitguard.read.summary import Site
    from awaitguard.rules.facts import ProjectFacts
    from awaitguard.rules.file_check import FileCheck


@dataclass(frozen=True)
class Rule:
    """One kind of mismatch: its code, its name in Python developers' words, and its page.

    `bad` and `good` are Python sources; a line `# file: name.py` starts another file.
    """

    code: str
    name: str
    title: str
    why: str
    bad: str
    good: str

    @property
    def level(self) -> str:
        """How sure a finding is for which nothing was taken for granted."""
        return confidence(self.code, 0)

    @property
    def files(self) -> tuple[dict[str, str], dict[str, str]]:
        """The bad and the good example as files by path."""
        return split_files(self.bad), split_files(self.good)


def split_files(text: str) -> dict[str, str]:
    """Split an example at its `# file:` lines."""
    files: dict[str, str] = {}
    path = "app.py"
    for line in text.lstrip("\n").splitlines(keepends=True):
        if line.startswith("# file: "):
            path = line.removeprefix("# file: ").strip()
            files[path] = ""
        else:
            files[path] = files.get(path, "") + line
    return files


# What a group cares for: no call of something, those with arguments that can be followed, or all.
NEVER, FOLLOWING, ALWAYS = 0, 1, 2


class Group:
    """Rules that share one analysis. `uses` names the uses of values (`summary.Use`) it wants to see."""

    rules: ClassVar[tuple[Rule, ...]] = ()
    uses: ClassVar[frozenset[int]] = frozenset()
    only_calls: ClassVar[bool] = False  # `site` says nothing about values that aren't calls
    in_coroutines: ClassVar[bool] = False  # `site` says nothing outside of async functions

    def cares(self, resolver: Resolver, target: Value) -> int:
        """Whether `site` may say something about a call of `target`: NEVER, FOLLOWING or ALWAYS.

        It is asked once for each thing that is called, so that calls of no interest cost next to nothing. If in doubt,
        the answer is ALWAYS.
        """
        return ALWAYS

    def site(self, file: FileCheck, site: Site) -> Iterable[Finding]:
        """Look at one use of a value."""
        return ()

    def file(self, file: FileCheck) -> Iterable[Finding]:
        """Look at a file as a whole."""
        return ()

    def project(self, facts: ProjectFacts) -> Iterable[Finding]:
        """Look at the whole project."""
        return ()
