"""Which chart an item of evidence is, decided by the shape of its columns and rows. Pure.

A chart shows cells and nothing else: nothing is added up, and a month without rows is a gap, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

import attrs

from chatcore.protocol.messages import Evidence
from chatcore.web.calendars import is_calendar, steps_of
from chatcore.web.money import sign_of
from chatcore.web.scales import figures

Kind: TypeAlias = Literal["steps", "bars", "frontier"]
Number: TypeAlias = float | None

MOST_BARS: Final = 15
"""Bars that can be read side by side on a phone; the table has the rest."""

LEAST: Final = 1e-12
"""Below this a number is drawn as 0: no pixel tells it from that, and arithmetic stays exact enough."""

MOST: Final = 1e15
"""From here on a number is not drawn: beyond any bill, and beyond what an axis can say."""

WITHOUT: Final = "_without_implausible"
TOGETHER: Final = "_together"

_WORTH_DRAWING: Final = ("saving", "change", "spend", "cost", "price", "tokens", "calls")
"""Columns by what a person would rather look at; others come after them, in their order."""

_QUALITY: Final = re.compile(r"(score|quality|pass_rate|accuracy)", re.ASCII)
_COST: Final = re.compile(r"(cost|price|spend)", re.ASCII)


@attrs.frozen
class Series:
    """The numbers of one column, None where there is none.

    Args:
        column: its name.
        values: the numbers.
        sign: of the currency they are in, empty where they are no money or the evidence does not tell.
    """

    column: str
    values: tuple[Number, ...]
    sign: str = ""

    @property
    def words(self) -> str:
        """The column's name as words."""
        return spoken(self.column)

    def figure(self, value: float) -> str:
        """A number of this column, or on its axis, as a label."""
        return f"{'-' if value < 0 and self.sign else ''}{self.sign}{figures(abs(value) if self.sign else value)}"


@attrs.frozen(kw_only=True)
class Chart:
    """What is drawn.

    Args:
        kind: ``steps`` in the order of a calendar, ``bars`` for names, ``frontier`` for cost against quality.
        label_column: that names what is shown.
        labels: of each place.
        series: of one number for each place: for ``frontier`` the cost and the quality; else what is shown and, where
            there is a second one, how much of it is left together with the others.
        recorded: of each place, the number as recorded where the series leaves something implausible out of it.
        step: of a calendar.
        left_out: rows that stand in the table only.
        total: rows there are.
    """

    kind: Kind
    label_column: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    recorded: tuple[Number, ...] = ()
    step: str = ""
    left_out: int = 0
    total: int = 0

    @property
    def title(self) -> str:
        """What it shows, in words."""
        shown = self.series[0].words
        if self.kind == "frontier":
            return f"{self.series[1].words} against {shown}".capitalize()
        return f"{shown} by {self.step or spoken(self.label_column)}".capitalize()

    @property
    def gaps(self) -> tuple[str, ...]:
        """The labels that have no number."""
        return tuple(label for label, value in zip(self.labels, self.series[0].values, strict=True) if value is None)

    @property
    def leaves_out(self) -> bool:
        """Whether what is implausible is not in what it shows."""
        return self.series[0].column.endswith(WITHOUT)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the evidence that it shows."""
        return (self.label_column, *(each.column for each in self.series))

    def on_frontier(self) -> tuple[int, ...]:
        """The places that nothing else beats on cost and quality, the cheapest first."""
        costs, scores = self.series[0].values, self.series[1].values
        points = [(cost, score) for cost, score in zip(costs, scores, strict=True)]
        order = sorted(range(len(points)), key=lambda place: (points[place][0] or 0.0, -(points[place][1] or 0.0)))
        kept: list[int] = []
        for place in order:
            if not kept or (points[place][1] or 0.0) > (points[kept[-1]][1] or 0.0):
                kept.append(place)
        return tuple(kept)


def spoken(column: str) -> str:
    """A column's name as words."""
    return column.replace("_", " ").strip() or "value"


def chart_of(evidence: Evidence, column: str | None = None) -> Chart | None:
    """The chart that an item of evidence is best looked at as, or None where a table says it better.

    Args:
        evidence: of a stored answer.
        column: to be shown instead of the one that is chosen; without effect where it holds no numbers.
    """
    sheet = Sheet(evidence)
    if len(evidence.rows) < 2 or not sheet.labels or not sheet.numeric:
        return None
    frontier = _frontier(sheet)
    if frontier is not None and column is None:
        return frontier
    if is_calendar(sheet.labels):
        return _steps(sheet, column) or _ranked(sheet, column)
    return _bars(sheet, column)


def foremost(evidence: Sequence[Evidence]) -> Evidence | None:
    """The item whose chart tells most of an answer: a frontier or a course of time before bars, of bars those that
    leave out what is implausible, and else the first.
    """
    drawn = [(item, chart) for item in evidence if (chart := chart_of(item)) is not None]
    ranked = sorted(drawn, key=lambda pair: (pair[1].kind == "bars", not pair[1].leaves_out))
    return ranked[0][0] if ranked else None


@attrs.frozen
class Sheet:
    """The cells of an item of evidence, whatever an agent has put there."""

    evidence: Evidence

    @property
    def labels(self) -> tuple[str, ...]:
        """The first column, where it names the rows."""
        names = self.cells(0)
        named = any(isinstance(name, str) for name in names)
        return tuple("none" if name is None else str(name) for name in names) if named and self._apart(names) else ()

    @staticmethod
    def _apart(names: Sequence[Any]) -> bool:
        return all(name is None or isinstance(name, str) for name in names) and len(set(names)) == len(names)

    @property
    def numeric(self) -> tuple[str, ...]:
        """The columns that hold numbers and nothing else, those worth drawing first; of two with one name one."""
        columns = self.evidence.columns
        places = {name: columns.index(name) for name in columns}
        return tuple(sorted((name for name, place in places.items() if place and self._is_numeric(place)), key=_worth))

    def cells(self, place: int) -> tuple[Any, ...]:
        """One column; None where a row is too short."""
        return tuple(row[place] if place < len(row) else None for row in self.evidence.rows)

    def column(self, name: str) -> tuple[Any, ...]:
        """The same, by its name."""
        return self.cells(self.evidence.columns.index(name)) if name in self.evidence.columns else ()

    def numbers(self, name: str) -> tuple[Number, ...]:
        """The same, as what can be drawn."""
        return tuple(map(_drawable, self.column(name)))

    def series(self, name: str, values: tuple[Number, ...]) -> Series:
        """Numbers of a column, with what the evidence tells of their currency."""
        return Series(name, values, sign_of(name.removesuffix(WITHOUT).removesuffix(TOGETHER), self.column("currency")))

    def _is_numeric(self, place: int) -> bool:
        cells = [cell for cell in self.cells(place) if cell is not None]
        return bool(cells) and all(_drawable(cell) is not None for cell in cells)


def _worth(column: str) -> int:
    return _WORTH_DRAWING.index(column) if column in _WORTH_DRAWING else len(_WORTH_DRAWING)


def _drawable(cell: Any) -> Number:
    if isinstance(cell, bool) or not isinstance(cell, int | float) or not -MOST < cell < MOST:
        return None
    return 0.0 if abs(cell) < LEAST else float(cell)


def _frontier(sheet: Sheet) -> Chart | None:
    """Cost against quality, of the rows that have both; a cost of 0 is one that was not recorded."""
    cost, score = _first_like(_COST, sheet.numeric), _first_like(_QUALITY, sheet.numeric)
    if cost is None or score is None or cost == score:
        return None
    pairs = list(zip(sheet.labels, sheet.numbers(cost), sheet.numbers(score), strict=True))
    whole = [(label, x, y) for label, x, y in pairs if x is not None and x > 0 and y is not None]
    if len(whole) < 2:
        return None
    labels, xs, ys = zip(*whole, strict=True)
    return Chart(
        kind="frontier",
        label_column=sheet.evidence.columns[0],
        labels=labels,
        series=(sheet.series(cost, xs), sheet.series(score, ys)),
        left_out=len(pairs) - len(whole) + _unsent(sheet),
        total=_total(sheet),
    )


def _first_like(pattern: re.Pattern[str], columns: Sequence[str]) -> str | None:
    return next((name for name in columns if pattern.search(name)), None)


def _steps(sheet: Sheet, column: str | None) -> Chart | None:
    steps = steps_of(sheet.labels)
    if steps is None:
        return None
    places = dict(zip(steps.places, range(len(steps.places)), strict=True))

    def spread(values: Sequence[Number]) -> tuple[Number, ...]:
        return tuple(values[places[at]] if at in places else None for at in range(len(steps.labels)))

    shown = _shown(sheet, column, sheet.numeric[0])
    return Chart(
        kind="steps",
        label_column=sheet.evidence.columns[0],
        labels=steps.labels,
        series=tuple(sheet.series(name, spread(sheet.numbers(name))) for name in shown),
        recorded=spread(_recorded(sheet, shown[0])),
        step="hour of the day" if steps.step == "hour" else steps.step,
        left_out=_unsent(sheet),
        total=_total(sheet),
    )


def _ranked(sheet: Sheet, column: str | None) -> Chart | None:
    """Days and the like that stand in the order of a number, the greatest first, and in no order of time."""
    chart = _bars(sheet, column)
    return chart if _descends(sheet.numbers(_sorted_by(sheet))) and not _ascends(sheet.labels) else None


def _ascends(labels: Sequence[str]) -> bool:
    return all(before < after for before, after in pairwise(labels))


def _bars(sheet: Sheet, column: str | None) -> Chart | None:
    """A bar for each of the first rows; None where there is no number in any of them."""
    shown = _shown(sheet, column, _sorted_by(sheet))
    labels = _qualified(sheet)
    series = tuple(sheet.series(name, sheet.numbers(name)[:MOST_BARS]) for name in shown)
    if not any(value is not None for value in series[0].values):
        return None
    return Chart(
        kind="bars",
        label_column=sheet.evidence.columns[0],
        labels=labels[:MOST_BARS],
        series=series,
        recorded=_recorded(sheet, shown[0])[:MOST_BARS],
        left_out=max(0, len(labels) - MOST_BARS) + _unsent(sheet),
        total=_total(sheet),
    )


def _qualified(sheet: Sheet) -> tuple[str, ...]:
    """The labels; what is only a ceiling says so."""
    bases = sheet.column("basis") or (None,) * len(sheet.labels)
    return tuple(
        f"{label} (at most)" if basis == "ceiling" else label for label, basis in zip(sheet.labels, bases, strict=True)
    )


def _sorted_by(sheet: Sheet) -> str:
    """The column that the rows stand in the order of, the greatest first: what was asked for, most likely."""
    return next((name for name in sheet.numeric if _descends(sheet.numbers(name))), sheet.numeric[0])


def _descends(values: Sequence[Number]) -> bool:
    known = [value for value in values if value is not None]
    falls = all(before >= after for before, after in pairwise(known))
    return len(known) == len(values) and falls and known[0] > known[-1]


def _shown(sheet: Sheet, column: str | None, chosen: str) -> tuple[str, ...]:
    """What is drawn for a column: without what is implausible in it, and with what is left of it beside the others."""
    name = column if column in sheet.numeric else chosen
    without = f"{name}{WITHOUT}"
    if column is None and without in sheet.numeric:
        return (without,)
    together = f"{name}{TOGETHER}"
    return (name, together) if together in sheet.numeric else (name,)


def _recorded(sheet: Sheet, shown: str) -> tuple[Number, ...]:
    """The numbers as recorded, where they are others than those shown."""
    values = sheet.numbers(shown)
    if not shown.endswith(WITHOUT):
        return (None,) * len(values)
    raw = sheet.numbers(shown.removesuffix(WITHOUT)) or values
    return tuple(one if one != other else None for one, other in zip(raw, values, strict=True))


def _unsent(sheet: Sheet) -> int:
    return max(0, sheet.evidence.row_count - len(sheet.evidence.rows))


def _total(sheet: Sheet) -> int:
    return max(sheet.evidence.row_count, len(sheet.evidence.rows))
