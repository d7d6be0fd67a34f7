"""Tools for models that take them, and none for those that don't."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import ModelRequestRejectedError, RetryModelRequest
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import ModelRequestContext
from pydantic_ai.tools import RunContext

from netra_backend.app.agents.runtime import Turn

__all__ = ["OptionalTools"]

_log = logging.getLogger(__name__)


@dataclass
class OptionalTools(AbstractCapability[Turn]):
    """Asks again without tools when a server rejects them, and then never offers them to it again.

    Many small models on one's own server can't call tools, and the server answers 400 to a request that offers any.
    It's for Netra's own assistant, which is of use without tools too; an agent that was brought keeps its own.
    """

    offered: bool = True

    async def prepare_model_request(
        self,
        ctx: RunContext[Turn],  # noqa: ARG002
        request_context: ModelRequestContext,
    ) -> ModelRequestContext:
        """Take the tools out of the request, if the server doesn't want them."""
        if self.offered:
            return request_context
        parameters = replace(request_context.model_request_parameters, function_tools=[])
        return replace(request_context, model_request_parameters=parameters)

    async def on_model_request_error(
        self,
        ctx: RunContext[Turn],  # noqa: ARG002
        *,
        request_context: ModelRequestContext,
        error: Exception,
    ) -> ModelResponse:
        """Tell a rejection of the tools from other failures, which are left to others."""
        offered = bool(request_context.model_request_parameters.function_tools)
        if not (offered and isinstance(error, ModelRequestRejectedError) and not error.in_stream):
            raise error
        if "tool" not in str(error.body).lower():
            raise error
        self.offered = False
        _log.warning("the model %s takes no tools; it gets none from now on", request_context.model.model_name)
        raise RetryModelRequest
