"""What the agent does, tested without a model, a server or a network: `pytest docs/examples`."""

from __future__ import annotations

import asyncio

from support import support

from netra_backend.testing import Call, MemoryData, Say, ScriptedModel, take_turn


def test_it_keeps_a_note() -> None:
    data = MemoryData("buy bread")
    model = ScriptedModel([Say("One moment."), Call("remember", {"text": "buy milk"})], [Say("Noted.")])

    taken = asyncio.run(take_turn(support, "remember to buy milk", model=model, data=data))

    assert taken.failure is None
    assert taken.text == "One moment.\n\nNoted."
    assert [(tool.name, tool.status, tool.result) for tool in taken.tools] == [("remember", "ok", "note 2")]
    assert data.kept == {1: "buy bread", 2: "buy milk"}


def test_a_later_turn_is_told_of_the_earlier_one() -> None:
    first = asyncio.run(take_turn(support, "hello", model=ScriptedModel([Say("Hi.")])))
    model = ScriptedModel([Say("You said hello.")])

    asyncio.run(take_turn(support, "what did I say?", model=model, history=[first.past]))

    assert "hello" in str(model.requests[0][0])
