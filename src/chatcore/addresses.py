"""What an address says: of a server, who can reach it; of a client, who it is; of a database, where it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final, TypeAlias

from chatcore.errors import ConfigurationError

SQLITE: Final = "sqlite:///"

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

SUBSCRIBER_BITS: Final = 64
"""Of an IPv6 address: whoever has one has all that begin with these."""

MOST_PROXIES: Final = 8
"""One behind another; what says that there are more is not looked at."""


@lru_cache(maxsize=256)
def is_loopback(host: str | None) -> bool:
    """Whether an address cannot be reached from another machine. None is a Unix socket.

    Kept for the last few: a server has few addresses of its own, and each client of a stampede came in on one of them.
    """
    if host is None or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks, or single addresses, that these name.

    Raises:
        ConfigurationError: one names none.
    """
    try:
        return tuple(ip_network(text, strict=False) for text in texts)
    except ValueError:
        remedy = "they are such as 10.0.0.0/8 or 192.0.2.7"
        raise ConfigurationError("trusted_proxies", "has something that is no address or network", remedy) from None


def sender(peer: str | None, forwarded_for: str | None, proxies: Iterable[Network]) -> str:
    """Whose request this is, as a key to count by: an IPv4 address, the network of an IPv6 address, or ``unix``.

    Args:
        peer: the address that the connection comes from; None is a Unix socket.
        forwarded_for: the header ``X-Forwarded-For``. Each proxy has added the address that it saw; what stands before
            the first one that is no proxy of ours may be invented.
        proxies: whose header is believed; whoever is at the other end of a Unix socket is a proxy too.
    """
    seen: Address | None = None
    hops = ([] if peer is None else [peer]) + (forwarded_for or "").rsplit(",", MOST_PROXIES)[::-1]
    for address in map(_address, hops):
        if address is None:
            break
        seen = address
        if not any(address in network for network in proxies):
            break
    if isinstance(seen, IPv6Address):
        return str(ip_network((seen, SUBSCRIBER_BITS), strict=False))
    return str(seen or "unix")


def _address(text: str) -> Address | None:
    """The address that this is, with a port or without."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def database_path(database_url: str) -> Path:
    """The file that ``database_url`` names.

    Raises:
        ConfigurationError: when it is not ``sqlite:///PATH``; its text holds no part of the URL but the scheme.
    """
    scheme, separator, _ = database_url.partition("://")
    path = database_url.removeprefix(SQLITE)
    if not separator:
        problem = "is not a URL"
    elif scheme != "sqlite":
        problem = f"{scheme}:// is not served in this version"
    elif path == database_url or not path.strip("/") or path == ":memory:":
        problem = "names no file"
    elif "?" in path or "\0" in path:
        problem = "has parameters, and takes none"
    else:
        return Path(path)
    raise ConfigurationError("database_url", problem, f"it must be {SQLITE}PATH, such as {SQLITE}chatcore.db")
