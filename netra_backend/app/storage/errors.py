"""What can go wrong between the server and its database, named."""

from __future__ import annotations

__all__ = ["LogUnavailable", "TookTooLong"]


class LogUnavailable(Exception):
    """The database can't take or answer this now: full, away, locked or broken. Nothing of the unit was kept,
    as far as is known; whoever repeats it does so under the unit's own key."""


class TookTooLong(Exception):
    """Reading took longer than it may, and was ended."""
