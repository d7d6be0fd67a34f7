"""A task that an agent's code begins is contained by itself: the loop, which all runs share, never hears of it."""

from __future__ import annotations

import asyncio

import pytest

from netra_backend.app.agents.containment import Escaped, contain_tasks, contained


async def fall(raised: BaseException) -> None:
    await asyncio.sleep(0)
    raise raised


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
async def test_a_task_that_is_begun_within_ends_with_an_error(raised: BaseException) -> None:
    with contain_tasks():
        with contained():
            begun = asyncio.create_task(fall(raised))
        await asyncio.wait({begun})
    error = begun.exception()
    assert isinstance(error, Escaped)
    assert error.__cause__ is raised


async def test_other_tasks_are_as_they_were() -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    with contain_tasks():
        with contained():
            pass
        begun = asyncio.create_task(fall(asyncio.CancelledError()))
        await asyncio.wait({begun})
        assert begun.cancelled()
    assert loop.get_task_factory() is before
