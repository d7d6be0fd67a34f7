"""AG171: a thread's lock is held across an await."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from awaitguard.infer.value import OBJECT
from awaitguard.read.library import LOCKS
from awaitguard.read.summary import Use
from awaitguard.rules.confidence import assumed
from awaitguard.rules.rule import Group, Rule

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.read.summary import Site
    from awaitguard.rules.file_check import FileCheck

LOCK: Final = Rule("AG171", "thread-lock-across-await", "a thread's lock is held across an await",
    "While the coroutine waits, every other coroutine that wants the lock blocks the whole loop, and if the lock's owner needs the loop, "
    "nothing moves any more.",
    "import asyncio\nimport threading\n\nlock = threading.Lock()\n\nasync def main():\n    with lock:\n        await asyncio.sleep(1)\n",
    "import asyncio\n\nlock = asyncio.Lock()\n\nasync def main():\n    async with lock:\n        await asyncio.sleep(1)\n")  # fmt: skip


class Locks(Group):
    """Looks at context managers around an await."""

    rules = (LOCK,)
    uses = frozenset({Use.LOCKED})

    def site(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        values = file.values(site.expr)
        if values and all(value.kind == OBJECT and value.extra in LOCKS for value in values):
            text = file.text(site.expr)
            message = f"{text} is a {values[0].extra}, and an await runs while it is held: use asyncio.Lock, or release it first"
            yield file.finding(LOCK, site.position, message, assumed=assumed(values))
