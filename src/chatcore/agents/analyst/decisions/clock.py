"""When the rows of a table are, though it may be a trace whose clock only counts from its own start. Pure."""

from __future__ import annotations

import attrs

from chatcore.agents.analyst.catalogue import Column, Table
from chatcore.agents.analyst.columns import Family, Meaning, name_words, says_time
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.sql import time_of

_UNITS = {"ms": 1_000, "milliseconds": 1_000, "millis": 1_000, "us": 1_000_000, "micros": 1_000_000}
_SECONDS = frozenset({"s", "sec", "seconds"})
_USUAL = 1_000
"""Ticks of a second where the name of a column of numbers tells none: traces count milliseconds."""


@attrs.frozen
class Clock:
    """The time of a table's rows.

    Args:
        column: that holds it.
        seconds: SQL for the seconds of a row, from 1970 or from the trace's start.
        from_start: whether it counts from the trace's start.
        assumed: whether its unit is taken to be milliseconds though no name says so.
    """

    column: Column
    seconds: str
    from_start: bool = False
    assumed: bool = False

    @property
    def order(self) -> str:
        """SQL by which rows come one after the other: by time, and those of one instant as the file has them."""
        return f"{self.seconds}, rowid"


def clock_of(table: Table) -> Clock | None:
    """The clock of a table's rows; None where they do not say when they were."""
    column, time = table.column(Meaning.TIME), time_of(table)
    if column is not None and time is not None:
        return Clock(column, f"(epoch_us({time}) / 1000000.0)")
    numbers = [each for each in table.columns if each.family is Family.NUMBER and says_time(each.name)]
    return _relative(numbers[0]) if numbers else None


def _relative(column: Column) -> Clock:
    words = set(name_words(column.name))
    ticks = next((each for word, each in _UNITS.items() if word in words), 1 if words & _SECONDS else None)
    seconds = f"({identifier(column.name)} / {float(ticks or _USUAL)})"
    return Clock(column, seconds, from_start=True, assumed=ticks is None)


def duration_of(table: Table) -> str | None:
    """SQL for how many seconds a row took; None where that is not known."""
    column = table.column(Meaning.DURATION)
    if column is None:
        return None
    words = set(name_words(column.name))
    ticks = next((each for word, each in _UNITS.items() if word in words), 1)
    return f"({identifier(column.name)} / {float(ticks)})"
