"""The floor, ``python -m bench.peers.lines PORT BACKLOG``: lines over TCP on uvloop, each encoded once.

It is what the kernel and an event loop cost whatever is built on them: no handshake, no frames, no JSON, no users.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import cast

import uvloop  # type: ignore[import-not-found]  # in its environment only

from bench.peers.chat import SHARES, TOGETHER, Frame, note, run, system

USER = "everyone"


def line(frame: Frame) -> bytes:
    return json.dumps(frame).encode() + b"\n"


INITIALIZING = line(system(USER, "initializing", message="The services are starting", progress=0))
READY = line(system(USER, "ready", message="Ready", progress=100))
ACCEPTED, STARTED, DELTA, COMPLETED = (line(frame) for frame in run("m", 1, USER) if frame is not None)


class Start:
    """The services, and the connections that wait for them."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Transport] = []
        self.task: asyncio.Task[None] | None = None
        self.done = False

    def add(self, transport: asyncio.Transport) -> None:
        if self.done:
            transport.write(READY)
            return
        self.waiting.append(transport)
        transport.write(INITIALIZING)
        self.task = self.task or asyncio.create_task(self.run())

    async def run(self) -> None:
        for service, share in SHARES.items():
            self.tell(line(system(USER, "initialization_progress", service=service, status="started", progress=0)))
            await asyncio.sleep(share * float(os.environ.get("BENCH_START_SECONDS", "3")))
            self.tell(line(system(USER, "initialization_progress", service=service, status="completed", progress=0)))
        note("ready")
        self.done = True
        self.tell(READY)

    def tell(self, data: bytes) -> None:
        for transport in self.waiting:
            transport.write(data)


class Chat(asyncio.Protocol):
    """One connection.

    Args:
        start: of the services.
    """

    def __init__(self, start: Start) -> None:
        self.start = start
        self.answer: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        """A client has one line on its way, so that whatever comes is one."""
        if data.startswith(b'{"type":"ping"'):
            self.transport.write(data)
        elif data.startswith(b'{"type":"user_message"'):
            self.answer = asyncio.create_task(self.stream(int(json.loads(data)["content"])))
        else:
            self.start.add(self.transport)

    async def stream(self, deltas: int) -> None:
        self.transport.write(ACCEPTED + STARTED)
        for number in range(deltas):
            if number % TOGETHER == 0:
                await asyncio.sleep(0)
            self.transport.write(DELTA)
        self.transport.write(COMPLETED)


async def main(port: int, backlog: int) -> None:
    start = Start()
    server = await asyncio.get_running_loop().create_server(lambda: Chat(start), "127.0.0.1", port, backlog=backlog)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
