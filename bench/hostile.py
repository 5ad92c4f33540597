"""What attacks are made of: a connection that says exactly the bytes it is told to, and tokens right and wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import struct
import time
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs
import trio

SECRET = "a secret of more than thirty-two bytes"
AUDIENCE = "chat"

TEXT, BINARY, CONT, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
FIN, RSV1 = 0x80, 0x40

NOTHING: Mapping[str, Any] = {}
LINGERS_SECONDS = 20.0
"""How long an attacker waits for the end; longer than anything is given to it."""


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def token(user: str, *, secret: bytes = SECRET.encode(), header: Mapping[str, Any] = NOTHING, **changed: Any) -> str:
    """A token of a user: a right one, but for what is changed. Made by hand: libraries refuse to make wrong ones."""
    claims = {"sub": user, "aud": AUDIENCE, "exp": int(time.time()) + 86_400, **changed}
    body = f"{part({'alg': 'HS256', 'typ': 'JWT', **header})}.{part(claims)}"
    return f"{body}.{part(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"


def wrong_tokens(user: str, public_key: bytes) -> list[str]:
    """Tokens that must let nobody in."""
    head, claims, signature = token(user).split(".")
    return [
        f"{part({'alg': 'none'})}.{claims}.",
        f"{part({'alg': 'none'})}.{claims}.{signature}",
        token(user, header={"alg": "nOnE"}),
        token(user, secret=public_key),
        token(user, secret=public_key.strip()),
        token(user, secret=public_key, header={"kid": "key-1"}),
        token(user, header={"alg": "RS256", "kid": "key-1"}),
        token(user, header={"alg": "HS512"}),
        token(user, aud="another"),
        token(user, aud=None),
        token(user, exp=1),
        token(user, exp="never"),
        token(user, nbf=1 << 40),
        token(user, header={"crit": ["exp"]}),
        token(user, secret=b""),
        token(user, secret=b"x" * 40, header={"jwk": {"kty": "oct", "k": part(b"x" * 40)}}),
        f"{head}.{claims}.",
        f"{head}.{claims}.{part(bytes(32))}",
        f"{head}.{part({'sub': 'root', 'aud': 'chat', 'exp': 1 << 40})}.{signature}",
        token(""),
        token(user, sub=["root"]),
        "x" * 9000,
        "..",
        "x",
    ]


def frame(opcode: int, payload: bytes = b"", *, first: int = FIN) -> bytes:
    """A client's frame, masked with zeros, as it may be."""
    size = len(payload)
    if size < 126:
        head = bytes([first | opcode, 0x80 | size])
    elif size < 65_536:
        head = bytes([first | opcode, 0x80 | 126]) + struct.pack("!H", size)
    else:
        head = bytes([first | opcode, 0x80 | 127]) + struct.pack("!Q", size)
    return head + bytes(4) + payload


DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15"
EMPTY_BLOCK = b"\0\0\xff\xff"


def deflated(data: bytes, *, last: bool = False) -> bytes:
    """A message as it is compressed, by the megabyte to no more than a kilobyte.

    Args:
        data: of it.
        last: whether its last block says that it is the last.
    """
    compressor = zlib.compressobj(9, wbits=-12)
    made = compressor.compress(data)
    return made + compressor.flush() if last else (made + compressor.flush(zlib.Z_SYNC_FLUSH))[: -len(EMPTY_BLOCK)]


def inflated(data: bytes) -> bytes:
    """The message again."""
    return zlib.decompressobj(wbits=-15).decompress(data + EMPTY_BLOCK)


def text(**fields: Any) -> bytes:
    """A message of ``chatcore.v1``."""
    return frame(TEXT, json.dumps(fields).encode())


def request(path: str = "/", *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode() + body


def handshake(bearer: str, *more: str) -> bytes:
    """The request for a WebSocket."""
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    return request("/ws", *upgrade, f"Sec-WebSocket-Key: {'A' * 22}==", f"Authorization: Bearer {bearer}", *more)


@attrs.define(eq=False)
class Line:
    """A connection of an attacker.

    Args:
        stream: of bytes.
        received: what has come and was not looked at yet.
        told: the ``error_code`` of each error frame.
        last: the last text frame.
    """

    stream: trio.SocketStream
    received: bytearray = attrs.field(factory=bytearray)
    told: list[str] = attrs.field(factory=list)
    last: bytes = b""

    async def send(self, data: bytes) -> bool:
        """Send it all; False where the server has hung up, which an attacker reads the reason of."""
        try:
            await self.stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        return True

    async def upgrade(self, bearer: str, *, compressed: bool = False) -> None:
        """Have a WebSocket opened, with messages compressed or not."""
        await self.send(handshake(bearer, *([DEFLATE] if compressed else [])))
        while b"\r\n\r\n" not in self.received:
            assert await self.more(), f"no answer to the handshake: {bytes(self.received)!r}"
        head, _, rest = bytes(self.received).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert (b"permessage-deflate" in head) is compressed, head
        self.received = bytearray(rest)

    async def status(self) -> str:
        """The status of the answer to a request; ``closed`` where there is none, ``open`` where it does not come."""
        with trio.move_on_after(LINGERS_SECONDS):
            while b"\r\n\r\n" not in self.received:
                if not await self.more():
                    return "closed"
            return self.received.split(b" ")[1].decode()
        return "open"

    async def skip_body(self) -> None:
        """Read the rest of an answer whose length it tells."""
        head, _, body = bytes(self.received).partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < size and await self.more():
            body = bytes(self.received).partition(b"\r\n\r\n")[2]
        del self.received[: len(head) + 4 + size]

    async def hung_up(self) -> str:
        """``closed`` once the server has hung up, ``open`` where it does not."""
        with trio.move_on_after(LINGERS_SECONDS):
            while await self.more():
                pass
            return "closed"
        return "open"

    async def rest(self) -> bytes:
        """All that comes until the server hangs up."""
        await self.hung_up()
        return bytes(self.received)

    async def end(self) -> str:
        """How a WebSocket ended: the code of the close frame, with the last error before it; ``closed`` for neither."""
        with trio.move_on_after(LINGERS_SECONDS):
            while True:
                for opcode, payload in self._frames():
                    if opcode == CLOSE:
                        code = str(int.from_bytes(payload[:2], "big"))
                        return f"{self.told[-1]} {code}" if self.told else code
                    if opcode == TEXT:
                        self._note(payload)
                if not await self.more():
                    return "closed"
        return "open"

    def _note(self, payload: bytes) -> None:
        self.last = payload
        if payload.startswith(b'{"type":"error"'):
            self.told.append(json.loads(payload)["error_code"])

    async def until(self, words: bytes) -> None:
        """Read until these have come."""
        while words not in self.received:
            assert await self.more(), f"hung up on before {words!r} came"

    def _frames(self) -> list[tuple[int, bytes]]:
        found = []
        while len(self.received) >= 2:
            size = self.received[1]
            begin = 2 if size < 126 else 4 if size == 126 else 10
            if size >= 126:
                size = int.from_bytes(self.received[2:begin], "big")
            if len(self.received) < begin + size:
                break
            payload = bytes(self.received[begin : begin + size])
            found.append((self.received[0] & 0x0F, inflated(payload) if self.received[0] & RSV1 else payload))
            del self.received[: begin + size]
        return found

    async def more(self) -> bool:
        """Wait for more to come; False at the end."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            data = await self.stream.receive_some(65_536)
            self.received += data
            return bool(data)
        return False

    async def while_sending(self, data: bytes, times: int) -> str:
        """Send the same again and again, hearing meanwhile how it ends: who only sends loses the close to a reset."""
        ended = ""

        async def listen() -> None:
            nonlocal ended
            ended = await self.end()
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            for _ in range(times):
                if not await self.send(data):
                    break
        return ended


@attrs.frozen
class Target:
    """A server under attack, with ``auth = "jwt"``.

    Args:
        port: on the loopback.
        public_key: that it believes, in PEM.
    """

    port: int
    public_key: bytes = attrs.field(repr=False)

    @asynccontextmanager
    async def line(self, receive_bytes: int | None = None) -> AsyncIterator[Line]:
        """A connection.

        Args:
            receive_bytes: what its kernel takes of what it does not read; the system's choice unless given.
        """
        raw = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_bytes is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await raw.connect(("127.0.0.1", self.port))
        async with trio.SocketStream(raw) as stream:
            yield Line(stream)

    @asynccontextmanager
    async def websocket(
        self, user: str, receive_bytes: int | None = None, *, compressed: bool = False
    ) -> AsyncIterator[Line]:
        """A WebSocket of a user."""
        async with self.line(receive_bytes) as line:
            await line.upgrade(token(user), compressed=compressed)
            yield line

    async def newest_thread(self, user: str) -> str:
        """The id of a user's thread."""
        async with self.line() as line:
            await line.send(
                request("/api/threads?limit=1", f"Authorization: Bearer {token(user)}", "Connection: close")
            )
            body = (await line.rest()).partition(b"\r\n\r\n")[2]
        thread_id: str = json.loads(body)["threads"][0]["thread_id"]
        return thread_id
