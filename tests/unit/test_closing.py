"""The steps of a server's end: each is left when its time is over, and what it raises is not lost."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from netra_backend.app import closing
from netra_backend.app.closing import Closing
from tests.harness.deadline import DEADLINE


async def never() -> None:
    await asyncio.Event().wait()


async def test_a_step_is_left_when_its_time_is_over(caplog: pytest.LogCaptureFixture) -> None:
    end = Closing()
    async with asyncio.timeout(DEADLINE):
        await end.step("the moon", 0.01, never())
    assert end.gave_up
    assert "waited 0.01 s for the moon; going on without" in caplog.text


async def test_a_step_that_ends_in_time_is_not_given_up() -> None:
    end = Closing()
    await end.step("nothing", DEADLINE, asyncio.sleep(0))
    assert not end.gave_up


async def test_what_a_step_raises_is_raised() -> None:
    async def fails() -> None:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        await Closing().step("the disk", DEADLINE, fails())


async def test_who_is_cancelled_in_a_step_cancels_its_work() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await never()
        finally:
            cancelled.set()

    step = asyncio.create_task(Closing().step("work", DEADLINE, work()))
    await begun.wait()
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    async with asyncio.timeout(DEADLINE):
        await cancelled.wait()


async def test_work_that_ends_after_all_with_an_error_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    go = asyncio.Event()

    async def stubborn() -> None:
        try:
            await never()
        finally:
            await go.wait()
            raise OSError("too late")

    await Closing().step("a stubborn one", 0.01, stubborn())
    go.set()
    async with asyncio.timeout(DEADLINE):
        while "closing-a stubborn one ended after all, with OSError('too late')" not in caplog.text:  # noqa: ASYNC110 - a log line
            await asyncio.sleep(0.01)


def test_the_process_is_left_though_the_loop_does_not_come_round(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(closing, "SAY_EVERY", 0.01)
    left = threading.Event()
    codes: list[int] = []
    end = Closing()

    def leave(code: int) -> None:
        codes.append(code)
        end.over()
        left.set()

    monkeypatch.setattr(end, "leave", leave)
    with caplog.at_level(logging.WARNING), end.waiting_for("a run"), end.waiting_for(lambda: "its tool"):
        end.begin(DEADLINE)
        while "ending: still waiting for a run, then its tool" not in caplog.text:
            assert not left.wait(0.01)
        # A second signal brings the end nearer; a later one can't put it off.
        end.begin(0.0)
        end.begin(DEADLINE)
        assert left.wait(DEADLINE)
    assert codes == [1]
    assert "leaving while waiting for a run, then its tool" in caplog.text


def test_an_end_that_is_over_leaves_nothing_to_watch() -> None:
    end = Closing()
    end.begin(DEADLINE)
    end.over()
    watch = next((each for each in threading.enumerate() if each.name == "netra-closing"), None)
    if watch is not None:
        watch.join(DEADLINE)
        assert not watch.is_alive()
