"""What it costs to read a client's frame: the libraries that could, one after another, several rounds.

python -m bench.parsing
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader
from wsproto.connection import Connection, ConnectionType

from chatcore.transports.websocket_protocol import MessageReader

FRAMES = 20_000
ROUNDS = 5
PING = Frame(Opcode.TEXT, b'{"type":"ping","nonce":123}').serialize(mask=True)


def by_reader() -> None:
    """Ours: short texts that are there whole are parsed at once, all else by the library ``websockets``."""
    reader = MessageReader(1_000_000)
    for _ in range(FRAMES):
        for _ in reader.feed(PING):
            pass


def by_websockets() -> None:
    """The frames of the library ``websockets``, which do what a reader does not do at once."""
    stream = StreamReader()
    for _ in range(FRAMES):
        stream.feed_data(PING)
        try:
            next(Frame.parse(stream.read_exact, mask=True, max_size=1_000_000))
        except StopIteration as done:
            done.value.data.decode()


def by_wsproto() -> None:
    """The other sans-IO library."""
    connection = Connection(ConnectionType.SERVER)
    for _ in range(FRAMES):
        connection.receive_data(PING)
        for _ in connection.events():
            pass


def main() -> int:
    """Print the median of each, in microseconds a frame."""
    candidates: dict[str, Callable[[], None]] = {
        "MessageReader": by_reader,
        "websockets' frames alone": by_websockets,
        "wsproto": by_wsproto,
    }
    took: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(ROUNDS):
        for name, read in candidates.items():
            began_at = time.perf_counter()
            read()
            took[name].append((time.perf_counter() - began_at) / FRAMES * 1e6)
    for name, times in took.items():
        print(f"{name:30} {statistics.median(times):6.1f} µs a frame")
    return 0


if __name__ == "__main__":
    sys.exit(main())
