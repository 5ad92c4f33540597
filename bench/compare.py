"""Rounds of every design in turns, and what they come to in the middle."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import attrs
import trio

from bench.designs import DESIGNS, OURS, REFERENCE, UNLOGGED, Design
from bench.processes import others_cpu_seconds
from bench.results import median, show
from bench.workloads.base import Column, Failed, Figures, Place, Workload

BUSY_CORES = 0.15
"""With more of the machine than this in other hands, times are no longer its own."""

DOUBT = "ratios of CPU are worth something, and times nothing"


@attrs.frozen
class Comparison:
    """What a workload came to.

    Args:
        workload: that was played.
        rounds: of each design, by its name.
    """

    workload: Workload
    rounds: dict[str, list[Figures]]

    @property
    def others_cores(self) -> float:
        """How many cores were busy with something else, in the middle of all rounds."""
        return median([one["others_cores"] for rounds in self.rounds.values() for one in rounds])

    def median(self, design: str, figure: str) -> float:
        """The figure in the middle of a design's rounds; NaN where it did not take part."""
        return median([one[figure] for one in self.rounds.get(design, [])])


@attrs.frozen
class Effort:
    """How long it may take.

    Args:
        rounds: of chatcore and the reference.
        full: every design plays every round of every workload, or else once, and not with the largest crowds.
    """

    rounds: int
    full: bool

    def players(self, workload: Workload, designs: Sequence[Design]) -> Iterator[list[Design]]:
        """Who plays in each round. Each second one is the other way about: no order is favoured."""
        able = [design for design in designs if workload.name in design.takes_part]
        judged = [design for design in able if design in (OURS, UNLOGGED, REFERENCE)]
        for number in range(self.rounds if self.full or workload.varies else 1):
            everyone = self.full or (number == 0 and not workload.crowded) or not judged
            yield (able if everyone else judged)[:: 1 if number % 2 == 0 else -1]


async def compare(place: Place, workload: Workload, designs: Sequence[Design], effort: Effort) -> Comparison:
    """Play the rounds, the designs in turns."""
    played: dict[str, list[Figures]] = {}
    print(f"\n{workload.title}", flush=True)
    for number, players in enumerate(effort.players(workload, designs), 1):
        for design in players:
            print(f"  round {number}, {design.name}: ", end="", flush=True)
            try:
                figures = await _watched(workload.play, place, design)
            except (Failed, trio.TooSlowError) as error:  # the others are worth their figures all the same
                print(f"FAILED: {error}", flush=True)
                continue
            played.setdefault(design.name, []).append(figures)
            print(", ".join(f"{one.title} {_said(figures[one.figure], one)}" for one in workload.columns), flush=True)
    return Comparison(workload, played)


async def _watched(play: Callable[[Place, Design], Awaitable[Figures]], place: Place, design: Design) -> Figures:
    """One round, and how many cores were busy with something else meanwhile."""
    began_at, before = time.monotonic(), others_cpu_seconds()
    figures = await play(place, design)
    return figures | {"others_cores": (others_cpu_seconds() - before) / (time.monotonic() - began_at)}


def table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The head and the rows: medians, and beside them how many times chatcore's figure that is."""
    head = ["median of the rounds", *(column.title for column in comparison.workload.columns)]
    names = [name for name in DESIGNS if name in comparison.rounds]
    return head, [[DESIGNS[name].title, *_cells(comparison, name)] for name in names]


def _cells(comparison: Comparison, name: str) -> Iterator[str]:
    for column in comparison.workload.columns:
        value, ours = (comparison.median(one, column.figure) for one in (name, OURS.name))
        ratio = f" ({value / ours:.2f}x)" if column.compared and name != OURS.name and ours > 0 else ""
        yield _said(value, column) + ratio


def report(comparison: Comparison) -> None:
    """Print the table of a workload."""
    show(comparison.workload.title, *table(comparison))
    if comparison.others_cores > BUSY_CORES:
        print(f"something else kept {comparison.others_cores:.1f} cores busy: {DOUBT}")


def _said(value: float, column: Column) -> str:
    return f"{value * column.scale:.{column.digits}f}"
