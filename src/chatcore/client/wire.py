"""One connection of a client: the seam, and what stands behind it, trio-websocket."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast
from urllib.parse import quote, urlencode, urlsplit

import attrs
import trio

from chatcore.client.errors import ConnectionLost
from chatcore.errors import CloseCode, ConfigurationError

if TYPE_CHECKING:
    from trio_websocket import ConnectionRejected, WebSocketConnection

SUBPROTOCOL: Final = "chatcore.v1"
HANDSHAKE_SECONDS: Final = 10.0
"""Connecting, TLS and the handshake; the server itself gives a request head 5 s."""

CLOSING_SECONDS: Final = 1.0
"""How long a polite close may take; the server holds nothing for a client that it would lose."""

MAX_FRAME_CHARACTERS: Final = 64 * 1024 * 1024
"""The largest frame a client reads: answers come with their evidence, snapshots with a whole thread."""

_TOKEN: Final = re.compile(r"[\w.+/~-]+=*", re.ASCII)
"""What a bearer token is made of (RFC 6750 section 2.1); every JWT is."""

FreshToken: TypeAlias = Callable[[], Awaitable[str]]
"""Gives a token that is valid now; asked before each connection."""


class Wire(Protocol):
    """One open connection, as text frames. Each method raises :class:`ConnectionLost` once it has ended."""

    async def send(self, text: str) -> None:
        """Write one text frame."""

    async def receive(self) -> str | bytes:
        """The next frame; ``bytes`` where it is a binary one. What arrived before the end is read first."""

    async def ping(self) -> None:
        """Return when the other side has shown that it is there."""

    async def close(self, code: CloseCode) -> None:
        """Say goodbye, within :data:`CLOSING_SECONDS`."""


Headers: TypeAlias = list[tuple[str, str]]

Dial: TypeAlias = Callable[[], AbstractAsyncContextManager[Wire]]
"""Opens a connection, or raises :class:`ConnectionLost`; leaving the block closes it."""


_DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def _not_an_address() -> ConfigurationError:
    return ConfigurationError("url", "is not the address of a server", "it is http(s)://HOST:PORT or ws(s)://HOST:PORT")


@attrs.frozen
class Address:
    """Where a server is.

    Args:
        host: name or address, without brackets.
        port: the TCP port.
        secure: whether it speaks TLS.
    """

    host: str
    port: int
    secure: bool

    @classmethod
    def parse(cls, url: str) -> Address:
        """The address in ``http(s)://HOST:PORT`` or ``ws(s)://HOST:PORT[/ws]``.

        Raises:
            ConfigurationError: when ``url`` is neither.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise _not_an_address() from None
        extras = parts.query or parts.fragment or parts.username is not None
        known = parts.scheme in _DEFAULT_PORTS and parts.path in ("", "/", "/ws")
        if not known or extras or not host or port == 0:
            raise _not_an_address()
        default = _DEFAULT_PORTS[parts.scheme]
        return cls(host, port or default, default == _DEFAULT_PORTS["https"])

    @property
    def authority(self) -> str:
        """``HOST:PORT``, an IPv6 address in brackets; without the port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS["https" if self.secure else "http"] else f"{host}:{self.port}"


def dialer(url: str, user_id: str | None, token: str | FreshToken | None) -> Dial:
    """What connects to the server at ``url``.

    Args:
        url: ``http(s)://HOST:PORT`` or ``ws(s)://HOST:PORT[/ws]``.
        user_id: who this is, for servers without authentication.
        token: a bearer token, or what gives one; it travels in the header ``Authorization``, never in the URL.

    Raises:
        ConfigurationError: when ``url`` is no address of a server, or ``token`` is nothing that a header can carry.
    """
    address = Address.parse(url)
    if isinstance(token, str):
        _authorization(token)
    resource = "/ws" + (f"?{urlencode({'user_id': user_id}, quote_via=quote)}" if user_id is not None else "")

    @asynccontextmanager
    async def dial() -> AsyncIterator[Wire]:
        fresh = token if token is None or isinstance(token, str) else await token()
        async with _dial(address, resource, [] if fresh is None else _authorization(fresh)) as wire:
            yield wire

    return dial


def _authorization(token: str) -> Headers:
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError("token", "has characters that an HTTP header cannot carry")
    return [("authorization", f"Bearer {token}")]


@contextmanager
def ungrouped() -> Iterator[None]:
    """Let the only exception of a nursery out on its own, as it was; a group of several stays one."""
    try:
        yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) != 1:
            raise
        alone, context = group.exceptions[0], group.exceptions[0].__context__
        try:
            raise alone
        finally:
            alone.__context__ = context  # not the group it came in


@asynccontextmanager
async def _dial(address: Address, resource: str, headers: Headers) -> AsyncIterator[Wire]:
    stream = await _connect(address)
    try:
        with _rejection_is_loss(), ungrouped():
            async with trio.open_nursery() as nursery:
                reading = await nursery.start(_keep_reading)
                try:
                    wire = _WebSocket(await _handshake(reading, stream, address, resource, headers))
                    try:
                        yield wire
                    finally:
                        await wire.close(CloseCode.NORMAL)
                finally:
                    reading.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)


async def _keep_reading(task_status: trio.TaskStatus[trio.Nursery]) -> None:
    """The place of trio-websocket's reader: shielded, as the closing handshake needs it after a cancellation too."""
    with ungrouped():
        async with trio.open_nursery() as reading:
            reading.cancel_scope.shield = True
            task_status.started(reading)
            await trio.sleep_forever()


async def _connect(address: Address) -> trio.abc.Stream:
    """A stream to the server, with TLS where asked for."""
    with trio.move_on_after(HANDSHAKE_SECONDS):
        try:
            if not address.secure:
                return await trio.open_tcp_stream(address.host, address.port)
            context = ssl.create_default_context()
            stream = await trio.open_ssl_over_tcp_stream(
                address.host, address.port, https_compatible=True, ssl_context=context
            )
            await stream.do_handshake()
        except (OSError, trio.BrokenResourceError):
            raise ConnectionLost(f"no connection to {address.authority}") from None
        return stream
    raise ConnectionLost(f"no connection to {address.authority} within {HANDSHAKE_SECONDS:g} s")


async def _handshake(
    nursery: trio.Nursery, stream: trio.abc.Stream, address: Address, resource: str, headers: Headers
) -> WebSocketConnection:
    """Become a WebSocket. trio-websocket waits for ever where the server hangs up first, so this does not."""
    from trio_websocket import wrap_client_stream

    watched = _WatchedStream(stream)
    with trio.move_on_after(HANDSHAKE_SECONDS):
        async with trio.open_nursery() as race:
            race.start_soon(_cancel_once, watched.over, race.cancel_scope)
            connection = await wrap_client_stream(
                nursery,
                cast("trio.SocketStream", watched),  # any stream serves, the annotation names two
                address.authority,
                resource,
                subprotocols=(SUBPROTOCOL,),
                extra_headers=[(name.encode(), value.encode()) for name, value in headers],
                max_message_size=MAX_FRAME_CHARACTERS,
            )
            race.cancel_scope.cancel()
            return connection
    raise ConnectionLost(f"{address.authority} did not answer as a WebSocket server")


async def _cancel_once(over: trio.Event, scope: trio.CancelScope) -> None:
    await over.wait()
    scope.cancel()


@attrs.define(eq=False)
class _WatchedStream(trio.abc.Stream):
    """A stream that tells when nothing more can be read from it."""

    stream: trio.abc.Stream
    over: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data: bytes | bytearray = b""
        try:
            data = await self.stream.receive_some(max_bytes)
        finally:
            if not data:
                self.over.set()
        return data

    async def aclose(self) -> None:
        self.over.set()
        await self.stream.aclose()


@contextmanager
def _rejection_is_loss() -> Iterator[None]:
    from trio_websocket import ConnectionRejected

    try:
        yield
    except ConnectionRejected as rejected:
        lost = _rejected(rejected)
        raise lost from None


def _rejected(rejected: ConnectionRejected) -> ConnectionLost:
    after = dict(rejected.headers).get(b"retry-after", b"")
    seconds = float(after) if after.isdigit() else None  # its other form, a date, needs two clocks that agree
    status = rejected.status_code
    return ConnectionLost(f"HTTP status {status}", status=status, retry_after_seconds=seconds)


@attrs.frozen
class _WebSocket:
    """A :class:`Wire` over trio-websocket."""

    _connection: WebSocketConnection

    async def send(self, text: str) -> None:
        with _close_is_loss():
            await self._connection.send_message(text)

    async def receive(self) -> str | bytes:
        with _close_is_loss():
            return await self._connection.get_message()

    async def ping(self) -> None:
        with _close_is_loss():
            await self._connection.ping()

    async def close(self, code: CloseCode) -> None:
        with trio.CancelScope(deadline=trio.current_time() + CLOSING_SECONDS, shield=True):
            await self._connection.aclose(int(code))


@contextmanager
def _close_is_loss() -> Iterator[None]:
    from trio_websocket import ConnectionClosed

    try:
        yield
    except ConnectionClosed as closed:
        reason = closed.reason
        if reason is None:
            raise ConnectionLost("the connection was lost") from None
        raise ConnectionLost(reason.reason or f"closed with {reason.code}", code=reason.code) from None
