"""Which earlier turns of its thread a run's model is given: the newest, as far as they fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netra_backend.app.event_log.user_log import UserView
from netra_backend.app.storage.runs import PastRun, Run

__all__ = ["EarlierTurn", "EarlierTurns", "HistoryBudget", "earlier_turns"]

_PER_TURN = 100
"""Characters that a turn counts for besides its texts: roles, brackets, words about how it ended."""


@dataclass(frozen=True, slots=True)
class HistoryBudget:
    """`turns` at most, and `chars` in all: texts, reasoning, tool arguments and results, as they are stored."""

    turns: int
    chars: int


@dataclass(frozen=True, slots=True)
class EarlierTurn:
    """A turn that the model is told of: `whole`, or in short, by what was said and answered."""

    run: PastRun
    whole: bool


@dataclass(frozen=True, slots=True)
class EarlierTurns:
    """The turns that are told, oldest first. `left_out` counts those that aren't, `in_short` those told in short."""

    told: Sequence[EarlierTurn]
    left_out: int
    in_short: int


def earlier_turns(view: UserView, run: Run, budget: HistoryBudget) -> EarlierTurns:
    """Choose among the turns of the thread that began before this run.

    Sizes decide, so what isn't told isn't read either. A turn that doesn't fit with its tool calls and reasoning is
    told in short if that fits; the first that doesn't fit at all is left out with all that are older.
    """
    left = budget.chars
    told: list[EarlierTurn] = []
    in_short = 0
    for earlier in view.runs.past(run.thread_id, run.number, budget.turns):
        whole = earlier.history_size is not None and earlier.history_size + _PER_TURN <= left
        size = earlier.history_size if whole else view.messages.size_of_run(earlier.id)
        if size is None or size + _PER_TURN > left:
            break
        left -= size + _PER_TURN
        in_short += not whole and earlier.history_size is not None
        told.append(EarlierTurn(earlier, whole))
    return EarlierTurns(told[::-1], view.runs.count_past(run.thread_id, run.number) - len(told), in_short)
