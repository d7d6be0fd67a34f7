"""Tool calls in all the pieces that servers send: each tool runs with what the model gave, or none of them does.

Over real HTTP, with both clients. Where a public report of a server led to a case, it stands beside it.
"""

# ruff: noqa: E501 - a table is read by its columns

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra_backend.app.agents.runtime import AgentFailure
from netra_backend.app.agents.tool_calls import CallLimits, ToolCalls, UnclearCalls
from netra_backend.app.protocol.events import FailureCode
from tests.fakes.model_server import Cut, End, FakeModelServer, Pause, Raw, Status, Text
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn
from tests.unit.agents.wire import DONE, HEAD, chunk, stream

LIMITS = CallLimits(calls=64, arguments=10_000)


class Ran:
    """Two tools that note what they were given. Each works without arguments too: that is what makes it dangerous."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    async def look(self, at: str = "by default") -> str:
        self.calls.append(("look", at))
        return "seen"

    async def see(self, at: str = "by default") -> str:
        self.calls.append(("see", at))
        return "seen"


def piece(index: Any = ..., id: Any = ..., name: Any = ..., args: Any = ..., **more: Any) -> dict[str, Any]:
    """A piece of a call; what isn't given isn't in it."""
    function = {key: value for key, value in (("name", name), ("arguments", args)) if value is not ...}
    made: dict[str, Any] = {key: value for key, value in (("index", index), ("id", id)) if value is not ...}
    return made | ({"function": function} if function else {}) | more


def answer(*pieces: Any, reason: str | None = "tool_calls", before: str = "") -> bytes:
    deltas: list[dict[str, Any]] = [{"content": before}] if before else []
    deltas += [each if "delta" in each else {"tool_calls": [each]} for each in pieces]
    made = [chunk(each.get("delta", each)) for each in deltas]
    return stream(*made, chunk({}, reason), DONE)


LEFT, UP = '{"at": "left"}', '{"at": "up"}'
ONE = [("look", "left")]
TWO = [("look", "left"), ("see", "up")]

CERTAIN: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "as OpenAI sends them": (
        answer(piece(0, "a", "look", ""), piece(0, args=LEFT), piece(1, "b", "see", ""), piece(1, args=UP)), TWO,
    ),
    "both begun, then mixed": (
        answer(
            piece(0, "a", "look", ""), piece(1, "b", "see", ""), piece(1, args=UP[:4]), piece(0, args=LEFT[:5]),
            piece(1, args=UP[4:]), piece(0, args=LEFT[5:]),
        ),
        TWO,
    ),
    # ollama/ollama#15457, sgl-project and others: whole calls, all under index 0
    "whole, under one index": (answer(piece(0, "a", "look", LEFT), piece(0, "b", "see", UP)), TWO),
    # InternLM/lmdeploy#3412, of vLLM: one index, later pieces with an empty id
    "one index, an empty id on later pieces": (
        answer(piece(0, "a", "look", ""), piece(0, "", None, LEFT), piece(0, "b", "see", ""), piece(0, "", None, UP)),
        TWO,
    ),
    # InternLM/lmdeploy#3412, of SGLang: one index, the id on every piece
    "one index, the id on every piece": (
        answer(piece(0, "0", "look", ""), piece(0, "0", None, LEFT), piece(0, "1", "see", ""), piece(0, "1", None, UP)),
        TWO,
    ),
    "mixed under one index, told by their ids": (
        answer(piece(0, "a", "look", ""), piece(0, "b", "see", ""), piece(0, "a", args=LEFT), piece(0, "b", args=UP)), TWO,
    ),
    # pipecat-ai/pipecat#4987: LiteLLM counts the reasoning before it
    "an index that doesn't begin at 0": (answer(piece(1, "a", "look", ""), piece(1, args=LEFT)), ONE),
    # jin-bo/agentao#117, SamSaffron/term-llm#314
    "no index": (answer(piece(id="a", name="look", args=LEFT), piece(id="b", name="see", args=UP)), TWO),
    "no index, in pieces": (
        answer(piece(id="a", name="look", args=""), piece(args=LEFT), piece(id="b", name="see", args=""), piece(args=UP)),
        TWO,
    ),
    "no index and no id": (answer(piece(name="look", args=LEFT), piece(name="see", args=UP)), TWO),
    "no id": (answer(piece(0, name="look", args=LEFT), piece(1, name="see", args=UP)), TWO),
    "an index that is text": (answer(piece("0", "a", "look", ""), piece("0", args=LEFT)), ONE),
    "ids that repeat": (answer(piece(0, "c", "look", LEFT), piece(1, "c", "see", UP)), TWO),
    "a new id for every piece": (answer(piece(0, "a", "look", ""), piece(0, "b", args=LEFT)), ONE),
    "an id that is a number": (answer(piece(0, 1, "look", LEFT), piece(1, 2, "see", UP)), TWO),
    "the name on every piece": (
        answer(piece(0, "a", "look", LEFT[:5]), piece(0, "a", "look", LEFT[5:])), ONE,
    ),
    "the name again, without an id": (answer(piece(0, "a", "look", LEFT[:5]), piece(0, name="look", args=LEFT[5:])), ONE),
    "a name in pieces": (answer(piece(0, "a", "lo"), piece(0, name="ok"), piece(0, args=LEFT)), ONE),
    "a name that grows": (answer(piece(0, "a", "lo"), piece(0, name="look"), piece(0, args=LEFT)), ONE),
    "an empty name on later pieces": (answer(piece(0, "a", "look", ""), piece(0, "", "", LEFT)), ONE),
    # can1357/oh-my-pi#1779, of MiniMax
    "arguments as an object": (answer(piece(0, "a", "look", {"at": "left"}), piece(1, "b", "see", {"at": "up"})), TWO),
    # openai/openai-agents-js#712, of Bedrock
    "room kept by an empty object": (answer(piece(0, "a", "look", "{}"), piece(0, args=LEFT[:5]), piece(0, args=LEFT[5:])), ONE),
    # mudler/cogito#66
    "the arguments whole again at the end": (answer(piece(0, "a", "look", LEFT[:5]), piece(0, args=LEFT[5:]), piece(0, args=LEFT)), ONE),
    "arguments that grow": (answer(piece(0, "a", "look", LEFT[:3]), piece(0, args=LEFT[:8]), piece(0, args=LEFT)), ONE),
    "the whole call again": (answer(piece(0, "a", "look", LEFT), piece(0, "a", "look", LEFT)), ONE),
    # vllm-project/vllm#54964
    "JSON in JSON": (answer(piece(0, "a", "look", json.dumps(LEFT))), ONE),
    # Kilo-Org/cloud#4753: Bedrock's calls without arguments
    "no arguments": (answer(piece(0, "a", "look", "")), [("look", "by default")]),
    "null for no arguments": (answer(piece(0, "a", "look", None)), [("look", "by default")]),
    "after text": (answer(piece(0, "a", "look", LEFT), before="I look."), ONE),
    "the finish reason says stop": (answer(piece(0, "a", "look", LEFT), reason="stop"), ONE),
    "null deltas between": (
        stream(
            chunk({"tool_calls": [piece(0, "a", "look", "")]}), chunk(None), chunk({"tool_calls": None}), chunk({"tool_calls": []}),
            chunk({"tool_calls": [piece(0, args=LEFT)]}), chunk({}, "tool_calls"), DONE,
        ),
        ONE,
    ),
    "the name beside the id": (answer({"index": 0, "id": "a", "name": "look", "arguments": LEFT}), ONE),
    "pieces under an index of no call": (answer(piece(0, "a", "look", ""), piece(1, args=LEFT[:5]), piece(2, args=LEFT[5:])), ONE),
    "one id for all, mixed, told by the index": (
        answer(piece(0, "c", "look", ""), piece(1, "c", "see", ""), piece(0, "c", args=LEFT), piece(1, "c", args=UP)), TWO,
    ),
    "arguments as input": (answer(piece(0, "a", function={"name": "look", "input": {"at": "left"}})), ONE),
    "arguments as args": (answer(piece(0, "a", function={"name": "look", "args": LEFT})), ONE),
    "arguments beside the function": (answer(piece(0, "a", "look", arguments=LEFT)), ONE),
    "input beside the function": (answer(piece(0, "a", "look", "", input={"at": "left"})), ONE),
    "parameters beside null": (answer(piece(0, "a", function={"name": "look", "arguments": None, "parameters": {"at": "left"}})), ONE),
    "parameters beside an empty object": (answer(piece(0, "a", function={"name": "look", "arguments": "{}", "parameters": {"at": "left"}})), ONE),
    "the name beside the function": (answer(piece(0, "a", args=LEFT, name="look") | {"name": "look", "function": {"arguments": LEFT}}), ONE),
    "a field that isn't arguments": (answer(piece(0, "a", function={"name": "look", "arguments": "{}", "provider_specific_fields": {"x": 1}})), [("look", "by default")]),
    "a function call, as it was before tools": (
        stream(
            chunk({"function_call": {"name": "look", "arguments": ""}}), chunk({"function_call": {"arguments": LEFT}}),
            chunk({}, "function_call"), DONE,
        ),
        ONE,
    ),
    "the whole message again in the last chunk": (
        stream(
            chunk({"tool_calls": [piece(0, "a", "look", LEFT)]}),
            HEAD | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls", "message": {"tool_calls": [piece(id="a", name="look", args=LEFT)]}}]},
            DONE,
        ),
        ONE,
    ),
    "only in the message of the last chunk": (
        stream(
            HEAD | {"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"content": None, "tool_calls": [piece(id="a", name="look", args=LEFT), piece(id="b", name="see", args=UP)]}}]},
            DONE,
        ),
        TWO,
    ),
}  # fmt: skip

UNCLEAR: dict[str, bytes] = {
    "pieces under an index of no call, of two calls": answer(
        piece(0, "a", "look", ""), piece(1, args=LEFT), piece(2, "b", "see", ""), piece(3, args=UP)
    ),
    "one call's arguments under the other's index only": answer(
        piece(0, "a", "look", ""), piece(1, "b", "see", UP), piece(2, args=LEFT)
    ),
    "after a call that is whole": answer(piece(0, "a", "look", "{}"), piece(1, args=LEFT)),
    "before any call": answer(piece(0, args=LEFT), piece(0, "a", "look", "")),
    "mixed under one index, without ids": answer(
        piece(0, "a", "look", ""), piece(0, "b", "see", ""), piece(0, args=LEFT)
    ),
    "one id and one index for two": answer(piece(0, "c", "look", LEFT), piece(0, "c", "look", UP)),
    "one index for two, and no id": answer(piece(0, name="look", args=LEFT), piece(0, name="look", args=UP)),
    "twice under one index, once bare": answer(piece(0, "a", "look", ""), piece(0, "b", "look", LEFT)),
    "twice under one id, once bare": answer(piece(0, "a", "look", ""), piece(1, "a", "look", LEFT)),
    "a new id for every piece, the name too, and no index": answer(piece(id="a", name="look", args=""), piece(id="b", name="look", args=LEFT)),
    "arguments without a call, mixed": answer(
        piece(id="a", name="look", args=""), piece(id="b", name="see", args=""), piece(args=LEFT)
    ),
    "an id under another's index": answer(piece(0, "a", "look", LEFT), piece(1, "b", "see", UP), piece(1, "a", "look", UP)),
    "the id says one, the index another": answer(piece(0, "a", "look", ""), piece(1, "b", "see", ""), piece(1, "a", args=LEFT)),
    "one id for all, mixed, under the first's index": answer(piece(0, "c", "look", ""), piece(1, "c", "see", ""), piece(args=LEFT, id="c")),
    "one id for all, under an index of no call": answer(piece(0, "c", "look", ""), piece(1, "c", "see", ""), piece(2, "c", args=LEFT)),
    "arguments in a field that isn't known": answer(piece(0, "a", function={"name": "look", "kwargs": {"at": "left"}})),
    "calls as an object of objects": answer({"delta": {"tool_calls": {"0": piece(0, "a", "look", LEFT)}}}),
    "no name": answer(piece(0, "a", args=LEFT)),
    "cut in a call": answer(piece(0, "a", "look", LEFT[:8]), reason="length"),
    "cut before the arguments": answer(piece(0, "a", "look", ""), reason="length"),
    "filtered before the arguments": answer(piece(0, "a", "look", ""), reason="content_filter"),
    "arguments as a list": answer(piece(0, "a", "look", ["left"])),
    "arguments as a number": answer(piece(0, "a", "look", 5)),
    "an index that is no number": answer(piece("first", "a", "look", LEFT)),
    "calls that aren't objects": answer({"delta": {"tool_calls": ["look"]}}),
    "calls that are text": answer({"delta": {"tool_calls": "look"}}),
    "other calls in the message of the last chunk": stream(
        chunk({"tool_calls": [piece(0, "a", "look", LEFT)]}),
        HEAD | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls", "message": {"tool_calls": [piece(id="a", name="look", args=UP)]}}]},
        DONE,
    ),
}  # fmt: skip


async def take(server: FakeModelServer, runtime_of: RuntimeOf, data: bytes) -> tuple[Ran, Sink, AgentFailure | None]:
    ran, sink = Ran(), Sink()
    server.queue += [[Raw(data), End()], [Text("done")]]
    try:
        await runtime_of(ran.look, ran.see).start(a_turn("go"), sink).wait()
    except AgentFailure as failure:
        return ran, sink, failure
    return ran, sink, None


@pytest.mark.parametrize(("data", "calls"), CERTAIN.values(), ids=CERTAIN)
async def test_a_tool_runs_with_what_the_model_gave(
    server: FakeModelServer, runtime_of: RuntimeOf, data: bytes, calls: list[tuple[str, str]]
) -> None:
    ran, sink, failure = await take(server, runtime_of, data)
    assert failure is None, failure
    assert sorted(ran.calls) == calls
    assert sink.shown_text.endswith("done")
    (said,) = [message for message in server.requests[1].messages if message["role"] == "assistant"]
    ids = [call["id"] for call in said["tool_calls"]]
    assert len(set(ids)) == len(ids) == len(calls)
    answered = [message["tool_call_id"] for message in server.requests[1].messages if message["role"] == "tool"]
    assert sorted(answered) == sorted(ids), "every call is answered once"


@pytest.mark.parametrize("data", UNCLEAR.values(), ids=UNCLEAR)
async def test_calls_that_cant_be_told_apart_run_no_tool(
    server: FakeModelServer, runtime_of: RuntimeOf, data: bytes
) -> None:
    ran, _, failure = await take(server, runtime_of, data)
    assert ran.calls == []
    assert failure is not None
    assert failure.code is FailureCode.MODEL_BAD_RESPONSE
    assert "tool" in failure.message
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "pieces",
    [
        [piece(0, "a", "look", LEFT[:5])],
        [piece(0, "a", "look", LEFT + UP)],
        [piece(0, "a", "look", '{"at": "left"')],
        [piece(0, "a", "look", "left")],
        [piece(0, "a", "look", LEFT[:5]), piece(0, "b", "look", LEFT[5:])],
    ],
)
async def test_arguments_that_are_no_object_run_no_tool(
    server: FakeModelServer, runtime_of: RuntimeOf, pieces: list[dict[str, Any]]
) -> None:
    """The model is told, and may go on."""
    ran, sink, failure = await take(server, runtime_of, answer(*pieces))
    assert failure is None, failure
    assert ran.calls == []
    assert sink.shown_text == "done"
    assert {call[2] for call in sink.calls if call[0] == "tool_finished"} == {"error"}


async def test_a_call_that_is_written_slowly_is_no_silence(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    """The model has begun to answer, though nothing is shown yet."""
    begun = stream(chunk({"tool_calls": [piece(0, "a", "look", "")]}))
    for limit in (0.4, 2, 10):
        ran = Ran()
        server.queue[:] = [[Raw(begun), Pause(2 * limit), Raw(answer(piece(0, args=LEFT))), End()], [Text("done")]]
        try:
            await runtime_of(ran.look, model_first_token_timeout=limit).start(a_turn("go"), Sink()).wait()
        except AgentFailure as failure:
            if failure.code is not FailureCode.TIMEOUT_FIRST_TOKEN:
                raise
            continue  # on a busy machine its first word itself may come too late
        assert ran.calls == ONE
        return
    raise AssertionError("a call under way was taken for silence")


async def test_a_call_that_breaks_off_is_not_asked_for_again(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    ran = Ran()
    server.queue += [[Raw(stream(chunk({"tool_calls": [piece(0, "a", "look", LEFT)]}))), Cut()], [Text("done")]]
    with pytest.raises(AgentFailure) as failed:
        await runtime_of(ran.look, model_retries=2).start(a_turn("go"), Sink()).wait()
    assert failed.value.code is FailureCode.MODEL_STREAM_CUT
    assert (ran.calls, len(server.requests)) == ([], 1)


async def test_calls_of_an_answer_that_is_no_stream(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    message = {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [piece(id="a", name="look", args=LEFT), piece(id="b", name="see", args=UP)],
    }
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    ran, sink = Ran(), Sink()
    server.queue += [
        [Status(200, whole | {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})],
        [Text("done")],
    ]
    await runtime_of(ran.look, ran.see).start(a_turn("go"), sink).wait()
    assert sorted(ran.calls) == TWO
    assert sink.shown_text == "I look.\n\ndone"


@pytest.mark.parametrize(
    ("offered", "names", "called"),
    [
        ({"go"}, ["go", "go"], "go"),
        ({"gogo"}, ["go", "go"], "gogo"),
        ({"go", "gogo"}, ["go", "go"], None),
        ({"look"}, ["lo", "ok"], "look"),
        ({"look"}, ["look", "look", "look"], "look"),
        ({"ab"}, ["a", "ab"], "ab"),
        (set[str](), ["lo", "ok"], "look"),
    ],
)
def test_a_name_in_pieces_is_told_by_the_tools_there_are(
    offered: set[str], names: list[str], called: str | None
) -> None:
    calls = ToolCalls(frozenset(offered), LIMITS)
    for name in names:
        calls.take([piece(0, "a", name, "")])
    if called is None:
        with pytest.raises(UnclearCalls):
            calls.whole(cut=False)
    else:
        assert [call.name for call in calls.whole(cut=False)] == [called]


_given = st.dictionaries(
    st.text(max_size=5), st.one_of(st.text(max_size=10), st.integers(), st.just({"a": [1]})), max_size=3
)
_made = st.lists(st.tuples(st.sampled_from(["look", "see"]), _given), min_size=1, max_size=4)
_manners = st.fixed_dictionaries(
    {
        "index": st.sampled_from(["right", "zero", "none", "text", "random"]),
        "id": st.sampled_from(["first", "every", "none", "same", "fresh"]),
        "name": st.sampled_from(["first", "every", "pieces"]),
        "mixed": st.booleans(),
        "again": st.booleans(),
        "cuts": st.lists(st.integers(0, 12), max_size=3),
        "bare": st.booleans(),
    }
)


@settings(max_examples=600, deadline=None)
@given(_made, _manners, st.randoms(use_true_random=False))
def test_in_whatever_manner_they_come_no_call_has_other_arguments(
    made: list[tuple[str, dict[str, Any]]], manner: dict[str, Any], random: Any
) -> None:
    """Servers of every manner, also of none: each call is read as it was made, or isn't read at all."""
    sequences: list[list[dict[str, Any]]] = []
    for number, (name, arguments) in enumerate(made):
        text = json.dumps(arguments) if arguments or not manner["bare"] else ""
        at = [0, *sorted(min(cut, len(text)) for cut in manner["cuts"]), len(text)]
        parts = [
            "" if manner["cuts"] else text,
            *([text[a:b] for a, b in pairwise(at)] if manner["cuts"] else []),
        ]
        if manner["again"]:
            parts.append(text)
        index = {"right": number, "zero": 0, "text": str(number), "none": ..., "random": random.randint(0, 3)}[
            manner["index"]
        ]
        pieces: list[dict[str, Any]] = []
        for place, part in enumerate(parts):
            named: Any = name if place == 0 or manner["name"] == "every" else ...
            if manner["name"] == "pieces":
                named = {0: name[:2], 1: name[2:]}.get(place, ...) if len(parts) > 1 else name
            known = {
                "first": f"c{number}" if place == 0 else ...,
                "every": f"c{number}",
                "none": ...,
                "same": "c",
                "fresh": f"c{number}.{place}",
            }
            pieces.append(piece(index, known[manner["id"]], named, part))
        sequences.append(pieces)
    order = [number for number, pieces in enumerate(sequences) for _ in pieces]
    if manner["mixed"]:
        random.shuffle(order)
    calls = ToolCalls(frozenset({"look", "see"}), LIMITS)
    waiting = [iter(pieces) for pieces in sequences]
    try:
        for number in order:
            calls.take([next(waiting[number])])
        read = [(call.name, json.loads(call.arguments or "{}")) for call in calls.whole(cut=False)]
    except (UnclearCalls, json.JSONDecodeError):
        return
    # A name that no tool has runs none; and what is said twice under one index is one call.
    for call in read:
        assert call in made or call[0] not in {"look", "see"}, (read, made)


@settings(max_examples=300, deadline=None)
@given(_made, st.lists(st.integers(1, 9), max_size=6))
def test_what_openai_sends_is_always_read(made: list[tuple[str, dict[str, Any]]], cuts: list[int]) -> None:
    calls = ToolCalls(frozenset({"look", "see"}), LIMITS)
    for number, (name, arguments) in enumerate(made):
        text = json.dumps(arguments)
        calls.take([piece(number, f"c{number}", name, "")])
        for cut in cuts:
            calls.take([piece(number, args=text[:cut])])
            text = text[cut:]
        calls.take([piece(number, args=text)])
    assert [(call.name, json.loads(call.arguments)) for call in calls.whole(cut=False)] == made


def test_so_many_calls_and_no_more() -> None:
    calls = ToolCalls(frozenset({"look"}), CallLimits(calls=3, arguments=100))
    for number in range(3):
        calls.take([piece(number, f"c{number}", "look", "{}")])
    assert len(calls.whole(cut=False)) == 3
    with pytest.raises(UnclearCalls, match="more than 3 tools at once"):
        calls.take([piece(3, "c3", "look", "{}")])


def test_the_arguments_of_all_calls_together_have_a_longest_length() -> None:
    calls = ToolCalls(frozenset({"look"}), CallLimits(calls=3, arguments=10))
    calls.take([piece(0, "a", "look", "12345")])
    calls.take([piece(1, "b", "look", "12345")])
    with pytest.raises(UnclearCalls, match="longer than 10 characters"):
        calls.take([piece(1, args="6")])


def test_the_work_is_linear() -> None:
    """Counted in characters that are joined: a name on every piece mustn't join all that came before, every time."""

    def run(pieces: int) -> int:
        calls = ToolCalls(frozenset({"look"}), CallLimits(calls=64, arguments=10**7))
        looked = 0
        original = calls._is_another  # pyright: ignore[reportPrivateUsage]

        def counting(call: Any, name: str, arguments: str) -> bool:
            nonlocal looked
            looked += len(call.so_far) if call.closed else 0
            return original(call, name, arguments)

        calls._is_another = counting  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
        calls.take([piece(0, name="look", args='{"at": "')])
        for _ in range(pieces):
            calls.take([piece(0, name="look", args="}")])
        return looked

    assert run(2000) <= 4 * max(1, run(1000))
