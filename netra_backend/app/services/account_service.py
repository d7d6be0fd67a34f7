"""Removing an account with everything that was stored for it."""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy import Connection

from netra_backend.app.auth.session_registry import SessionRegistry
from netra_backend.app.event_log.log import EventLog
from netra_backend.app.event_log.user_log import UserView, remove_log
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.services.agent_service_core import AgentService
from netra_backend.app.services.refusals import Refusal, ServiceNotReady
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.sessions import Sessions
from netra_backend.app.storage.users import Users

__all__ = ["AccountService", "remove_account"]

_logger = logging.getLogger(__name__)

PERIOD = 1.0
"""Seconds between two looks for accounts that are to be removed."""

DELETE_TRIES = 5
"""How often runs are stopped before deletion, when other tabs keep starting some in between."""


def remove_account(connection: Connection, user_id: str, *, unserved: bool = False) -> bool:
    """Remove account, threads, messages, notes, log and sessions. False, and nothing is done, while a run is open.

    `unserved`: no server holds the folder, so that nothing works on a run that looks open.
    """
    if not unserved and UserView(connection, user_id).runs.open():
        return False
    remove_log(connection, user_id)
    Users(connection).delete(user_id)
    return True


class AccountService:
    """Acts on the account of a context's user, and no other."""

    def __init__(self, log: EventLog, registry: SessionRegistry, agents: AgentService) -> None:
        self._log = log
        self._registry = registry
        self._agents = agents

    async def delete(self, context: UserExecutionContext) -> None:
        """Stop the user's runs; then remove account, threads, messages, notes, log and sessions in one transaction,
        and close the sockets. Raises `StopNotRecorded`, `LogUnavailable`, `ServiceNotReady` (runs keep starting)."""
        user_id = context.user_id
        removed = False

        def unit(connection: Connection) -> set[str]:
            nonlocal removed
            ended = Sessions(connection).revoke_all(user_id, now_ms())
            removed = remove_account(connection, user_id)
            return ended if removed else set()

        for _ in range(DELETE_TRIES):
            await self._agents.stop_agent(user_id, reason="the account is deleted")
            await self._agents.wait_until_ended(user_id)
            await self._registry.end(unit)
            if removed:
                return
        raise ServiceNotReady("other tabs or devices keep starting runs; close them and try again", retry_after=2)

    async def see_off(self) -> None:
        """Remove the accounts that the operator has marked for it, until cancelled. They are disabled already."""
        while True:
            await asyncio.sleep(PERIOD)
            try:
                for user_id in await self._log.query(lambda connection: Users(connection).leaving()):
                    await self.delete(UserExecutionContext(user_id=user_id))
            except (LogUnavailable, Refusal):
                continue  # the mark stays, and the next look finds it again
            except Exception:
                _logger.exception("an account could not be removed")
