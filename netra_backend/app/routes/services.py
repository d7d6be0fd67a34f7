"""The services of an app, as its routes reach them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from netra_backend.app.auth.authenticator import Authenticator
from netra_backend.app.auth.passwords import Passwords
from netra_backend.app.auth.session_registry import SessionRegistry
from netra_backend.app.auth.sign_in import SignIn
from netra_backend.app.closing import Closing
from netra_backend.app.event_log.canary import Canary
from netra_backend.app.event_log.log import EventLog
from netra_backend.app.rate_limit import Pace
from netra_backend.app.runs.supervisor import RunSupervisor
from netra_backend.app.services.account_service import AccountService
from netra_backend.app.services.agent_service_core import AgentService
from netra_backend.app.services.agent_websocket_bridge import AgentWebSocketBridge
from netra_backend.app.services.socket_watch import SocketWatch
from netra_backend.app.services.thread_export import ThreadExport
from netra_backend.app.services.thread_service import ThreadService
from netra_backend.app.settings import Settings
from netra_backend.app.storage.folder import DataFolder
from netra_backend.app.websocket_core.websocket_manager import open_connections

__all__ = ["Services", "services"]

GOODBYE = 2.0
"""Seconds that sockets have to take their goodbye."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that serves, wired by `create_app` for the life of its lifespan."""

    settings: Settings
    folder: DataFolder
    log: EventLog
    canary: Canary
    registry: SessionRegistry
    authenticator: Authenticator
    passwords: Passwords
    sign_in: SignIn
    bridge: AgentWebSocketBridge
    supervisor: RunSupervisor
    agents: AgentService
    threads: ThreadService
    export: ThreadExport
    accounts: AccountService
    watch: SocketWatch
    requests: Pace
    closing: Closing

    async def drain(self, grace: float | None = None) -> None:
        """Let runs end within `grace` seconds (None: as the settings say), so that people see their end; then say
        goodbye to every socket.

        Idempotent: a later call finds nothing left to do, and one in between with a shorter grace hurries the first.
        """
        self.supervisor.give_no_more_places()
        # A run that is being recorded at this moment belongs to those that get the grace.
        with self.closing.waiting_for(lambda: f"{self.agents.under_way} messages and stops to be recorded"):
            await self.agents.settle(GOODBYE)
        with self.closing.waiting_for(lambda: f"runs to end: {', '.join(self.supervisor.at_work())}"):
            await self.supervisor.drain(self.settings.drain_grace if grace is None else grace)
        leaving = open_connections()
        for connection in leaving:
            connection.drain()
        with self.closing.waiting_for(lambda: f"{sum(not each.closed.is_set() for each in leaving)} sockets to close"):
            goodbyes = [asyncio.create_task(connection.closed.wait()) for connection in leaving]
            if goodbyes:
                await asyncio.wait(goodbyes, timeout=GOODBYE)
            for goodbye in goodbyes:
                goodbye.cancel()


def services(connection: HTTPConnection) -> Services:
    """The services of the app that serves this."""
    return cast("Services", connection.app.state.services)
