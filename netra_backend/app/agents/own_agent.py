"""An agent that the user brings: any `pydantic_ai.Agent`."""

from __future__ import annotations

from typing import cast

from pydantic_ai import Agent
from pydantic_ai.models import Model

from netra_backend.app.agents.openai_chat import openai_model
from netra_backend.app.agents.pydantic_ai import PydanticRuntime
from netra_backend.app.agents.runtime import Turn
from netra_backend.app.settings import BadSetting, Settings

__all__ = ["own_runtime"]


def own_runtime(settings: Settings, found: object) -> PydanticRuntime:
    """A runtime for what the setting `agent` names; an agent without a model gets that of the settings.

    Raises `BadSetting` where it isn't an agent, or there is no model for it.
    """
    if not isinstance(found, Agent):
        raise BadSetting(f"agent (NETRA_AGENT): {settings.agent} is a {type(found).__name__}, not a pydantic_ai.Agent")
    agent = cast("Agent[Turn, object]", found)
    name = str(settings.agent)
    model = agent.model
    if model is not None:
        model_name = model.model_name if isinstance(model, Model) else str(model)
        return PydanticRuntime(agent, settings, name=name, model_name=model_name)
    if settings.model == "offline":
        raise BadSetting(f"agent (NETRA_AGENT): {name} has no model of its own; set NETRA_MODEL=openai:NAME")
    model_name = settings.model.removeprefix("openai:").strip()
    chat_model, close = openai_model(settings, model_name)
    return PydanticRuntime(agent, settings, name=name, model_name=model_name, model=chat_model, close=close)
