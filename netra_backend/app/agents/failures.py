"""Why a turn can't go on, said so that a person knows what to do: the library's errors as `AgentFailure`s."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import httpx2
from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
    OutputTokenLimitExceeded,
    RunCancelled,
    RunTimedOut,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
)

from netra_backend.app.agents.runtime import AgentFailure
from netra_backend.app.agents.server_words import is_overflow, masked, words_of
from netra_backend.app.protocol.events import FailureCode

__all__ = ["deferred_failure", "failure_of", "idle_failure", "total_failure", "worth_repeating"]

_log = logging.getLogger(__name__)
_USED_UP = (
    "The model's limit was used up before it answered: its thinking took all of it (NETRA_MODEL_MAX_TOKENS), or the"
    " conversation leaves no room for an answer."
)
_BROKE = "The connection to the model broke before its answer was whole."


def worth_repeating(error: Exception) -> bool:
    """Whether the same request may succeed a moment later. A timeout isn't: the user has waited long enough."""
    if isinstance(error, ModelTimeoutError | ModelRequestTimeout):
        return False
    return isinstance(error, ModelRateLimitError | ModelUnavailableError | ModelServerError | ModelConnectionError)


def total_failure() -> AgentFailure:
    """The turn as a whole took longer than it may."""
    message = "The run took longer than it may (NETRA_RUN_TIMEOUT)."
    return AgentFailure(FailureCode.TIMEOUT_TOTAL, message, retryable=True)


def idle_failure(seconds: float) -> AgentFailure:
    """The model began to answer and then said nothing for that long."""
    return AgentFailure(
        FailureCode.TIMEOUT_IDLE,
        f"The model stopped in the middle of its answer and said nothing for {seconds:g} s (NETRA_MODEL_IDLE_TIMEOUT).",
        retryable=True,
    )


def deferred_failure(tool_names: Sequence[str]) -> AgentFailure:
    """The model called tools that wait for somebody's approval, or for a result from outside."""
    names = ", ".join(tool_names) or "a tool"
    return AgentFailure(
        FailureCode.AGENT_ERROR,
        f"The agent called {names}, and waits for an approval or for a result from outside, which Netra can't get yet.",
    )


def failure_of(error: Exception, *, begun: bool, secrets: Sequence[str] = ()) -> AgentFailure:
    """`error`, as the user is told. `begun` says whether any of the model's answer had arrived.

    `secrets` are what was sent as keys: model servers like to quote them back, and they're never passed on. The
    server's own words reach the user where it has any, and the log always.

    What isn't a known failure of a model is a defect of the agent: its traceback goes to the log, not to the user.
    """
    if isinstance(error, AgentFailure):
        return error
    code, message, retryable = _explained(error, begun)
    if isinstance(error, ModelAPIError):
        _log.warning(
            "the model's server: %s: %s", code, words_of(error.body, secrets) or masked(error.message, secrets)
        )
        message += _said(error, secrets)
    if code in {FailureCode.AGENT_ERROR, FailureCode.MODEL_BAD_RESPONSE}:
        _log.error("the agent failed (%s)", code, exc_info=error)
    return AgentFailure(code, message, retryable=retryable)


def _explained(error: Exception, begun: bool) -> tuple[FailureCode, str, bool]:
    match error:
        case RunTimedOut():
            return FailureCode.TIMEOUT_TOTAL, "The run took longer than it may (NETRA_RUN_TIMEOUT).", True
        case RunCancelled():
            return FailureCode.AGENT_ERROR, "The agent ended its own run.", False
        case UsageLimitExceeded():
            return (
                FailureCode.USAGE_LIMIT,
                "The run reached its limit of model requests or tokens"
                " (NETRA_RUN_REQUEST_LIMIT, NETRA_RUN_TOKEN_LIMIT).",
                False,
            )
        case ModelAPIError():
            return _model_failure(error, begun)
        case httpx2.TransportError():
            # The OpenAI client lets it pass as it is where the body of a refusal breaks off.
            return FailureCode.MODEL_STREAM_CUT, _BROKE, True
        case ContentFilterError():
            return FailureCode.MODEL_BAD_RESPONSE, "The model's provider held the answer back (content filter).", False
        case OutputTokenLimitExceeded():
            return FailureCode.MODEL_BAD_RESPONSE, _USED_UP, False
        case UnexpectedModelBehavior() if begun:
            return FailureCode.MODEL_BAD_RESPONSE, "The model's answer can't be used by this agent.", True
        case UnexpectedModelBehavior():
            return (
                FailureCode.MODEL_BAD_RESPONSE,
                "The model server gave no answer. If that stays so, check NETRA_MODEL, and that NETRA_MODEL_BASE_URL"
                " is the address of an OpenAI-compatible API (it often ends in /v1).",
                True,
            )
        case _:
            return FailureCode.AGENT_ERROR, "The agent failed. The server's log says why.", False


def _model_failure(error: ModelAPIError, begun: bool) -> tuple[FailureCode, str, bool]:
    status = f" (HTTP {error.status_code})" if isinstance(error, ModelHTTPError) else ""
    match error:
        case ModelRequestTimeout():
            return (
                FailureCode.TIMEOUT_FIRST_TOKEN,
                f"The model didn't begin to answer within {error.timeout:g} s (NETRA_MODEL_FIRST_TOKEN_TIMEOUT).",
                True,
            )
        case ModelConnectionError():
            return _connection_failure(error, begun)
        case ModelAuthenticationError():
            return (
                FailureCode.MODEL_REFUSED_KEY,
                f"The model server refused the key{status}. Check NETRA_MODEL_API_KEY.",
                False,
            )
        case ModelNotFoundError():
            return (
                FailureCode.MODEL_REJECTED_REQUEST,
                f"The model server doesn't know this model or address{status}. Check NETRA_MODEL and"
                " NETRA_MODEL_BASE_URL.",
                False,
            )
        case _ if isinstance(error, ModelContextWindowExceededError) or is_overflow(error.body):
            return (
                FailureCode.MODEL_REJECTED_REQUEST,
                f"The conversation is too long for this model{status}. Start a new one, or lower"
                " NETRA_HISTORY_CHARS or NETRA_HISTORY_TURNS.",
                False,
            )
        case ModelQuotaExceededError():
            return (
                FailureCode.MODEL_RATE_LIMITED,
                f"The account at the model's provider is used up{status}. Check its quota and billing.",
                False,
            )
        case ModelRateLimitError():
            wait = f" It asks to wait {error.retry_after:g} s." if error.retry_after else ""
            return FailureCode.MODEL_RATE_LIMITED, f"The model server is asked too often{status}.{wait}", True
        case ModelRequestRejectedError():
            return (
                FailureCode.MODEL_REJECTED_REQUEST,
                f"The model server rejected the request{status}.",
                False,
            )
        case ModelUnavailableError() | ModelServerError():
            return FailureCode.MODEL_SERVER_ERROR, f"The model server failed{status}. Try again in a while.", True
        case ModelHTTPError():
            return (
                FailureCode.MODEL_REJECTED_REQUEST,
                f"The model server rejected the request{status}.",
                False,
            )
        case _ if error.in_stream:
            return FailureCode.MODEL_SERVER_ERROR, "The model server reported an error.", True
        case _ if "finish_reason" in error.message:
            return FailureCode.MODEL_STREAM_CUT, "The model's answer ended before it was whole.", True
        case _:
            return (
                FailureCode.MODEL_BAD_RESPONSE,
                "The model server's answer makes no sense to Netra. Check that NETRA_MODEL_BASE_URL is the address of"
                " an OpenAI-compatible API (it often ends in /v1).",
                False,
            )


def _connection_failure(error: ModelConnectionError, begun: bool) -> tuple[FailureCode, str, bool]:
    if isinstance(error, ModelTimeoutError):
        if error.phase in {"connect", "pool"}:
            return (
                FailureCode.TIMEOUT_CONNECT,
                "The model server didn't accept a connection in time (NETRA_MODEL_CONNECT_TIMEOUT). Check"
                " NETRA_MODEL_BASE_URL.",
                True,
            )
        return FailureCode.TIMEOUT_IDLE, "The model server was silent for too long.", True
    if begun or error.phase == "read":
        return FailureCode.MODEL_STREAM_CUT, _BROKE, True
    return (
        FailureCode.MODEL_UNREACHABLE,
        "The model server can't be reached. Check NETRA_MODEL_BASE_URL, and that the server runs.",
        True,
    )


def _said(error: ModelAPIError, secrets: Sequence[str]) -> str:
    """The server's own words where it has any: they name what the settings can't."""
    words = words_of(error.body, secrets)
    return f" It says: {words}" if words else ""
