"""What a connection takes of the server's memory while it waits, and when it is ready."""

from __future__ import annotations

from functools import partial

import trio

from bench.designs import Design
from bench.workloads.base import Column, Failed, Figures, Place, Workload

START_SECONDS = 8.0
"""Long enough for the slowest design to greet everyone before its services are up."""

SETTLE_SECONDS = 1.0
"""What a first connection sets off is done by then, imports included."""

ROUND_SECONDS = 60.0

COLUMNS = (
    Column("waiting_bytes", "KB waiting", 1 / 1024),
    Column("ready_bytes", "KB ready", 1 / 1024),
)


def memory(clients: int) -> Workload:
    """So many clients, beside one that was there before."""
    return Workload(
        name="memory",
        key="memory",
        title=f"Memory a connection, of {clients:,}",
        columns=COLUMNS,
        play=partial(_play, clients=clients),
        varies=False,
    )


async def _play(place: Place, design: Design, clients: int) -> Figures:
    async with (
        place.serving(design, BENCH_START_SECONDS=str(START_SECONDS)) as server,
        place.generating("hold", server, design, clients=clients, seconds=ROUND_SECONDS) as crowd,
    ):
        await crowd.reached()
        await trio.sleep(SETTLE_SECONDS)
        before = server.own_bytes()
        if (told := await crowd.reached())["ready"] or not told["greeted"]:
            raise Failed("not everyone was greeted before the services were up")
        waiting = server.own_bytes()
        await crowd.reached()
        await trio.sleep(SETTLE_SECONDS)
        ready = server.own_bytes()
    return {"waiting_bytes": (waiting - before) / clients, "ready_bytes": (ready - before) / clients}
