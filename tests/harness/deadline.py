"""How long tests wait before they give up."""

from __future__ import annotations

import os

__all__ = ["DEADLINE"]

DEADLINE = float(os.environ.get("TEST_DEADLINE", "120"))
"""Seconds after which whatever a test waits for is taken for never coming. No test asserts that anything takes less, so
a machine that is busy with other things makes tests slow, not red; pytest's own limit on a test is beyond it.
`make mutations` waits less, since there it is usual that something never comes."""
