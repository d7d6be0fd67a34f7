"""One user who remembers what the server acknowledged, across cuts and crashes, and checks it at the end."""

from __future__ import annotations

import random
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.fakes.model_server import FakeModelServer, Text, words
from tests.harness.client import TERMINAL, Client, Frame, Record, check_run
from tests.harness.process import story_of
from tests.harness.server import Person

GONE = (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, EOFError, httpx.TransportError)
"""What a client sees when the server dies under it."""
NO_PLACE = {"queue_full", "thread_busy"}


@dataclass
class Asked:
    """A message that was sent, maybe several times, under one id."""

    text: str
    thread_id: str | None
    ack: Frame | None = None


@dataclass
class Witness:
    person: Person
    rng: random.Random
    record: Record = field(default_factory=Record)
    asked: dict[str, Asked] = field(default_factory=dict[str, Asked])
    stopped: set[str] = field(default_factory=set[str])
    finished: dict[str, int] = field(default_factory=dict[str, int])
    """Runs that a stop found ended, with the number of their last event."""

    async def come_back(self, client: Client) -> None:
        """Resume by the cursor. The log must be the one that the cursor is of."""
        assert self.record.epoch in {"", client.ready["payload"]["epoch"]}, "the log has another epoch"
        await client.resume(from_start=not self.record.epoch)

    async def repeat(self, client: Client, most: int = 3) -> None:
        """Send again what was never answered, and a few of those that were: the same runs must come of them."""
        answered = [key for key, asked in self.asked.items() if asked.ack is not None]
        unanswered = [key for key, asked in self.asked.items() if asked.ack is None]
        for key in unanswered + self.rng.sample(answered, min(most, len(answered))):
            await self._send(client, key)

    async def act(self, client: Client) -> None:
        """Something at random."""
        choice = self.rng.random()
        if choice < 0.3:
            await self.say(client)
        elif choice < 0.4:
            await self.stop(client)
        else:
            await client.event()

    async def say(self, client: Client) -> None:
        """A new message, in a new thread or in line in an old one."""
        rng = self.rng
        number = len(self.asked)
        text = f"n{number} tokens={rng.randrange(5, 60)} pace=0.00{rng.randrange(1, 9)} thinking={rng.randrange(5)}"
        if rng.random() < 0.4:
            text += f' tool=linger args={{"seconds": 0.{rng.randrange(5)}}}'
        threads = sorted({asked.ack["thread_id"] for asked in self.asked.values() if asked.ack is not None})
        thread_id = rng.choice(threads[-4:]) if threads and rng.random() < 0.6 else None
        key = str(uuid.UUID(int=rng.getrandbits(128)))
        self.asked[key] = Asked(text, thread_id)
        await self._send(client, key)

    async def stop(self, client: Client) -> None:
        """Stop one run that may still be open, or all."""
        runs = [asked.ack["run_id"] for asked in self.asked.values() if asked.ack is not None]
        which = {"run_id": self.rng.choice(runs[-6:])} if runs and self.rng.random() < 0.9 else {}
        for outcome in await client.stop(**which):
            if outcome["outcome"] == "stopping":
                self.stopped.add(outcome["run_id"])
            else:
                self.finished[outcome["run_id"]] = outcome["seq"]

    async def _send(self, client: Client, key: str) -> None:
        asked = self.asked[key]
        where = {"thread_id": asked.thread_id} if asked.thread_id is not None else {}
        answer = await client.ask(
            "user_message", {"text": asked.text, "client_message_id": key, "when_busy": "queue"} | where
        )
        if answer["type"] == "error":
            assert answer["payload"]["code"] in NO_PLACE, answer
            assert asked.ack is None, "a message that was acknowledged is refused when it comes again"
            del self.asked[key]
            return
        ack = answer["payload"]
        assert asked.ack in (None, ack), f"the same message, {key}, was answered {asked.ack} and then {ack}"
        asked.ack = ack

    @property
    def runs(self) -> list[str]:
        """Every run that the log tells of, in the order in which they were asked for."""
        return [event["payload"]["run_id"] for event in self._said()]

    def open_runs(self) -> set[str]:
        """Runs without an end, as far as this client has read."""
        ended = {event["run_id"] for event in self.record.events if event["type"] in TERMINAL}
        return set(self.runs) - ended

    async def check(self, http: httpx.AsyncClient, model: FakeModelServer) -> None:
        """Everything that was acknowledged is there, and everything that is there keeps the rules."""
        self._check_messages()
        ends = {event["run_id"]: event for event in self.record.events if event["type"] in TERMINAL}
        for run_id in self.runs:
            check_run(self.record.of_run(run_id))
        for run_id in self.stopped:
            assert ends[run_id]["type"] == "agent_stopped", "a stop was acknowledged"
        for run_id, seq in self.finished.items():
            assert ends[run_id]["seq"] == seq
        self._check_order(ends)
        await self._check_stories(http, ends)
        self._check_requests(model)

    def _said(self) -> list[Frame]:
        return [event for event in self.record.events if event["type"] == "message_created"]

    def _check_messages(self) -> None:
        told = {event["payload"]["client_message_id"]: event for event in self._said()}
        assert len(told) == len(self._said()), "a message is in the log twice"
        for key, asked in self.asked.items():
            assert asked.ack is not None, "every message was answered in the end"
            event = told[key]
            assert event["seq"] == asked.ack["seq"]
            assert event["payload"]["text"] == asked.text
            assert event["payload"]["run_id"] == asked.ack["run_id"]
        assert told.keys() == self.asked.keys()

    def _check_order(self, ends: dict[str, Frame]) -> None:
        """In one thread one run works at a time, in the order of the messages."""
        started = {event["run_id"]: event["seq"] for event in self.record.events if event["type"] == "agent_started"}
        last: dict[str, int] = {}
        for event in self._said():
            run_id, thread_id = event["payload"]["run_id"], event["thread_id"]
            if run_id in started:
                assert started[run_id] > last.get(thread_id, 0), "a queued run overtook another"
                last[thread_id] = ends[run_id]["seq"]

    async def _check_stories(self, http: httpx.AsyncClient, ends: dict[str, Frame]) -> None:
        """What was shown, what the terminal event says, what is stored, and what the model sent: one and the same."""
        for thread_id in {event["thread_id"] for event in self._said()}:
            answer = await http.get(f"/api/threads/{thread_id}/messages", params={"limit": 200})
            messages: list[dict[str, Any]] = answer.json()["messages"]
            for event in self._said():
                if event["thread_id"] != thread_id:
                    continue
                run_id, text = event["payload"]["run_id"], event["payload"]["text"]
                shown = self.record.text_of(run_id)
                assert story_of(messages, run_id, "user") == text
                assert (story_of(messages, run_id, "agent") or "") == shown
                sent = sent_by_model(text)
                if ends[run_id]["type"] == "agent_completed":
                    assert shown == sent
                else:
                    assert sent.startswith(shown)

    def _check_requests(self, model: FakeModelServer) -> None:
        asked_for = [request.said for request in model.requests if request.turn == 0]
        for asked in self.asked.values():
            assert asked_for.count(asked.text) <= 1, f"{asked.text!r} was carried out twice"


def sent_by_model(said: str) -> str:
    """The whole text of the fake's default script for this message."""
    assert not re.search(r"script:", said)
    return "".join(step.delta for response in words(said) for step in response if isinstance(step, Text))
