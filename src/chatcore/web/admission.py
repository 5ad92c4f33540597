"""Who may come in, decided from the request alone (protocol.md, 3). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs

from chatcore.errors import InvalidMessage
from chatcore.settings import Settings
from chatcore.web.problems import Problem

USER_KEY = "chatcore.user_id"
"""Where ``scope["state"]`` of one HTTP request holds who asks, once it has been admitted."""

ANONYMOUS = "anonymous"
MAX_USER_ID = 128
"""Room for a UUID with a prefix; ids are keys in storage."""


@attrs.frozen
class Request:
    """What admission looks at.

    Args:
        headers: names in lower case; the last of each.
        query: the query string.
        scheme: ``http``, ``https``, ``ws`` or ``wss``.
        server_host: the address that the connection came in on, None for a Unix socket.
    """

    headers: dict[str, str]
    query: str
    scheme: str
    server_host: str | None

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> Request:
        """The request of an ASGI scope."""
        pairs: Iterable[tuple[bytes, bytes]] = scope["headers"]
        server = scope.get("server")
        return cls(
            headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs},
            query=scope["query_string"].decode("latin-1"),
            scheme=str(scope.get("scheme", "http")),
            server_host=str(server[0]) if isinstance(server, (tuple, list)) and server[1] is not None else None,
        )


def admit(request: Request, settings: Settings) -> str | Problem:
    """The user that a request comes from, or why it may not come in."""
    if settings.auth == "none" and not is_loopback(request.server_host):
        return Problem(403, "Without authentication this server answers on loopback addresses only")
    if not origin_allowed(request, settings.allowed_origins):
        return Problem(403, "This origin is not allowed")
    users = _users(request.query)
    if len(users) != 1 or not users[0].isprintable() or not 0 < len(users[0]) <= MAX_USER_ID:
        return Problem.of(InvalidMessage("user_id", f"one value of 1 to {MAX_USER_ID} printable characters"))
    return users[0]


def _users(query: str) -> list[str]:
    try:
        return parse_qs(query, keep_blank_values=True, errors="strict").get("user_id", [ANONYMOUS])
    except UnicodeDecodeError:  # two that cannot be read must not become one
        return []


def is_loopback(host: str | None) -> bool:
    """Whether an address cannot be reached from another machine. None is a Unix socket."""
    if host is None or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def origin_allowed(request: Request, allowed: Iterable[str]) -> bool:
    """Whether a browser's page may call: its origin is the server's own, or on the list. No origin, no browser."""
    origin = request.headers.get("origin")
    if origin is None:
        return True
    own_scheme = "https" if request.scheme in ("https", "wss") else "http"
    own = f"{own_scheme}://{request.headers.get('host', '')}"
    return _normal(origin) in {_normal(own), *map(_normal, allowed)}


def _normal(origin: str) -> str:
    """An origin with its default port left out, in lower case; what is none, such as ``null``, stays as it is."""
    try:
        parts = urlsplit(origin.strip().lower())
    except ValueError:
        return origin
    if not parts.netloc:
        return origin
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.removesuffix(default) if default else parts.netloc}"
