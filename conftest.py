"""For all tests: those of the server and those of awaitguard."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# A shell that starts the suite in the background has it ignore Ctrl-C, and whatever the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No example fails for being slow: how long one takes is the machine's affair.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

LONGEST_FIRST = (
    "awaitguard/tests/test_wheel.py",
    "tests/e2e",
    "tests/chaos",
    "tests/mission_critical",
    "tests/integration",
)
"""Files are handed to workers one by one: with the long ones first, none is left alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        return next(
            (place for place, begin in enumerate(LONGEST_FIRST) if item.nodeid.startswith(begin)), len(LONGEST_FIRST)
        )

    items.sort(key=rank)
