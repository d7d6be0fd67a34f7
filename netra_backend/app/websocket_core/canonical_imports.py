"""The synchronous factory that old callers import. New code awaits `get_websocket_manager`."""

from __future__ import annotations

import warnings

from netra_backend.app.services.user_execution_context import UserExecutionContext

__all__ = ["create_websocket_manager"]


def create_websocket_manager(user_context: UserExecutionContext) -> UserExecutionContext:
    """Check the context and return it. It is not a manager, and not awaitable.

    Kept for callers that only need `user_id` of what this returns. Awaiting the result raises `TypeError`: that is
    the incident this name is known for. Warns `DeprecationWarning`, which names the replacement.
    Raises `TypeError` for anything but a `UserExecutionContext`.
    """
    if not isinstance(user_context, UserExecutionContext):
        raise TypeError(f"user_context must be a UserExecutionContext, not {type(user_context).__name__}")
    warnings.warn(
        "create_websocket_manager is synchronous and returns the context; use"
        " `await get_websocket_manager(user_context)` from netra_backend.app.websocket_core.websocket_manager",
        DeprecationWarning,
        stacklevel=2,
    )
    return user_context
