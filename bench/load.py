"""Many rows: a generated CSV is loaded while a client watches, then asked about while another client pings.

``python -m bench.load --rows 10000000``. The rows are made by arithmetic from a seed, so the total is known, and an
answer with another one is a failure. Needs the ``analyst`` extra.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio
from cyclopts import App

from bench.processes import ROOT, Server, chatcore, serving
from bench.results import median, percentile, save, show
from chatcore.client import Chat, connect
from chatcore.protocol.messages import AgentCompleted, Error, InitializationProgress, Ready

SEED = 20260101
PING_EVERY_SECONDS = 0.02
"""Half of what the server allows a connection in frames."""

INIT_TIMEOUT_SECONDS = 600
"""For the server: a slow disk is to show in the figure, not to end the measurement."""

IDLE_SECONDS = 5.0
"""Pings with nothing else to do, which tell what the machine itself adds."""

LIMIT_SECONDS = 1800.0
"""For all of it."""

QUESTIONS = ("What did we spend in total?", "What did we spend by model?", "What did we spend by month?")

GENERATE = """
COPY (
  SELECT strftime(TIMESTAMP '2024-01-01' + to_seconds(i * 31622400 // {rows}), '%Y-%m-%d %H:%M:%S') AS ts_utc,
         'user-' || (chance // 7) % 500 AS user_id,
         'model-' || (chance // 11) % 8 AS model,
         1 + chance % 8000 AS prompt_tokens,
         1 + (chance // 13) % 900 AS completion_tokens,
         (1 + (chance // 17) % 100000) / 1000000.0 AS cost_usd
  FROM (SELECT i, (i * 1103515245 + {seed}) % 2147483648 AS chance FROM range({rows}) AS numbers(i))
) TO '{path}' (HEADER)
"""
"""Plain arithmetic instead of a random function: the same rows on every version."""


@attrs.frozen
class Pings:
    """What a client measured that did nothing but ping.

    Args:
        count: pings that were answered.
        p50_seconds: the middle round trip.
        p99_seconds: the 99th percentile.
        max_seconds: the longest.
    """

    count: int
    p50_seconds: float
    p99_seconds: float
    max_seconds: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Pings:
        worst = max(seconds, default=float("nan"))
        return cls(len(seconds), percentile(seconds, 0.5), percentile(seconds, 0.99), worst)


@attrs.define
class Pinger:
    """A client that pings, and keeps the round trips since it was last asked."""

    _seconds: list[float] = attrs.field(factory=list)

    def take(self) -> Pings:
        """The figures since the last call."""
        seconds, self._seconds = self._seconds, []
        return Pings.of(seconds)

    async def run(self, server: Server) -> None:
        from trio_websocket import open_websocket_url

        async with open_websocket_url(f"ws://127.0.0.1:{server.port}/ws?user_id=pinger") as websocket:
            nonce = 0
            while True:
                nonce += 1
                sent_at = time.perf_counter()
                await websocket.send_message(f'{{"type":"ping","nonce":{nonce}}}')
                while msgspec.json.decode(await websocket.get_message()).get("nonce") != nonce:
                    pass
                self._seconds.append(time.perf_counter() - sent_at)
                await trio.sleep(PING_EVERY_SECONDS)


def generate(path: Path, rows: int) -> float:
    """Write the CSV; what its costs come to."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(GENERATE.format(rows=rows, seed=SEED, path=path))
        found = connection.execute(f"SELECT sum(cost_usd::DECIMAL(18, 6)) FROM read_csv('{path}')").fetchone()
    assert found is not None
    return float(found[0])


@asynccontextmanager
async def pinging(server: Server) -> AsyncIterator[Pinger]:
    pinger = Pinger()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pinger.run, server)
        yield pinger
        nursery.cancel_scope.cancel()


async def until_ready(chat: Chat) -> list[InitializationProgress]:
    """Wait for the data to be loaded; the progress that was told meanwhile."""
    told: list[InitializationProgress] = []
    async for frame in chat:
        if isinstance(frame, Error):
            raise RuntimeError(f"the start failed: {frame.error_code}")
        if isinstance(frame, Ready):
            break
        if isinstance(frame, InitializationProgress):
            told.append(frame)
    return told


async def ask(chat: Chat, question: str) -> tuple[float, list[float]]:
    """One question: how many seconds its answer took, and the numbers of its evidence."""
    began_at = time.perf_counter()
    run = await chat.send(question)
    last = [event async for event in run][-1]
    if not isinstance(last, AgentCompleted) or not last.answer.answered:
        raise RuntimeError(f"{question!r} was not answered: {last}")
    cells = [cell for item in last.answer.evidence for row in item.rows for cell in row]
    return time.perf_counter() - began_at, [cell for cell in cells if isinstance(cell, int | float)]


async def ask_again(chat: Chat, question: str, times: int, pinger: Pinger) -> dict[str, Any]:
    """One question several times, and the pings meanwhile."""
    pinger.take()
    answers = [await ask(chat, question) for _ in range(times)]
    return {
        "question": question,
        "seconds": median([seconds for seconds, _ in answers]),
        "slowest_seconds": max(seconds for seconds, _ in answers),
        "pings": attrs.asdict(pinger.take()),
        "numbers": answers[0][1],
    }


async def measure(path: Path, total: float, times: int) -> dict[str, Any]:
    """Serve the file, watch it being loaded, and ask."""
    environment = {"CHATCORE_INIT_TIMEOUT_SECONDS": str(INIT_TIMEOUT_SECONDS)}
    with trio.fail_after(LIMIT_SECONDS):
        async with serving(chatcore("--data", str(path)), environment) as server:
            idle_bytes = server.memory_bytes()
            async with connect(server.url, user_id="asker") as chat, pinging(server) as pinger:
                began_at = time.perf_counter()
                told = await until_ready(chat)
                loaded = {"seconds": time.perf_counter() - began_at, "pings": attrs.asdict(pinger.take())}
                answers = [await ask_again(chat, question, times, pinger) for question in QUESTIONS]
                await trio.sleep(IDLE_SECONDS)
                idle = {"seconds": IDLE_SECONDS, "pings": attrs.asdict(pinger.take())}
            if not any(abs(number - total) < 1e-6 * total for number in answers[0]["numbers"]):
                raise RuntimeError(f"the total is {total}, and the evidence has {answers[0]['numbers']}")
            return {
                "load": loaded | {"progress_frames": len(told), "progress": [frame.progress for frame in told]},
                "answers": answers,
                "idle": idle,
                "idle_bytes": idle_bytes,
                "peak_bytes": server.memory_bytes("VmHWM"),
                "resident_bytes": server.memory_bytes(),
            }


def report(rows: int, file_bytes: int, result: dict[str, Any]) -> None:
    def line(what: str, seconds: float, pings: dict[str, float]) -> list[str]:
        times = [f"{1000 * pings[name]:.1f}" for name in ("p50_seconds", "p99_seconds", "max_seconds")]
        return [what, f"{seconds:.2f}", *times, str(pings["count"])]

    loaded = result["load"]
    lines = [line(f"load, {loaded['progress_frames']} progress frames", loaded["seconds"], loaded["pings"])]
    lines += [line(answer["question"], answer["seconds"], answer["pings"]) for answer in result["answers"]]
    lines.append(line("nothing, for comparison", result["idle"]["seconds"], result["idle"]["pings"]))
    columns = ("what", "seconds (median)", "ping p50 ms", "p99 ms", "max ms", "pings")
    show(f"{rows:,} rows, {file_bytes / 1e6:.0f} MB of CSV", columns, lines)
    megabytes = {name: round(result[f"{name}_bytes"] / 1e6) for name in ("idle", "peak", "resident")}
    print("resident memory: {idle} MB idle, {peak} MB at its peak, {resident} MB in the end".format(**megabytes))


def main(*, rows: int = 10_000_000, times: int = 5) -> None:
    """Measure loading and asking.

    Args:
        rows: of the generated CSV; ten million are about 540 MB, in the folder for temporary files.
        times: that each question is asked.
    """
    if importlib.util.find_spec("duckdb") is None:
        print("skipped: this needs the analyst extra (pip install 'chatcore[analyst]')")
        return
    with tempfile.TemporaryDirectory(prefix="chatcore-bench-") as folder:
        path = Path(folder, "usage.csv")
        total = generate(path, rows)
        result = trio.run(measure, path, total, times)
        file_bytes = path.stat().st_size
    saved = save("load", {"rows": rows, "times": times, "seed": SEED, "file_bytes": file_bytes, "total": total}, result)
    report(rows, file_bytes, result)
    print(f"written to {saved.relative_to(ROOT)}")


if __name__ == "__main__":
    App(default_command=main, help=__doc__)()
