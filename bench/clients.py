"""The load generator: many WebSocket clients in one process, on raw sockets, so that it costs little itself.

Each client has a user id of its own, connects with all the others, and reads until it is ``ready`` or has been closed.
``python -m bench.clients PORT COUNT SECONDS`` prints what became of each as JSON; times are the machine's monotonic.
The connections stay open until its standard input ends.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import socket
import sys
import time
from typing import Any

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


class Client:
    """One client.

    Args:
        number: of the client, which makes its user id.
        port: of the server, on the loopback.
    """

    def __init__(self, number: int, port: int) -> None:
        self.number = number
        self.port = port
        self.buffer = bytearray()
        self.upgraded = False
        self.over = False
        self.told: dict[str, Any] = {"frames": 0, "bytes": 0}
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))

    def greet(self) -> None:
        """Ask for the upgrade; the connection is open now, or has failed."""
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET /ws?user_id=bench-{self.number} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self.socket.send(request.encode())

    def read(self) -> None:
        """Take what has arrived."""
        data = self.socket.recv(65_536)
        now = time.monotonic()
        if not data:
            return self.end("gone", now)
        self.told["bytes"] += len(data)
        self.buffer += data
        if not self.upgraded:
            self.upgrade()
        while self.upgraded and not self.over and (frame := self.next_frame()) is not None:
            self.take(*frame, now)

    def upgrade(self) -> None:
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if found:
            self.upgraded = head.startswith(b"HTTP/1.1 101")
            self.buffer = rest
            if not self.upgraded:
                self.end(head.split(b"\r\n")[0].decode(), time.monotonic())

    def next_frame(self) -> tuple[int, bytes] | None:
        """The next whole frame of the buffer; a server's are not masked."""
        if len(self.buffer) < 2:
            return None
        start, length = 2, self.buffer[1] & 0x7F
        if length >= 126:
            start = 4 if length == 126 else 10
            length = int.from_bytes(self.buffer[2:start], "big")
        if len(self.buffer) < start + length:
            return None
        opcode, payload = self.buffer[0] & 0x0F, bytes(self.buffer[start : start + length])
        del self.buffer[: start + length]
        return opcode, payload

    def take(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == TEXT:
            self.told["frames"] += 1
            self.told.setdefault("first_at", now)
            if b'"event":"ready"' in payload:
                self.told["ready_at"] = now
                self.end("ready", now)
            elif b'"type":"error"' in payload:
                self.told["error_at"] = now
                self.told["error_code"] = json.loads(payload)["error_code"]
        elif opcode == PING:
            mask = bytes(4)
            self.socket.send(bytes([0x80 | PONG, 0x80 | len(payload)]) + mask + payload)
        elif opcode == CLOSE:
            self.told["close_code"] = int.from_bytes(payload[:2], "big")
            self.told["close_reason"] = payload[2:].decode()
            self.end("closed", now)

    def end(self, outcome: str, now: float) -> None:
        self.over = True
        self.told |= {"outcome": outcome, "ended_at": now}


def run(port: int, count: int, seconds: float, clients: list[Client]) -> dict[str, Any]:
    """Connect all at once, and read until every client is ready or gone, or the time is over.

    Args:
        port: of the server.
        count: how many.
        seconds: how long at most.
        clients: where they are kept, so that they stay connected.
    """
    began_at = time.monotonic()
    selector = selectors.DefaultSelector()
    clients += [Client(number, port) for number in range(count)]
    for client in clients:
        selector.register(client.socket, selectors.EVENT_WRITE, client)
    connected_at = time.monotonic()
    while (left := began_at + seconds - time.monotonic()) > 0 and selector.get_map():
        for key, events in selector.select(left):
            step(selector, key.data, events)
    return {"began_at": began_at, "connected_at": connected_at, "clients": [client.told for client in clients]}


def step(selector: selectors.BaseSelector, client: Client, events: int) -> None:
    try:
        if events & selectors.EVENT_WRITE:
            client.greet()
            selector.modify(client.socket, selectors.EVENT_READ, client)
        else:
            client.read()
    except OSError as error:
        client.end(type(error).__name__, time.monotonic())
    if client.over:  # its socket stays open, as a chat's would
        selector.unregister(client.socket)


if __name__ == "__main__":
    connected: list[Client] = []
    print(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), connected)), flush=True)
    sys.stdin.read()
