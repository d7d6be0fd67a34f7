from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest

import netra_backend
from netra_backend.app.protocol.document import CLOSE_CODES, ERROR_CODES, schema, stale
from netra_backend.app.protocol.events import EVENT_PAYLOADS, SOCKET_PAYLOADS
from netra_backend.app.protocol.frames import FRAMES
from netra_backend.app.services.refusals import Refusal
from tests.harness.client import Client, Frame
from tests.harness.server import RunningServer

SOURCE = Path(netra_backend.__file__).parent


def validator(root: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema() | {"$ref": f"#/$defs/{root}"})


def test_the_page_and_the_schema_are_what_the_types_say() -> None:
    assert stale() == [], "run: python -m netra_backend.app.protocol.document"


def test_every_type_has_its_section() -> None:
    page = (SOURCE.parent / "docs" / "protocol.md").read_text()
    for name in [*EVENT_PAYLOADS, *SOCKET_PAYLOADS, *FRAMES]:
        assert f"### `{name}`" in page


def test_every_code_that_can_be_sent_is_documented() -> None:
    sent = {refusal.code for refusal in Refusal.__subclasses__()}
    for path in [SOURCE / "app/routes/websocket.py", SOURCE / "app/protocol/frames.py"]:
        text = path.read_text()
        sent |= set(re.findall(r'(?:code=|FrameError\()"([a-z_]+)"', text))
    assert sent <= set(ERROR_CODES)
    closed: set[int] = set()
    for path in (SOURCE / "app").rglob("*.py"):
        closed |= {int(code) for code in re.findall(r"close\((\d{4}),", path.read_text())}
    assert closed <= set(CLOSE_CODES)


async def test_what_really_travels_is_valid(server: RunningServer) -> None:
    alice = await server.person()
    seen: list[Frame] = []
    async with server.client(alice) as client:
        seen.append(client.ready)
        await client.resume()
        run = await client.say("what is 17*23, and what time is it in Tokyo?")
        await client.until_end(run["run_id"])
        long = await client.say("count to 1000 slowly", thread_id=run["thread_id"])
        await client.until_type("agent_message_delta")
        seen.append(await client.ask("user_message", {"text": ""}))
        seen.append(await client.ask("nonsense"))
        seen.append(await client.ask("ping"))
        seen.append(await client.ask("stop_agent"))
        await client.until_end(long["run_id"])
        seen += client.record.events
    async with Client(f"ws://127.0.0.1:{server.port}/ws", alice.token) as other:
        await other.ask("resume", {"epoch": "another", "seq": 3})
        seen.append(await other.frame())
    assert {"gap", "error", "pong", "ack", "agent_stopped", "tool_completed"} <= {frame["type"] for frame in seen}
    check = validator("ServerMessage")
    for frame in seen:
        check.validate(frame)


@pytest.mark.parametrize(
    ("frame", "valid"),
    [
        ({"type": "ping", "id": "1"}, True),
        ({"type": "stop_agent", "id": "1", "payload": {"run_id": "x"}}, True),
        ({"type": "stop_agent", "id": "1", "payload": {"run": "x"}}, False),
        ({"type": "user_message", "id": "1", "payload": {"text": "x"}}, False),
        ({"type": "user_message", "id": "", "payload": {"text": "x", "client_message_id": "y"}}, False),
    ],
)
def test_the_schema_judges_client_frames_as_the_server_does(frame: Frame, valid: bool) -> None:
    assert validator("ClientFrame").is_valid(frame) is valid
