"""From settings to the agent that takes the turns. Nothing heavy is imported before the first of them."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from importlib import metadata
from importlib.machinery import PathFinder

from netra_backend.app.agents.deferred import DeferredRuntime
from netra_backend.app.agents.intents import EXAMPLE_PROMPTS
from netra_backend.app.agents.runtime import AgentRuntime
from netra_backend.app.settings import BadSetting, Settings

__all__ = ["load_agent", "ready_agent"]

_ASSISTANT_SUGGESTIONS = (
    "What is 15 % of 2,340?",
    "What time is it in Tokyo and in Paris?",
    "Keep a note: water the plants on Friday",
)
"""What its tools are for, besides conversation."""
_EXTRA = re.compile(r"pydantic-ai-slim\[([a-z-]+)\]")


async def ready_agent(settings: Settings) -> DeferredRuntime:
    """The agent that the settings name, as a server starts with it.

    One of somebody's own is loaded, so that it is known before its first run, and whether it can work. Netra's own are
    left for their first turn: the library takes seconds to import. Raises `BadSetting`.
    """
    runtime = load_agent(settings)
    if settings.agent is not None:
        await runtime.load()
    return runtime


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
        return DeferredRuntime(lambda: _offline(settings), name="offline", model="offline", suggestions=EXAMPLE_PROMPTS)
    model = settings.model.removeprefix("openai:").strip()
    if settings.model_api_key is None and settings.model_base_url is None and not os.environ.get("OPENAI_API_KEY"):
        raise BadSetting(
            f"model_api_key (NETRA_MODEL_API_KEY): {settings.model} needs a key; for a server of your own set"
            " NETRA_MODEL_BASE_URL instead"
        )
    return DeferredRuntime(
        lambda: _openai(settings, model), name="assistant", model=model, suggestions=_ASSISTANT_SUGGESTIONS
    )


def _offline(settings: Settings) -> AgentRuntime:
    from netra_backend.app.agents.offline import offline_runtime

    return offline_runtime(settings)


def _openai(settings: Settings, model: str) -> AgentRuntime:
    from netra_backend.app.agents.openai_chat import openai_runtime

    return openai_runtime(settings, "assistant", model, _ASSISTANT_SUGGESTIONS)


def _own_agent(settings: Settings, module: str, name: str) -> AgentRuntime:
    try:
        from netra_backend.app.agents.own_agent import own_runtime

        found = importlib.import_module(module)
        if not hasattr(found, name):
            raise _bad(f"{module} has no {name!r}")
        return own_runtime(settings, getattr(found, name), getattr(found, f"{name}_suggestions", ()))
    except BadSetting:
        raise
    except ImportError as error:
        raise _bad(_missing(module, error)) from error
    except BaseException as error:
        # Whatever a module of somebody else's raises while it's imported (a script ends with sys.exit), it's this
        # setting that leads there.
        raise _bad(f"importing {module} raised {type(error).__name__}{_where(error)}") from error


def _missing(module: str, error: ImportError) -> str:
    """What to install. The agent library names the extra of its own that brings a provider's package."""
    extra = _EXTRA.search(str(error))
    if extra is not None:
        ours = metadata.metadata("netra-backend").get_all("Provides-Extra") or []
        home = "netra-backend" if extra[1] in ours else "pydantic-ai-slim"
        return f"{module} needs a package that isn't installed: pip install '{home}[{extra[1]}]'"
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        return f"{module} imports {error.name}, which isn't installed{_where(error)}"
    return f"importing {module} raised {type(error).__name__}{_where(error)}"


def _where(error: BaseException) -> str:
    """The place in the operator's own files, if it lies there; what the error says may be a secret."""
    here = os.getcwd() + os.sep
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(here)]
    own = [frame for frame in frames if f"{os.sep}site-packages{os.sep}" not in frame.filename]
    return f" ({own[-1].filename.removeprefix(here)}, line {own[-1].lineno})" if own else ""


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
