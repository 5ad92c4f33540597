"""Clients of a chat on raw sockets, as cheap as Python has them: many fit into one process beside the server.

A client greets, hears frames until it is ``ready`` or its end, and then tells its crowd of each frame that comes. What
the wire looks like is its class: :class:`Client` speaks WebSocket, :class:`SocketIOClient` the protocol of Socket.IO
over it, and :class:`LineClient` a line a frame over TCP.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from typing import Protocol

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA

CLIENTS_AN_ADDRESS = 5000
"""An address of the loopback has some 28,000 ports, and closed connections keep theirs for a minute."""

READ_BYTES = 16_384


class Crowd(Protocol):
    """Who is told what becomes of clients."""

    def settled(self) -> None:
        """One is ready, or was closed before."""

    def heard(self, client: Client, payload: bytes, now: float) -> None:
        """A frame has come to a client that is ready."""

    def ended(self) -> None:
        """A connection is over."""


class Client:
    """One client, over WebSocket.

    Args:
        number: of the client, which makes its user id.
        port: of the server, on the loopback.
        crowd: is told of it.
    """

    path = "/ws"

    def __init__(self, number: int, port: int, crowd: Crowd | None = None) -> None:
        self.number = number
        self.port = port
        self.crowd = crowd
        self.rest = b""
        self.upgraded = False
        self.over = False
        self.frames = 0
        self.first_at: float | None = None
        self.ready_at: float | None = None
        self.error_at: float | None = None
        self.error_code: str | None = None
        self.close_code: int | None = None
        self.outcome: str | None = None
        self.socket = socket.socket()

    def connect(self) -> None:
        """Begin to connect."""
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.socket.bind((f"127.0.0.{2 + self.number // CLIENTS_AN_ADDRESS}", 0))
        self.socket.connect_ex(("127.0.0.1", self.port))

    def greet(self) -> None:
        """Say the first thing; the connection is open now, or has failed."""
        self.socket.send(self.greeting())

    def greeting(self) -> bytes:
        key = base64.b64encode(os.urandom(16)).decode()
        separator = "&" if "?" in self.path else "?"
        return (
            f"GET {self.path}{separator}user_id=bench-{self.number} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    def send(self, payload: bytes) -> None:
        """Send a frame."""
        self.send_frame(TEXT, payload)

    def send_frame(self, opcode: int, payload: bytes) -> None:
        """Send a frame of WebSocket, masked with zeros: it costs the server what any mask does."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
        self.socket.send(bytes([0x80 | opcode]) + length + bytes(4) + payload)

    def read(self) -> None:
        """Take what has arrived."""
        data = self.socket.recv(READ_BYTES)
        if data:
            self.take_in(data, time.monotonic())
        else:
            self.end("gone")

    def take_in(self, data: bytes, now: float) -> None:
        """Go on with what a server has written."""
        if self.rest:
            data, self.rest = self.rest + data, b""
        self.rest = self.feed(data, now) if self.upgraded else self.upgrade(data, now)

    def upgrade(self, data: bytes, now: float) -> bytes:
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            return data
        self.upgraded = head.startswith(b"HTTP/1.1 101")
        if not self.upgraded:
            self.end(head.split(b"\r\n")[0].decode())
            return b""
        return self.feed(rest, now)

    def feed(self, data: bytes, now: float) -> bytes:
        """Take every whole frame; what is left. A server's are not masked."""
        at, end = 0, len(data)
        while end - at >= 2 and not self.over:
            start, length = at + 2, data[at + 1]
            if length >= 126:
                start = at + (4 if length == 126 else 10)
                length = int.from_bytes(data[at + 2 : start], "big")
            if start + length > end:
                break
            self.take(data[at] & 0x0F, data[start : start + length], now)
            at = start + length
        return data[at:]

    def take(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == TEXT:
            self.hear(payload, now)
        elif opcode == PING:
            self.send_frame(PONG, payload)
        elif opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
            self.end("closed")

    def hear(self, payload: bytes, now: float) -> None:
        """Take a frame of the chat."""
        self.frames += 1
        if self.ready_at is not None:
            if self.crowd is not None:
                self.crowd.heard(self, payload, now)
            return
        if self.first_at is None:
            self.first_at = now
        if b'"ready"' in payload:
            self.ready_at = now
            self.settle()
        elif b'"error"' in payload:
            self.error_at, self.error_code = now, json.loads(payload)["error_code"]

    def settle(self) -> None:
        if self.crowd is not None:
            self.crowd.settled()

    def end(self, outcome: str) -> None:
        """The connection is over; its socket stays open."""
        self.over, self.outcome = True, outcome
        if self.ready_at is None:
            self.settle()
        if self.crowd is not None:
            self.crowd.ended()


class SocketIOClient(Client):
    """One client that speaks to python-socketio: each frame is an event named ``frame``."""

    path = "/socket.io/?EIO=4&transport=websocket"

    def hear(self, payload: bytes, now: float) -> None:
        if payload.startswith(b"42"):
            super().hear(payload[payload.index(b",") + 1 : -1], now)
        elif payload.startswith(b"0"):  # the transport is open: join the namespace
            self.send_frame(TEXT, b"40")
        elif payload == b"2":
            self.send_frame(TEXT, b"3")

    def send(self, payload: bytes) -> None:
        self.send_frame(TEXT, b'42["frame",' + payload + b"]")


class LineClient(Client):
    """One client that hears and says lines."""

    def greeting(self) -> bytes:
        self.upgraded = True
        return b"hello\n"

    def feed(self, data: bytes, now: float) -> bytes:
        *lines, rest = data.split(b"\n")
        for line in lines:
            self.hear(line, now)
        return rest

    def send(self, payload: bytes) -> None:
        self.socket.send(payload + b"\n")


IP_BIND_ADDRESS_NO_PORT = 24
"""Of Linux, which the module ``socket`` does not name: take a port when connecting, which may be in use elsewhere."""

SPEAKING: dict[str, type[Client]] = {"websocket": Client, "socketio": SocketIOClient, "lines": LineClient}
"""Clients by what they speak."""
