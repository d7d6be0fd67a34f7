"""Addresses, and which names can only mean this machine."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

__all__ = ["Address", "Network", "address_of", "is_loopback"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def address_of(text: str) -> Address | None:
    """The IP address that `text` spells, with or without brackets; None for a name.

    The same host has one address: an IPv4 one that is written as IPv6 (`::ffff:192.0.2.1`) comes out as IPv4, and a
    zone (`fe80::1%eth0`), which only says which wire it is on, is left out.
    """
    try:
        found = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, with or without brackets) can only mean this machine."""
    if host.lower().removesuffix(".") == "localhost":
        return True
    address = address_of(host)  # a name such as 127.0.0.1.example is anybody's
    return address is not None and address.is_loopback
