from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from tests.fakes.model_server import FakeModelServer
from tests.harness.server import RunningServer, running_server
from tests.harness.strict_chat import check_request

settings.register_profile("found-is-enough", deadline=None, phases=[Phase.explicit, Phase.generate])
"""For `make mutations`: which example is the smallest that shows a defect is of no interest there."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def model() -> AsyncIterator[FakeModelServer]:
    """A fake OpenAI-compatible model server over real HTTP. Whatever a test has it asked is in the strictest form."""
    async with FakeModelServer() as server:
        yield server
        for request in server.requests:
            check_request(request.body)


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[RunningServer]]:
    """Start Netra on a real socket in this process: `async with serve(**settings) as server`."""

    def start(**settings: object) -> AbstractAsyncContextManager[RunningServer]:
        return running_server(tmp_path / "data", **settings)

    return start


@pytest.fixture
async def server(serve: Callable[..., AbstractAsyncContextManager[RunningServer]]) -> AsyncIterator[RunningServer]:
    """Netra with the offline agent."""
    async with serve() as running:
        yield running


@pytest.fixture(params=["lean", "sdk"])
async def model_backed(
    serve: Callable[..., AbstractAsyncContextManager[RunningServer]],
    model: FakeModelServer,
    request: pytest.FixtureRequest,
) -> AsyncIterator[RunningServer]:
    """Netra with the fake model server behind it, read by either model client."""
    async with serve(model="openai:fake", model_base_url=model.base_url, model_client=request.param) as running:
        yield running
