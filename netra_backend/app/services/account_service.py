"""Removing an account with everything that was stored for it."""

from __future__ import annotations

from sqlalchemy import Connection

from netra_backend.app.auth.session_registry import SessionRegistry
from netra_backend.app.event_log.user_log import UserView, remove_log
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.services.agent_service_core import AgentService
from netra_backend.app.services.refusals import ServiceNotReady
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.storage.sessions import Sessions
from netra_backend.app.storage.users import Users

__all__ = ["AccountService"]

DELETE_TRIES = 5
"""How often runs are stopped before deletion, when other tabs keep starting some in between."""


class AccountService:
    """Acts on the account of a context's user, and no other."""

    def __init__(self, registry: SessionRegistry, agents: AgentService) -> None:
        self._registry = registry
        self._agents = agents

    async def delete(self, context: UserExecutionContext) -> None:
        """Stop the user's runs; then remove account, threads, messages, notes, log and sessions in one transaction,
        and close the sockets. Raises `StopNotRecorded`, `LogUnavailable`, `ServiceNotReady` (runs keep starting)."""
        user_id = context.user_id

        def unit(connection: Connection) -> set[str]:
            if UserView(connection, user_id).runs.open():
                return set()
            ended = Sessions(connection).revoke_all(user_id, now_ms())
            remove_log(connection, user_id)
            Users(connection).delete(user_id)
            return ended

        for _ in range(DELETE_TRIES):
            await self._agents.stop_agent(user_id, reason="the account is deleted")
            await self._agents.wait_until_ended(user_id)
            if await self._registry.end(unit):
                return
        raise ServiceNotReady("other tabs or devices keep starting runs; close them and try again", retry_after=2)
