"""Who a request or a socket speaks for: a cookie of our own page, a bearer token, or a ticket.

A browser sends cookies along with requests of other sites, to sockets as well; what tells them apart is the Origin
header, so a cookie counts only with an Origin of ours (OWASP ASVS 5.0, 4.4.2; RFC 6455, 10.2).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from netra_backend.app.auth.session_registry import Access, NotAuthenticated, SessionRegistry
from netra_backend.app.auth.tickets import Tickets
from netra_backend.app.client_address import client_scheme
from netra_backend.app.event_log.log import EventLog
from netra_backend.app.own_names import OwnNames, host_in
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.settings import Settings
from netra_backend.app.storage.known_devices import KEPT_DAYS
from netra_backend.app.storage.sessions import Sessions

__all__ = [
    "COOKIE",
    "OPAQUE",
    "SECURE_COOKIE",
    "Authenticator",
    "ForbiddenOrigin",
    "cookie_name",
    "origin_of",
]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""RFC 9110, 9.2.1."""

OPAQUE = "null"
"""The origin of sandboxed pages (RFC 6454, 6.1): two of them are not the same."""

COOKIE = "netra"
SECURE_COOKIE = "__Host-netra"
"""`__Host-` makes browsers insist on Secure, no Domain and the whole host (RFC 6265bis, 4.1.3.2)."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


class ForbiddenOrigin(Exception):
    """A browser sent our cookie on behalf of a page that isn't ours."""


class Authenticator:
    """Turns credentials into an `Access`. Every method raises `NotAuthenticated` for credentials that name no usable
    session, and `LogUnavailable` where the database is away and nothing is known of them."""

    def __init__(self, registry: SessionRegistry, log: EventLog, settings: Settings) -> None:
        self._registry = registry
        self._log = log
        self._tickets = Tickets()
        self._public_origin = origin_of(settings.public_url) if settings.public_url else None
        self._settings = settings
        self._names = OwnNames(settings)
        self._secure = _is_secure(settings)
        self.cookie_name = cookie_name(settings)
        self._cookie_seconds = int(settings.session_days * 86_400)

    @property
    def device_cookie_name(self) -> str:
        return f"{self.cookie_name}-device"

    def device_of(self, connection: HTTPConnection) -> str | None:
        """The mark that this device shows, of an account's earlier sign-in."""
        return connection.cookies.get(self.device_cookie_name)

    async def from_request(self, connection: HTTPConnection) -> Access:
        """The access of an HTTP request. Raises `ForbiddenOrigin` for a cookie on an unsafe method from elsewhere."""
        token = _bearer(connection)
        if token is None:
            token = connection.cookies.get(self.cookie_name)
            if token is None:
                raise NotAuthenticated("sign in first")
            if connection.scope.get("method") not in _SAFE_METHODS and not self._same_origin(connection):
                raise ForbiddenOrigin(_whose(connection, "this request came from another site's page"))
        return await self._registry.resolve(token)

    async def from_handshake(self, websocket: WebSocket) -> Access | None:
        """The access of a socket that is about to be accepted; None when no credentials came, then the first frame
        must bring them. Raises `ForbiddenOrigin`: refuse the handshake then."""
        token = _bearer(websocket)
        if token is None:
            token = websocket.cookies.get(self.cookie_name)
            if token is None:
                return None
            if not self._is_ours(websocket, websocket.headers.get("origin")):
                raise ForbiddenOrigin(_whose(websocket, "this socket was opened by another site's page"))
        return await self._registry.resolve(token)

    async def from_token(self, token: str) -> Access:
        """The access that a session token gives."""
        return await self._registry.resolve(token)

    async def redeem_ticket(self, ticket: str, origin: str | None) -> Access:
        """Use a ticket up. `origin` is the Origin header of the handshake, None if there was none: the ticket must
        have been made for just that."""

        opener = origin_of(origin) if origin else None
        found = self._tickets.redeem(ticket)
        session = None
        if found is not None and found.origin == opener:
            session = await self._log.query(lambda connection: Sessions(connection).by_id(found.session_id))
        if session is None or not session.usable(now_ms()):
            raise NotAuthenticated("this ticket is unknown, used, expired, or for another page")
        return Access(session)

    def issue_ticket(self, access: Access, origin: str | None) -> str:
        """A ticket with which a page of this origin (None: a program) can open one socket as this session.

        Raises `ForbiddenOrigin` for an origin that no page can prove.
        """
        bound = origin_of(origin) if origin else None
        if bound == OPAQUE:
            raise ForbiddenOrigin("a ticket needs the origin of a page, such as https://app.example")
        return self._tickets.issue(access.user_id, access.session.id, bound)

    def check_page(self, connection: HTTPConnection) -> None:
        """For requests that need no credentials but set a cookie: raises `ForbiddenOrigin` if a page of another
        site sent it."""
        if connection.headers.get("origin") is not None and not self._same_origin(connection):
            raise ForbiddenOrigin("this request came from another site's page")

    def set_cookies(self, response: Response, token: str, device: str) -> None:
        """Give the browser the session, and the mark by which it is known at the next sign-in."""
        for name, value, seconds in (
            (self.cookie_name, token, self._cookie_seconds),
            (self.device_cookie_name, device, KEPT_DAYS * 86_400),
        ):
            response.set_cookie(
                name, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax"
            )

    def clear_cookie(self, response: Response) -> None:
        """Take the session from the browser. The device stays known."""
        response.delete_cookie(self.cookie_name, path="/", secure=self._secure, httponly=True, samesite="lax")

    def _same_origin(self, connection: HTTPConnection) -> bool:
        # Pages can't set Sec-Fetch-Site; browsers send it where the connection is trustworthy (Fetch Metadata, 2.3).
        if connection.headers.get("sec-fetch-site") == "same-origin":
            return True
        return self._is_ours(connection, connection.headers.get("origin"))

    def _is_ours(self, connection: HTTPConnection, origin: str | None) -> bool:
        if origin is None:
            return False
        own = self._public_origin
        if own is None:
            # A name that isn't ours may be anybody's who lets it point here.
            asked, local = connection.headers.get("host", ""), connection.scope.get("server")
            host = host_in(asked)
            if host is None or not self._names.include(host, local[0] if local else None):
                return False
            own = origin_of(f"{client_scheme(connection.scope, self._settings) or 'http'}://{asked}")
        return own != OPAQUE and origin_of(origin) == own


def cookie_name(settings: Settings) -> str:
    """The session cookie's, `__Host-` where https is in front."""
    return SECURE_COOKIE if _is_secure(settings) else COOKIE


def _is_secure(settings: Settings) -> bool:
    return settings.public_url is not None and settings.public_url.startswith("https:")


def _whose(connection: HTTPConnection, of_a_page: str) -> str:
    """Why a cookie didn't count. Browsers say where a request comes from, programs with a cookie jar don't."""
    if any(name in connection.headers for name in ("origin", "sec-fetch-site")):
        return of_a_page
    return (
        "the session's cookie counts only for a page of this server, which its browser names in Origin; a program"
        " sends the bearer token instead: Authorization: Bearer TOKEN (`token` in the answer to its sign-in)"
    )


def origin_of(url: str) -> str:
    """The origin of an address, in the spelling of RFC 6454, 6.2; `OPAQUE` if it has none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return OPAQUE
    if not parts.scheme or not host:
        return OPAQUE
    if ":" in host:
        host = f"[{host}]"
    if port is None or port == _DEFAULT_PORTS.get(parts.scheme):
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{host}:{port}"


def _bearer(connection: HTTPConnection) -> str | None:
    header = connection.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.casefold() != "bearer" or not token.strip():
        raise NotAuthenticated("the Authorization header must say: Bearer TOKEN")
    return token.strip()
