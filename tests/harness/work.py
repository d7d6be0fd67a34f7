"""How work grows with its input, told by ratios: no test may know how fast the machine is."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def growth(work: Callable[[T], object], small: T, large: T) -> float:
    """How many times the CPU time of `small` that of `large` is; the best of several tries of each.

    For an input four times as large linear work gives about 4 and quadratic work 16. A small excess is measured again:
    another process may have disturbed it, while what really grows too fast does so every time.
    """
    ratio = float("inf")
    for _ in range(3):
        ratio = min(ratio, _cost(work, large) / _cost(work, small))
        if ratio < 6:
            break
    return ratio


def _cost(work: Callable[[T], object], given: T) -> float:
    """Of one call, in seconds of CPU; so many calls are timed that the clock's steps don't matter."""
    calls, spent = 1, 0.0
    gc.disable()
    try:
        while True:
            best = float("inf")
            for _ in range(3):
                before = time.process_time()
                for _ in range(calls):
                    work(given)
                spent = time.process_time() - before
                best = min(best, spent / calls)
            if spent > 0.002:
                return best
            calls *= 4
    finally:
        gc.enable()
