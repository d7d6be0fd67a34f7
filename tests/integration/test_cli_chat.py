"""`netra chat` and its companions against a real `netra up`, in pipes and on a terminal."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.harness.deadline import DEADLINE
from tests.harness.proxy import CuttingProxy
from tests.harness.terminal import NETRA, Netra, Up

QUESTION = "what is 17*23, and what time is it in Tokyo?"
FIVE = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"]


@pytest.fixture(scope="module")
def netra(tmp_path_factory: pytest.TempPathFactory) -> Netra:
    return Netra(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def up(netra: Netra) -> Iterator[Up]:
    with netra.up() as running:
        yield running


def runs(netra: Netra, up: Up) -> list[dict[str, str]]:
    answer = httpx.get(f"{up.url}/api/runs", headers={"Authorization": f"Bearer {netra.token}"})
    return answer.json()["runs"]


def test_one_question_shows_the_five_events_and_the_answer(netra: Netra, up: Up):
    done = netra.run("chat", QUESTION)

    assert done.returncode == 0, done.stderr
    shown = done.stdout
    assert [shown.index(name) for name in FIVE] == sorted(shown.index(name) for name in FIVE)
    assert "17*23 = 391" in shown
    assert "Tokyo" in shown
    assert re.search(r"tool_executing  calculate \{\"expression\": ?\"17\*23\"\}", shown)
    assert re.search(r"tool_completed  calculate ok → 17\*23 = 391 \(\d+ ms\)", shown)
    assert done.stderr == ""
    assert "\x1b" not in shown


def test_json_prints_the_events_as_they_came(netra: Netra, up: Up):
    done = netra.run("chat", "--json", QUESTION)

    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["type"] == "message_created"
    assert [event["type"] for event in events if event["type"] in FIVE][-1] == "agent_completed"
    assert {event["run_id"] for event in events[1:]} == {events[0]["payload"]["run_id"]}
    text = "".join(event["payload"]["text"] for event in events if event["type"] == "agent_message_delta")
    assert text == events[-1]["payload"]["final_response"]
    for before, after in itertools.pairwise(events):
        assert after.get("first_seq", after["seq"]) == before["seq"] + 1


def test_a_thread_is_gone_on_with_and_listed(netra: Netra, up: Up):
    netra.run("chat", "note that the key is under the mat")
    listed = netra.run("threads").stdout.splitlines()
    thread_id = listed[0].split()[0]
    assert "key is under the mat" in listed[0]

    assert netra.run("chat", "--thread", thread_id, "what is 1+1").returncode == 0
    messages = httpx.get(
        f"{up.url}/api/threads/{thread_id}/messages", headers={"Authorization": f"Bearer {netra.token}"}
    ).json()["messages"]
    assert len(messages) == 4
    as_json = [json.loads(line) for line in netra.run("threads", "--json", "--limit", "1").stdout.splitlines()]
    assert [thread["id"] for thread in as_json] == [thread_id]


def test_a_message_may_come_from_a_pipe(netra: Netra, up: Up):
    done = netra.run("chat", said="what is 6*7")
    assert (done.returncode, "6*7 = 42" in done.stdout) == (0, True)


def test_refusals_are_said_and_told_by_the_exit_code(netra: Netra, up: Up):
    unknown = netra.run("chat", "--thread", "no-such-thread", "hello")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "thread" in unknown.stderr
    blank = netra.run("chat", "  ")
    assert (blank.returncode, blank.stdout) == (2, "")
    assert "the message is empty" in blank.stderr
    broken = netra.run("chat", "half \udcff")
    assert broken.returncode == 2
    assert "not valid UTF-8" in broken.stderr
    assert "Traceback" not in broken.stderr
    nowhere = netra.run("chat", "hello", NETRA_DATA_DIR=str(netra.home / "nowhere"))
    assert nowhere.returncode == 2
    assert "netra up" in nowhere.stderr
    elsewhere = netra.run("chat", "--url", "http://127.0.0.1:9", "hello")
    assert elsewhere.returncode == 2
    assert "netra login --url http://127.0.0.1:9" in elsewhere.stderr
    assert netra.run("chat", "--url", "localhost:8000", "hello").returncode == 2


def test_ctrl_c_stops_the_run_and_says_so(netra: Netra, up: Up):
    with netra.on_terminal("chat", "count to 30 slowly") as terminal:
        terminal.until("Step 2 of 30")
        terminal.ctrl_c()
        terminal.until("stopping… (Ctrl-C again to quit)")
        terminal.until("agent_stopped")
        assert terminal.end() == 130
    run = runs(netra, up)[0]
    assert (run["state"], run["stop_reason"]) == ("stopped", "stopped with Ctrl-C")


def test_ctrl_c_twice_quits_though_nothing_answers(netra: Netra, up: Up):
    """The server is held still, so the first Ctrl-C can't be answered; the second must not wait for it."""
    with netra.on_terminal("chat", "count to 30 slowly") as terminal:
        terminal.until("Step 2 of 30")
        up.process.send_signal(signal.SIGSTOP)
        try:
            terminal.ctrl_c()
            terminal.until("stopping…")
            terminal.ctrl_c()
            assert terminal.end() == 130
        finally:
            up.process.send_signal(signal.SIGCONT)
    netra.run("stop")


def test_stop_from_another_terminal_ends_the_chat(netra: Netra, up: Up):
    with netra.on_terminal("chat", "count to 30 slowly") as terminal:
        terminal.until("Step 2 of 30")
        stopped = netra.run("stop", runs(netra, up)[0]["id"])
        assert "the stop is on record" in stopped.stdout
        terminal.until("agent_stopped")
        assert terminal.end() == 1
    assert "had already ended" in netra.run("stop", runs(netra, up)[0]["id"]).stdout
    assert "nothing was running" in netra.run("stop").stdout
    unknown = netra.run("stop", "no/such run")
    assert unknown.returncode == 1
    assert "Traceback" not in unknown.stderr


def test_a_conversation_on_a_terminal(netra: Netra, up: Up):
    with netra.on_terminal("chat") as terminal:
        terminal.until("> ")
        terminal.type("what is 2+3\n")
        terminal.until("2+3 = 5")
        terminal.until("agent_completed")
        terminal.until("> ")
        terminal.type("count to 30 slowly\n")
        terminal.until("Step 2 of 30")
        terminal.ctrl_c()
        terminal.until("agent_stopped")
        terminal.until("> ")
        terminal.type("what is 2+4\n")
        terminal.until("2+4 = 6")
        terminal.until("> ")
        terminal.type("\x04")
        assert terminal.end() == 0
    assert len({run["thread_id"] for run in runs(netra, up)[:3]}) == 1


def test_ctrl_c_at_the_prompt_leaves(netra: Netra, up: Up):
    with netra.on_terminal("chat") as terminal:
        terminal.until("> ")
        terminal.until_it_waits()
        terminal.ctrl_c()
        assert terminal.end() == 130


def test_output_that_nobody_reads_any_more_ends_the_chat_quietly(netra: Netra, up: Up):
    chat = subprocess.Popen(
        [*NETRA, "chat", "count to 30 slowly"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=netra.environment,
    )
    assert chat.stdout is not None
    assert chat.stderr is not None
    chat.stdout.readline()
    chat.stdout.close()
    said = chat.stderr.read()
    chat.stderr.close()
    assert chat.wait(DEADLINE) == 1
    assert "Traceback" not in said
    netra.run("stop")


def test_signing_in_on_another_machine(netra: Netra, up: Up, tmp_path: Path):
    other = Netra(tmp_path)
    netra.run("user", "create", "me@example.org", "--password-stdin", said="correct horse")

    wrong = other.run("login", "--url", up.url, "--email", "me@example.org", "--password-stdin", said="wrong")
    assert wrong.returncode == 1
    assert "wrong" in wrong.stderr
    done = other.run("login", "--url", up.url, "--email", "me@example.org", "--password-stdin", said="correct horse")
    assert done.returncode == 0, done.stderr
    assert f"signed in at {up.url} as me@example.org" in done.stdout
    assert other.run("chat", "what is 1+1").returncode == 0
    assert len(other.run("threads").stdout.splitlines()) == 1

    me = httpx.get(f"{up.url}/api/auth/me", headers={"Authorization": f"Bearer {netra.token}"})
    assert me.json()["user"]["email"] == "admin@localhost"  # each folder has its own

    netra.run("user", "disable", "me@example.org")
    # What another process takes away is gone within a second, not at once.
    ended = next(tried for _ in range(100) if (tried := other.run("threads")).returncode)
    assert ended.returncode == 2
    assert f"netra login --url {up.url}" in ended.stderr
    ended = other.run("chat", "hello")
    assert ended.returncode == 2
    assert f"netra login --url {up.url}" in ended.stderr


@pytest.mark.parametrize("whole_link", [True, False])
def test_signing_in_with_a_code_or_the_link_that_holds_it(netra: Netra, up: Up, tmp_path: Path, whole_link: bool):
    email = f"code{whole_link}@example.org"
    link = netra.run("user", "create", email).stdout.split()[-1]
    other = Netra(tmp_path)

    if whole_link:
        done = other.run("login", "--code", "-", said=link + "\n")
    else:
        done = other.run("login", "--url", up.url, "--code", link.partition("#")[2])

    assert done.returncode == 0, done.stderr
    assert email.lower() in done.stdout
    assert other.run("login", "--url", up.url, "--code", link).returncode == 1


def test_a_killed_server_that_comes_back_ends_the_run_before_the_chats_eyes(tmp_path: Path):
    """kill -9 in mid-run: the chat reconnects, and hears from the log how its run ended."""
    alone = Netra(tmp_path)
    with alone.up() as first, alone.on_terminal("chat", "count to 30 slowly") as terminal:
        terminal.until("Step 2 of 30")
        first.process.kill()
        terminal.until("connection lost; reconnecting")
        with alone.up("--port", first.url.rpartition(":")[2]):
            terminal.until("connected again")
            shown = terminal.until("agent_failed")
            assert "Step 1 " not in shown
            terminal.until("worker_lost")
            assert terminal.end() == 1


def test_a_chat_that_is_cut_again_and_again_shows_every_word_once(netra: Netra, up: Up):
    """By way of a proxy that cuts: what the chat printed is what the log has."""

    async def chat() -> tuple[str, str]:
        async with CuttingProxy(int(up.url.rpartition(":")[2])) as proxy:
            link = (await asyncio.to_thread(netra.run, "user", "create", "cut@example.org")).stdout.split()[-1]
            code = link.partition("#")[2]
            await asyncio.to_thread(netra.run, "login", "--url", proxy.url, "--code", code)
            process = await asyncio.create_subprocess_exec(
                *[*NETRA, "chat", "--json", "--url", proxy.url, "count to 8 slowly"],
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=netra.environment,
            )
            assert process.stdout is not None
            assert process.stderr is not None
            lines: list[str] = []
            async for line in process.stdout:
                lines.append(line.decode())
                proxy.cut()
            assert await process.wait() == 0
            assert proxy.connections > 5
            said = (await process.stderr.read()).decode()
        return "".join(lines), said

    printed, said = asyncio.run(chat())
    events = [json.loads(line) for line in printed.splitlines()]
    numbers = [number for event in events for number in range(event.get("first_seq", event["seq"]), event["seq"] + 1)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    text = "".join(event["payload"]["text"] for event in events if event["type"] == "agent_message_delta")
    assert text == events[-1]["payload"]["final_response"]
    assert said.count("reconnecting") == said.count("connected again") > 3


def test_a_client_does_not_load_the_server():
    """Start-up is most of what a short command takes."""
    script = (
        "import sys\n"
        "from netra_backend.app import cli\n"
        "from netra_backend.app.commands import chat, login, stop, threads\n"
        "print(sorted({'fastapi', 'pydantic', 'pydantic_ai', 'sqlalchemy', 'starlette', 'uvicorn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
