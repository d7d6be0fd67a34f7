"""A runtime that is built when its first turn comes: the agent library takes seconds to import."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Sequence

from netra_backend.app.agents.runtime import AgentFailure, AgentRuntime, RunSink, Turn, TurnHandle, TurnResult, Usage
from netra_backend.app.protocol.events import FailureCode
from netra_backend.app.settings import BadSetting

__all__ = ["DeferredRuntime"]

_log = logging.getLogger(__name__)


class DeferredRuntime:
    """Stands for the runtime that `build` makes. `build` runs in a thread, once; a failed build is tried again."""

    def __init__(
        self, build: Callable[[], AgentRuntime], *, name: str, model: str, suggestions: Sequence[str] = ()
    ) -> None:
        self._build = build
        self._name = name
        self._model = model
        self._suggestions = suggestions
        self._built: AgentRuntime | None = None
        self._building: asyncio.Task[AgentRuntime] | None = None

    @property
    def name(self) -> str:
        return self._name if self._built is None else self._built.name

    @property
    def model(self) -> str:
        return self._model if self._built is None else self._built.model

    @property
    def suggestions(self) -> Sequence[str]:
        return self._suggestions if self._built is None else self._built.suggestions

    @property
    def built(self) -> AgentRuntime | None:
        """The runtime, once it's built."""
        return self._built

    async def load(self) -> AgentRuntime:
        """Build the runtime now, or wait for the build that is under way. Raises `BadSetting`."""
        if self._built is not None:
            return self._built
        # Not awaited itself: the build is everybody's, and a thread can't be stopped anyway.
        building = self.building()
        await asyncio.wait({building})
        return building.result()

    def building(self) -> asyncio.Task[AgentRuntime]:
        """The build that is under way; begins one if there is none."""
        if self._building is None:
            self._building = asyncio.create_task(asyncio.to_thread(self._build))
            self._building.add_done_callback(self._ended)
        return self._building

    def _ended(self, building: asyncio.Task[AgentRuntime]) -> None:
        self._building = None
        if building.cancelled():
            return
        error = building.exception()
        if error is None:
            self._built = building.result()
            # What was imported stays for good; looking through it again and again would interrupt every stream.
            gc.collect()
            gc.freeze()
            # Once more, so that the interpreter counts from here: it puts off looking at everything until a quarter of
            # what it last found has been added, and that was all that was imported.
            gc.collect()

    def start(self, turn: Turn, sink: RunSink) -> TurnHandle:
        """Prepare a turn, whether the runtime is there already or not."""
        if self._built is not None:
            return self._built.start(turn, sink)
        return _DeferredTurn(self, turn, sink)

    async def aclose(self) -> None:
        """Close the runtime, if it was ever built."""
        if self._building is not None:
            await asyncio.wait({self._building})
        if self._built is not None:
            await self._built.aclose()


class _DeferredTurn:
    def __init__(self, runtime: DeferredRuntime, turn: Turn, sink: RunSink) -> None:
        self._runtime = runtime
        self._turn = turn
        self._sink = sink
        self._cancelled = asyncio.Event()
        self._handle: TurnHandle | None = None

    async def wait(self) -> TurnResult:
        runtime = self._runtime.built or await self._build()
        if runtime is None:
            return TurnResult(Usage(), None, cancelled=True)
        self._handle = runtime.start(self._turn, self._sink)
        if self._cancelled.is_set():
            self._handle.cancel()
        return await self._handle.wait()

    async def _build(self) -> AgentRuntime | None:
        """Wait for the build; None if the turn is cancelled first."""
        building = self._runtime.building()
        cancelled = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait({building, cancelled}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            cancelled.cancel()
        if self._cancelled.is_set():
            return None
        try:
            return building.result()
        except BadSetting as error:
            _log.error("the agent can't be loaded", exc_info=error)
            raise AgentFailure(FailureCode.AGENT_ERROR, str(error)) from error
        except Exception as error:
            _log.error("the agent can't be loaded", exc_info=error)
            raise AgentFailure(
                FailureCode.AGENT_ERROR, "The agent can't be loaded. The server's log says why."
            ) from error

    def cancel(self) -> None:
        self._cancelled.set()
        if self._handle is not None:
            self._handle.cancel()
