"""What compression costs and saves: of frames, in bytes and in time; of connections, in memory.

    python -m bench.compression

Connections are those of the echo server, in a process of its own; each has had a message of 1 KB echoed before its
memory counts, and nothing on its way then.
"""

from __future__ import annotations

import statistics
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import trio

from bench.hostile import BINARY, DEFLATE, FIN, RSV1, Line, deflated, frame, request
from bench.processes import Server, allow_many_files, quiet, serving
from bench.results import show
from chatcore.protocol import messages as m
from chatcore.protocol.codec import encode_utf8
from chatcore.transports.deflate import WINDOW_BITS
from chatcore.transports.websocket_protocol import deflated_frame, message_frame

CLIENTS = 1000
ROUNDS = 200
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}==")
MESSAGE = bytes(range(250)) * 4

COMMON: dict[str, Any] = {"timestamp": 1_790_000_000.123456, "user_id": "ann"}
OF_RUN: dict[str, Any] = {
    **COMMON,
    "thread_id": "thread_01k9zq3v7m5x",
    "run_id": "run_01k9zq3v8d2c",
    "seq": 17,
    "epoch": "epoch_01k9zq3",
}
WORDS = "Northbound freight cost 12,418.20 in May, which is 9.3 % more than in April; "

FRAMES: dict[str, m.AnyServerFrame] = {
    "pong": m.Pong(**COMMON, nonce=17),
    "delta": m.AgentDelta(**OF_RUN, text="freight cost ", offset=210),
    "progress": m.InitializationProgress(
        **COMMON,
        message="order history is starting",
        progress=43,
        phase="database",
        service="orders",
        label="order history",
        status="started",
        attempt=1,
        elapsed_seconds=1.25,
        eta_seconds=3.5,
    ),
    "delta of 3 KB": m.AgentDelta(**OF_RUN, text=WORDS * 40, offset=210),
    "delta of 200 KB": m.AgentDelta(**OF_RUN, text="".join(f"{n * n % 9973}: {WORDS}" for n in range(2400)), offset=0),
}


def frames() -> None:
    """Print what each frame is, plain and compressed."""
    rows = []
    for name, kind in FRAMES.items():
        payload = encode_utf8(kind)
        plain, compressed = message_frame(payload, text=True), compress(payload)
        times = []
        for _ in range(ROUNDS if len(payload) < 100_000 else 10):
            began_at = time.perf_counter()
            compress(payload)
            times.append(1e6 * (time.perf_counter() - began_at))
        rows.append([name, f"{len(plain):,}", f"{len(compressed):,}", f"{statistics.median(times):,.1f}"])
    show("frames", ("", "bytes", "compressed", "takes µs"), rows)


compress = partial(deflated_frame, text=True, window_bits=WINDOW_BITS)


async def held_bytes(server: Server, *, compressed: bool) -> float:
    """What each of many connections adds to the server's memory."""
    payload, first = (deflated(MESSAGE), FIN | RSV1) if compressed else (MESSAGE, FIN)
    async with AsyncExitStack() as open_lines:
        for number in range(CLIENTS + 1):
            if number == 1:  # what a first connection costs once is over
                await quiet(server)
                before = server.own_bytes()
            line = Line(await open_lines.enter_async_context(await trio.open_tcp_stream("127.0.0.1", server.port)))
            await line.send(request("/", *UPGRADE, DEFLATE) + frame(BINARY, payload, first=first))
            while len(line.received.partition(b"\r\n\r\n")[2]) < len(deflated(MESSAGE)):
                assert await line.more()
        await quiet(server)
        return (server.own_bytes() - before) / CLIENTS


async def connections() -> None:
    """Print what a connection at rest costs, with compression and without."""
    rows = []
    for compressed in (False, True):
        flags = ["--compression"] if compressed else []
        command = [sys.executable, "-m", "chatcore.testing.echo", "--bind", "127.0.0.1:{port}", *flags]
        async with serving(command, {}) as server:
            held = await held_bytes(server, compressed=compressed)
        rows.append(["compressed" if compressed else "plain", f"{held / 1000:.1f}"])
    show(f"{CLIENTS:,} connections at rest", ("", "KB each"), rows)


def main() -> None:
    """Measure both."""
    frames()
    allow_many_files()
    trio.run(connections)


if __name__ == "__main__":
    main()
