"""What the services refuse, by name. `code` is what frames and HTTP errors carry (contract, section 3)."""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "IdempotencyConflict",
    "InvalidFrame",
    "InvalidText",
    "NotFound",
    "QueueFull",
    "RateLimited",
    "Refusal",
    "SearchTooLong",
    "ServiceNotReady",
    "StopNotRecorded",
    "TextTooLarge",
    "ThreadBusy",
    "TooManyPins",
    "TooManyThreads",
]


class Refusal(Exception):
    """A request that is answered with an error and changes nothing. The message is for the person who asked."""

    code: ClassVar[str]
    status: ClassVar[int]
    """The HTTP status of the same refusal."""

    def __init__(self, message: str, *, field: str | None = None, retry_after: float | None = None) -> None:
        self.message = message
        self.field = field
        self.retry_after = retry_after
        super().__init__(message)


class NotFound(Refusal):
    """There is no such thing, or it is somebody else's: the answer is the same."""

    code = "not_found"
    status = 404


class ThreadBusy(Refusal):
    """A run of this thread is open and the message doesn't say what to do then."""

    code = "thread_busy"
    status = 409


class QueueFull(Refusal):
    """As many runs wait as may."""

    code = "queue_full"
    status = 429


class TooManyThreads(Refusal):
    """As many threads as an account may have."""

    code = "queue_full"
    status = 429


class TooManyPins(Refusal):
    """As many threads as may are pinned."""

    code = "queue_full"
    status = 429


class IdempotencyConflict(Refusal):
    """The `client_message_id` was used for another message."""

    code = "idempotency_conflict"
    status = 409


class RateLimited(Refusal):
    """Too many in too short a time."""

    code = "rate_limited"
    status = 429


class SearchTooLong(Refusal):
    """A search that was ended because it took too long."""

    code = "unavailable"
    status = 503


class TextTooLarge(Refusal):
    """Longer than this server takes."""

    code = "too_large"
    status = 413


class InvalidFrame(Refusal):
    """A frame that is well-formed but has no place here."""

    code = "invalid_frame"
    status = 422


class InvalidText(Refusal):
    """Text that can't be kept: blank, or with a NUL."""

    code = "invalid_frame"
    status = 422


class ServiceNotReady(Refusal):
    """The server is starting or ending."""

    code = "unavailable"
    status = 503


class StopNotRecorded(Refusal):
    """The runs were cancelled, but the log is away: their end is recorded when it is back."""

    code = "stop_not_recorded"
    status = 503

    def __init__(self, runs: list[str]) -> None:
        self.runs = runs
        count = f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
        super().__init__(
            f"the log can't be written now; {count} cancelled, the record follows when it is back", retry_after=2
        )
