"""A start that fails while many clients wait for it: how soon each is told, and how often the start is tried.

``python -m bench.failing_start --clients 200``; with ``--peer-python`` the ordinary design too, in which each client
that waits for the lock tries the start again, one after another: it is cut at ``--limit-seconds``.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import trio
from cyclopts import App

from bench.processes import ROOT, Server, allow_many_files, chatcore, clients_of, peer, serving
from bench.results import save, show

ROUND_SECONDS = 60.0
"""What starting and ending a server may take, beside the clients' time."""


@attrs.frozen
class Outcome:
    """What became of the clients of a start that failed.

    Args:
        clients: in all.
        late: those that were greeted only after the first failure, so that they waited for another start.
        told: those of the others that had an ``error`` frame in time.
        codes: the error codes of all, counted.
        closes: the close codes of all, counted.
        first_after_seconds: from the first failure to the first error frame.
        spread_seconds: from the first error frame to the last, of those that are not late.
        attempts: starts that were made.
    """

    clients: int
    late: int
    told: int
    codes: dict[str, int]
    closes: dict[str, int]
    first_after_seconds: float
    spread_seconds: float
    attempts: int


async def failing_start(command: list[str], clients: int, start_seconds: float, limit_seconds: float) -> Outcome:
    """One server, whose start fails at nine tenths of its time."""
    environment = {"BENCH_START_SECONDS": str(start_seconds), "BENCH_FAILS": "1"}
    with trio.fail_after(limit_seconds + ROUND_SECONDS):
        async with serving(command, environment) as server, clients_of(server, clients, limit_seconds) as told:
            return _judge(server, told["clients"])


def _judge(server: Server, clients: list[dict[str, Any]]) -> Outcome:
    failures = server.moments("failed")
    waited = [client for client in clients if client.get("first_at", float("inf")) < failures[0]]
    errors = [client["error_at"] for client in waited if "error_at" in client]
    return Outcome(
        clients=len(clients),
        late=len(clients) - len(waited),
        told=len(errors),
        codes=dict(Counter(client.get("error_code", "none") for client in clients)),
        closes=dict(Counter(str(client.get("close_code", "none")) for client in clients)),
        first_after_seconds=min(errors, default=float("nan")) - failures[0],
        spread_seconds=max(errors, default=float("nan")) - min(errors, default=float("nan")),
        attempts=len(failures),
    )


COLUMNS = ("a start that fails", "told", "late", "first after ms", "last minus first ms", "starts", "errors", "closes")


def report(results: dict[str, Outcome]) -> None:
    rows = [
        [
            name,
            f"{one.told} of {one.clients - one.late}",
            str(one.late),
            f"{1000 * one.first_after_seconds:.1f}",
            f"{1000 * one.spread_seconds:.1f}",
            str(one.attempts),
            ", ".join(f"{code} x{count}" for code, count in one.codes.items()),
            ", ".join(f"{code} x{count}" for code, count in one.closes.items()),
        ]
        for name, one in results.items()
    ]
    show("Everyone who waits for a start that fails", COLUMNS, rows)


async def measure(designs: dict[str, list[str]], *numbers: Any) -> dict[str, Outcome]:
    return {name: await failing_start(command, *numbers) for name, command in designs.items()}


def main(
    *,
    clients: int = 200,
    start_seconds: float = 3.0,
    limit_seconds: float = 30.0,
    peer_python: str | None = None,
) -> None:
    """Measure a start that fails.

    Args:
        clients: that wait for it.
        start_seconds: what the start would take; it fails at nine tenths.
        limit_seconds: how long the clients wait at most.
        peer_python: the interpreter of an environment with fastapi, uvicorn, uvloop, httptools and websockets.
    """
    allow_many_files()
    designs = {"chatcore": chatcore("bench.app:app")}
    if peer_python is not None:
        designs["ordinary design"] = peer(peer_python)
    results = trio.run(measure, designs, clients, start_seconds, limit_seconds)
    settings = {"clients": clients, "start_seconds": start_seconds, "limit_seconds": limit_seconds}
    told = {name: attrs.asdict(one) for name, one in results.items()}
    path = save("failing_start", settings, told, peer_python=peer_python)
    report(results)
    print(f"written to {path.relative_to(ROOT)}")


if __name__ == "__main__":
    App(default_command=main, help=__doc__)()
