"""Who may come in, decided from the request alone (protocol.md, 3). Pure.

What takes more than the request, a signature or a ticket, is up to :mod:`.gate`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import attrs

from chatcore.addresses import is_loopback
from chatcore.auth.claims import MAX_USER_ID, Identity, TokenFault, is_user_id
from chatcore.errors import ErrorCode, InvalidMessage
from chatcore.settings import Settings
from chatcore.web.problems import Problem

IDENTITY_KEY: Final = "chatcore.identity"
"""Where ``scope["state"]`` of one HTTP request holds who asks, once it has been admitted."""

ANONYMOUS: Final = "anonymous"

OPEN_PATHS: Final = frozenset(
    {
        "/",
        "/asyncapi.json",
        "/health/ready",
        "/health/startup",
        "/metrics",
        "/openapi.json",
        "/signin.js",
        "/status",
        "/status.json",
    }
)
"""What is answered without a token: the pages, to sign in with, and what probes ask. It holds nothing of any user."""

OPEN_FOLDER: Final = "/static/"

_HEADERS: Final = frozenset({b"authorization", b"host", b"origin", b"x-forwarded-for"})

_TOKEN: Final = re.compile(r"[\w.+/=~-]+", re.ASCII)
"""What a bearer token is made of (RFC 6750, section 2.1)."""

_HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[\w.-]+)(:[0-9]*)?", re.ASCII)
"""A name or an address, with a port or without, in lower case (RFC 9110, section 7.2)."""

_BEARER: Final = "bearer."
"""Before a token among the subprotocols."""


@attrs.frozen
class Request:
    """What admission looks at.

    Args:
        headers: that have a say, by their names in lower case; one that comes again is joined with commas (RFC 9110,
            section 5.2).
        query: the query string.
        scheme: ``http``, ``https``, ``ws`` or ``wss``.
        server_host: the address that the connection came in on, None for a Unix socket.
        path: decoded.
        subprotocols: that a WebSocket offers.
        peer: the address that the connection comes from, None for a Unix socket.
    """

    headers: dict[str, str] = attrs.field(repr=False)
    query: str = attrs.field(repr=False)
    scheme: str
    server_host: str | None
    path: str = "/"
    subprotocols: tuple[str, ...] = attrs.field(default=(), repr=False)
    peer: str | None = None

    parameters: Mapping[str, list[str]] | None = attrs.field(init=False, repr=False)
    """Those of the query, by name; None where they cannot be read."""

    @parameters.default
    def _of_the_query(self) -> Mapping[str, list[str]] | None:
        try:
            return parse_qs(self.query, keep_blank_values=True, errors="strict") if self.query else {}
        except UnicodeDecodeError:
            return None

    @property
    def is_websocket(self) -> bool:
        """Whether this is a WebSocket's handshake."""
        return self.scheme in ("ws", "wss")

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> Request:
        """The request of an ASGI scope."""
        pairs: Iterable[tuple[bytes, bytes]] = [(name.lower(), value) for name, value in scope["headers"]]
        server, client = scope.get("server"), scope.get("client")
        return cls(
            headers=_joined([(name.decode(), value.decode("latin-1")) for name, value in pairs if name in _HEADERS]),
            query=scope["query_string"].decode("latin-1"),
            scheme=str(scope.get("scheme", "http")),
            server_host=str(server[0]) if isinstance(server, (tuple, list)) and server[1] is not None else None,
            peer=str(client[0]) if client else None,
            path=str(scope.get("path", "/")),
            subprotocols=tuple(scope.get("subprotocols", ())),
        )


def _joined(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Headers by name; one that comes again is joined with commas (RFC 9110, section 5.2)."""
    joined = dict(headers)
    if len(joined) < len(headers):
        values: dict[str, list[str]] = {}
        for name, value in headers:
            values.setdefault(name, []).append(value)
        joined = {name: ", ".join(those) for name, those in values.items()}
    return joined


@attrs.frozen
class Token:
    """A bearer token as it was given."""

    text: str = attrs.field(repr=False)


@attrs.frozen
class Ticket:
    """A ticket as it was given."""

    text: str = attrs.field(repr=False)


def screen(request: Request, settings: Settings) -> Problem | None:
    """Why a request may not come in, whoever sends it; None where nothing speaks against it."""
    if settings.auth == "none" and not is_loopback(request.server_host):
        return Problem(403, "Without authentication this server answers on loopback addresses only")
    if settings.auth == "none" and not host_allowed(request, settings.allowed_origins):
        return Problem(403, "Without authentication this server answers to names of this machine only")
    if not origin_allowed(request, settings.allowed_origins):
        return Problem(403, "This origin is not allowed")
    return None


def needs_nobody(request: Request) -> bool:
    """Whether a request is answered without anyone having signed in. What is not listed is not."""
    listed = request.path in OPEN_PATHS or request.path.startswith(OPEN_FOLDER)
    return listed and not request.is_websocket


def named_user(request: Request) -> Identity | Problem:
    """The user that a request names itself, where nobody is authenticated."""
    users = _parameter(request, "user_id", [ANONYMOUS])
    if len(users) != 1 or not is_user_id(users[0]):
        return Problem.of(InvalidMessage("user_id", f"one value of 1 to {MAX_USER_ID} printable characters"))
    return Identity(users[0])


def credential(request: Request) -> Token | Ticket | Problem | None:
    """What a request shows of itself: one token or ticket, or None. A token in the URL is none (RFC 9700, 4.3.2)."""
    given: list[Token | Ticket] = [*_header_tokens(request), *_offered_tokens(request)]
    if request.is_websocket:
        given += map(Ticket, _parameter(request, "ticket", []))
    if len(given) > 1:
        return unauthenticated("More than one token or ticket was given", error="invalid_request")
    return given[0] if given else None


def _header_tokens(request: Request) -> list[Token]:
    """The token of ``Authorization``; one of another scheme, or a malformed one, is refused as a token would be."""
    header = request.headers.get("authorization")
    if header is None:
        return []
    scheme, _, text = header.partition(" ")
    return [Token(text.strip(" ") if scheme.lower() == "bearer" and _TOKEN.fullmatch(text.strip(" ")) else "")]


def _offered_tokens(request: Request) -> list[Token]:
    return [Token(name.removeprefix(_BEARER)) for name in request.subprotocols if name.startswith(_BEARER)]


def unauthenticated(detail: str, *, error: str | None = None, code: ErrorCode | None = None) -> Problem:
    """A 401 with its challenge.

    Args:
        detail: in words; of the catalogue, nothing that was sent.
        error: what RFC 6750 calls it, None where no token was given.
        code: of the wire.
    """
    told = f', error="{error}", error_description="{detail}"' if error is not None else ""
    return Problem(401, detail, code, challenge=f'Bearer realm="chatcore"{told}')


def token_problem(fault: TokenFault) -> Problem:
    """The 401 for a token."""
    expired = ErrorCode.TOKEN_EXPIRED if fault is TokenFault.EXPIRED else None
    return unauthenticated(f"The token is not accepted: {fault}", error="invalid_token", code=expired)


def too_many_guesses(wait: float) -> Problem:
    """The 429 for an address that is not listened to for a moment."""
    detail = "Too many wrong tokens or tickets came from this address"
    return Problem(429, detail, ErrorCode.RATE_LIMITED, retry_after_seconds=round(wait, 3))


def _parameter(request: Request, name: str, absent: list[str]) -> list[str]:
    if request.parameters is None:  # two that cannot be read must not become one
        return [""]
    return request.parameters.get(name, absent)


def origin_allowed(request: Request, allowed: Iterable[str]) -> bool:
    """Whether a browser's page may call: its origin is the server's own, or on the list. No origin, no browser."""
    origin = request.headers.get("origin")
    if origin is None:
        return True
    own_scheme = "https" if request.scheme in ("https", "wss") else "http"
    own = f"{own_scheme}://{request.headers.get('host', '')}"
    return _normal(origin) in {_normal(own), *map(_normal, allowed)}


def host_allowed(request: Request, allowed: Iterable[str]) -> bool:
    """Whether a request names this machine, or a host on the list, in ``Host``; who names none is no browser.

    A page elsewhere may have its own name lead here once it is loaded (DNS rebinding). Its requests have an origin that
    is their own host then, and the name is all that gives them away.
    """
    host = request.headers.get("host")
    if host is None:
        return True
    name = _name_in(host)
    return name is not None and (is_loopback(name) or name.endswith(".localhost") or name in map(_host_of, allowed))


@lru_cache(maxsize=64)  # most clients give one of a few, and the others' may be long
def _name_in(host: str) -> str | None:
    """The name or address in a ``Host``, None where that is none."""
    named = _HOST.fullmatch(host.strip().lower())
    return named["name"].strip("[]").removesuffix(".") if named is not None else None


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None


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
