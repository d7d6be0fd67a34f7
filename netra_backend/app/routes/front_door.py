"""What holds before a request or a handshake is looked at: it is meant for us, and doesn't travel readable."""

from __future__ import annotations

from starlette.types import Scope

from netra_backend.app.client_address import UNKNOWN, client_address, client_scheme, is_trusted_proxy
from netra_backend.app.loopback import is_loopback
from netra_backend.app.own_names import OwnNames, host_in
from netra_backend.app.routes.problems import Problem
from netra_backend.app.settings import Settings

__all__ = ["FOREIGN_HOST", "FrontDoor"]

FOREIGN_HOST = "netra.foreign_host"
"""The name in a scope under which stands whether it was asked for by a name that isn't ours: then health says a bare
word."""

HEALTH = frozenset({"/health/live", "/health/ready"})
"""Asked by machines that know an address only; they answer any host, and plain http from anywhere."""


class FrontDoor:
    """Looks at requests and handshakes alike.

    A browser lets a page read answers of the host that the page came from. Whoever owns a name can let it point to
    this machine afterwards (DNS rebinding); only the `Host` header still tells. And with https in front, a request
    that came past the proxy would carry passwords readable over the network.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = OwnNames(settings)

    def refusal(self, scope: Scope) -> Problem | None:
        """Why this isn't served; None if it is."""
        misdirected = self._misdirected(scope)
        if scope["type"] == "http" and scope["path"] in HEALTH:
            scope[FOREIGN_HOST] = misdirected is not None
            return None
        return misdirected or self._readable(scope)

    def _misdirected(self, scope: Scope) -> Problem | None:
        told = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(told) != 1:
            return Problem(400, "invalid_request", "a request names its host once, in the Host header")
        host = host_in(told[0])
        if host is None:
            return Problem(400, "invalid_request", "the Host header names no host")
        local = scope.get("server")
        if self._names.include(host, local[0] if local else None):
            return None
        return Problem(
            421,
            "misdirected",
            f"this server isn't called {host[:100]}. If it is, its operator adds the name to NETRA_ALLOWED_HOSTS, or"
            " sets NETRA_PUBLIC_URL to the address that people type",
        )

    def _readable(self, scope: Scope) -> Problem | None:
        settings = self._settings
        if settings.allow_insecure_http or scope.get("scheme") in {"https", "wss"}:
            return None
        peer = scope["client"][0] if scope.get("client") else UNKNOWN
        match client_scheme(scope, settings):
            case "https":
                return None
            case "http":
                plain = not is_loopback(client_address(scope, settings))
            case _:
                # A proxy that says nothing is taken at the operator's word, by which it speaks https.
                plain = peer != UNKNOWN and not is_loopback(peer) and not is_trusted_proxy(peer, settings)
        if not plain:
            return None
        address = settings.public_url or "an https address"
        return Problem(
            403,
            "forbidden",
            f"this server is reached at {address}, not by plain http. Its operator names the proxy in front with"
            " NETRA_TRUSTED_PROXIES, or permits plain http with NETRA_ALLOW_INSECURE_HTTP=true",
        )
