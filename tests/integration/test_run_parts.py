"""A run's parts in their order: the events, the run, and the thread's page tell the same, however late one asks."""

from __future__ import annotations

from typing import Any

from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.services import thread_service
from tests.fakes import tool_agent
from tests.fakes.model_server import Hang, Status, Text, Thinking, ToolCall
from tests.harness.client import Client, Frame
from tests.harness.stage import Stage, soon
from tests.integration.conftest import StageWith

LONG = "x" * 5_000
ANSWER = [
    [Thinking("First I lo"), Thinking("ok. 🙂"), Text("Let me look. 🙂"), ToolCall("look", {"at": "one"}, "call_1")],
    [Thinking("Once more."), ToolCall("look", {"at": LONG}, "call_2")],
    [Text("Both are "), Text("clear.")],
]
KINDS = ["thinking", "text", "tool", "thinking", "tool", "text"]


def cut(told: Frame, text: str, thinking: str) -> list[tuple[str, str]]:
    """The parts as a reader puts them together: kind, and what it says."""
    texts = {"text": text, "thinking": thinking}
    parts: list[tuple[str, str]] = []
    for part in told["parts"]:
        kind = part["kind"]
        if kind == "tool":
            parts.append((kind, part["tool_call_id"]))
            continue
        parts.append((kind, texts[kind][: part["chars"]]))
        texts[kind] = texts[kind][part["chars"] :]
    assert not any(texts.values())
    return parts


def in_order(events: list[Frame]) -> list[tuple[str, str]]:
    """The same of the events."""
    parts: list[tuple[str, str]] = []
    for event in events:
        payload = event["payload"]
        match event["type"]:
            case "tool_executing":
                parts.append(("tool", payload["tool_call_id"]))
            case "agent_message_delta" | "agent_thinking":
                kind = "text" if event["type"] == "agent_message_delta" else "thinking"
                said = payload["text" if kind == "text" else "reasoning"]
                before = parts.pop()[1] if parts and parts[-1][0] == kind else ""
                parts.append((kind, before + said))
            case _:
                pass
    return parts


async def thread(stage: Stage, run: Frame, **params: Any) -> Frame:
    return (await stage.http.get(f"/api/threads/{run['thread_id']}", params=params)).raise_for_status().json()


async def one_run(stage: Stage, client: Client, *script: Any, thread_id: str | None = None) -> tuple[Frame, Frame]:
    run = await client.say(stage.script(*script), thread_id=thread_id)
    return run, await client.until_end(run["run_id"])


async def test_they_are_told_in_order_however_late_one_asks(stage: Stage) -> None:
    async with stage.client() as client:
        await client.resume()
        run, end = await one_run(stage, client, *ANSWER)
        wanted = in_order(client.record.of_run(run["run_id"]))
        assert [kind for kind, _ in wanted] == KINDS
        whole = (await stage.http.get(f"/api/runs/{run['run_id']}")).json()
        assert cut(whole, whole["text"], whole["thinking"]) == wanted
        outline = (await thread(stage, run))["outlines"][run["run_id"]]
        thinking = whole["thinking"]
        assert cut(outline, end["payload"]["final_response"], thinking) == wanted
        # In short: no result, and a parameter of a line's length.
        assert [tool["result"] for tool in outline["tools"]] == [None, None]
        assert [tool["status"] for tool in outline["tools"]] == ["ok", "ok"]
        assert len(str(outline["tools"][1]["parameters"])) < 400
        assert whole["tools"][1]["parameters"] == {"at": LONG}
        # Housekeeping merges what stands together: the order and every time stay.
        await stage.server.services.log.commit(stage.alice.user_id, lambda tx: tx.compact_run(run["run_id"]))
        assert (await thread(stage, run))["outlines"][run["run_id"]] == outline
        assert (await stage.http.get(f"/api/runs/{run['run_id']}")).json() == whole
    moments = [(part["began_at"], part["ended_at"]) for part in whole["parts"]]
    assert all(began <= ended for began, ended in moments)
    assert moments == sorted(moments)


async def test_in_mid_run_they_are_told_as_far_as_they_go(stage: Stage) -> None:
    async with stage.client() as client:
        await client.resume()
        gate = tool_agent.gate("here")
        script = [[Text("I wait."), ToolCall("wait_at", {"name": "here"}, "call_1")], [Hang()]]
        run = await client.say(stage.script(*script))
        await soon(gate.entered)
        state = await thread(stage, run)
        (so_far,) = state["open_runs"]
        assert cut(so_far, so_far["text"], so_far["thinking"]) == [("text", "I wait."), ("tool", "call_1")]
        assert so_far["parts"][-1]["ended_at"] is None
        assert state["outlines"] == {}
        gate.open()
        await client.stop()
        await client.until_end(run["run_id"])


async def test_a_page_has_the_runs_of_its_messages(stage: Stage) -> None:
    async with stage.client() as client:
        await client.resume()
        first, _ = await one_run(stage, client, [Text("one")])
        runs = [first["run_id"]]
        for word in ("two", "three"):
            run, _ = await one_run(stage, client, [Text(word)], thread_id=first["thread_id"])
            runs.append(run["run_id"])
        last = await thread(stage, first, limit=2)
        assert [run["id"] for run in last["runs"]] == runs[2:]
        assert set(last["outlines"]) == set(runs[2:])
        older = await thread(stage, first, limit=2, before=last["messages"][0]["number"])
        assert [run["id"] for run in older["runs"]] == runs[1:2]
        assert set(older["outlines"]) == set(runs[1:2])


async def test_what_the_log_no_longer_has_whole_has_no_outline(stage: Stage) -> None:
    async with stage.client() as client:
        await client.resume()
        run, _ = await one_run(stage, client, *ANSWER)
        later, _ = await one_run(stage, client, [Text("later")], thread_id=run["thread_id"])
        begun = client.record.of_run(run["run_id"])[0]["seq"]
        keep = client.record.seq - begun
        await stage.server.services.log.commit(stage.alice.user_id, lambda tx: tx.trim(keep, now_ms() + 1))
        state = await thread(stage, run)
        assert set(state["outlines"]) == {later["run_id"]}
        assert {each["id"] for each in state["runs"]} == {run["run_id"], later["run_id"]}


async def test_of_much_work_the_newest_is_outlined(stage_with: StageWith, monkeypatch: Any) -> None:
    monkeypatch.setattr(thread_service, "OUTLINE_BYTES", 3_000)
    async with stage_with() as stage, stage.client() as client:
        await client.resume()
        run, _ = await one_run(stage, client, *ANSWER)
        later, _ = await one_run(stage, client, [Text("later")], thread_id=run["thread_id"])
        assert set((await thread(stage, run))["outlines"]) == {later["run_id"]}


async def test_whether_trying_again_may_help_is_told_afterwards_too(stage: Stage) -> None:
    async with stage.client() as client:
        await client.resume()
        for status, retryable in ((401, False), (503, True)):
            run, end = await one_run(stage, client, *[[Status(status, {"error": {"message": "no"}})]] * 9)
            assert end["payload"]["retryable"] is retryable
            state = await thread(stage, run)
            assert state["runs"][0]["error_retryable"] is retryable
        run, _ = await one_run(stage, client, [Text("fine")])
        assert (await thread(stage, run))["runs"][0]["error_retryable"] is None
