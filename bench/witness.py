"""Someone else's connection: a client that does no wrong, and notes how long its pings take while others do.

``python -m bench.witness PORT TOKEN`` prints ``ready`` once it is. When its standard input ends, or the server hangs
up, it prints its round trips in seconds, and how many pings were not answered, as JSON. It sends at fixed times,
whatever has come back: a server that does not answer for a while is seen by all that was sent meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import time
from typing import Any

EVERY_SECONDS = 0.02
"""Half of what the limit on frames allows."""

PATIENCE_SECONDS = 10.0
"""For the last answers."""

PRIORITY = 1
"""The least of those that go before every ordinary process: attackers keep their core busy."""

PONG_FRAME = bytes([0x8A, 0x80, 0, 0, 0, 0])


class Witness:
    """One connection.

    Args:
        port: of the server, on the loopback.
        token: that lets it in.
    """

    def __init__(self, port: int, token: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.round_trips: list[float] = []
        self.sent = 0
        self.buffer = bytearray()
        request = (
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        self.socket.sendall(request.encode())
        while b"\r\n\r\n" not in self.buffer:
            self.receive()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head

    @property
    def unanswered(self) -> int:
        return self.sent - len(self.round_trips)

    def receive(self) -> None:
        data = self.socket.recv(65_536)
        if not data:
            raise ConnectionResetError
        self.buffer += data

    def ping(self) -> None:
        payload = json.dumps({"type": "ping", "nonce": time.monotonic()}).encode()
        self.socket.sendall(bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload)
        self.sent += 1

    def take(self) -> list[dict[str, Any]]:
        """What has come; pongs are noted."""
        now, found = time.monotonic(), []
        while (frame := self._frame()) is not None:
            opcode, payload = frame
            if opcode == 9:
                self.socket.sendall(PONG_FRAME)
                continue
            if opcode == 8:
                raise ConnectionResetError
            found.append(json.loads(payload))
            if found[-1]["type"] == "pong":
                self.round_trips.append(now - found[-1]["nonce"])
        return found

    def _frame(self) -> tuple[int, bytes] | None:
        if len(self.buffer) < 4:
            return None
        begin = 2 if self.buffer[1] < 126 else 4
        end = begin + (self.buffer[1] if begin == 2 else int.from_bytes(self.buffer[2:4], "big"))
        if len(self.buffer) < end:
            return None
        opcode, payload = self.buffer[0] & 0x0F, bytes(self.buffer[begin:end])
        del self.buffer[:end]
        return opcode, payload


def watch(witness: Witness) -> None:
    """Ping until standard input ends."""
    due = time.monotonic()
    while True:
        if time.monotonic() >= due:
            witness.ping()
            due += EVERY_SECONDS
        readable, _, _ = select.select([witness.socket, sys.stdin], [], [], max(0.0, due - time.monotonic()))
        if witness.socket in readable:
            witness.receive()
            witness.take()
        if sys.stdin in readable:
            return


def wait(witness: Witness) -> None:
    """Wait for the last answers."""
    witness.socket.settimeout(PATIENCE_SECONDS)
    while witness.unanswered:
        witness.receive()
        witness.take()


def be_punctual() -> None:
    """Go before the attackers, whose core it is too, where that is allowed: it is not they who are measured."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))


def main(port: str, token: str) -> None:
    be_punctual()
    witness = Witness(int(port), token)
    while not any(frame.get("event") == "ready" for frame in witness.take()):
        witness.receive()
    print("ready", flush=True)
    with contextlib.suppress(OSError):  # hung up on, or not answered: it tells what is missing
        watch(witness)
        wait(witness)
    print(json.dumps({"round_trips": witness.round_trips, "unanswered": witness.unanswered}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
