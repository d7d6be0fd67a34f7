import msgspec
import pytest

from netra_backend.app.commands.chat_view import MAX_VALUE, RunView
from netra_backend.app.commands.terminal import Screen
from netra_backend.app.protocol.codec import encode_payload, type_of
from netra_backend.app.protocol.events import (
    AgentCompleted,
    AgentFailed,
    AgentMessageDelta,
    AgentStarted,
    AgentStopped,
    AgentStopping,
    AgentThinking,
    Event,
    EventPayload,
    MessageCreated,
    TokenUsage,
    ToolCompleted,
    ToolExecuting,
)


def event(kind: str, payload: bytes) -> Event:
    return Event(type=kind, seq=1, epoch="e", thread_id="t", run_id="r", ts="", payload=msgspec.Raw(payload))


@pytest.fixture
def show(capsys):
    view = RunView(Screen())

    def show(*payloads: EventPayload) -> str:
        for payload in payloads:
            view.show(event(type_of(payload), encode_payload(payload)))
        return capsys.readouterr().out

    return show


def test_a_run_reads_from_top_to_bottom(show):
    shown = show(
        AgentStarted(agent="offline", model="offline", message_id="m"),
        AgentThinking(reasoning="First, "),
        AgentThinking(reasoning="the sum."),
        ToolExecuting(tool_call_id="1", tool_name="calculate", parameters={"expression": "1+1"}),
        ToolCompleted(tool_call_id="1", tool_name="calculate", status="ok", result="2", duration_ms=3),
        AgentMessageDelta(text="It is "),
        AgentMessageDelta(text="2."),
        AgentCompleted(
            final_response="It is 2.",
            message_id="m",
            usage=TokenUsage(input_tokens=5, output_tokens=2, tool_calls=1),
        ),
    )
    assert shown.splitlines() == [
        "agent_started   offline (offline)",
        "agent_thinking  First, the sum.",
        'tool_executing  calculate {"expression": "1+1"}',
        "tool_completed  calculate ok → 2 (3 ms)",
        "It is 2.",
        "agent_completed 1 tool call, 7 tokens",
    ]


def test_thinking_and_text_take_turns_on_lines_of_their_own(show):
    shown = show(
        AgentThinking(reasoning="a"),
        AgentMessageDelta(text="b"),
        AgentThinking(reasoning="c"),
        AgentMessageDelta(text="d"),
    )
    assert shown.splitlines() == ["agent_thinking  a", "b", "agent_thinking  c", "d"]


def test_other_ends_and_what_is_unknown(show, capsys):
    usage = TokenUsage()
    shown = show(
        MessageCreated(message_id="m", role="user", text="x", client_message_id=None, run_id="r", run_state="queued"),
        AgentStopping(reason="enough", requested_by="u"),
        AgentStopped(reason="enough", partial_response="", message_id=None, usage=usage),
        AgentFailed(code="model_timeout", message="the model is silent", retryable=True, partial_response=""),
    )
    assert shown.splitlines() == [
        "message_created queued behind another run",
        "agent_stopping  enough",
        "agent_stopped   enough",
        "agent_failed    model_timeout: the model is silent; it may work if you try again",
    ]
    RunView(Screen()).show(event("agent_dreaming", b'{"of":"sheep"}'))
    assert capsys.readouterr().out == "agent_dreaming  \n"


def test_tools_and_models_cannot_act_on_the_terminal(show):
    evil = "\x1b[2J"
    shown = show(
        AgentStarted(agent=evil, model=evil, message_id="m"),
        AgentThinking(reasoning=evil),
        ToolExecuting(tool_call_id="1", tool_name=evil, parameters={evil: [evil]}),
        ToolCompleted(tool_call_id="1", tool_name=evil, status="error", result=f"a\n{evil}\nb", duration_ms=1),
        AgentMessageDelta(text=evil),
        AgentFailed(code="c", message=evil, retryable=False, partial_response=""),
    )
    assert "\x1b" not in shown
    assert shown.count("[2J") == 10


def test_long_values_are_cut_and_kept_on_one_line(show):
    shown = show(ToolExecuting(tool_call_id="1", tool_name="t", parameters={"a": "x\n" * 1000}))
    assert shown.count("\n") == 1
    assert len(shown) < MAX_VALUE + 50
    assert shown.endswith("…\n")


@pytest.mark.parametrize(
    ("left_out", "in_short", "told"),
    [
        (0, 0, []),
        (1, 0, ["the thread is long: the model isn't given one earlier turn"]),
        (12, 0, ["the thread is long: the model isn't given 12 earlier turns"]),
        (1000, 2, ["isn't given 1,000 or more earlier turns", "of 2 earlier turns it's given the texts alone"]),
    ],
)
def test_what_the_model_is_not_given_is_said(show, left_out, in_short, told):
    shown = show(
        AgentStarted(
            agent="a", model="m", message_id="m", earlier_turns_left_out=left_out, earlier_turns_in_short=in_short
        )
    ).splitlines()
    assert len(shown) == 1 + len(told)
    assert all(words in line for words, line in zip(told, shown[1:], strict=True))
