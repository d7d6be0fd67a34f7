"""Netra's own agent on any OpenAI-compatible server."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpx2Client
from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider

from netra_backend.app.agents.aiohttp_transport import AiohttpTransport
from netra_backend.app.agents.bounded_body import bound_refusal
from netra_backend.app.agents.openai_request import LeanClient, SdkClient, nobodys_cookies
from netra_backend.app.agents.openai_stream import AnswerLimits, ChatModel
from netra_backend.app.agents.pydantic_ai import PydanticRuntime
from netra_backend.app.agents.request_form import RequestForm
from netra_backend.app.agents.runtime import Turn
from netra_backend.app.agents.tool_calls import CallLimits
from netra_backend.app.agents.tools import NETRA_TOOLS
from netra_backend.app.settings import Settings

__all__ = ["api_key", "openai_model", "openai_runtime"]

_MISTRAL = re.compile(r"(mi|mix|mini|dev|code|magi|pix|vox|math)stral|mixtral|pixtral|voxtral", re.IGNORECASE)
"""The family names of Mistral's models."""
_INSTRUCTIONS = (
    "You are a helpful assistant. Use the tools for arithmetic, for times and dates, and for the user's notes and"
    " earlier threads. Answer in the language of the user."
)


def openai_runtime(settings: Settings, name: str, model: str, suggestions: Sequence[str]) -> PydanticRuntime:
    """The agent on that model of the server that the settings name."""
    chat_model, close = openai_model(settings, model, optional_tools=True)
    agent = Agent(
        chat_model,
        deps_type=Turn,
        instructions=_INSTRUCTIONS,
        tools=NETRA_TOOLS,
        name=name,
    )
    return PydanticRuntime(
        agent, settings, name=name, model_name=model, close=close, system_prompt=False, suggestions=suggestions
    )


def openai_model(
    settings: Settings, name: str, *, optional_tools: bool = False
) -> tuple[Model, Callable[[], Awaitable[None]]]:
    """A model on the server that the settings name, and what closes its one HTTP client.

    `optional_tools`: where the server takes no tools the model is asked without, since its answer is of use all the
    same. That's so for Netra's own assistant; an agent that was brought keeps its tools.

    `Settings.model_client` says who reads the responses: Netra, or the OpenAI client.
    """
    profile = OpenAIModelProfile(
        openai_chat_streaming_requires_finish_reason=True, openai_chat_supports_multiple_system_messages=False
    )
    if _MISTRAL.search(name):
        # What Mistral's templates and servers check, and other families' would not always like: Kimi's has another.
        profile["tool_call_id_length"] = 9
    key = api_key(settings)
    form = request_form(settings, optional_tools=optional_tools)
    if settings.model_client == "lean":
        transport = AiohttpTransport(settings.model_connect_timeout)
        lean = LeanClient(transport, base_url=settings.model_base_url, api_key=key, form=form)
        return chat_model(settings, name, lean, profile), lean.close
    client = SdkClient(
        base_url=settings.model_base_url,
        api_key=key,
        # Netra repeats requests itself, so that a failure says how often it really asked.
        max_retries=0,
        # Silence is timed by the run, which names what ran out; the client only knows about connections.
        timeout=httpx2.Timeout(None, connect=settings.model_connect_timeout),
        http_client=DefaultAsyncHttpx2Client(cookies=nobodys_cookies(), event_hooks={"response": [bound_refusal]}),
    )
    client.form = form
    return chat_model(settings, name, client, profile), client.close


def request_form(settings: Settings, *, optional_tools: bool) -> RequestForm:
    """What the settings say of requests."""
    # OpenAI's own servers take the new name only; most others know the old one.
    limit = "max_completion_tokens" if settings.model_base_url is None else "max_tokens"
    sets = {
        limit: settings.model_max_tokens,
        "temperature": settings.model_temperature,
        "reasoning_effort": settings.model_reasoning_effort,
    }
    off = {"stream": settings.model_streaming, "stream_options": settings.model_stream_options}
    off["tools"] = settings.model_tools
    return RequestForm(
        sets={name: value for name, value in sets.items() if value is not None},
        headers={name: value.get_secret_value() for name, value in settings.model_extra_headers.items()},
        body=settings.model_extra_body,
        without=frozenset(name for name, on in off.items() if not on),
        memory=settings.model_refusal_memory,
        secrets=settings.model_secrets,
        optional_tools=optional_tools,
    )


def chat_model(settings: Settings, name: str, client: AsyncOpenAI, profile: OpenAIModelProfile) -> ChatModel:
    """The model of that name, as that client reaches it."""
    model = ChatModel(name, provider=OpenAIProvider(openai_client=client), profile=profile)
    model.limits = AnswerLimits(
        settings.model_max_response_bytes,
        settings.model_max_event_bytes,
        CallLimits(settings.model_max_tool_calls, settings.model_max_argument_chars),
    )
    model.secrets = settings.model_secrets
    model.opens_thinking = settings.model_opens_thinking
    return model


def api_key(settings: Settings) -> str | None:
    """The key for the model server. A server of one's own often needs none, and gets no other provider's key."""
    if settings.model_api_key is not None:
        return settings.model_api_key.get_secret_value()
    return "none" if settings.model_base_url is not None else None
