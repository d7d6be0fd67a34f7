"""`netra chat`: say something, watch the agent work, stop it with Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from contextlib import suppress
from pathlib import Path

from netra_backend.app.client import Client, DoesNotTile, FrameRefused, NotSignedIn, Received, Unreachable
from netra_backend.app.commands.call import call
from netra_backend.app.commands.chat_view import RunView
from netra_backend.app.commands.credentials import Credentials, credentials
from netra_backend.app.commands.failure import CANNOT, FAILED, INTERRUPTED, Failure
from netra_backend.app.commands.terminal import Screen
from netra_backend.app.protocol.codec import decode_payload
from netra_backend.app.protocol.events import TERMINAL_TYPES, Ack, Event, Gap, MessageCreated

__all__ = ["chat"]

_ENDED = {"completed": 0, "failed": FAILED, "stopped": FAILED}


def chat(folder: Path, url: str | None, *, thread_id: str | None, message: str | None, as_json: bool) -> int:
    """Hold one turn, or with no message a conversation. Returns the exit code; raises `Failure`."""
    found = credentials(folder, url)
    screen = Screen()
    if message is None and not sys.stdin.isatty():
        message = sys.stdin.read()
    if message is not None:
        code, _ = _hold(screen, found, message, thread_id, as_json=as_json)
        return code
    return _converse(screen, found, thread_id, as_json=as_json)


def _converse(screen: Screen, found: Credentials, thread_id: str | None, *, as_json: bool) -> int:
    with suppress(ImportError):
        import readline  # noqa: F401 # pyright: ignore[reportUnusedImport] - gives `input` editing and a history
    screen.remark(f"speaking to {found.url}; Ctrl-C stops a run, Ctrl-D ends the conversation")
    while True:
        try:
            message = input("> ")
        except EOFError:
            screen.line("")
            return 0
        if not message.strip():
            continue
        try:
            # A refusal ends the turn, not the conversation.
            _, thread_id = _hold(screen, found, message, thread_id, as_json=as_json)
        except Failure as failure:
            if failure.code == CANNOT:
                raise
            screen.remark(str(failure))


def _hold(
    screen: Screen, found: Credentials, message: str, thread_id: str | None, *, as_json: bool
) -> tuple[int, str | None]:
    if not message.strip():
        raise Failure("the message is empty")
    try:
        message.encode()
    except UnicodeEncodeError:
        raise Failure("the message is not valid UTF-8") from None
    turn = _Turn(screen, found, as_json=as_json)
    try:
        return asyncio.run(turn.hold(message, thread_id)), turn.thread_id or thread_id
    except (NotSignedIn, Unreachable, DoesNotTile) as error:
        hint = f"; run: netra login --url {found.url}" if isinstance(error, NotSignedIn) else ""
        raise Failure(f"{error}{hint}") from None
    except FrameRefused as refused:
        again = f" (try again in {refused.retry_after:.0f} s)" if refused.retry_after else ""
        raise Failure(f"{refused}{again}", FAILED) from None


class _Turn:
    """One message and the run that it starts."""

    def __init__(self, screen: Screen, found: Credentials, *, as_json: bool) -> None:
        self._screen = screen
        self._found = found
        self._as_json = as_json
        self._view = RunView(screen)
        self._run_id: str | None = None
        self._interrupts = 0
        self._stopping: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self.thread_id: str | None = None

    async def hold(self, message: str, thread_id: str | None) -> int:
        """Say it and show the run to its end. Returns the exit code."""
        loop = asyncio.get_running_loop()
        this = asyncio.current_task()
        async with Client(self._found.url, self._found.token, on_state=self._screen.remark) as client:
            loop.add_signal_handler(signal.SIGINT, self._interrupt, client, this)
            try:
                started = await client.send("user_message", _said(message, thread_id))
                self._run_id, self.thread_id = started.run_id, started.thread_id
                self._started.set()
                return await self._show(client, started)
            except asyncio.CancelledError:
                return INTERRUPTED  # the second Ctrl-C
            finally:
                loop.remove_signal_handler(signal.SIGINT)
                if self._stopping is not None:
                    self._stopping.cancel()

    def _interrupt(self, client: Client, turn: asyncio.Task[int] | None) -> None:
        self._interrupts += 1
        if self._interrupts > 1 and turn is not None:
            turn.cancel()
            return
        self._screen.remark("stopping… (Ctrl-C again to quit)")
        self._stopping = asyncio.get_running_loop().create_task(self._stop(client))

    async def _stop(self, client: Client) -> None:
        # Before the ack there is no id to stop by, and stopping everything would reach further than this turn.
        await self._started.wait()
        try:
            await client.send("stop_agent", {"run_id": self._run_id, "reason": "stopped with Ctrl-C"})
        except FrameRefused as refused:
            self._screen.remark(str(refused))
        except (NotSignedIn, Unreachable):
            return  # whoever shows the run is told as well

    async def _show(self, client: Client, started: Ack) -> int:
        async for item in client:
            match item:
                case Received() if self._is_ours(item.event):
                    if self._as_json:
                        self._screen.raw(item.text)
                    else:
                        self._view.show(item.event)
                    if item.event.type in TERMINAL_TYPES:
                        return self._code(item.event.type)
                case Gap():
                    state = await self._state_after_gap(started)
                    if state is not None:
                        return state
                case _:
                    pass  # other runs, and remarks on stops that the ack or its refusal tells as well
        raise AssertionError("the events of a client end by raising")

    def _is_ours(self, event: Event) -> bool:
        if event.type == "message_created":
            payload = decode_payload(event.type, bytes(event.payload))
            return isinstance(payload, MessageCreated) and payload.run_id == self._run_id
        return event.run_id == self._run_id

    def _code(self, terminal: str) -> int:
        if terminal == "agent_stopped" and self._interrupts:
            return INTERRUPTED
        return 0 if terminal == "agent_completed" else FAILED

    async def _state_after_gap(self, started: Ack) -> int | None:
        """Events were missed for good: whether the run is over is asked of the server. None: it goes on."""
        self._screen.remark("some events can't be shown any more (the log no longer holds them)")
        run = await asyncio.to_thread(
            call, "GET", self._found.url, f"/api/runs/{started.run_id}", token=self._found.token
        )
        code = _ENDED.get(run["state"])
        if code is not None:
            self._screen.remark(f"the run is {run['state']}; its answer is in thread {started.thread_id}")
        return code


def _said(message: str, thread_id: str | None) -> dict[str, object]:
    said: dict[str, object] = {"text": message, "client_message_id": str(uuid.uuid4())}
    return said if thread_id is None else {**said, "thread_id": thread_id}
