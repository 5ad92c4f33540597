"""What a server does all day, when its services are up: it echoes pings, and streams answers."""

from __future__ import annotations

from functools import partial
from typing import Any

from bench.designs import Design
from bench.processes import Generator, Server
from bench.results import percentile
from bench.workloads.base import Column, Failed, Figures, Place, Workload

ROUND_SECONDS = 60.0

WORDS = "about as many words as a model "
"""A part of an answer, by :mod:`bench.app` and :mod:`bench.peers.chat` alike."""

ECHO_COLUMNS = (
    Column("cpu_seconds_each", "CPU µs an echo", 1e6),
    Column("p50_seconds", "round trip p50 ms", 1e3, 2),
    Column("p99_seconds", "p99 ms", 1e3, 2),
    Column("a_second", "echoes a second", 1, 0),
)
STREAM_COLUMNS = (
    Column("cpu_seconds_each", "CPU µs an event", 1e6),
    Column("a_second", "events a second", 1, 0),
)


def echo(clients: int, pings: int) -> Workload:
    """Each client has one ping on its way."""
    return Workload(
        name="echo",
        key="echo",
        title=f"Echo of a ping frame: {clients} connections, {pings} each",
        columns=ECHO_COLUMNS,
        play=partial(_play_echo, clients=clients, pings=pings),
    )


def stream(clients: int, deltas: int) -> Workload:
    """Each client asks for one answer in so many parts."""
    return Workload(
        name="stream",
        key="stream",
        title=f"Stream of agent events: {clients} answers of {deltas} parts",
        columns=STREAM_COLUMNS,
        play=partial(_play_stream, clients=clients, deltas=deltas),
    )


async def _play_echo(place: Place, design: Design, clients: int, pings: int) -> Figures:
    async with place.ready("echo", design, ROUND_SECONDS, clients=clients, pings=pings) as (server, crowd):
        told, cpu_seconds = await _measured(server, crowd)
    seconds = told["seconds"]
    return {
        **_spent(told, cpu_seconds, len(seconds)),
        "p50_seconds": percentile(seconds, 0.5),
        "p99_seconds": percentile(seconds, 0.99),
    }


async def _play_stream(place: Place, design: Design, clients: int, deltas: int) -> Figures:
    async with place.ready("stream", design, ROUND_SECONDS, clients=clients, deltas=deltas) as (server, crowd):
        told, cpu_seconds = await _measured(server, crowd)
    if told["spelled"] != [deltas * len(WORDS)] * clients:
        raise Failed("not every answer was whole")
    return _spent(told, cpu_seconds, told["events"])


def _spent(told: dict[str, Any], cpu_seconds: float, count: int) -> Figures:
    """What each one cost, and how many there were; with less than the wall time, the generator was not in the way."""
    return {
        "cpu_seconds_each": cpu_seconds / count,
        "a_second": count / told["wall_seconds"],
        "wall_seconds": told["wall_seconds"],
        "load_cpu_seconds": told["load_cpu_seconds"],
    }


async def _measured(server: Server, crowd: Generator) -> tuple[dict[str, Any], float]:
    """Let the clients do what they came for; what they tell, and what it cost the server."""
    before = server.cpu_seconds()
    told = await crowd.reached()
    if not told["done"]:
        raise Failed("the clients were not done in time")
    return told, server.cpu_seconds() - before
