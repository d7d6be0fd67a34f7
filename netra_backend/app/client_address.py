"""Whose request it is, as an address: the peer's, or what a named proxy says of it.

One answer for the whole server: limits of sign-in, bounds on connections, and the log.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from netra_backend.app.loopback import Address, Network, address_of
from netra_backend.app.settings import Settings

__all__ = ["UNKNOWN", "client_address", "client_scheme", "is_trusted_proxy", "network_of"]

UNKNOWN = "unknown"
"""The address of a peer that has none, such as one that came by a Unix socket."""

_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*')
"""One `name=value` of a `Forwarded` header (RFC 7239, 4). Every character can be taken by one part only."""


def client_address(scope: Mapping[str, Any], settings: Settings) -> str:
    """The address that sent this request or handshake, canonically spelled.

    The peer's, unless it is a proxy that `trusted_proxies` names: then the right-most address of `proxy_header` that
    isn't such a proxy. What stands left of it was written by whoever likes. Where a proxy names no address, the proxy
    itself counts.
    """
    found = _peer(scope)
    if found is None:
        return UNKNOWN
    for told in _hops(scope, settings):
        if not _trusted(found, settings.trusted_proxies):
            break
        before = _address_of_hop(told.get("for", ""))
        if before is None:
            break
        found = before
    return str(found)


def client_scheme(scope: Mapping[str, Any], settings: Settings) -> str | None:
    """`http` or `https`, as the client used it towards the outermost of the named proxies; None where none says so."""
    found, scheme = _peer(scope), None
    if found is None or not _trusted(found, settings.trusted_proxies):
        return None
    if settings.proxy_header == "x-forwarded-for":
        # Proxies pass on or replace the whole value; with several, the last is the nearest proxy's.
        scheme = _last(_values(scope, b"x-forwarded-proto")).lower()
    else:
        for told in _hops(scope, settings):
            scheme = told.get("proto", "").lower() or scheme
            before = _address_of_hop(told.get("for", ""))
            if before is None or not _trusted(before, settings.trusted_proxies):
                break
    return scheme if scheme in {"http", "https"} else None


def is_trusted_proxy(address: str, settings: Settings) -> bool:
    """Whether `trusted_proxies` names this address."""
    found = address_of(address)
    return found is not None and _trusted(found, settings.trusted_proxies)


def network_of(address: str) -> str:
    """What counts as one address: with IPv6 a /64, since a customer is given at least that (RFC 6177)."""
    found = address_of(address)
    if found is None or found.version == 4:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False))


def _trusted(address: Address, proxies: tuple[Network, ...]) -> bool:
    return any(address in network for network in proxies)


def _peer(scope: Mapping[str, Any]) -> Address | None:
    client = scope.get("client")
    return address_of(client[0]) if client else None


def _hops(scope: Mapping[str, Any], settings: Settings) -> Iterator[dict[str, str]]:
    """What proxies told, the nearest first."""
    if not settings.trusted_proxies:
        return
    if settings.proxy_header == "x-forwarded-for":
        for value in reversed(_values(scope, b"x-forwarded-for")):
            for part in reversed(value.split(",")):
                yield {"for": part.strip()}
        return
    for value in reversed(_values(scope, b"forwarded")):
        yield from reversed(_forwarded(value))


def _values(scope: Mapping[str, Any], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _last(values: list[str]) -> str:
    return values[-1].rpartition(",")[2].strip() if values else ""


def _forwarded(value: str) -> list[dict[str, str]]:
    """The elements of a `Forwarded` header. One that is spelled wrongly ends the trust in everything left of it, so
    it stands as an element that says nothing."""
    elements: list[dict[str, str]] = [{}]
    at = 0
    while at < len(value):
        pair = _PAIR.match(value, at)
        if pair is not None:
            said = pair[2]
            elements[-1][pair[1].lower()] = re.sub(r"\\(.)", r"\1", said[1:-1]) if said.startswith('"') else said
            at = pair.end()
        if at < len(value) and value[at] not in ";,":
            # Where this element ends can't be known; nor, then, where those before the next one do.
            elements = [{}]
            comma = value.find(",", at)
            if comma < 0:
                break
            at = comma
        if at < len(value) and value[at] == ",":
            elements.append({})
        at += 1
    return elements


def _address_of_hop(text: str) -> Address | None:
    """`192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; None for `unknown`, hidden and other names."""
    if text.startswith("["):
        return address_of(text[1:].partition("]")[0])
    if text.count(":") == 1:
        text = text.partition(":")[0]
    return address_of(text)
