from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.fakes import tool_agent
from tests.fakes.model_server import FakeModelServer
from tests.harness.server import RunningServer
from tests.harness.stage import Stage

MODEL_CLIENTS: dict[str, dict[str, object]] = {
    "lean": {"model_client": "lean"},
    "sdk": {"model_client": "sdk"},
}
"""The model clients that the golden path's checks run with: the settings that choose each."""

StageWith = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture(params=MODEL_CLIENTS)
def model_client(request: pytest.FixtureRequest) -> dict[str, object]:
    """The settings that choose a model client; a test that uses it runs once with each."""
    return MODEL_CLIENTS[request.param]


@pytest.fixture
async def gates() -> AsyncIterator[None]:
    """No tool stays at a gate after the test."""
    yield
    tool_agent.forget_gates()


@pytest.fixture
def stage_with(
    serve: Callable[..., AbstractAsyncContextManager[RunningServer]],
    model: FakeModelServer,
    model_client: dict[str, object],
    gates: Iterator[None],
) -> StageWith:
    """Netra with the tool agent on the fake model: `async with stage_with(**settings) as stage`."""

    def start(**settings: Any) -> AbstractAsyncContextManager[Stage]:
        chosen = {"agent": "tests.fakes.tool_agent:agent", "model": "openai:fake", "model_base_url": model.base_url}
        return Stage.set(serve(**chosen | model_client | settings), model)

    return start


@pytest.fixture
async def stage(stage_with: StageWith) -> AsyncIterator[Stage]:
    """The stage as most tests want it. A turn that doesn't end when it's cancelled is not abandoned but waited for:
    its test fails."""
    async with stage_with(stop_grace=60) as ready:
        yield ready
