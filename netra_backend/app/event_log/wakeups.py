"""Wake-ups inside one process: hints that a user's log has grown. The log is the truth; a hint may be lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netra_backend.app.event_log.log import CommitListener, Committed

__all__ = ["Wakeups"]


class Wakeups:
    """The listeners of this process, called on the event loop in the order of the commits."""

    def __init__(self) -> None:
        self._listeners: list[CommitListener] = []

    def listen(self, listener: CommitListener) -> Callable[[], None]:
        """Add a listener; returns what removes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def publish(self, batch: Sequence[Committed]) -> None:
        """Tell every listener of every user's new events."""
        for committed in batch:
            for listener in self._listeners:
                listener(committed)
