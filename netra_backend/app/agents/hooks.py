"""Where Netra steps into a run of the library: around each model and each tool, and after a request that failed."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import Any, cast

from pydantic_ai.capabilities import AbstractCapability, WrapToolExecuteHandler
from pydantic_ai.exceptions import (
    ApprovalRequired,
    CallDeferred,
    ModelAPIError,
    ModelRetry,
    RetryModelRequest,
    RunCancelled,
    SkipToolExecution,
    ToolFailed,
    ToolFailedError,
    ToolRetryError,
    UsageLimitExceeded,
)
from pydantic_ai.messages import (
    ModelResponse,
    ModelResponsePart,
    RetryFeedbackPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models import Model, ModelRequestContext
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, RunContext, ToolDefinition
from pydantic_core import PydanticSerializationError, to_jsonable_python

from netra_backend.app.agents.ahead import Ahead
from netra_backend.app.agents.clean import clean_text
from netra_backend.app.agents.containment import contained
from netra_backend.app.agents.failures import worth_repeating
from netra_backend.app.agents.result_allowance import ResultLimits
from netra_backend.app.agents.returned import Unusable, read_returned
from netra_backend.app.agents.runtime import AgentFailure, Json, Turn
from netra_backend.app.agents.shown_model import ShownModel
from netra_backend.app.agents.sync_tools import UserThreads
from netra_backend.app.agents.transcript import Transcript
from netra_backend.app.protocol.events import FailureCode

__all__ = ["TurnHooks"]

_log = logging.getLogger(__name__)
_CONTROL_FLOW = (ModelRetry, ToolFailed, CallDeferred, ApprovalRequired, RunCancelled, UsageLimitExceeded, AgentFailure)
"""What the library, or a limit, ends a tool call with; not a defect of the tool."""

_LONGEST_ID = 100
_BACKOFF = 0.25
_LONGEST_WAIT = 20.0
"""Seconds. A server that asks for a longer pause than this is not waited for: the user is told."""


@dataclass
class TurnHooks(AbstractCapability[Turn]):
    """One turn's hooks: every tool is on record before it starts, and gets its end reported once.

    The tool runs inside `wrap_tool_execute`, in a task of its own for each call, so what is awaited here before
    `handler` holds back this tool alone, also when a response calls several at once.
    """

    transcript: Transcript
    ahead: Ahead
    threads: UserThreads
    readers: UserThreads
    longest_result: int
    retries: int
    first_token_timeout: float
    result_limits: ResultLimits
    tool_returns: dict[str, ToolReturnPart] = field(default_factory=dict[str, ToolReturnPart])
    """What the tools called by the latest response returned, by the model's own id of the call."""
    deferred: list[str] = field(default_factory=list[str])
    """The tools called last that wait for somebody, and for which the agent may have a handler of its own."""
    _reported: set[str] = field(default_factory=set[str])
    _in_response: dict[str, str] = field(default_factory=dict[str, str])

    def begin_response(self) -> None:
        """A new response of the model begins; the ids of its calls may repeat those of an earlier one."""
        self.tool_returns.clear()
        self._in_response.clear()

    def get_wrapper_model(self, model: Model) -> Model:
        """Whichever model serves a request, its answer is shown as it comes."""
        return ShownModel(model, self.ahead, self.first_token_timeout, self.result_limits)

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Turn],  # noqa: ARG002
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,  # noqa: ARG002
        args: dict[str, Any],
        handler: WrapToolExecuteHandler,
    ) -> Any:
        identity = self._identity(call.tool_call_id)
        await self.transcript.tool_started(identity, call.tool_name, _parameters(call))
        try:
            with contained():
                result = await handler(args)
        except asyncio.CancelledError:
            abandoned = self.threads.begun_for(asyncio.current_task())
            await self.transcript.tool_finished(identity, "unknown" if abandoned else "cancelled", None)
            raise
        except SkipToolExecution as answered:
            result = answered.result
        except ToolRetryError as retry:
            await self._failed(identity, call, retry.tool_retry)
            raise
        except ToolFailedError as failed:
            await self._failed(identity, call, failed.tool_failed)
            raise
        except _CONTROL_FLOW:
            await self.transcript.tool_finished(identity, "error", "The tool's call wasn't carried out.")
            raise
        except Exception as error:
            raise await self._broken(identity, call, "failed", error) from error
        return await self._taken(identity, call, result)

    async def _taken(self, identity: str, call: ToolCallPart, result: object) -> object:
        """Report what a tool returned, and have the library go on with it. The tool has had its effect by now."""
        try:
            with contained():
                returned = await read_returned(result, self.longest_result, self.readers)
        except asyncio.CancelledError:
            await self.transcript.tool_finished(identity, "ok", "The run ended before its result was read.")
            raise
        except Unusable as unusable:
            raise await self._broken(
                identity, call, f"gave a result that can't be used: {unusable}", unusable
            ) from None
        except Exception as error:
            raise await self._broken(identity, call, "gave a result that can't be used", error) from error
        self.tool_returns[call.tool_call_id] = ToolReturnPart(call.tool_name, returned.value, call.tool_call_id)
        await self.transcript.tool_finished(identity, "ok", returned.shown)
        return returned.given

    async def _broken(self, identity: str, call: ToolCallPart, what: str, error: Exception) -> AgentFailure:
        _log.error("the tool %s %s", call.tool_name, what, exc_info=error)
        await self.transcript.tool_finished(identity, "error", f"The tool {what}.")
        return AgentFailure(FailureCode.TOOL_FAILED, f"The tool {call.tool_name} {what}.")

    async def refused(self, call: ToolCallPart | None, answer: ToolReturnPart) -> None:
        """A call that was answered without running its tool: unknown name, bad arguments. It's shown all the same."""
        if answer.tool_call_id in self._in_response or answer.outcome in {"success", "interrupted"}:
            return
        identity = self._identity(answer.tool_call_id)
        await self.transcript.tool_started(identity, answer.tool_name, _parameters(call) if call else {})
        await self.transcript.tool_finished(identity, "error", _refusal(answer))

    async def after_model_request(
        self,
        ctx: RunContext[Turn],  # noqa: ARG002
        *,
        request_context: ModelRequestContext,  # noqa: ARG002
        response: ModelResponse,
    ) -> ModelResponse:
        """Clean what the model said for its own next request too, which couldn't be encoded otherwise."""
        return replace(response, parts=[_cleaned_part(part) for part in response.parts])

    async def on_model_request_error(
        self,
        ctx: RunContext[Turn],  # noqa: ARG002
        *,
        request_context: ModelRequestContext,
        error: Exception,
    ) -> ModelResponse:
        """Ask again, if that may help and nothing of the answer has arrived: what was shown can't be taken back."""
        if self.ahead.begun or request_context.attempt > self.retries or not worth_repeating(error):
            raise error
        asked = error.retry_after if isinstance(error, ModelAPIError) else None
        if asked is not None and asked > _LONGEST_WAIT:
            raise error
        await asyncio.sleep(max(asked or 0, _BACKOFF * 2 ** (request_context.attempt - 1)))
        raise RetryModelRequest

    async def handle_deferred_tool_calls(
        self,
        ctx: RunContext[Turn],  # noqa: ARG002
        *,
        requests: DeferredToolRequests,
    ) -> DeferredToolResults | None:
        """Leave it to the agent's own handlers, and remember what it was about, in case there are none."""
        self.deferred = [call.tool_name for call in (*requests.approvals, *requests.calls)]
        return None

    def _identity(self, tool_call_id: str) -> str:
        # Some servers count calls anew in each response ("call_0"); a run's events need ids that are unique.
        base = clean_text(tool_call_id)[:_LONGEST_ID]
        identity, number = base, 1
        while identity in self._reported:
            number += 1
            identity = f"{base}#{number}"
        self._reported.add(identity)
        self._in_response[tool_call_id] = identity
        return identity

    async def _failed(self, identity: str, call: ToolCallPart, answer: ToolReturnPart | RetryFeedbackPart) -> None:
        if isinstance(answer, ToolReturnPart):
            self.tool_returns[call.tool_call_id] = answer
        await self.transcript.tool_finished(identity, "error", _refusal(answer))


def _parameters(call: ToolCallPart) -> Json:
    return _jsonable(call.args_as_dict())


def _refusal(answer: ToolReturnPart | RetryFeedbackPart) -> Json:
    return _jsonable(cast("object", answer.content))


def _cleaned_part(part: ModelResponsePart) -> ModelResponsePart:
    if isinstance(part, TextPart | ThinkingPart):
        return replace(part, content=clean_text(part.content))
    if isinstance(part, ToolCallPart) and isinstance(part.args, str):
        return replace(part, args=clean_text(part.args))
    return part


def _jsonable(value: object) -> Json:
    try:
        return to_jsonable_python(value, serialize_unknown=True, bytes_mode="base64", by_alias=True)
    except (PydanticSerializationError, ValueError):
        return str(type(value).__name__)
