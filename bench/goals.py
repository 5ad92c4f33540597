"""What issue 4 wants the comparison to show, and whether it does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import attrs

from bench.compare import Comparison
from bench.designs import OURS, REFERENCE, UNLOGGED


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
    Goal("server CPU, stream, deltas not durable", "stream", "cpu_seconds_each", 1.3, UNLOGGED.name),
    Goal("server CPU, stream, with the event log", "stream", "cpu_seconds_each", 0.8),
    Goal("start of the process, wall time", "cold_start", "wall_seconds", 1),
)


@attrs.frozen
class Verdict:
    """What a goal came to.

    Args:
        words: what it is about.
        figure: that was found.
        bound: what it is held against.
        least: whether the figure is to be at least that, or else at most.
    """

    words: str
    figure: float
    bound: float
    least: bool = True

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.figure >= self.bound if self.least else self.figure <= self.bound


def judge(comparisons: Mapping[str, Comparison]) -> list[Verdict]:
    """Every goal about which something was measured."""
    verdicts = [*_ratios(comparisons), *_growth(comparisons)]
    return [verdict for verdict in verdicts if not math.isnan(verdict.figure)]


def _ratios(comparisons: Mapping[str, Comparison]) -> Iterator[Verdict]:
    for goal in GOALS:
        if goal.key in comparisons:
            theirs, ours = (comparisons[goal.key].median(name, goal.figure) for name in (REFERENCE.name, goal.ours))
            yield Verdict(f"{goal.words}: reference ÷ chatcore", theirs / ours if ours else math.nan, goal.least)


def _growth(comparisons: Mapping[str, Comparison]) -> Iterator[Verdict]:
    """From the smallest crowd to the largest."""
    crowds = sorted(int(key.partition("-")[2]) for key in comparisons if key.startswith("stampede-"))
    if len(crowds) < 2:
        return
    few, many = comparisons[f"stampede-{crowds[0]}"], comparisons[f"stampede-{crowds[-1]}"]
    for figure, words in (("cpu_seconds", "server CPU"), ("lag_p99_seconds", "ready lag p99")):
        grew = many.median(OURS.name, figure) / few.median(OURS.name, figure)
        yield Verdict(f"{words}: {crowds[-1]:,} clients ÷ {crowds[0]:,}", grew, crowds[-1] / crowds[0], least=False)


HEAD = ("", "found", "wanted", "met")


def table_of(verdicts: list[Verdict]) -> list[list[str]]:
    """What was found, what was wanted, and whether that was reached."""
    return [
        [
            one.words,
            f"{one.figure:.2f}",
            f"at {'least' if one.least else 'most'} {one.bound:g}",
            "yes" if one.met else "no",
        ]
        for one in verdicts
    ]
