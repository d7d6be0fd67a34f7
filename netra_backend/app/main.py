"""`create_app`: the one place that wires the rooms together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from netra_backend.app.agents.containment import contain_tasks
from netra_backend.app.agents.loader import ready_agent
from netra_backend.app.agents.runtime import AgentRuntime
from netra_backend.app.auth.authenticator import Authenticator, cookie_name
from netra_backend.app.auth.passwords import Passwords
from netra_backend.app.auth.session_registry import SessionRegistry
from netra_backend.app.auth.sign_in import SignIn
from netra_backend.app.closing import Closing
from netra_backend.app.event_log.canary import Canary
from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.rate_limit import Pace
from netra_backend.app.routes import about, account, auth, health, runs, threads
from netra_backend.app.routes.body_limit import BodyLimit
from netra_backend.app.routes.dependencies import PATIENCE
from netra_backend.app.routes.front_door import FrontDoor
from netra_backend.app.routes.pages import install_pages
from netra_backend.app.routes.problems import install_problem_handlers
from netra_backend.app.routes.security_headers import SecurityHeaders
from netra_backend.app.routes.services import Services
from netra_backend.app.routes.websocket import serve_socket
from netra_backend.app.runs.supervisor import RunSupervisor
from netra_backend.app.services.account_service import AccountService
from netra_backend.app.services.agent_service_core import AgentService
from netra_backend.app.services.agent_websocket_bridge import AgentWebSocketBridge
from netra_backend.app.services.folder_mark import keep_marked, renew_mark
from netra_backend.app.services.housekeeping import Housekeeping
from netra_backend.app.services.socket_watch import SocketWatch
from netra_backend.app.services.thread_export import ThreadExport
from netra_backend.app.services.thread_search import ThreadSearch
from netra_backend.app.services.thread_service import ThreadService
from netra_backend.app.settings import BadSetting, Settings
from netra_backend.app.storage.folder import DataFolder
from netra_backend.app.storage.schema import migrate
from netra_backend.app.websocket_core.websocket_manager import bound_log

__all__ = ["VERSION", "create_app", "open_services"]

VERSION = "0.1.0"

STEP_SECONDS = 3.0
"""Seconds for each thing that is closed at the end; whatever it still does then goes with the process."""
LOG_SECONDS = 6.0
"""Seconds for what was submitted to the log; it may have to wait for another process that holds the database."""

_logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_services(settings: Settings, closing: Closing | None = None) -> AsyncGenerator[Services]:
    """Hold the data folder, open the log, recover what a crash left, and wire everything that serves.

    `closing`: who watches the end, if somebody does.

    Raises `FolderHeld`, `FolderUnusable`, `NewerSchema`, `BadSetting`, `LogUnavailable` or `LogAlreadyBound`.
    """
    closing = closing or Closing()
    async with AsyncExitStack() as stack:
        stack.enter_context(contain_tasks())
        runtime = await _agent(settings)
        stack.push_async_callback(
            lambda: closing.step("the model's connections to close", STEP_SECONDS, runtime.aclose())
        )
        folder = stack.enter_context(DataFolder(settings.data_dir))
        log = SqliteLog(settings.database_path)
        stack.push_async_callback(lambda: closing.step("the log to take what was submitted", LOG_SECONDS, log.close()))
        await log.write(migrate)
        if await log.write(folder.recognise):
            _logger.warning("this database was not the one this folder served last; every log has a new epoch")
        folder.settle()
        stack.push_async_callback(
            lambda: closing.step("the mark of the data folder", STEP_SECONDS, renew_mark(log, folder))
        )
        stack.enter_context(bound_log(log))

        canary = Canary(log)
        registry = SessionRegistry(log, settings)
        stack.push_async_callback(
            lambda: closing.step("the last use of sessions to be noted", STEP_SECONDS, registry.close())
        )
        passwords = Passwords()
        bridge = AgentWebSocketBridge(log, settings)
        search = ThreadSearch(log, settings)
        supervisor = RunSupervisor(log, bridge, runtime, search, settings)
        agents = AgentService(log, bridge, supervisor, settings)
        watch = SocketWatch(registry, log, canary)
        serving = Services(
            settings=settings,
            folder=folder,
            log=log,
            canary=canary,
            registry=registry,
            authenticator=Authenticator(registry, log, settings),
            passwords=passwords,
            sign_in=SignIn(log, registry, passwords, settings),
            bridge=bridge,
            supervisor=supervisor,
            agents=agents,
            threads=ThreadService(log, agents, search, settings),
            export=ThreadExport(log, settings),
            accounts=AccountService(log, registry, agents),
            watch=watch,
            requests=Pace(settings.requests_per_second, settings.requests_per_second, PATIENCE),
            closing=closing,
        )
        bridge.start()
        stack.callback(bridge.close)
        await supervisor.recover()
        stack.push_async_callback(serving.drain)
        for name, work in (
            ("watch", watch.run()),
            ("housekeeping", Housekeeping(log, settings).run()),
            ("mark", keep_marked(log, folder)),
            ("departures", serving.accounts.see_off()),
        ):
            await stack.enter_async_context(_running(name, work, closing))
        yield serving


async def _agent(settings: Settings) -> AgentRuntime:
    try:
        return await ready_agent(settings)
    except BadSetting as bad:
        if bad.__cause__ is not None:
            # The message says what and where; how it came about in the agent's own code is only here.
            _logger.error("the agent can't be loaded", exc_info=bad.__cause__)
        raise


def create_app(settings: Settings, serving: Services | None = None) -> FastAPI:
    """The ASGI application. `serving`: services that are open already; without them its lifespan opens its own."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        if serving is not None:
            app.state.services = serving
            yield
            return
        async with open_services(settings, app.state.closing) as opened:
            app.state.services = opened
            yield

    app = _App(
        title="Netra",
        version=VERSION,
        summary="Start agents, watch them work, stop them, come back.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        # A redirect names the scheme and host that the request did; there is one spelling of each path.
        redirect_slashes=False,
    )
    app.state.closing = serving.closing if serving is not None else Closing()
    install_problem_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_frame_bytes)
    app.add_middleware(SecurityHeaders)
    app.state.front_door = FrontDoor(settings)
    app.state.cookie_name = cookie_name(settings)
    for router in (about.router, auth.router, account.router, threads.router, runs.router, health.router):
        app.include_router(router)
    install_pages(app)
    return app


class _App(FastAPI):
    """Turns away at the front door, and serves `/ws` itself: the layers between are for HTTP, and a frame of each
    would stay as long as a socket."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            door: FrontDoor = self.state.front_door
            refusal = door.refusal(scope)
            if refusal is not None:
                await SecurityHeaders(refusal.response())(scope, receive, send)
                return
        if scope["type"] == "websocket" and scope["path"].removeprefix(scope.get("root_path", "")) == "/ws":
            scope["app"] = self
            await serve_socket(WebSocket(scope, receive, send))
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The API's description, with the cookie's name as it is here."""
        made = super().openapi()
        made["components"]["securitySchemes"]["cookie"]["name"] = self.state.cookie_name
        return made


@asynccontextmanager
async def _running(name: str, work: Coroutine[None, None, None], closing: Closing) -> AsyncGenerator[None]:
    """Have `work` run beside the body. A defect that ends it is logged at once, not when the server ends."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report)
    try:
        yield
    finally:
        task.cancel()
        await closing.step(f"the work called {name} to end", STEP_SECONDS, asyncio.wait({task}))


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _logger.critical("%s ended: events and revocations may be late now", task.get_name(), exc_info=error)
