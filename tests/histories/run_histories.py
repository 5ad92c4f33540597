"""Seeded histories, many of them or one.

``python tests/histories/run_histories.py --count 10000`` plays many, on every core, and sums them up;
``python tests/histories/run_histories.py --seed 7`` plays one, and tells all that happens in it.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs
from cyclopts import App
from history_run import Verdict, run_history
from history_storage import disk_in_memory

PORTION = 20
"""Seeds that a process is given at once."""

PROGRESS_SECONDS = 10.0


@attrs.define
class Summary:
    """What came of many histories."""

    histories: int = 0
    events: int = 0
    connections: int = 0
    restarts: int = 0
    lost: int = 0
    broken: list[Verdict] = attrs.field(factory=list)

    def add(self, verdict: Verdict) -> None:
        self.histories += 1
        self.events += verdict.events
        self.connections += verdict.connections
        self.restarts += verdict.restarts
        self.lost += verdict.lost
        if verdict.broken is not None:
            self.broken.append(verdict)


def command_for(seed: int) -> str:
    """What plays this history again."""
    return f"python {Path(__file__).relative_to(Path(__file__).parents[2])} --seed {seed}"


def play(seeds: Iterable[int]) -> list[Verdict]:
    """Play the histories of these seeds; only of those that fail is kept what happened."""
    with disk_in_memory() as disk:
        verdicts = (run_history(seed, disk) for seed in seeds)
        return [verdict if verdict.broken else attrs.evolve(verdict, trace=[]) for verdict in verdicts]


def play_all(first: int, count: int, processes: int) -> Iterator[Verdict]:
    """Play many, in several processes."""
    portions = [range(at, min(at + PORTION, first + count)) for at in range(first, first + count, PORTION)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for verdicts in pool.imap_unordered(play, portions):
            yield from verdicts


def show(summary: Summary, seconds: float) -> None:
    print(
        f"{summary.histories:,} histories in {seconds:.0f} s ({summary.histories / seconds:.1f}/s): "
        f"{summary.events:,} events, {summary.connections:,} connections, {summary.restarts:,} restarts "
        f"({summary.lost:,} of them lost what was not stored), {len(summary.broken)} with a broken promise",
        flush=True,
    )


def main(*, count: int = 10_000, first: int = 0, seed: int | None = None, processes: int = 0) -> None:
    """Play seeded histories and judge them.

    Args:
        count: how many.
        first: the first seed.
        seed: play this one alone, and tell all that happens.
        processes: at once; as many as there are cores unless given.
    """
    if seed is not None:
        with disk_in_memory() as disk:
            verdict = run_history(seed, disk)
        print(verdict)
        sys.exit(verdict.broken is not None)
    summary = Summary()
    began_at = told_at = time.monotonic()
    for verdict in play_all(first, count, processes or len(os.sched_getaffinity(0))):
        summary.add(verdict)
        if verdict.broken is not None:
            print(f"seed {verdict.seed}: {verdict.broken}\n    {command_for(verdict.seed)}", flush=True)
        if time.monotonic() - told_at > PROGRESS_SECONDS:
            told_at = time.monotonic()
            show(summary, told_at - began_at)
    show(summary, time.monotonic() - began_at)
    sys.exit(bool(summary.broken))


if __name__ == "__main__":
    App(default_command=main, help=__doc__)()
