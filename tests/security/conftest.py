from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tests.fakes.model_server import FakeModelServer
from tests.harness.server import RunningServer
from tests.security.stage import Belongings, settle_alice


@pytest.fixture
async def crowded(
    serve: Callable[..., AbstractAsyncContextManager[RunningServer]], model: FakeModelServer
) -> AsyncIterator[RunningServer]:
    """Netra with the fake model, and room for many runs of one user."""
    async with serve(
        model="openai:fake",
        model_base_url=model.base_url,
        max_queued_runs_per_user=10_000,
        max_sockets_per_user=100,
        login_attempts_per_minute=10_000,
        requests_per_second=10_000,
    ) as running:
        yield running


@pytest.fixture
async def alice(crowded: RunningServer, model: FakeModelServer) -> AsyncIterator[Belongings]:
    """Alice on the crowded server, with one of everything."""
    belongings = await settle_alice(crowded, model)
    yield belongings
    await belongings.client.socket.close()
