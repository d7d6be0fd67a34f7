"""The adapter: a `pydantic_ai.Agent` as an `AgentRuntime`.

Text, thinking and tools reach the sink in order: a response is read to its end before the library runs the tools it
calls, and `TurnHooks` holds each tool back until its start is on record.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence

from pydantic_ai import Agent, CancellationToken
from pydantic_ai.agent import AgentRun, CallToolsNode, ModelRequestNode
from pydantic_ai.capabilities import AbstractCapability, ReinjectSystemPrompt
from pydantic_ai.exceptions import RunCancelled, UserError
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelMessage,
    ModelRequest,
    OutputToolResultEvent,
    RetryFeedbackPart,
    ToolCallPart,
)
from pydantic_ai.models import Model
from pydantic_ai.run import AgentRunResult
from pydantic_ai.tools import DeferredToolRequests
from pydantic_ai.usage import RunUsage, UsageLimits

from netra_backend.app.agents.ahead import Ahead
from netra_backend.app.agents.answer_end import end_of_response
from netra_backend.app.agents.clean import clean_text
from netra_backend.app.agents.containment import contained
from netra_backend.app.agents.failures import deferred_failure, failure_of, idle_failure, total_failure
from netra_backend.app.agents.history import encode, past_messages, stopped_messages, whole_messages
from netra_backend.app.agents.hooks import TurnHooks
from netra_backend.app.agents.idle_watch import IdleWatch
from netra_backend.app.agents.result_allowance import ResultLimits
from netra_backend.app.agents.returned import Unusable, read_returned
from netra_backend.app.agents.runtime import AgentFailure, Json, RunSink, Turn, TurnResult, Usage
from netra_backend.app.agents.sync_tools import SyncToolThreads, UserThreads
from netra_backend.app.agents.transcript import Transcript
from netra_backend.app.protocol.events import FailureCode
from netra_backend.app.settings import Settings

__all__ = ["PydanticRuntime"]

_log = logging.getLogger(__name__)


class PydanticRuntime:
    """Runs turns of one agent for many users at once.

    The agent's dependencies (`RunContext.deps`) are the `Turn`: who asks, and what of their data tools may reach.
    `model` takes the place of the agent's own. `close` is called by `aclose`, for what the agent's model holds open
    (its HTTP client). `counts_tokens` is false where the model has no tokens, whatever the library makes up for it.
    `system_prompt` is false where the agent has none (instructions are something else), so that none has to be looked
    for in each turn.
    """

    def __init__(
        self,
        agent: Agent[Turn, object],
        settings: Settings,
        *,
        name: str,
        model_name: str,
        model: Model | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
        counts_tokens: bool = True,
        system_prompt: bool = True,
        suggestions: Sequence[str] = (),
    ) -> None:
        self._agent = agent
        self._settings = settings
        self._name = name
        self._model_name = model_name
        self._model = model
        self._close = close
        self._counts_tokens = counts_tokens
        self._suggestions = suggestions
        # Its system prompt isn't in the history that a later turn is given.
        self._capabilities: list[AbstractCapability[Turn]] = [ReinjectSystemPrompt()] if system_prompt else []
        self._threads = SyncToolThreads(settings.sync_tool_threads_per_user)
        # Apart, so that a result can be read while deaf tools hold all of their user's threads.
        self._readers = SyncToolThreads(1)

    @property
    def name(self) -> str:
        return self._name

    @property
    def model(self) -> str:
        return self._model_name

    @property
    def suggestions(self) -> Sequence[str]:
        return self._suggestions

    def start(self, turn: Turn, sink: RunSink) -> PydanticTurn:
        """Prepare a turn; the model is asked in `PydanticTurn.wait`."""
        user_id = turn.context.user_id
        return PydanticTurn(
            self._agent,
            self._model,
            self._settings,
            turn,
            sink,
            self._threads.of(user_id),
            self._readers.of(user_id),
            counts_tokens=self._counts_tokens,
            capabilities=self._capabilities,
        )

    async def aclose(self) -> None:
        """Close the model's connections."""
        if self._close is not None:
            await self._close()


class PydanticTurn:
    """One turn under way (a `TurnHandle`)."""

    def __init__(
        self,
        agent: Agent[Turn, object],
        model: Model | None,
        settings: Settings,
        turn: Turn,
        sink: RunSink,
        threads: UserThreads,
        readers: UserThreads,
        *,
        counts_tokens: bool,
        capabilities: Sequence[AbstractCapability[Turn]],
    ) -> None:
        self._counts_tokens = counts_tokens
        self._agent = agent
        self._settings = settings
        self._turn = turn
        self._transcript = Transcript(sink)
        self._capabilities = capabilities
        self._threads = threads
        self._readers = readers
        self._token = CancellationToken()
        self._idle = IdleWatch(settings.model_idle_timeout, self._token.cancel)
        self._ahead = Ahead(self._transcript, self._idle)
        self._hooks = TurnHooks(
            self._transcript,
            self._ahead,
            threads,
            readers,
            longest_result=settings.max_result_chars,
            retries=settings.model_retries,
            first_token_timeout=settings.model_first_token_timeout,
            result_limits=ResultLimits(settings.tool_result_chars, settings.request_results_chars),
        )
        self._model = model
        self._cancelled = False
        self._timed_out = False
        self._run: AgentRun[Turn, object] | None = None

    def cancel(self) -> None:
        self._cancelled = True
        self._token.cancel()

    async def wait(self) -> TurnResult:
        """See `TurnHandle.wait`. Raises `AgentFailure`; and as it is whatever a call of the sink raised."""
        # Each capability costs a copy of the run's context at many hooks, so what needs none is done without.
        timer = asyncio.get_running_loop().call_later(self._settings.run_timeout, self._time_out)
        try:
            with self._agent.using_thread_executor(self._threads):
                return await self._take_turn()
        finally:
            timer.cancel()

    def _time_out(self) -> None:
        # Ours, not the library's: that one is a date, and a wall clock that jumps would end the run.
        self._timed_out = True
        self._token.cancel()

    async def _take_turn(self) -> TurnResult:
        try:
            with contained():
                return await self._run_agent()
        except RunCancelled as ended:
            if self._cancelled:
                return TurnResult(self._usage(self._with_cut(ended.usage)), self._cut_short(), cancelled=True)
            raise self._failure(ended) from ended
        except Exception as error:
            if self._transcript.is_of_sink(error):
                raise
            if self._cancelled:
                # What breaks while it's torn down is no failure of the turn: it was to end.
                _log.warning("a stopped turn ended with an error", exc_info=error)
                return TurnResult(Usage(), self._cut_short(), cancelled=True)
            raise self._failure(error) from error
        finally:
            self._idle.close()

    async def _run_agent(self) -> TurnResult:
        async with self._agent.iter(
            self._turn.text,
            message_history=past_messages(self._turn.history, self._settings.history_tool_chars),
            deps=self._turn,
            model=self._model,
            usage_limits=UsageLimits(
                request_limit=self._settings.run_request_limit,
                total_tokens_limit=self._settings.run_token_limit,
            ),
            cancellation_token=self._token,
            capabilities=[self._hooks, *self._capabilities],
        ) as run:
            self._run = run
            async for node in run:
                # A node that isn't streamed here is run by the library when the next is asked for.
                if isinstance(node, ModelRequestNode):
                    self._end_response()
                    self._begin_response(node)
                elif isinstance(node, CallToolsNode):
                    self._end_response()
                    if node.model_response.tool_calls:
                        await self._run_tools(node, run)
            result = _result(run)
            if isinstance(result.output, DeferredToolRequests):
                raise deferred_failure(self._hooks.deferred)
            output = await self._read_output(result)
        return TurnResult(
            self._usage(result.usage),
            self._kept(whole_messages(result.new_messages(), self._transcript)),
            finish_reason=end_of_response(result.response),
            output=output,
        )

    def _end_response(self) -> None:
        """The library is through with a response: it is in its messages, whether it was accepted or not."""
        if self._ahead.so_far() is not None:
            self._transcript.complete_response()

    def _begin_response(self, node: ModelRequestNode[Turn, object]) -> None:
        self._refuse_second_answer(node.request)
        self._transcript.begin_response()
        self._ahead.begin_response()
        self._hooks.begin_response()

    async def _run_tools(self, node: CallToolsNode[Turn, object], run: AgentRun[Turn, object]) -> None:
        calls: dict[str, ToolCallPart] = {}
        async with node.stream(run.ctx) as stream:
            async for event in stream:
                match event:
                    case FunctionToolCallEvent(part=call):
                        calls[call.tool_call_id] = call
                    case FunctionToolResultEvent(part=answer):
                        await self._hooks.refused(calls.get(answer.tool_call_id), answer)
                    case OutputToolResultEvent(part=answer) if answer.outcome == "retried":
                        self._refuse_if_answered()
                    case _:
                        pass

    def _refuse_second_answer(self, request: ModelRequest) -> None:
        if any(isinstance(part, RetryFeedbackPart) for part in request.parts):
            self._refuse_if_answered()

    def _refuse_if_answered(self) -> None:
        # What was shown can't be taken back, so a rejected answer ends the turn instead of getting a second one.
        if self._transcript.text_in_response:
            raise AgentFailure(FailureCode.MODEL_BAD_RESPONSE, "The answer didn't pass the agent's own check.")

    async def _read_output(self, result: AgentRunResult[object]) -> Json:
        """The output, where it isn't the text that was shown (structured, or made by a function); None where it is.

        Where the last response showed no text, the output is shown as the answer too.
        """
        if result.output is None:
            return None
        if isinstance(result.output, str):
            return await self._read_text(clean_text(result.output))
        try:
            output = (await read_returned(result.output, self._settings.max_result_chars, self._readers)).shown
        except Unusable as error:
            raise AgentFailure(FailureCode.AGENT_ERROR, f"The agent's output can't be told: {error}.") from error
        if not self._transcript.text_in_response:
            await self._transcript.text(json.dumps(output, ensure_ascii=False, indent=2))
        return output

    async def _read_text(self, output: str) -> Json:
        if not self._transcript.text_in_response:
            await self._transcript.text(output)
            return None
        last = len(self._transcript.responses) - 1
        shown = "".join(text for kind, text in self._transcript.shown_in(last) if kind == "text")
        # The library may join and trim pieces of text otherwise than they were shown.
        return None if output.split() == shown.split() else output

    def _kept(self, messages: Sequence[ModelMessage]) -> bytes | None:
        """The turn's messages as later turns need them."""
        settings = self._settings
        return encode(messages, tool_chars=settings.history_tool_chars, most=max(settings.history_chars, 10_000))

    def _cut_short(self) -> bytes | None:
        """The history of a turn that was stopped or failed: what the user was shown of it."""
        messages = self._run.new_messages() if self._run is not None else []
        under_way = self._ahead.so_far()
        if under_way is not None:
            messages.append(under_way)
        return self._kept(stopped_messages(messages, self._transcript, self._hooks.tool_returns, self._turn.text))

    def _failure(self, error: Exception) -> AgentFailure:
        if self._timed_out and isinstance(error, RunCancelled):
            failure = total_failure()
        elif self._idle.expired and isinstance(error, RunCancelled):
            failure = idle_failure(self._idle.limit)
        elif isinstance(error, UserError) and self._hooks.deferred:
            # What the library says where an agent isn't made to give such calls back.
            failure = deferred_failure(self._hooks.deferred)
        else:
            begun = bool(self._transcript.responses and self._transcript.responses[-1].stretches)
            failure = failure_of(error, begun=begun, secrets=self._settings.model_secrets)
        failure.history = self._cut_short()
        return failure

    def _with_cut(self, usage: RunUsage) -> RunUsage:
        """`usage`, and that of a response that was cut: it is billed, and counts once anything of it had come."""
        under_way = self._ahead.so_far()
        if under_way is None or not self._transcript.responses or self._transcript.responses[-1].complete:
            return usage
        return usage + under_way.usage + RunUsage(requests=1 if under_way.parts else 0)

    def _usage(self, usage: RunUsage) -> Usage:
        if not self._counts_tokens:
            return Usage(requests=usage.requests, tool_calls=usage.tool_calls)
        return Usage(usage.input_tokens, usage.output_tokens, usage.requests, usage.tool_calls)


def _result(run: AgentRun[Turn, object]) -> AgentRunResult[object]:
    if run.result is None:
        raise AgentFailure(FailureCode.AGENT_ERROR, "The agent ended without a result.")
    return run.result
