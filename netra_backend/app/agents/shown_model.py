"""Any model, for one turn: it is asked in a form that it takes, and its answer is shown as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from pydantic_ai.exceptions import ModelRequestTimeout
from pydantic_ai.messages import InstructionPart, ModelMessage, ModelRequest, ModelResponse, SystemPromptPart
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext

from netra_backend.app.agents.ahead import Ahead, ShowsAhead
from netra_backend.app.agents.conversation import conversation
from netra_backend.app.agents.result_allowance import ResultAllowance, ResultLimits
from netra_backend.app.agents.runtime import AgentFailure
from netra_backend.app.protocol.events import FailureCode

__all__ = ["ShownModel"]


class ShownModel(WrapperModel):
    """Asks for a stream, and answers as if it hadn't.

    The library's own way of streaming a turn carries each piece through some thirty layers, which costs more than all
    the rest of a turn, and only brings what is known here. `first_token_timeout` is in seconds. Tool results are given
    within `result_limits`, and else with a note.
    """

    def __init__(self, model: Model, ahead: Ahead, first_token_timeout: float, result_limits: ResultLimits) -> None:
        super().__init__(model.showing(ahead) if isinstance(model, ShowsAhead) else model)
        self._ahead = ahead
        self._limit = first_token_timeout
        self._result_limits = result_limits

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask, and show the answer as it comes.

        Raises what a stream of the library's raises, and `AgentFailure` where a part of the answer was shown and this
        would begin another.
        """
        goes_on = _goes_on(messages)
        if self._ahead.begun and not goes_on:
            message = "The model's answer broke off. What was shown of it can't be taken back for another."
            raise AgentFailure(FailureCode.MODEL_STREAM_CUT, message, retryable=True)
        if not goes_on:
            # The very last step before the model: whatever the agent, its capabilities or the library put together.
            tools = [*model_request_parameters.function_tools, *model_request_parameters.output_tools]
            messages = conversation(messages, {tool.name for tool in tools}, ResultAllowance(self._result_limits))
            if isinstance(self.wrapped, OpenAIChatModel):
                messages, model_request_parameters = _with_one_system_message(messages, model_request_parameters)
        limit: float | None = self._limit
        if isinstance(self.wrapped, FallbackModel):
            # It limits each of its models by itself.
            model_settings, limit = {**(model_settings or {}), "first_event_timeout": self._limit}, None
        first = asyncio.timeout(limit)
        asked = self.wrapped.request_stream(messages, model_settings, model_request_parameters)
        try:
            async with first:
                self._ahead.asked(first)
                async with asked as response:
                    await self._ahead.read(response)
        except TimeoutError as error:
            if limit is None or not first.expired():
                raise
            raise ModelRequestTimeout(self.model_name, limit, setting="first_event_timeout") from error
        return response.get()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[object] | None = None,  # noqa: ARG002 - the answer is asked for without it
    ) -> AsyncGenerator[StreamedResponse]:
        """The whole answer as a stream, for capabilities that look at its events."""
        response = await self.request(messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(response, model_request_parameters=model_request_parameters, replay_events=True)


def _with_one_system_message(
    messages: list[ModelMessage], parameters: ModelRequestParameters
) -> tuple[list[ModelMessage], ModelRequestParameters]:
    """System prompt and instructions as one part; of each part the chat completions API makes a system message."""
    first = messages[0]
    prompts = [part for part in first.parts if isinstance(part, SystemPromptPart)]
    instructions = [part for part in parameters.instruction_parts or () if part.content.strip()]
    if len(prompts) + len(instructions) < 2 or not isinstance(first, ModelRequest):
        return messages, parameters
    text = "\n\n".join(part.content for part in [*prompts, *instructions])
    others = [part for part in first.parts if not isinstance(part, SystemPromptPart)]
    return [replace(first, parts=others), *messages[1:]], replace(parameters, instruction_parts=[InstructionPart(text)])


def _goes_on(messages: Sequence[ModelMessage]) -> bool:
    last = messages[-1] if messages else None
    return isinstance(last, ModelResponse) and last.state == "suspended"
