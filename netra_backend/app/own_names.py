"""What this server is called: which `Host` is ours, and which is a name that somebody else let point here."""

from __future__ import annotations

import re
import socket
from urllib.parse import urlsplit

from netra_backend.app.loopback import address_of, is_loopback
from netra_backend.app.settings import Settings

__all__ = ["OwnNames", "host_in"]

_HOST = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z_-]([0-9A-Za-z._-]{0,251}[0-9A-Za-z_-])?\.?)(:[0-9]{0,5})?"
)
"""`uri-host [ ":" port ]` of RFC 9110, 7.2, without what no browser sends: percent-encoding, user names, zones."""


def host_in(header: str) -> str | None:
    """The host that a `Host` header names, in one spelling: no port, lower case, no dot at the end, an address as
    Python writes it. None for what is no host."""
    found = _HOST.fullmatch(header)
    if found is None:
        return None
    text = found["host"]
    if text.startswith("[") and address_of(text) is None:
        return None
    return _spelled(text)


def _spelled(host: str) -> str:
    address = address_of(host)
    return str(address) if address is not None else host.lower().removesuffix(".")


class OwnNames:
    """The names under which the settings let this server be asked."""

    def __init__(self, settings: Settings) -> None:
        self._names = {*settings.allowed_hosts}
        if settings.public_url is not None:
            self._names.add(_spelled(urlsplit(settings.public_url).hostname or ""))
        if not is_loopback(settings.host):
            # Beyond this machine it is reached by what the machine is called; the addresses are in each connection.
            self._names |= {_spelled(settings.host), _spelled(socket.gethostname())}

    def include(self, host: str, local_address: str | None = None) -> bool:
        """Whether `host`, as `host_in` spells it, is ours: it can only mean this machine, is set, or is the address
        at which the connection came in (a page can't make a browser send that with a name of its own)."""
        if is_loopback(host) or host in self._names:
            return True
        address = address_of(host)
        return address is not None and local_address is not None and address == address_of(local_address)
