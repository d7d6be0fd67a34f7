"""The body of a model server's response, whichever client received it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Received"]


class Received(Protocol):
    """A body that is still to be read. It has to be closed."""

    async def read(self) -> bytes:
        """What has arrived, or arrives next; empty at the end. Raises httpx2's errors."""
        ...

    async def drain(self, limit: float) -> None:
        """Read to the end, if that comes within `limit` seconds, so that the connection can be used again."""
        ...

    async def aclose(self) -> None:
        """Give the connection back if the body was read to its end; else close it, now."""
        ...
