"""A chart as SVG: text by hand, no script, every word of the data escaped. Pure.

It is drawn for a width in CSS pixels, so that its words are as large on a phone as on a desk.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from chatcore.web.charts import Chart, Number, Series
from chatcore.web.scales import Axis, axis_for, spread_axis

CONTENT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""Of an SVG that is opened by itself: it may be styled, and nothing else."""

LEAST_WIDTH: Final = 240
MOST_WIDTH: Final = 1200
USUAL_WIDTH: Final = 640

_CHARACTER: Final = 6.6
"""The width of an average character of 12 pixels, a little more than less."""

_TITLE_CHARACTER: Final = 8.4
_TITLE_LINE: Final = 18

_UNSPEAKABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML may hold (XML 1.0, section 2.2)."""

_STYLE: Final = """\
text{font:12px ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif;\
fill:#121917}
.paper{fill:#fff}.quiet{fill:#4c5955}.title{font-size:14px;font-weight:600}.end{text-anchor:end}.mid{text-anchor:middle}
.grid{stroke:#cfd8d4}.axis{stroke:#74837d}.bar{fill:#00665a}.pale{fill:#8fbdb5}.gap{fill:#e9edeb}.mark{fill:#9c2318}
.line{fill:none;stroke:#00665a;stroke-width:2}.other{fill:#74837d}
@media (prefers-color-scheme:dark){text{fill:#e7edeb}.paper{fill:#151c1a}.quiet{fill:#a2b1ac}.grid{stroke:#2f3b38}
.axis{stroke:#71827c}.bar{fill:#5fcab7}.pale{fill:#2f6a60}.gap{fill:#26302d}.mark{fill:#ff9d90}.line{stroke:#5fcab7}
.other{fill:#71827c}}"""

_TOP: Final = 34
_PLOT: Final = 190
_ROW: Final = 34
_KEY_ROW: Final = 18
_MOST_KEYS: Final = 12


def draw(chart: Chart, width: int = USUAL_WIDTH) -> str:
    """The SVG of a chart.

    Args:
        chart: that is drawn.
        width: in CSS pixels, taken to the nearest that can be drawn.
    """
    wide = max(LEAST_WIDTH, min(MOST_WIDTH, width))
    parts, height = {"steps": _steps, "bars": _bars, "frontier": _frontier}[chart.kind](chart, wide)
    title, description = clean(chart.title), clean(describe(chart))
    lines = _wrapped(chart.title, int((wide - 16) / _TITLE_CHARACTER))
    lower = (len(lines) - 1) * _TITLE_LINE
    headed = "".join(_text(8, 20 + row * _TITLE_LINE, line, "title") for row, line in enumerate(lines))
    height += lower
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title desc" '
        f'viewBox="0 0 {wide} {height}" width="{wide}" height="{height}">'
        f'<title id="title">{title}</title><desc id="desc">{description}</desc><style>{_STYLE}</style>'
        f'<rect class="paper" width="{wide}" height="{height}"/>'
        f'{headed}<g transform="translate(0 {lower})">{"".join(parts)}</g></svg>'
    )


def _wrapped(words: str, most: int) -> list[str]:
    """Words on at most two lines of ``most`` characters."""
    first, *rest = textwrap.wrap(words, most, break_long_words=True) or [words]
    return [first, cut(" ".join(rest), most * _CHARACTER)] if rest else [first]


def describe(chart: Chart) -> str:
    """What the chart shows, in sentences: for who does not see it, and below it."""
    shown, labels = chart.series[0], chart.labels
    known = [(value, label) for value, label in zip(shown.values, labels, strict=True) if value is not None]
    most = max(known, key=lambda pair: pair[0])
    said = [f"{len(known)} of {chart.total} rows are drawn." if chart.left_out else ""]
    if chart.kind == "frontier":
        best = ", ".join(labels[place] for place in chart.on_frontier())
        said.append(f"Nothing else here has more {chart.series[1].words} for less {shown.words}: {best}.")
    else:
        said.append(f"Highest: {most[1]} with {shown.figure(most[0])}.")
        said += [_gap_words(chart.gaps, "rows" if chart.kind == "steps" else "number"), _recorded_words(chart)]
    if len(chart.series) == 2 and chart.kind != "frontier":
        said.append("Pale: each by itself. Dark: its part of the whole, in which nothing is counted twice.")
    return " ".join(filter(None, said))


def _gap_words(gaps: Sequence[str], what: str) -> str:
    if not gaps:
        return ""
    named = ", ".join(gaps[:6]) + (f" and {len(gaps) - 6} more" if len(gaps) > 6 else "")
    return f"No {what} (which is not 0): {named}."


def _recorded_words(chart: Chart) -> str:
    told = [
        f"{label} is {chart.series[0].figure(raw)} as recorded"
        for label, raw in zip(chart.labels, chart.recorded, strict=False)
        if raw is not None
    ]
    return f"Implausible rows are left out: {'; '.join(told[:3])}." if told else ""


# --- kinds ----------------------------------------------------------------------------------------------------------


def _steps(chart: Chart, width: int) -> tuple[list[str], int]:
    """Upright bars in the order of a calendar; where they would be too thin, a line that breaks at each gap."""
    shown = chart.series[0]
    values = shown.values
    bottom, right = _TOP + _PLOT, width - 10.0
    axis, marks = axis_for(_known(values), bottom, _TOP + 4, 4)
    left = 14 + max(len(shown.figure(mark)) for mark in marks) * _CHARACTER
    slot = (right - left) / len(values)
    centres = [left + slot * (place + 0.5) for place in range(len(values))]
    parts = [_across(mark, shown, axis, left, right) for mark in marks]
    parts += [_gap(centre - slot / 2, slot, chart.labels[place]) for place, centre in _missing(values, centres)]
    parts += _columns(chart, axis, centres, slot) if slot >= 4 else _lines(values, axis, centres)
    parts += [_line(left, axis.at(0), right, axis.at(0), "axis"), *_names(chart.labels, centres, slot, bottom + 18)]
    return parts, bottom + 28


def _columns(chart: Chart, axis: Axis, centres: Sequence[float], slot: float) -> list[str]:
    wide, parts = min(36.0, slot * 0.76), []
    for place, (each, centre) in enumerate(zip(chart.labels, centres, strict=True)):
        for kind, series in _layers(chart):
            value = series.values[place]
            if value is not None:
                top, end = sorted((axis.at(0), axis.at(value)))
                said = f"{each}: {series.figure(value)}"
                parts.append(_box(centre - wide / 2, top, wide, max(end - top, 1), kind, said))
        raw, value = chart.recorded[place], chart.series[0].values[place]
        if raw is not None and value is not None:
            said = f"{each}: {chart.series[0].figure(raw)} as recorded"
            parts.append(_triangle(centre, axis.at(value) - 4, said))
    return parts


def _layers(chart: Chart) -> Iterable[tuple[str, Series]]:
    """What is drawn over what."""
    kinds = ("bar",) if len(chart.series) == 1 else ("pale", "bar")
    return list(zip(kinds, chart.series, strict=False))


def _lines(values: Sequence[Number], axis: Axis, centres: Sequence[float]) -> list[str]:
    points = list(zip(values, centres, strict=True))
    parts = []
    for known, run in groupby(points, key=lambda point: point[0] is not None):
        path = [(centre, axis.at(value)) for value, centre in run if value is not None] if known else []
        if len(path) == 1:
            parts.append(_dot(*path[0], 1.5, "bar", ""))
        elif path:
            parts.append(_polyline(path))
    return parts


def _bars(chart: Chart, width: int) -> tuple[list[str], int]:
    """A row for each name: its words and its number, and the bar below them."""
    parts: list[str] = []
    values = [value for series in chart.series for value in _known(series.values)]
    axis, _ = axis_for(values, 8, width - 10, 4)
    axis = Axis(min(0.0, *values), max(0.0, *values) or (0.0 if min(values) < 0 else 1.0), axis.first, axis.last)
    for place, label in enumerate(chart.labels):
        parts += _bar_row(chart, place, label, axis, _TOP + place * _ROW)
    height = _TOP + len(chart.labels) * _ROW + 6
    parts += [_line(axis.at(0), _TOP, axis.at(0), height - 6, "axis")] if min(values) < 0 else []
    return parts, height


def _bar_row(chart: Chart, place: int, label: str, axis: Axis, top: float) -> list[str]:
    shown = chart.series[0]
    value, raw = shown.values[place], chart.recorded[place]
    said = "no number" if value is None else shown.figure(value)
    if len(chart.series) == 2 and (adds := chart.series[1].values[place]) not in (None, value):
        said = f"{said}, adds {chart.series[1].figure(adds)}"
    said += "" if raw is None else f" (recorded {shown.figure(raw)})"
    room = axis.last - axis.first - (len(said) + 2) * _CHARACTER
    parts = [
        _text(axis.first, top + 14, cut(label, room), "", whole=label),
        _text(axis.last, top + 14, said, "quiet end" if raw is None else "mark end"),
    ]
    for kind, series in _layers(chart):
        known = series.values[place]
        if known is not None:
            start, end = sorted((axis.at(0), axis.at(known)))
            parts.append(_box(start, top + 20, max(end - start, 1), 8, kind, f"{label}: {series.figure(known)}"))
    return parts


def _frontier(chart: Chart, width: int) -> tuple[list[str], int]:
    """Cost to the right, quality upwards; what nothing beats is joined, numbered and named below."""
    cost_of, score_of = chart.series
    costs, scores = _known(cost_of.values), _known(score_of.values)
    bottom, right = _TOP + _PLOT + 30, width - 14.0
    up, marks = axis_for(scores, bottom, _TOP + 20, 4)
    left = 14 + max(len(score_of.figure(mark)) for mark in marks) * _CHARACTER
    along, below = spread_axis(costs, left + 8, right - 8, 3 + width // 250)
    parts = [_across(mark, score_of, up, left, right) for mark in marks]
    inside = [mark for mark in below if along.low <= mark <= along.high]
    parts += [_text(along.at(mark), bottom + 16, cost_of.figure(mark), "quiet mid") for mark in inside]
    parts.append(_text(right, bottom + 32, f"{cost_of.words} \u2192", "quiet end"))
    parts.append(_text(8, _TOP + 8, f"\u2191 {score_of.words}", "quiet"))
    points = [(along.at(cost), up.at(score)) for cost, score in zip(costs, scores, strict=True)]
    best = chart.on_frontier()
    parts += [
        _dot(*points[place], 3, "other", chart.labels[place]) for place in range(len(points)) if place not in best
    ]
    parts.append(_polyline([points[place] for place in best]))
    for number, place in enumerate(best, 1):
        parts.append(_dot(*points[place], 5, "bar", chart.labels[place]))
        parts.append(_text(points[place][0], points[place][1] - 9, str(number), "mid"))
    keys = _keys(chart, best[:_MOST_KEYS], width, bottom + 54)
    return parts + keys, bottom + 46 + len(keys) * _KEY_ROW


def _keys(chart: Chart, places: Sequence[int], width: int, top: float) -> list[str]:
    parts = []
    for row, place in enumerate(places):
        cost, score = (_known(series.values)[place] for series in chart.series)
        said = f"{chart.series[1].figure(score)} for {chart.series[0].figure(cost)}"
        room = width - 18 - (len(said) + 6) * _CHARACTER
        parts.append(
            _text(8, top + row * _KEY_ROW, f"{row + 1}  {cut(chart.labels[place], room)}", "")
            + _text(width - 10, top + row * _KEY_ROW, said, "quiet end")
        )
    return parts


# --- parts ----------------------------------------------------------------------------------------------------------


def _known(values: Iterable[Number]) -> list[float]:
    return [value for value in values if value is not None]


def _missing(values: Sequence[Number], centres: Sequence[float]) -> list[tuple[int, float]]:
    pairs = enumerate(zip(values, centres, strict=True))
    return [(place, centre) for place, (value, centre) in pairs if value is None]


def _names(labels: Sequence[str], centres: Sequence[float], slot: float, y: float) -> list[str]:
    """As many labels as have room beside each other."""
    every = max(1, -int(-(max(map(len, labels)) * _CHARACTER + 10) // slot))
    half = max(map(len, labels)) * _CHARACTER / 2
    shown = [place for place in range(0, len(labels), every) if centres[place] + half < centres[-1] + slot / 2 + 10]
    return [_text(centres[place], y, labels[place], "quiet mid") for place in shown]


def _across(mark: float, shown: Series, axis: Axis, left: float, right: float) -> str:
    y = axis.at(mark)
    return _line(left, y, right, y, "grid") + _text(left - 6, y + 4, shown.figure(mark), "quiet end")


def _gap(x: float, width: float, label: str) -> str:
    return _box(x, _TOP + 4, width, _PLOT - 4, "gap", f"{label}: no rows")


def _box(x: float, y: float, width: float, height: float, kind: str, said: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {place}><title>{clean(said)}</title></rect>'


def _dot(x: float, y: float, radius: float, kind: str, said: str) -> str:
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"><title>{clean(said)}</title></circle>'


def _triangle(x: float, y: float, said: str) -> str:
    points = f"{x:.1f},{y - 8:.1f} {x - 5:.1f},{y:.1f} {x + 5:.1f},{y:.1f}"
    return f'<polygon class="mark" points="{points}"><title>{clean(said)}</title></polygon>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    return f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def _text(x: float, y: float, said: str, kind: str, *, whole: str = "") -> str:
    more = f"<title>{clean(whole)}</title>" if whole not in ("", said) else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" class={quoteattr(kind)}>{clean(said)}{more}</text>'


def clean(words: str) -> str:
    """Words as XML: without what it may not hold, and with nothing that could be markup."""
    return escape(_UNSPEAKABLE.sub("\ufffd", words))


def cut(words: str, room: float) -> str:
    """Words that fit; of long ones the beginning and the end, which tell models apart."""
    most = max(4, int(room / _CHARACTER))
    if len(words) <= most:
        return words
    head = most // 2
    return f"{words[:head]}\u2026{words[len(words) - (most - 1 - head) :]}"
