"""The wall between an agent's code and the process: what isn't an `Exception` doesn't get through it.

`SystemExit`, `KeyboardInterrupt` and their like mean "end this process". asyncio hands the first two from any task to
whoever runs the loop, so that one `sys.exit()` in a tool ends everybody's runs. Here they become `Escaped`, an error
as any other, which costs the run that it came from. The wall stands in three places: around a piece of code
(`contained`), around each task that such a piece begins (`contain_tasks`), and, for callbacks of the loop, which no
task surrounds, in `server.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self, TypeVar

__all__ = ["Escaped", "contain_tasks", "contained"]

T = TypeVar("T")
_inside: ContextVar[bool] = ContextVar("netra_contained", default=False)


class Escaped(Exception):
    """An agent's code raised what isn't an `Exception`; the cause says what."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"{type(cause).__name__} came out of an agent's code, where only an Exception may")


class contained:  # noqa: N801 - used as a statement: `with contained():`
    """Within it, what isn't an `Exception` leaves as `Escaped`. Tasks that begin in it are contained as well.

    Two pass as they are: a cancellation that somebody asked for, and the `GeneratorExit` of a coroutine that is
    closed unfinished. The same two raised by the code itself don't.
    """

    __slots__ = ("_task", "_token")

    def __enter__(self) -> Self:
        self._task = _task_now()
        self._token = _inside.set(True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(raised, GeneratorExit) and _task_now() is not self._task:
            # The coroutine is closed from elsewhere, in a context of its own.
            return
        _inside.reset(self._token)
        if raised is None or isinstance(raised, Exception):
            return
        if isinstance(raised, asyncio.CancelledError) and self._task is not None and self._task.cancelling():
            return
        raise Escaped(raised) from raised


@contextmanager
def contain_tasks() -> Generator[None]:
    """Have the running loop contain the tasks that are begun within `contained`; other tasks are as they were."""
    loop = asyncio.get_running_loop()
    before: Callable[..., asyncio.Future[Any]] | None = loop.get_task_factory()

    def make(loop: asyncio.AbstractEventLoop, work: Any, **given: Any) -> asyncio.Future[Any]:
        if _inside.get():
            work = _Contained(work)
        return asyncio.Task(work, loop=loop, **given) if before is None else before(loop, work, **given)

    loop.set_task_factory(make)
    try:
        yield
    finally:
        if loop.get_task_factory() is make:
            loop.set_task_factory(before)


class _Contained(Coroutine[Any, Any, T]):
    """A coroutine whose every step is contained. Not an `async def` around it: one that a cancellation keeps from
    ever starting would leave the other never awaited, and each step would pass through one frame more."""

    __slots__ = ("_work",)

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, Any, T]:
        return self._work.__await__()

    def send(self, value: Any, /) -> Any:
        try:
            return self._work.send(value)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as raised:
            raise Escaped(raised) from raised

    def throw(self, *given: Any) -> Any:
        try:
            return self._work.throw(*given)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as raised:
            raise Escaped(raised) from raised

    def close(self) -> None:
        self._work.close()

    def __getattr__(self, name: str) -> Any:
        # Who looks into a task (anyio does, to see whether it has begun) finds the coroutine's own state.
        return getattr(self._work, name)


def _task_now() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
