"""A cold start, and a start that fails while many clients wait for it."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any

import trio

from bench.designs import Design
from bench.processes import Server, started
from bench.workloads.base import Column, Figures, Place, Workload

LOOK_SECONDS = 0.002
"""Between one look at the port and the next."""

COLD_SECONDS = 30.0

LIVE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"

COLD_COLUMNS = (Column("wall_seconds", "ms to 200", 1e3, 0), Column("cpu_seconds", "CPU ms", 1e3, 0))

FAILING_COLUMNS = (
    Column("told", "told", 1, 0, compared=False),
    Column("late", "late", 1, 0, compared=False),
    Column("first_after_seconds", "first after ms", 1e3),
    Column("spread_seconds", "last minus first ms", 1e3),
    Column("starts", "starts", 1, 0, compared=False),
)


def cold_start() -> Workload:
    """From the command to the first answer."""
    return Workload("cold_start", "cold_start", "From the command to /health/live", COLD_COLUMNS, _play_cold)


def failing_start(clients: int, start_seconds: float, limit_seconds: float) -> Workload:
    """So many clients wait for a start that fails at nine tenths of its time."""
    return Workload(
        name="failing_start",
        key="failing_start",
        title=f"{clients} clients during a start that fails after {0.9 * start_seconds:.1f} s",
        columns=FAILING_COLUMNS,
        play=partial(_play_failing, clients=clients, start_seconds=start_seconds, limit_seconds=limit_seconds),
        varies=False,
    )


async def _play_cold(place: Place, design: Design) -> Figures:
    began_at = time.monotonic()
    with trio.fail_after(COLD_SECONDS):
        async with started(design.command(place.environments), design.settings, place.cores) as (_, server):
            while not await _live(server):  # noqa: ASYNC110  what another process does is seen by looking
                await trio.sleep(LOOK_SECONDS)
            return {"wall_seconds": time.monotonic() - began_at, "cpu_seconds": server.cpu_seconds()}
    raise AssertionError


async def _live(server: Server) -> bool:
    with suppress(OSError, trio.BrokenResourceError):
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
            await stream.send_all(LIVE)
            return (await stream.receive_some(4096)).startswith(b"HTTP/1.1 200")
    return False


async def _play_failing(
    place: Place, design: Design, clients: int, start_seconds: float, limit_seconds: float
) -> Figures:
    settings = {"BENCH_START_SECONDS": str(start_seconds), "BENCH_FAILS": "1"}
    async with (
        place.serving(design, **settings) as server,
        place.generating("closed", server, design, clients=clients, seconds=limit_seconds) as crowd,
    ):
        return _judge(server, (await crowd.reached())["clients"])


def _judge(server: Server, clients: list[dict[str, Any]]) -> Figures:
    failures = server.moments("failed")
    waited = [one for one in clients if one["first_at"] is not None and one["first_at"] < failures[0]]
    errors = [one["error_at"] for one in waited if one["error_at"] is not None]
    first, last = min(errors, default=float("nan")), max(errors, default=float("nan"))
    return {
        "told": len(errors),
        "late": len(clients) - len(waited),
        "first_after_seconds": first - failures[0],
        "spread_seconds": last - first,
        "starts": len(failures),
        "codes": dict(Counter(str(one["error_code"]) for one in clients)),
        "closes": dict(Counter(str(one["close_code"]) for one in clients)),
    }
