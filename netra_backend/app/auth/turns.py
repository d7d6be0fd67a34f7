"""Turns at work that is dear and bounded: whoever has the least against them goes first, and the last give way."""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

__all__ = ["NoTurn", "Turns"]


class NoTurn(Exception):
    """So many wait before this one that it would wait too long."""


@dataclass(order=True, slots=True)
class _Waiting:
    rank: int
    number: int
    turn: asyncio.Future[None] = field(compare=False)


class Turns:
    """`at_once` places, and at most `waiting` who wait for one. For one event loop.

    The lowest rank goes first, and among equals whoever came first. Where too many wait, the highest rank is turned
    away, so that a flood of the one kind doesn't shut out the other.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._free = at_once
        self._most = waiting
        self._numbers = count()
        self._waiting: list[_Waiting] = []

    @asynccontextmanager
    async def turn(self, rank: int) -> AsyncGenerator[None]:
        """A place, for as long as the body lasts. Raises `NoTurn`."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(rank)
        try:
            yield
        finally:
            self._give_on()

    async def _wait(self, rank: int) -> None:
        mine = _Waiting(rank, next(self._numbers), asyncio.get_running_loop().create_future())
        insort(self._waiting, mine)
        if len(self._waiting) > self._most:
            last = self._waiting.pop()
            if last is mine:
                raise NoTurn
            if not last.turn.done():
                last.turn.set_exception(NoTurn())
        try:
            await mine.turn
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif not mine.turn.cancelled() and mine.turn.exception() is None:
                # It was this one's turn in the same moment: the place is not lost.
                self._give_on()
            raise

    def _give_on(self) -> None:
        while self._waiting:
            turn = self._waiting.pop(0).turn
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
