"""Any model, for one turn: its answer is shown as it comes, and the library gets it whole."""

from __future__ import annotations

import asyncio

from pydantic_ai.exceptions import ModelRequestTimeout
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from netra_backend.app.agents.ahead import Ahead, ShowsAhead

__all__ = ["ShownModel"]


class ShownModel(WrapperModel):
    """Asks for a stream, and answers as if it hadn't.

    The library's own way of streaming a turn carries each piece through some thirty layers, which costs more than all
    the rest of a turn, and only brings what is known here.
    """

    def __init__(self, model: Model, ahead: Ahead) -> None:
        super().__init__(model.showing(ahead) if isinstance(model, ShowsAhead) else model)
        self._ahead = ahead
        # A fallback limits each of its models by itself.
        self._limits_itself = isinstance(model, FallbackModel)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask, and show the answer as it comes. Raises what a stream of the library's raises."""
        limit = None if self._limits_itself else (model_settings or {}).get("first_event_timeout")
        first = asyncio.timeout(limit)
        asked = self.wrapped.request_stream(messages, model_settings, model_request_parameters)
        try:
            async with first, asked as response:
                return await self._ahead.read(response, first)
        except TimeoutError as error:
            if limit is None or not first.expired():
                raise
            raise ModelRequestTimeout(self.model_name, limit, setting="first_event_timeout") from error
