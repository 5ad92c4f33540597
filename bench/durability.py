"""What it costs that nothing is lost: durable events a second, and the delay that the disk adds to an event.

``python -m bench.durability``: a hundred runs stream at once, deltas with tools in between, through what a server runs
them with, on SQLite; beside it, in turns on the same disk and with the same tables, a commit an event. bench/README.md
says what is compared with what.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import msgspec
import trio
from cyclopts import App

from bench.processes import ROOT
from bench.results import median, percentile, save, show
from chatcore import Answer, Application, Phase, Run, ServiceGraph, UserMessage
from chatcore.agents import live_run
from chatcore.context import UserExecutionContext
from chatcore.observability import Recorder
from chatcore.protocol.codec import encode_utf8
from chatcore.protocol.messages import AgentDelta
from chatcore.server import Server, running
from chatcore.settings import Settings
from chatcore.threads.database import upgrade_database
from chatcore.threads.deltas import merged
from chatcore.threads.model import Accepted, StoredEvent
from chatcore.threads.opening import open_threads
from chatcore.threads.service import ThreadService
from chatcore.threads.writer import GroupCommitWriter

WORDS = "about as many words as a model "
"""What a delta says."""

DELTAS = 10
"""Between one tool and the next."""

LIMIT_SECONDS = 300.0
"""For one round."""

NAIVE_EVENTS = 3_000
"""A commit an event is slow, and takes as long for each: this many tell how long."""

DELTA = "agent_delta"


@attrs.frozen
class Streamer:
    """Streams as its message says: how often a tool and its deltas, and the pause after each delta."""

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        cycles, pause = message.content.split()
        chance = random.Random(message.message_id)  # people do not speak in step
        await trio.sleep(chance.random() * DELTAS * float(pause))
        for cycle in range(int(cycles)):
            async with run.tool("look", cycle=cycle) as call:
                call.summary = "found"
            for _ in range(DELTAS):
                await run.say(WORDS)
                await trio.sleep(2 * chance.random() * float(pause))
        return Answer()


services = ServiceGraph()


@services.provide(phase=Phase.SERVICES, label="streamer")
async def streamer() -> AsyncIterator[Streamer]:
    yield Streamer()


app = Application(services, agents={"streamer": Streamer})


class Made(msgspec.Struct):
    """When an event was made, in Unix seconds."""

    timestamp: float


MADE = msgspec.json.Decoder(Made)


@attrs.define(eq=False)
class Watcher:
    """Watches every thread; writes down how long each event took from its making to here, and what it was."""

    left: int
    delays: list[tuple[str, float]] = attrs.field(factory=list)
    over: trio.Event = attrs.field(factory=trio.Event)
    behind: bool = False

    def deliver(self, *events: StoredEvent) -> None:
        now = time.time()
        for event in events:
            self._take(event, now)

    def _take(self, event: StoredEvent, now: float) -> None:
        self.delays.append((event.type, now - MADE.decode(event.frame).timestamp))
        if event.type == "agent_completed":
            self.left -= 1
            if self.left == 0:
                self.over.set()

    def fall_behind(self, thread_id: str) -> None:  # noqa: ARG002  a watcher's
        raise AssertionError("it never is")


@attrs.frozen
class Forgetful:
    """The storage, but that what runs say is forgotten at once.

    Args:
        store: keeps everything else.
    """

    store: ThreadService

    async def append_events(self, *_: Any) -> None:
        await trio.lowlevel.checkpoint()

    async def end_run(self, *_: Any, **__: Any) -> None:
        await trio.lowlevel.checkpoint()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@contextmanager
def a_commit_an_event() -> Iterator[None]:
    """What a server does that knows neither merging nor groups: each event is committed by itself before it is sent."""

    def take_one(writer: GroupCommitWriter[Any]) -> Any:
        first = tuple(islice(writer._queue, 1))
        for write in first:
            del writer._queue[write]
        return first

    with (
        patch.object(live_run, "RESERVED_AHEAD", 0),
        patch.object(live_run, "merged", list),
        patch.object(GroupCommitWriter, "_take", take_one),
    ):
        yield


@attrs.frozen
class Round:
    """What one round made of it.

    Args:
        events: that were made.
        rows: that they are in storage.
        seconds: from the first message to the last end.
        durable_delays: seconds from making to publishing, of the events that wait for storage.
        delta_delays: the same of deltas, which go out at once.
    """

    events: int
    rows: int
    seconds: float
    durable_delays: list[float]
    delta_delays: list[float]

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


async def stream(folder: Path, threads: int, cycles: int, pause: float, *, stored: bool) -> Round:
    """So many runs at once, each in a thread of its own."""
    path = folder / f"{time.monotonic_ns()}.db"
    watcher = Watcher(threads)
    async with _server(path) as server:
        if not stored:
            forgetful: Any = Forgetful(await server.keeper.opened())
            server.supervisor.store = partial(_given, forgetful)
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for number in range(threads):
                nursery.start_soon(_ask, server, watcher, number, f"{cycles} {pause}")
        await watcher.over.wait()
        seconds = time.perf_counter() - began
    return Round(
        events=len(watcher.delays),
        rows=_count(path),
        seconds=seconds,
        durable_delays=[delay for kind, delay in watcher.delays if kind != DELTA],
        delta_delays=[delay for kind, delay in watcher.delays if kind == DELTA],
    )


async def _given(store: ThreadService) -> ThreadService:
    await trio.lowlevel.checkpoint()
    return store


@asynccontextmanager
async def _server(path: Path) -> AsyncIterator[Server]:
    settings = Settings(database_url=f"sqlite:///{path}")
    async with running(app.services, app.agents, settings, Recorder()) as server:
        await server.manager.ensure_ready()
        yield server


async def _ask(server: Server, watcher: Watcher, number: int, content: str) -> None:
    message = UserMessage(message_id=f"m{number}", content=content)
    context = UserExecutionContext(user_id=f"user{number}")
    await server.supervisor.submit(context, message, lambda told: server.bridge.watch(watcher, told.thread_id))


def _count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        rows: int = connection.execute("SELECT count(*) FROM events").fetchone()[0]
        return rows


async def store_only(folder: Path, threads: int, cycles: int) -> float:
    """What runs would store, without runs: the rate, in events a second."""
    path = folder / f"{time.monotonic_ns()}.db"
    async with open_threads(f"sqlite:///{path}") as store:
        accepted = [
            await store.accept_message(f"user{number}", UserMessage(message_id="m", content="hello"), "streamer")
            for number in range(threads)
        ]
        for run in accepted:
            await store.start_run(run.run_id, 1)
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for run in accepted:
                nursery.start_soon(_store_cycles, store, run, cycles)
        return threads * cycles * (DELTAS + 2) / (time.perf_counter() - began)


async def _store_cycles(store: ThreadService, run: Accepted, cycles: int) -> None:
    frame = b"x" * 250  # as long as a tool's
    for cycle in range(cycles):
        seq = cycle * (DELTAS + 2) + 1
        done = StoredEvent(seq=seq, first_seq=seq, run_id=run.run_id, type="tool_completed", frame=frame)
        await store.append_events(run.thread_id, [done])
        deltas = [_delta(run, seq + 1 + number, number) for number in range(DELTAS)]
        seq += DELTAS + 1
        begun = StoredEvent(seq=seq, first_seq=seq, run_id=run.run_id, type="tool_executing", frame=frame)
        await store.append_events(run.thread_id, merged([*deltas, begun]))


def _delta(run: Accepted, seq: int, number: int) -> StoredEvent:
    delta = AgentDelta(
        timestamp=time.time(),
        user_id="user",
        thread_id=run.thread_id,
        run_id=run.run_id,
        seq=seq,
        epoch=run.epoch,
        text=WORDS,
        offset=number * len(WORDS),
    )
    return StoredEvent(seq=seq, first_seq=seq, run_id=run.run_id, type=DELTA, frame=encode_utf8(delta))


def naive(folder: Path, threads: int, events: int) -> float:
    """A commit an event, with nothing around it: the rate, in events a second."""
    path = folder / f"{time.monotonic_ns()}.db"
    upgrade_database(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executemany(
            "INSERT INTO threads (thread_id, user_id, title, epoch, last_seq, created_at, updated_at) "
            "VALUES (?, 'user', 'title', 'epoch', 0, 0, 0)",
            [(f"{number:032}",) for number in range(threads)],
        )
        began = time.perf_counter()
        for number in range(events):
            _commit_one(connection, f"{number % threads:032}", number // threads + 1)
        return events / (time.perf_counter() - began)


def _commit_one(connection: sqlite3.Connection, thread_id: str, seq: int) -> None:
    frame = b'{"type":"agent_delta","text":"%s"%s}' % (WORDS.encode(), b" " * 250)  # as long as the real one
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        "UPDATE threads SET last_seq = ?, updated_at = ? WHERE thread_id = ? AND last_seq = ?",
        (seq, time.time(), thread_id, seq - 1),
    )
    connection.execute(
        "INSERT INTO events (thread_id, seq, first_seq, run_id, type, frame) VALUES (?, ?, ?, ?, 'agent_delta', ?)",
        (thread_id, seq, seq, thread_id, frame),
    )
    connection.execute("COMMIT")


@attrs.frozen
class Results:
    """One list an argument, one item a round. Rates are events a second.

    Args:
        path: rate of the real path, as fast as it can.
        path_unstored: the same where what runs say is forgotten: the most that storage could reach.
        path_naive: the same with a commit an event.
        storage: rate of the storage alone.
        storage_naive: rate of a bare commit an event, with nothing around it.
        rows_per_event: of the real path, after merging.
        paced: the real path at an ordinary pace, with storage.
        paced_without: the same without.
    """

    path: list[float] = attrs.field(factory=list)
    path_unstored: list[float] = attrs.field(factory=list)
    path_naive: list[float] = attrs.field(factory=list)
    storage: list[float] = attrs.field(factory=list)
    storage_naive: list[float] = attrs.field(factory=list)
    rows_per_event: list[float] = attrs.field(factory=list)
    paced: list[Round] = attrs.field(factory=list)
    paced_without: list[Round] = attrs.field(factory=list)


async def measure(folder: Path, rounds: int, threads: int, cycles: int, pause: float) -> Results:
    """Every kind of round in turns."""
    results = Results()
    for number in range(rounds):
        with trio.fail_after(LIMIT_SECONDS):
            fast = await stream(folder, threads, cycles, 0.0, stored=True)
            results.path.append(fast.rate)
            results.rows_per_event.append(fast.rows / fast.events)
            slow = max(1, round(cycles / 10))
            with a_commit_an_event():
                results.path_naive.append((await stream(folder, threads, slow, 0.0, stored=True)).rate)
            results.path_unstored.append((await stream(folder, threads, cycles, 0.0, stored=False)).rate)
            results.storage.append(await store_only(folder, threads, cycles))
            results.storage_naive.append(await trio.to_thread.run_sync(naive, folder, threads, NAIVE_EVENTS))
            results.paced.append(await stream(folder, threads, slow, pause, stored=True))
            results.paced_without.append(await stream(folder, threads, slow, pause, stored=False))
        print(f"round {number + 1} of {rounds}: {fast.rate:.0f}/s", flush=True)
    return results


def _delays(rounds: Sequence[Round], kind: str) -> dict[str, float]:
    """The median and the 99th percentile over all rounds, in milliseconds."""
    delays = [1000 * delay for one in rounds for delay in getattr(one, kind)]
    return {"p50_ms": median(delays), "p99_ms": percentile(delays, 0.99), "count": len(delays)}


def summary(results: Results) -> dict[str, Any]:
    """The figures."""
    delays = {
        f"{kind}_{name}": _delays(rounds, f"{kind}_delays")
        for kind in ("durable", "delta")
        for name, rounds in (("stored", results.paced), ("unstored", results.paced_without))
    }
    added = {
        f"{kind}_added_{share}_ms": delays[f"{kind}_stored"][f"{share}_ms"] - delays[f"{kind}_unstored"][f"{share}_ms"]
        for kind in ("durable", "delta")
        for share in ("p50", "p99")
    }
    kinds = ("path", "path_naive", "path_unstored", "storage", "storage_naive")
    rates = {kind: median(getattr(results, kind)) for kind in kinds}
    return {
        "events_per_second": rates,
        "path_ratio": rates["path"] / rates["path_naive"],
        "storage_ratio": rates["storage"] / rates["storage_naive"],
        "rows_per_event": median(results.rows_per_event),
        "paced_events_per_second": median([one.rate for one in results.paced]),
        "rounds": {kind: getattr(results, kind) for kind in kinds},
        "delays": delays,
        **added,
    }


def report(figures: dict[str, Any]) -> None:
    """Print the figures."""
    rows = [
        *([f"{kind}: events a second", f"{rate:.0f}"] for kind, rate in figures["events_per_second"].items()),
        ["path by path_naive", f"{figures['path_ratio']:.1f}x"],
        ["storage by storage_naive", f"{figures['storage_ratio']:.1f}x"],
        ["rows an event", f"{figures['rows_per_event']:.3f}"],
        ["paced: events a second", f"{figures['paced_events_per_second']:.0f}"],
    ]
    for kind in ("durable", "delta"):
        for share in ("p50", "p99"):
            both = [figures["delays"][f"{kind}_{name}"][f"{share}_ms"] for name in ("stored", "unstored")]
            told = ", ".join(f"{value:.2f}" for value in (*both, both[0] - both[1]))
            rows.append([f"{kind}, {share} ms: stored, not, added", told])
    show("What it costs that nothing is lost", ("", "median of the rounds"), rows)


def main(
    *, rounds: int = 3, threads: int = 100, cycles: int = 40, pause: float = 0.05, folder: Path | None = None
) -> None:
    """Measure.

    Args:
        rounds: of each kind.
        threads: that stream at once.
        cycles: of a run as fast as it can: a tool and ten deltas each; at an ordinary pace, a tenth of them.
        pause: after each delta at an ordinary pace, in seconds.
        folder: on the disk to measure; the temporary folder's unless given.
    """
    with tempfile.TemporaryDirectory(prefix="chatcore-bench-", dir=folder) as name:
        results = trio.run(measure, Path(name), rounds, threads, cycles, pause)
    figures = summary(results)
    settings = {"rounds": rounds, "threads": threads, "cycles": cycles, "pause": pause}
    path = save("durability", settings, figures)
    report(figures)
    print(f"written to {path.relative_to(ROOT)}")


if __name__ == "__main__":
    App(default_command=main, help=__doc__)()
