from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from netra_backend.app.settings import Settings
from tests.fakes.model_server import FakeModelServer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def server() -> AsyncIterator[FakeModelServer]:
    async with FakeModelServer() as running:
        yield running


@pytest.fixture
def settings(server: FakeModelServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings for a model on the fake server, and whatever else is given."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def make(**given: object) -> Settings:
        return Settings(**{"model": "openai:fake", "model_base_url": server.base_url, "model_retries": 0} | given)

    return make
