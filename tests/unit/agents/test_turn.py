"""A turn against a model server over real HTTP: what reaches the sink, and in which order."""

from __future__ import annotations

from netra_backend.app.agents.runtime import Usage
from netra_backend.app.agents.tools import calculate
from tests.fakes.model_server import FakeModelServer, Text, Thinking, Tokens, ToolCall
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn


async def test_text_thinking_and_tools_reach_the_sink_in_order(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    server.scripts["sum"] = [
        [
            Thinking("I'll "),
            Thinking("add."),
            Text("Let me "),
            Text("see."),
            ToolCall("calculate", {"expression": "1+1"}),
        ],
        [Text("It "), Text("is 2."), Tokens(7, 3)],
    ]
    runtime = runtime_of(calculate)
    sink = Sink()
    result = await runtime.start(a_turn("script:sum"), sink).wait()

    assert sink.kinds == ["thinking", "text", "tool_started", "tool_finished", "text"]
    assert sink.shown_thinking == "I'll add."
    assert sink.shown_text == "Let me see.\n\nIt is 2."
    assert list(sink.parameters.values()) == [{"expression": "1+1"}]
    assert list(sink.results.values()) == ["1+1 = 2"]
    assert result.usage == Usage(input_tokens=7, output_tokens=3, requests=2, tool_calls=1)
    assert not result.cancelled
    assert [message["role"] for message in server.requests[1].messages] == ["user", "assistant", "tool"]
