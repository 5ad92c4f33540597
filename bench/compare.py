"""Rounds of every design in turns, and what they come to in the middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
import trio

from bench.designs import DESIGNS, OURS, REFERENCE, UNLOGGED, Design
from bench.results import median, show
from bench.workloads.base import Column, Failed, Figures, Place, Workload


@attrs.frozen
class Comparison:
    """What a workload came to.

    Args:
        workload: that was played.
        rounds: of each design, by its name.
    """

    workload: Workload
    rounds: dict[str, list[Figures]]

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
                figures = await workload.play(place, design)
            except (Failed, trio.TooSlowError) as error:  # the others are worth their figures all the same
                print(f"FAILED: {error}", flush=True)
                continue
            played.setdefault(design.name, []).append(figures)
            print(", ".join(f"{one.title} {_said(figures[one.figure], one)}" for one in workload.columns), flush=True)
    return Comparison(workload, played)


def report(comparison: Comparison) -> None:
    """Print the table of a workload: medians, and beside them how many times chatcore's figure that is."""
    workload = comparison.workload
    rows = []
    for name in (name for name in DESIGNS if name in comparison.rounds):
        cells = [DESIGNS[name].title]
        for column in workload.columns:
            cells.append(_said(comparison.median(name, column.figure), column))
            ours = comparison.median(OURS.name, column.figure)
            if name != OURS.name and ours > 0:
                cells[-1] += f" ({comparison.median(name, column.figure) / ours:.2f}x)"
        rows.append(cells)
    show(workload.title, ["median of the rounds", *(column.title for column in workload.columns)], rows)


def _said(value: float, column: Column) -> str:
    return f"{value * column.scale:.{column.digits}f}"
