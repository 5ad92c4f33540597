"""A flood: one agent says 100,000 parts of an answer, some clients read them, and one that watches stops reading.

``python -m bench.flood --events 100000`` measures it with and without the one that stalls, in turns, each with a server
of its own. What is measured: bench/README.md.
"""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import attrs
import trio
from cyclopts import App

from bench.clients import CLOSE, PING, PONG, Client
from bench.processes import ROOT, Server, chatcore, serving
from bench.results import median, percentile, save, show

USER = 1
"""All clients are tabs of one user."""

RUN_EVENTS = 5000
"""Parts of one answer: a long one, but no book."""

SMALL_BUFFER = 65_536
"""Of the client that stalls: the kernel is to take little for it."""

SAMPLE_SECONDS = 0.25

STALLED, READING = "one stalls", "all read"


@attrs.frozen
class Round:
    """What came of one flood.

    Args:
        events: that each reader had.
        seconds: from the first to the last of them.
        delay_p50_seconds: from an agent's saying to a reader's reading, over all readers.
        delay_p99_seconds: the same.
        delay_max_seconds: the same.
        memory_bytes: by how much the server's resident memory grew, at its peak.
        cpu_seconds: of the server.
        stalled: how the one that stalled was cut, and what it had after it came again; None where none was.
    """

    events: int
    seconds: float
    delay_p50_seconds: float
    delay_p99_seconds: float
    delay_max_seconds: float
    memory_bytes: int
    cpu_seconds: float
    stalled: dict[str, Any] | None


class Tab(Client):
    """A client of the flood.

    Args:
        port: of the server.
        buffer_bytes: of its socket; the system's choice unless given.
    """

    def __init__(self, port: int, buffer_bytes: int | None = None) -> None:
        super().__init__(USER, port)
        if buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", port))
        self.told: dict[str, Any] = {}
        self.ready = False
        self.thread_id: str | None = None
        self.last_seq = 0
        self.ended = 0
        self.begun_at = self.last_at = 0.0
        self.delays: list[float] = []
        self.greet()

    def say(self, **frame: Any) -> None:
        """Send a frame."""
        self.send(json.dumps(frame).encode())

    def take(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == PING:
            self.send_frame(PONG, payload)
        elif opcode == CLOSE:
            self.told["close_code"] = int.from_bytes(payload[:2], "big")
            self.end("closed")
        else:
            self.note(json.loads(payload), now)

    def note(self, frame: dict[str, Any], now: float) -> None:
        """Keep what the measurement wants to know of a frame."""
        kind = frame["type"]
        if frame.get("event") == "ready":
            self.ready = True
        elif kind == "message_accepted":
            self.thread_id = frame["thread_id"]
        elif kind.startswith(("agent_", "tool_")):
            first_seq = frame.get("first_seq", frame["seq"])
            assert first_seq == self.last_seq + 1, f"{first_seq} after {self.last_seq}"
            self.last_seq = frame["seq"]
            self.begun_at, self.last_at = self.begun_at or now, now
            if kind == "agent_delta" and "first_seq" not in frame:
                self.delays.append(now - float(frame["text"].split("\n", 1)[0]))
            self.ended += kind in ("agent_completed", "agent_failed")

    def until(self, reached: Any, seconds: float = 60.0) -> None:
        """Read until it is so, or the connection is over."""
        limit = time.monotonic() + seconds
        while not reached() and not self.over:
            assert time.monotonic() < limit, "a client waits for too long"
            self.read()


def open_tab(port: int, thread_id: str | None = None, **options: Any) -> Tab:
    """A client that is ready and watches a thread."""
    tab = Tab(port, **options)
    tab.until(lambda: tab.ready)
    if thread_id is not None:
        tab.say(type="resume", thread_id=thread_id)
    return tab


def flood(port: int, events: int, per_second: int, readers: int, stalls: bool) -> tuple[list[Tab], Tab | None]:
    """One flood, on a thread of its own; returns when every reader has all of it."""
    asker = open_tab(port)
    asker.say(type="user_message", message_id=uuid4().hex, content="10 1000")
    asker.until(lambda: asker.ended == 1)
    tabs = [asker, *(open_tab(port, asker.thread_id) for _ in range(readers - 1))]
    stalled = open_tab(port, asker.thread_id, buffer_bytes=SMALL_BUFFER) if stalls else None
    runs = [min(RUN_EVENTS, events - at) for at in range(0, events, RUN_EVENTS)]
    for count in runs:
        content = f"{count} {per_second}"
        asker.say(type="user_message", message_id=uuid4().hex, thread_id=asker.thread_id, content=content)
    read_all(tabs, len(runs) + 1, 60 + 4 * events / per_second)
    return tabs, stalled


def read_all(tabs: Sequence[Tab], ends: int, seconds: float) -> None:
    """Read on all of them until each has had so many ends of runs."""
    limit = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for tab in tabs:
            tab.delays.clear()
            selector.register(tab.socket, selectors.EVENT_READ, tab)
        while any(tab.ended < ends for tab in tabs):
            assert time.monotonic() < limit, f"{[tab.ended for tab in tabs]} of {ends} runs"
            for key, _ in selector.select(1.0):
                key.data.read()
                assert not key.data.over, key.data.told


def wake(stalled: Tab, last_seq: int) -> dict[str, Any]:
    """Let the one that stalled read again what it has, and come again for the rest."""
    stalled.until(lambda: stalled.last_seq == last_seq)
    had, began_at = stalled.last_seq, time.monotonic()
    again = open_tab(stalled.port)
    again.last_seq = had
    again.say(type="resume", thread_id=stalled.thread_id or "", after_seq=had)
    again.until(lambda: again.last_seq == last_seq)
    return stalled.told | {"had": had, "has": again.last_seq, "catching_up_seconds": time.monotonic() - began_at}


class MemoryWatch:
    """The most resident memory that a server had within the block.

    Args:
        server: whose.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.before = self.most = server.memory_bytes()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.most = max(self.most, self.server.memory_bytes())


async def play(events: int, per_second: int, readers: int, stalls: bool) -> Round:
    """One round, with a server of its own."""
    environment = {"CHATCORE_MAX_CONNECTIONS_PER_USER": str(readers + 2), "CHATCORE_MAX_MESSAGES_PER_MINUTE": "0"}
    async with serving(chatcore("bench.flood_app:app"), environment) as server:
        return await trio.to_thread.run_sync(_measure, server, events, per_second, readers, stalls)


def _measure(server: Server, events: int, per_second: int, readers: int, stalls: bool) -> Round:
    flood(server.port, RUN_EVENTS, per_second, readers, stalls=False)  # what a first flood costs once is not measured
    cpu_seconds = server.cpu_seconds()
    with MemoryWatch(server) as memory:
        tabs, stalled = flood(server.port, events, per_second, readers, stalls)
    cpu_seconds = server.cpu_seconds() - cpu_seconds
    delays = [delay for tab in tabs for delay in tab.delays]
    if stalled is not None:
        stalled.thread_id = tabs[0].thread_id
    return Round(
        events=len(tabs[0].delays),
        seconds=tabs[0].last_at - tabs[0].begun_at,
        delay_p50_seconds=median(delays),
        delay_p99_seconds=percentile(delays, 0.99),
        delay_max_seconds=max(delays),
        memory_bytes=memory.most - memory.before,
        cpu_seconds=cpu_seconds,
        stalled=wake(stalled, tabs[0].last_seq) if stalled is not None else None,
    )


def report(rounds: dict[str, list[Round]], events: int) -> None:
    names = ("seconds", "delay_p50_seconds", "delay_p99_seconds", "delay_max_seconds", "memory_bytes", "cpu_seconds")
    scales = (1, 1e3, 1e3, 1e3, 1e-6, 1)
    middle = {
        kind: [scale * median([getattr(one, name) for one in of]) for name, scale in zip(names, scales, strict=True)]
        for kind, of in rounds.items()
    }
    moved = [after - before for after, before in zip(middle[STALLED], middle[READING], strict=True)]
    lines = [[kind, *(f"{value:.2f}" for value in values)] for kind, values in {**middle, "moved by": moved}.items()]
    columns = ("median of the rounds", "seconds", "delay p50 ms", "p99 ms", "max ms", "memory MB", "CPU s")
    show(f"{events:,} events", columns, lines)
    for one in rounds[STALLED]:
        print(f"the one that stalled: {one.stalled}")


def main(*, events: int = 100_000, per_second: int = 2000, readers: int = 3, rounds: int = 3) -> None:
    """Measure a flood.

    Args:
        events: parts of answers, over all runs.
        per_second: how fast an agent says them.
        readers: clients that read all of it.
        rounds: of each kind, in turns.
    """
    results: dict[str, list[Round]] = {READING: [], STALLED: []}
    for number in range(rounds):
        for kind in list(results)[:: 1 if number % 2 == 0 else -1]:
            results[kind].append(trio.run(play, events, per_second, readers, kind == STALLED))
            print(f"round {number + 1} of {rounds}, {kind}: {results[kind][-1]}", flush=True)
    settings = {"events": events, "per_second": per_second, "readers": readers, "rounds": rounds}
    saved = save("flood", settings, {kind: [attrs.asdict(one) for one in of] for kind, of in results.items()})
    report(results, events)
    print(f"written to {saved.relative_to(ROOT)}")


if __name__ == "__main__":
    App(default_command=main, help=__doc__)()
