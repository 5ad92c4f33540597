"""A stampede: many clients connect at once while five services start, and wait for them.

``python -m bench.stampede --clients 1000`` measures chatcore and, where ``--peer-python`` names an environment with
FastAPI, uvicorn and uvloop, the ordinary design beside it, in turns. What is measured: bench/README.md.
"""

from __future__ import annotations

import time
from typing import Any

import attrs
import trio
from cyclopts import App

from bench.processes import ROOT, Server, allow_many_files, chatcore, clients_of, peer, serving
from bench.results import median, percentile, save, show

SAMPLE_SECONDS = 0.05
SETTLE_SECONDS = 0.3
"""After the last client is ready, what the server still does for them is counted too."""

ROUND_SECONDS = 120.0
"""What one round may take in all."""


@attrs.frozen
class Round:
    """What one server made of one stampede.

    Args:
        clients: that connected.
        ready: those that became ready.
        greeted: those that had a frame before the services were ready.
        cpu_seconds: of the server, from before the first connection to after the last ``ready``.
        wall_seconds: from the first connection to the last ``ready``.
        lag_p50_seconds: from the moment the services were up to a client's ``ready`` frame.
        lag_p99_seconds: the same.
        lag_max_seconds: the same.
        waiting_bytes: of the server's memory, for each connection that waits.
        frames: that a client had, in the middle.
    """

    clients: int
    ready: int
    greeted: int
    cpu_seconds: float
    wall_seconds: float
    lag_p50_seconds: float
    lag_p99_seconds: float
    lag_max_seconds: float
    waiting_bytes: float
    frames: float


async def stampede(command: list[str], clients: int, start_seconds: float) -> Round:
    """One round: a new server, all clients at once."""
    with trio.fail_after(ROUND_SECONDS):
        async with serving(command, {"BENCH_START_SECONDS": str(start_seconds)}) as server:
            memory: list[tuple[float, int]] = []
            before = server.cpu_seconds()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch_memory, server, memory)
                async with clients_of(server, clients, ROUND_SECONDS / 2) as told:
                    await trio.sleep(SETTLE_SECONDS)
                    cpu_seconds = server.cpu_seconds() - before
                nursery.cancel_scope.cancel()
            return _judge(server, told, memory, cpu_seconds)


async def _watch_memory(server: Server, samples: list[tuple[float, int]]) -> None:
    while True:
        samples.append((time.monotonic(), server.memory_bytes()))
        await trio.sleep(SAMPLE_SECONDS)


def _judge(server: Server, told: dict[str, Any], memory: list[tuple[float, int]], cpu_seconds: float) -> Round:
    clients = told["clients"]
    (up_at,) = server.moments("ready")
    ready = [client["ready_at"] for client in clients if "ready_at" in client]
    lags = [max(0.0, at - up_at) for at in ready]
    greeted = sum(client.get("first_at", up_at) < up_at for client in clients)
    waiting = max(bytes_ for at, bytes_ in memory if at < up_at) - memory[0][1]
    return Round(
        clients=len(clients),
        ready=len(ready),
        greeted=greeted,
        cpu_seconds=cpu_seconds,
        wall_seconds=max(ready, default=up_at) - told["began_at"],
        lag_p50_seconds=percentile(lags, 0.5),
        lag_p99_seconds=percentile(lags, 0.99),
        lag_max_seconds=max(lags, default=float("nan")),
        waiting_bytes=waiting / max(1, greeted),
        frames=median([client["frames"] for client in clients]),
    )


async def compare(
    designs: dict[str, list[str]], rounds: int, clients: int, start_seconds: float
) -> dict[str, list[Round]]:
    """Every design in every round, in turns, each second round the other way about: no order is favoured."""
    results: dict[str, list[Round]] = {name: [] for name in designs}
    for number in range(rounds):
        for name in list(designs)[:: 1 if number % 2 == 0 else -1]:
            results[name].append(await stampede(designs[name], clients, start_seconds))
            print(f"round {number + 1} of {rounds}, {name}: {results[name][-1]}", flush=True)
    return results


COLUMNS = ("median of the rounds", "CPU s", "ms a client", "lag p50 ms", "p99 ms", "max ms", "KB waiting", "frames")


def _row(name: str, rounds: list[Round]) -> tuple[list[str], list[float]]:
    first = rounds[0]
    cpu = median([one.cpu_seconds for one in rounds])
    figures = [
        cpu,
        1000 * cpu / first.clients,
        1000 * median([one.lag_p50_seconds for one in rounds]),
        1000 * median([one.lag_p99_seconds for one in rounds]),
        1000 * median([one.lag_max_seconds for one in rounds]),
        median([one.waiting_bytes for one in rounds]) / 1024,
        median([one.frames for one in rounds]),
    ]
    return [f"{name} ({min(one.ready for one in rounds)} of {first.clients} ready)"], figures


def report(results: dict[str, list[Round]]) -> None:
    """Print the table, and how many times as much the ordinary design takes."""
    rows = {name: _row(name, rounds) for name, rounds in results.items()}
    lines = [[*names, *(f"{figure:.2f}" for figure in figures)] for names, figures in rows.values()]
    if len(rows) == 2:
        (_, ours), (_, theirs) = rows.values()
        ratios = [f"{other / own:.2f}x" if own else "-" for own, other in zip(ours, theirs, strict=True)]
        lines.append(["the peer's by ours (above 1: ours is less)", *ratios])
    show(f"{next(iter(results.values()))[0].clients} clients during a start", COLUMNS, lines)


def main(*, clients: int = 1000, rounds: int = 3, start_seconds: float = 3.0, peer_python: str | None = None) -> None:
    """Measure a stampede.

    Args:
        clients: that connect at once, each a user of its own.
        rounds: of each design.
        start_seconds: what the five services take to start.
        peer_python: the interpreter of an environment with fastapi, uvicorn, uvloop, httptools and websockets.
    """
    allow_many_files()
    designs = {"chatcore": chatcore("bench.app:app")}
    if peer_python is not None:
        designs["ordinary design"] = peer(peer_python)
    else:
        print("no --peer-python: chatcore alone, compared with nothing")
    results = trio.run(compare, designs, rounds, clients, start_seconds)
    settings = {"clients": clients, "rounds": rounds, "start_seconds": start_seconds}
    told = {name: [attrs.asdict(one) for one in rounds] for name, rounds in results.items()}
    path = save("stampede", settings, told, peer_python=peer_python)
    report(results)
    print(f"written to {path.relative_to(ROOT)}")


if __name__ == "__main__":
    App(default_command=main, help=__doc__)()
