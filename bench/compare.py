"""Rounds of every design in turns, what they come to in the middle, and what was wanted of that."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from bench.designs import DESIGNS, OURS, REFERENCE, Design
from bench.results import median, show
from bench.workloads.base import Column, Figures, Place, Workload


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


async def compare(place: Place, workload: Workload, designs: Sequence[Design], rounds: int) -> Comparison:
    """Every design in every round, each second round the other way about: no order is favoured."""
    taking_part = [design for design in designs if workload.name in design.takes_part]
    played: dict[str, list[Figures]] = {design.name: [] for design in taking_part}
    print(f"\n{workload.title}", flush=True)
    for number in range(rounds):
        for design in taking_part[:: 1 if number % 2 == 0 else -1]:
            figures = await workload.play(place, design)
            played[design.name].append(figures)
            said = ", ".join(f"{column.title} {_said(figures[column.figure], column)}" for column in workload.columns)
            print(f"  round {number + 1} of {rounds}, {design.name}: {said}", flush=True)
    return Comparison(workload, played)


def report(comparison: Comparison) -> None:
    """Print the table of a workload: medians, and beside them how many times chatcore's figure that is."""
    workload = comparison.workload
    rows = []
    for name in comparison.rounds:
        cells = [DESIGNS[name].title]
        for column in workload.columns:
            cells.append(_said(comparison.median(name, column.figure), column))
            ours = comparison.median(OURS.name, column.figure)
            if name != OURS.name and ours:
                cells[-1] += f" ({comparison.median(name, column.figure) / ours:.2f}x)"
        rows.append(cells)
    show(workload.title, ["median of the rounds", *(column.title for column in workload.columns)], rows)


def _said(value: float, column: Column) -> str:
    return f"{value * column.scale:.{column.digits}f}"


@attrs.frozen
class Goal:
    """What is wanted of a ratio, as of issue 4.

    Args:
        words: what it is about.
        key: of the workload.
        figure: of the same.
        least: what the reference's figure divided by chatcore's has to be.
        ours: the design whose figure it is.
    """

    words: str
    key: str
    figure: str
    least: float
    ours: str = OURS.name


GOALS = (
    Goal("server CPU, 5,000 clients during a start", "stampede-5000", "cpu_seconds", 3),
    Goal("ready lag p99 at 5,000", "stampede-5000", "lag_p99_seconds", 4),
    Goal("ready lag p99 at 10,000", "stampede-10000", "lag_p99_seconds", 4),
    Goal("memory a waiting connection", "memory", "waiting_bytes", 3),
    Goal("server CPU, echo of a ping frame", "echo", "cpu_seconds_each", 1.2),
    Goal("server CPU, stream, with the event log", "stream", "cpu_seconds_each", 0.8),
    Goal("start of the process, wall time", "cold_start", "wall_seconds", 1),
)


def goals(comparisons: dict[str, Comparison]) -> list[dict[str, object]]:
    """What was reached of what could be measured."""
    found: list[dict[str, object]] = []
    for goal in GOALS:
        comparison = comparisons.get(goal.key)
        if comparison is None or not {goal.ours, REFERENCE.name} <= comparison.rounds.keys():
            continue
        theirs, ours = (comparison.median(name, goal.figure) for name in (REFERENCE.name, goal.ours))
        found.append({"goal": goal.words, "ratio": theirs / ours, "at_least": goal.least})
    return found


def report_goals(reached: list[dict[str, object]]) -> None:
    """Print what was wanted, and whether it was reached."""
    rows = [
        [str(one["goal"]), f"{one['ratio']:.2f}", f"{one['at_least']:g}", "yes" if _met(one) else "NO"]
        for one in reached
    ]
    if rows:
        show("reference ÷ chatcore", ["", "ratio", "at least", "met"], rows)


def _met(one: dict[str, object]) -> bool:
    return float(str(one["ratio"])) >= float(str(one["at_least"]))
