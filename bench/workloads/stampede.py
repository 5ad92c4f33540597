"""A stampede: many clients connect at once while five services start, and wait for them."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import trio

from bench.designs import Design
from bench.processes import Server
from bench.results import median, percentile
from bench.workloads.base import Column, Failed, Figures, Place, Workload

SETTLE_SECONDS = 0.3
"""After the last client is ready, what the server still does for them is counted too."""

SAMPLE_SECONDS = 0.2

ROUND_SECONDS = 90.0
"""What one round may take its clients."""

CURVE = tuple(share / 100 for share in range(1, 101))
"""Of every distribution, the shares whose values are kept for plots."""

CROWDED = 1000
"""With more clients than this, a round of the slower peers takes a minute."""

COLUMNS = (
    Column("cpu_seconds", "CPU s", digits=2),
    Column("cpu_seconds_a_client", "ms a client", 1e3, 3),
    Column("wall_seconds", "all ready after s", digits=2),
    Column("lag_p50_seconds", "lag p50 ms", 1e3),
    Column("lag_p99_seconds", "p99 ms", 1e3),
    Column("waiting_bytes", "KB waiting", 1 / 1024),
    Column("frames", "frames", 1, 0, compared=False),
    Column("ready", "ready", 1, 0, compared=False),
)


def stampede(clients: int, start_seconds: float = 3.0) -> Workload:
    """So many clients during a start."""
    return Workload(
        name="stampede",
        key=f"stampede-{clients}",
        title=f"{clients:,} clients during a start of {start_seconds:g} s",
        columns=COLUMNS,
        play=partial(_play, clients=clients, start_seconds=start_seconds),
        crowded=clients > CROWDED,
    )


async def _play(place: Place, design: Design, clients: int, start_seconds: float) -> Figures:
    """One round: a new server, all clients at once."""
    async with place.serving(design, BENCH_START_SECONDS=str(start_seconds)) as server:
        memory = server.own_bytes()
        cpu_seconds = server.cpu_seconds()
        async with place.generating("stampede", server, design, clients=clients, seconds=ROUND_SECONDS) as crowd:
            waiting: list[int] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch_memory, server, waiting)
                told = await crowd.reached()
                nursery.cancel_scope.cancel()
            await trio.sleep(SETTLE_SECONDS)
            cpu_seconds = server.cpu_seconds() - cpu_seconds
        return {**_judge(server, told), **_costs(cpu_seconds, max(waiting, default=memory) - memory, clients)}


async def _watch_memory(server: Server, samples: list[int]) -> None:
    """Until the services are up."""
    while not server.moments("ready"):
        samples.append(server.own_bytes())
        await trio.sleep(SAMPLE_SECONDS)


def _costs(cpu_seconds: float, waiting: int, clients: int) -> Figures:
    return {
        "cpu_seconds": cpu_seconds,
        "cpu_seconds_a_client": cpu_seconds / clients,
        "waiting_bytes": waiting / clients,
    }


def _judge(server: Server, told: dict[str, Any]) -> Figures:
    """Who was ready when."""
    if not server.moments("ready"):
        raise Failed(f"the services did not start\n{server.last_words()}")
    (up_at,) = server.moments("ready")
    clients, began_at = told["clients"], told["began_at"]
    ready = [client["ready_at"] for client in clients if client["ready_at"] is not None]
    greeted = [client["first_at"] for client in clients if client["first_at"] is not None]
    lags = [max(0.0, at - up_at) for at in ready]
    return {
        "ready": len(ready),
        "lost": dict(Counter(f"{one['outcome']} {one['close_code']}" for one in clients if one["ready_at"] is None)),
        "greeted": sum(at < up_at for at in greeted),
        "wall_seconds": max(ready, default=up_at) - began_at,
        "up_after_seconds": up_at - began_at,
        "lag_p50_seconds": percentile(lags, 0.5),
        "lag_p99_seconds": percentile(lags, 0.99),
        "lag_max_seconds": max(lags, default=float("nan")),
        "frames": median([client["frames"] for client in clients]),
        "lag_curve": _curve(lags, 0.0),
        "greeted_curve": _curve(greeted, began_at),
        "ready_curve": _curve(ready, began_at),
        "load_cpu_seconds": told["load_cpu_seconds"],
    }


def _curve(values: list[float], since: float) -> list[float]:
    """A distribution, for plots."""
    return [round(percentile(values, share) - since, 4) for share in CURVE]
