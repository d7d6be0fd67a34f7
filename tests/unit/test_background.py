"""Tasks that go on without whoever asked for them: what is refused is silent, what is a defect is logged once."""

from __future__ import annotations

import ast
import asyncio
import gc
import logging
from pathlib import Path
from typing import Any

import pytest

import netra_backend
from netra_backend.app.background import Background


class Refused(Exception):
    pass


async def fail_when(go: asyncio.Event, error: Exception) -> None:
    await go.wait()
    raise error


@pytest.mark.parametrize("moment", ["before", "with", "never"])
@pytest.mark.parametrize(("error", "logged"), [(Refused("no"), 0), (ValueError("a defect"), 1)])
async def test_whoever_goes_away_leaves_no_complaint_and_no_secret_defect(
    caplog: pytest.LogCaptureFixture, moment: str, error: Exception, logged: int
):
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    background, go = Background(Refused), asyncio.Event()
    asking = asyncio.create_task(background.carry_out(fail_when(go, error), name="the work"))
    await asyncio.sleep(0)
    if moment == "with":
        go.set()
    if moment != "never":
        asking.cancel()
    await asyncio.sleep(0)
    go.set()
    with caplog.at_level(logging.ERROR):
        await asyncio.wait({asking})
        assert await background.settle(10)
        await asyncio.sleep(0)
    if moment == "never":
        assert asking.exception() is error
        assert not caplog.records, "whoever asked has it, and logs it or not"
    else:
        assert [record.getMessage() for record in caplog.records] == logged * [
            "the work failed, and nobody waits for it"
        ]
    del asking
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_what_was_begun_is_carried_out():
    done = asyncio.Event()
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()
        done.set()

    background = Background()
    asking = asyncio.create_task(background.carry_out(work(), name="work"))
    await asyncio.sleep(0)
    asking.cancel()
    assert not await background.settle(0.01)
    go.set()
    assert await background.settle(10)
    assert done.is_set()
    assert len(background) == 0


ALONE = {
    # Each task is awaited, and cancelled, by the one function that makes it, or by its close.
    "background.py",
    "closing.py",
    "main.py",
    "server.py",
    "client.py",
    "commands/chat.py",
    "agents/deferred.py",
    "agents/openai_stream.py",
    "routes/services.py",
    "routes/websocket.py",
    "runs/stream.py",
    "runs/supervisor.py",
}


def test_a_task_is_made_in_the_background_or_by_who_awaits_it():
    """A new place that makes tasks has to be looked at: whoever awaits it may be cancelled. Then `Background`."""
    root = Path(netra_backend.__file__).parent / "app"
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            assert name != "shield", f"{path}: a shield forgets what it shields; use Background.carry_out"
            if name in {"create_task", "ensure_future"}:
                assert str(path.relative_to(root)) in ALONE, f"{path}: who hears of this task's failure?"
