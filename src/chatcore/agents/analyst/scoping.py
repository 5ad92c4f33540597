"""How a recogniser reads on, once its own words are found: table, period and names of what is left. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from chatcore.agents.analyst.asking import LED, Asking
from chatcore.agents.analyst.catalogue import Column, Table
from chatcore.agents.analyst.columns import Family
from chatcore.agents.analyst.faults import find_scope_fault
from chatcore.agents.analyst.mentions import Span
from chatcore.agents.analyst.reading import Reading, blanked, in_table
from chatcore.agents.analyst.request import Filter, Period, Refusal


def apart_from(reading: Reading, patterns: Iterable[str | re.Pattern[str]]) -> Reading:
    """The question without the words of these patterns: they are accounted for, and are no name, value or time.

    Of a pattern with groups only the groups are taken out.
    """
    spans = [span for pattern in patterns for match in re.finditer(pattern, reading.text) for span in _spans(match)]
    words = tuple(w for w in reading.words if not any(s.start < w.end and w.start < s.end for s in spans))
    text = blanked(reading.text, spans)
    return attrs.evolve(reading, text=text, words=words, asked=reading.asked or reading.text)


def _spans(match: re.Match[str]) -> list[Span]:
    groups = range(1, match.re.groups + 1) if match.re.groups else (0,)
    return [Span(*match.span(group)) for group in groups if match.span(group) != (-1, -1)]


@attrs.frozen
class Scope:
    """What a question is restricted to.

    Args:
        asking: the question and the table it is about.
    """

    asking: Asking

    @property
    def periods(self) -> list[Period]:
        """The period that is named, if one is."""
        return [self.asking.period] if self.asking.period else []

    @property
    def filters(self) -> list[Filter]:
        """What the named values restrict the rows to."""
        return self.asking.reading.filters


def scope_of(reading: Reading, table: Table, understood: Iterable[str] = (), *, ahead: bool = False) -> Scope | Refusal:
    """Read on in a table.

    Args:
        reading: so far.
        table: chosen.
        understood: words that the recogniser accounts for, besides those it took out.
        ahead: whether a period may lie after the last row.

    Returns:
        The period and the names that were found, or what is wrong with them.
    """
    read_on = attrs.evolve(reading, understood=reading.understood | frozenset(understood))
    asking = Asking(in_table(read_on, table, apart=lambda _: False), table)
    fault = find_scope_fault(asking)
    if fault is not None and not (ahead and fault.reason == "out_of_range" and _begins_after(asking)):
        return fault
    return Scope(asking)


def _begins_after(asking: Asking) -> bool:
    """Whether the period that is named begins after the last row."""
    start, last = asking.period.start if asking.period else None, asking.table.last_day
    return start is not None and last is not None and start > last.isoformat()


def led_columns(asking: Asking) -> list[Column]:
    """The columns that are asked for one by one: ``by user``, ``for each model``; not those that are only named."""
    led = [each.column for each in asking.group_columns if LED.search(asking.reading.text[: each.start])]
    return [column for column in led if column.family is not Family.NUMBER]


def amount_in(match: re.Match[str] | None, group: str = "amount") -> float | None:
    """The number that a pattern found: ``1,000``, ``2k``, ``1.5 million``; None where it found none."""
    text = match[group] if match else None
    if not text:
        return None
    found = re.match(r"[$€£]?\s?(\d[\d,]*(?:\.\d+)?)\s?(k|m|thousand|million)?", text)
    if found is None:
        return None
    return float(found[1].replace(",", "").rstrip(".")) * _SCALES.get(found[2] or "", 1)


AMOUNT = r"(?<![\w.,])(?P<amount>[$€£]?\s?\d[\d,]*(?:\.\d+)?\s?(?:k\b|m\b|thousand\b|million\b)?)"
"""A number, with a sign of a currency or a scale."""

_SCALES = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "million": 1_000_000}
