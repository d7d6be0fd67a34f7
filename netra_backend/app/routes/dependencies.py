"""What routes ask for: the services, and the access of whoever sent the request, when it is their turn."""

from __future__ import annotations

import asyncio
from typing import Annotated, Protocol, cast

from fastapi import Depends, Security
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import HTTPConnection, Request

from netra_backend.app.auth.authenticator import COOKIE, Authenticator
from netra_backend.app.auth.session_registry import Access, SessionRegistry
from netra_backend.app.auth.sign_in import SignIn
from netra_backend.app.doors.visit import admit
from netra_backend.app.event_log.log import EventLog
from netra_backend.app.rate_limit import Pace
from netra_backend.app.routes.problems import RETRY_UNAVAILABLE, Problem
from netra_backend.app.settings import Settings

__all__ = ["PATIENCE", "AccessForStop", "AccessNow", "AuthServices", "access", "access_for_stop", "auth_services"]


PATIENCE = 2.0
"""Seconds that a request waits for its user's turn, at most."""


class AuthServices(Protocol):
    """What log-in needs of `app.state.services`."""

    @property
    def settings(self) -> Settings: ...
    @property
    def log(self) -> EventLog: ...
    @property
    def registry(self) -> SessionRegistry: ...
    @property
    def authenticator(self) -> Authenticator: ...
    @property
    def sign_in(self) -> SignIn: ...
    @property
    def requests(self) -> Pace: ...


def auth_services(connection: HTTPConnection) -> AuthServices:
    """The services of the app that serves this."""
    return cast("AuthServices", connection.app.state.services)


_BEARER = HTTPBearer(
    scheme_name="bearer",
    description="For programs: the `token` in the answer to a sign-in.",
    auto_error=False,
)
_COOKIE = APIKeyCookie(
    name=COOKIE,
    scheme_name="cookie",
    description="For pages of this server: set by a sign-in. What changes something needs the page's Origin too.",
    auto_error=False,
)
"""Named here for OpenAPI; what counts is the authenticator's word."""


async def _who_asks(
    request: Request, _bearer: Annotated[object, Security(_BEARER)], _cookie: Annotated[object, Security(_COOKIE)]
) -> Access:
    """Whose request it is, as far as is known: its rights may be out of date."""
    found = await auth_services(request).authenticator.from_request(request)
    admit(request.scope)
    return found


async def access_for_stop(request: Request, found: Annotated[Access, Depends(_who_asks)]) -> Access:
    """Who asks; the last known state will do, since a stop must work while the database is away."""
    await _take_turn(auth_services(request).requests, f"stop {found.user_id}")
    return found


async def access(request: Request, found: Annotated[Access, Depends(_who_asks)]) -> Access:
    """Who asks. Raises `Problem` 503 while the database is away: then nobody's rights are certain."""
    if found.stale:
        message = "the server can't reach its records at the moment; only stopping works"
        raise Problem(503, "unavailable", message, retry_after=RETRY_UNAVAILABLE)
    await _take_turn(auth_services(request).requests, found.user_id)
    return found


async def _take_turn(requests: Pace, key: str) -> None:
    """Wait until it's this one's turn. Raises `Problem` 429 if that would take longer than anybody should wait."""
    wait = requests.take(key)
    if wait > PATIENCE:
        message = "you have asked for more at once than one person may (NETRA_REQUESTS_PER_SECOND); wait a little"
        raise Problem(429, "rate_limited", message, retry_after=wait - PATIENCE)
    if wait:
        await asyncio.sleep(wait)


AccessNow = Annotated[Access, Depends(access)]
AccessForStop = Annotated[Access, Depends(access_for_stop)]
