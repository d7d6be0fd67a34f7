from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent

from netra_backend.app.agents.openai_chat import openai_model
from netra_backend.app.agents.pydantic_ai import PydanticRuntime
from netra_backend.app.settings import Settings
from tests.fakes.model_server import FakeModelServer
from tests.harness.strict_chat import check_request

RuntimeOf = Callable[..., PydanticRuntime]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def settings_of_this_test_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests."""
    for name in os.environ:
        if name.startswith(("NETRA_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NETRA_DATA_DIR", str(tmp_path))


@pytest.fixture
async def server() -> AsyncIterator[FakeModelServer]:
    async with FakeModelServer() as running:
        yield running
        for request in running.requests:
            check_request(request.body)


@pytest.fixture(params=["lean", "sdk"])
def model_client(request: pytest.FixtureRequest) -> str:
    """Who reads the model's stream: every promise holds for both."""
    return request.param


@pytest.fixture
async def runtime_of(server: FakeModelServer, model_client: str) -> AsyncIterator[RuntimeOf]:
    """Makes a runtime of an agent with these tools, on the fake server; closes it after the test."""
    made: list[PydanticRuntime] = []

    def make(*tools: Callable[..., Any], agent: dict[str, Any] | None = None, **given: Any) -> PydanticRuntime:
        settings = Settings(
            **{"model_base_url": server.base_url, "model_retries": 0, "model_client": model_client} | given
        )
        model, close = openai_model(settings, "fake")
        built: Agent[Any, Any] = Agent(model, tools=_listed(tools), **(agent or {}))
        runtime = PydanticRuntime(built, settings, name="test", model_name="fake", close=close)
        made.append(runtime)
        return runtime

    yield make
    for runtime in made:
        await runtime.aclose()


def _listed(tools: Sequence[Callable[..., Any]]) -> list[Any]:
    return list(tools)
