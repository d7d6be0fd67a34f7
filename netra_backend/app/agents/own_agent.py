"""An agent that the user brings: any `pydantic_ai.Agent` that can work here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast, get_args

from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import infer_model
from pydantic_ai.tools import DeferredToolRequests
from pydantic_ai.toolsets import (
    AbstractToolset,
    ApprovalRequiredToolset,
    CombinedToolset,
    ExternalToolset,
    FunctionToolset,
    WrapperToolset,
)

from netra_backend.app.agents.openai_chat import openai_model
from netra_backend.app.agents.pydantic_ai import PydanticRuntime
from netra_backend.app.agents.runtime import Turn
from netra_backend.app.settings import BadSetting, Settings

__all__ = ["own_runtime"]

_MOST_SUGGESTIONS = 6
_LONGEST_SUGGESTION = 200


def own_runtime(settings: Settings, found: object, suggestions: object = ()) -> PydanticRuntime:
    """A runtime for what the setting `agent` names; an agent without a model gets that of the settings.

    `suggestions` is what stands beside it under its name and `_suggestions`: messages to try. Raises `BadSetting` where
    it isn't an agent, there is no model for it, or it needs what Netra can't give; and `ImportError` where its model
    needs a package that isn't installed.
    """
    name = str(settings.agent)
    if not isinstance(found, Agent):
        raise _bad(f"{name} is a {type(found).__name__}, not a pydantic_ai.Agent")
    agent = cast("Agent[Turn, object]", found)
    _check_deps(name, agent)
    _check_deferring(name, agent)
    to_try = _suggestions(name, suggestions)
    model = agent.model
    if model is not None:
        try:
            model = infer_model(model)
        except UserError as error:
            # A key that isn't set, a name that nobody has: the library says which.
            raise _bad(f"{name} has a model that can't be used: {error}") from error
        return PydanticRuntime(agent, settings, name=name, model_name=model.model_name, suggestions=to_try)
    if settings.model == "offline":
        raise _bad(f"{name} has no model of its own; set NETRA_MODEL=openai:NAME")
    model_name = settings.model.removeprefix("openai:").strip()
    chat_model, close = openai_model(settings, model_name)
    return PydanticRuntime(
        agent, settings, name=name, model_name=model_name, model=chat_model, close=close, suggestions=to_try
    )


def _suggestions(name: str, found: object) -> Sequence[str]:
    given = cast("Sequence[object]", found) if isinstance(found, list | tuple) else None
    texts = [each.strip() for each in given or () if isinstance(each, str)]
    if given is None or len(texts) != len(given) or not all(0 < len(text) <= _LONGEST_SUGGESTION for text in texts):
        raise _bad(f"{name}_suggestions must be a list of messages of at most {_LONGEST_SUGGESTION} characters")
    if len(texts) > _MOST_SUGGESTIONS:
        raise _bad(f"{name}_suggestions has {len(texts)} messages; the page has room for {_MOST_SUGGESTIONS}")
    return texts


def _check_deps(name: str, agent: Agent[Turn, object]) -> None:
    wanted: object = agent.deps_type
    if wanted is type(None) or not isinstance(wanted, type):
        return
    try:
        fits = issubclass(Turn, wanted)
    except TypeError:
        # A protocol that can't be asked.
        return
    if not fits:
        raise _bad(
            f"{name} has the deps_type {wanted.__name__}; an agent is given netra_backend.app.agents.runtime.Turn, so"
            " say deps_type=Turn, or none"
        )


def _check_deferring(name: str, agent: Agent[Turn, object]) -> None:
    if _handles_deferred_calls(agent):
        return
    asking = [tool for toolset in agent.toolsets for tool in _deferring(toolset)]
    if asking:
        raise _bad(
            f"{name} has tools that wait for an approval or for a result from outside, which Netra can't get yet:"
            f" {', '.join(asking)}"
        )
    if DeferredToolRequests in _outputs(agent.output_type):
        raise _bad(
            f"{name} may end with DeferredToolRequests, which Netra can't answer yet: take it out of its output_type"
        )


def _handles_deferred_calls(agent: Agent[Turn, object]) -> bool:
    found: list[AbstractCapability[Turn]] = []
    agent.root_capability.apply(found.append)
    unhandled = AbstractCapability.handle_deferred_tool_calls
    return any(type(each).handle_deferred_tool_calls is not unhandled for each in found)


def _deferring(toolset: AbstractToolset[Any]) -> Iterator[str]:
    match toolset:
        case CombinedToolset():
            for each in toolset.toolsets:
                yield from _deferring(each)
        case ApprovalRequiredToolset():
            yield f"those of {toolset.label}"
        case WrapperToolset():
            yield from _deferring(toolset.wrapped)
        case FunctionToolset():
            yield from (tool.name for tool in toolset.tools.values() if tool.requires_approval)
        case ExternalToolset():
            yield from (tool.name for tool in toolset.tool_defs)
        case _:
            pass


def _outputs(output_type: object) -> Sequence[object]:
    if isinstance(output_type, list | tuple):
        return cast("Sequence[object]", output_type)
    return get_args(output_type) or (output_type,)


def _bad(reason: str) -> BadSetting:
    return BadSetting(f"agent (NETRA_AGENT): {reason}")
