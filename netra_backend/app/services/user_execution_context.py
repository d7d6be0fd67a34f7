"""Who asks, about which thread and run: the one value that every act in the server carries."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from uuid_utils import uuid7

__all__ = ["MAX_DEPTH", "ContextDepthExceeded", "InvalidContext", "UserExecutionContext"]

MAX_DEPTH = 10
"""How many generations of child contexts one request may make (contract, section 1)."""

# Names that code invents when it has no user. Refusing them turns a missing user into an error at the place
# that lost it, instead of one account shared by everybody who got lost the same way.
_REFUSED = frozenset({"", "none", "null", "default", "placeholder", "unknown"})

Scalar = str | int | float | bool | None


class InvalidContext(ValueError):
    """A field of a context has a value that names nobody; `field` says which one."""

    def __init__(self, field_name: str, value: object, reason: str) -> None:
        self.field = field_name
        super().__init__(f"{field_name}: {reason} (got {value!r})")


class ContextDepthExceeded(InvalidContext):
    """A child context was asked for below the deepest level that is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserExecutionContext:
    """Names one request of one user. Immutable all the way down.

    `user_id` is required. `thread_id`, `run_id` and `websocket_client_id` are None where the request concerns none.
    `request_id` (a UUIDv7) and `created_at` (UTC) are made when absent. `metadata` holds scalars only and is copied
    into a read-only mapping. `depth` counts the generations above this context.

    Raises `InvalidContext` for an empty, blank or placeholder value, a value that isn't a string, a `created_at`
    without a zone, a `depth` beyond `MAX_DEPTH`, or metadata that isn't scalar.
    """

    user_id: str
    thread_id: str | None = None
    run_id: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid7()))
    websocket_client_id: str | None = None
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    metadata: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}))
    depth: int = 0

    def __post_init__(self) -> None:
        _check_name("user_id", self.user_id)
        _check_name("request_id", self.request_id)
        for name in ("thread_id", "run_id", "websocket_client_id"):
            value: object = getattr(self, name)
            if value is not None:
                _check_name(name, value)
        if not isinstance(self.created_at, datetime) or self.created_at.utcoffset() is None:
            raise InvalidContext("created_at", self.created_at, "must be a time with a zone")
        if type(self.depth) is not int or not 0 <= self.depth <= MAX_DEPTH:
            raise InvalidContext("depth", self.depth, f"must be a whole number from 0 to {MAX_DEPTH}")
        if not isinstance(self.metadata, Mapping):
            raise InvalidContext("metadata", self.metadata, "must be a mapping")
        for key, value in self.metadata.items():
            if not isinstance(value, str | int | float | bool | None):
                raise InvalidContext(f"metadata.{key}", value, "must be a string, number, bool or None")
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def __hash__(self) -> int:
        return hash((self.user_id, self.request_id))

    def child(self, **metadata: Scalar) -> UserExecutionContext:
        """A context for a part of this request: same user, thread and run, a new request id, metadata added.

        Raises `ContextDepthExceeded` below `MAX_DEPTH` generations.
        """
        if self.depth >= MAX_DEPTH:
            raise ContextDepthExceeded("depth", self.depth + 1, f"at most {MAX_DEPTH} generations")
        return dataclasses.replace(
            self,
            request_id=str(uuid7()),
            created_at=datetime.now(UTC),
            metadata={**self.metadata, **metadata},
            depth=self.depth + 1,
        )

    def of_run(self, thread_id: str, run_id: str) -> UserExecutionContext:
        """This request, narrowed to one run of one thread."""
        return dataclasses.replace(self, thread_id=thread_id, run_id=run_id)


def _check_name(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidContext(name, value, "must be a string")
    if value.strip().casefold() in _REFUSED:
        raise InvalidContext(name, value, "empty and placeholder values are refused")
