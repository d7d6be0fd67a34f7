"""From settings to the agent that takes the turns. Nothing heavy is imported before the first of them."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import PathFinder

from netra_backend.app.agents.deferred import DeferredRuntime
from netra_backend.app.agents.runtime import AgentRuntime
from netra_backend.app.settings import BadSetting, Settings

__all__ = ["load_agent"]


def load_agent(settings: Settings) -> DeferredRuntime:
    """The agent that the settings name. Cheap: it's built in its first turn, or by `DeferredRuntime.load`.

    Raises `BadSetting` where it's certain already that it can't be built: the module of `agent` isn't there, or
    the model needs a key.
    """
    if settings.agent is not None:
        module, _, name = settings.agent.partition(":")
        _find(module)
        return DeferredRuntime(lambda: _own_agent(settings, module, name), name=settings.agent, model=settings.model)
    if settings.model == "offline":
        return DeferredRuntime(lambda: _offline(settings), name="offline", model="offline")
    model = settings.model.removeprefix("openai:").strip()
    if settings.model_api_key is None and settings.model_base_url is None and not os.environ.get("OPENAI_API_KEY"):
        raise BadSetting(
            f"model_api_key (NETRA_MODEL_API_KEY): {settings.model} needs a key; for a server of your own set"
            " NETRA_MODEL_BASE_URL instead"
        )
    return DeferredRuntime(lambda: _openai(settings, model), name="assistant", model=model)


def _offline(settings: Settings) -> AgentRuntime:
    from netra_backend.app.agents.offline import offline_runtime

    return offline_runtime(settings)


def _openai(settings: Settings, model: str) -> AgentRuntime:
    from netra_backend.app.agents.openai_chat import openai_runtime

    return openai_runtime(settings, "assistant", model)


def _own_agent(settings: Settings, module: str, name: str) -> AgentRuntime:
    from netra_backend.app.agents.own_agent import own_runtime

    try:
        found = importlib.import_module(module)
    except BaseException as error:
        # Whatever a module of somebody else's raises while it's imported (a script ends with sys.exit), it's this
        # setting that leads there.
        raise _bad(f"importing {module} raised {type(error).__name__}; the server's log says where") from error
    if not hasattr(found, name):
        raise _bad(f"{module} has no {name!r}")
    return own_runtime(settings, getattr(found, name))


def _find(module: str) -> None:
    """Check that the module is there, without importing it or the packages it's in. Raises `BadSetting`."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    path: list[str] | None = None
    for depth, part in enumerate(module.split("."), start=1):
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            missing = ".".join(module.split(".")[:depth])
            raise _bad(f"there is no module {missing!r}, neither in {here} nor among the installed packages")
        path = list(spec.submodule_search_locations or [])


def _bad(reason: str) -> BadSetting:
    return BadSetting(f"agent (NETRA_AGENT): {reason}")
