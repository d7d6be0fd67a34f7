"""An agent of one's own, as its operator meets it: `netra doctor` and `netra up` say the same of it."""

from __future__ import annotations

import importlib.metadata
import re
import uuid
from pathlib import Path

import httpx
import pytest

from tests.harness.terminal import ROOT, Netra

AGENTS = {
    "works": """
        from pydantic_ai import Agent
        from pydantic_ai.models.function import FunctionModel

        async def echo(messages, info):
            yield "my own agent"

        agent = Agent(FunctionModel(stream_function=echo, model_name="echo-1"))
        agent_suggestions = ["Where is my parcel?"]
    """,
    "suggests": """
        from pydantic_ai import Agent
        agent = Agent("test")
        agent_suggestions = "Where is my parcel?"
    """,
    "extra": """
        from pydantic_ai import Agent
        agent = Agent("anthropic:claude-sonnet-4-5")
    """,
    "deps": """
        from pydantic_ai import Agent
        agent = Agent("test", deps_type=int)
    """,
    "approval": """
        from pydantic_ai import Agent
        agent = Agent("test")

        @agent.tool_plain(requires_approval=True)
        def send(to: str) -> str:
            return to
    """,
    "leaves": """
        import sys
        sys.exit("hunter2")
    """,
}


@pytest.fixture
def netra(tmp_path: Path) -> Netra:
    for name, text in AGENTS.items():
        (tmp_path / f"{name}_agent.py").write_text("\n".join(line[8:] for line in text.splitlines()))
    netra = Netra(tmp_path)
    netra.environment["PYTHONPATH"] = f"{tmp_path}:{ROOT}"
    return netra


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        ("extra", "pip install 'netra-backend[anthropic]'"),
        ("deps", "has the deps_type int"),
        ("approval", "wait for an approval or for a result from outside, which Netra can't get yet: send"),
        ("suggests", "agent_suggestions must be a list of messages"),
        ("leaves", "importing leaves_agent raised SystemExit"),
    ],
)
def test_one_that_cannot_work_keeps_the_server_from_starting_and_the_doctor_says_the_same(
    netra: Netra, agent: str, says: str
) -> None:
    named = f"{agent}_agent:agent"
    refused = netra.run("up", "--no-open", "--port", "0", "--agent", named)
    assert refused.returncode != 0
    assert "serves at" not in refused.stdout
    last = refused.stderr.strip().splitlines()[-1]
    assert says in last
    assert "NETRA_AGENT" in last
    looked = netra.run("doctor", NETRA_AGENT=named, NETRA_PORT="0")
    assert looked.returncode == 1
    assert says in looked.stdout
    assert "Traceback" not in looked.stdout + looked.stderr
    assert "hunter2" not in looked.stdout + looked.stderr + last


def test_one_that_works_is_known_by_its_own_model_from_the_first_run_on(netra: Netra) -> None:
    looked = netra.run("doctor", NETRA_AGENT="works_agent:agent", NETRA_PORT="0")
    assert looked.returncode == 0, looked.stdout
    assert "works_agent:agent is there, with the model echo-1" in looked.stdout
    with netra.up("--no-open", "--agent", "works_agent:agent") as up:
        assert "echo-1, with the agent works_agent:agent" in up.greeting
        headers = {"Authorization": f"Bearer {netra.token}"}
        with httpx.Client(base_url=up.url, headers=headers) as http:
            thread = http.post("/api/threads", json={}).json()["id"]
            said = {"text": "hello", "client_message_id": str(uuid.uuid4())}
            run = http.post(f"/api/threads/{thread}/messages", json=said).json()["run_id"]
            assert http.get(f"/api/runs/{run}").json()["run"]["model"] == "echo-1"
            assert http.get("/api/about").json()["examples"] == ["Where is my parcel?"]


def test_every_extra_is_one_of_the_agent_librarys() -> None:
    """The words of a refusal name the library's extra as one of ours."""
    theirs = set(importlib.metadata.metadata("pydantic-ai-slim").get_all("Provides-Extra") or [])
    ours = set(importlib.metadata.metadata("netra-backend").get_all("Provides-Extra") or [])
    assert ours
    assert ours <= theirs
    required = importlib.metadata.requires("netra-backend") or []
    for extra in ours:
        assert any(re.search(rf'pydantic-ai-slim\[{extra}\].*extra == ["\']{extra}["\']', each) for each in required)
