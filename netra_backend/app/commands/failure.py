"""How a command says that it couldn't."""

from __future__ import annotations

__all__ = ["CANNOT", "FAILED", "INTERRUPTED", "Failure"]

FAILED = 1
"""The exit code for what was tried and failed."""
CANNOT = 2
"""The exit code for what couldn't even be tried: wrong usage, a bad setting, no server, a folder in use."""
INTERRUPTED = 130
"""The exit code after Ctrl-C (128 + SIGINT, as shells have it)."""


class Failure(Exception):
    """Ends the command. The message is for the person at the terminal: what is wrong, and what to do."""

    def __init__(self, message: str, code: int = CANNOT) -> None:
        self.code = code
        super().__init__(message)
