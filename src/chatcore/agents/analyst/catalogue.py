"""What the analyst knows of the data before it is asked: tables, columns, what they mean, what they cover. Pure."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import attrs

from chatcore.agents.analyst.columns import Family, Meaning, currency_of, family_of
from chatcore.protocol.messages import Covered

IMPLAUSIBLE_TIMES = 10_000
"""A row is implausible where it costs this many times what a token, or a row, usually costs. The dearest model there
is costs some thousand times the cheapest, so that no real price comes near."""


class Origin(StrEnum):
    """Where the data comes from."""

    ATTACHED = "attached"
    GENERATED = "generated"
    RECORDS = "records"


@attrs.frozen(kw_only=True)
class Column:
    """A column of a table.

    Args:
        name: as in the file.
        type: DuckDB's name of it.
        meaning: what it is taken for.
        distinct: how many different values it has, about.
        values: those values, commonest first, where they are names and not too many.
        ticks_per_second: for a time that is kept as a number since 1970: 1 for seconds, 1,000 for milliseconds.
    """

    name: str
    type: str
    meaning: Meaning = Meaning.UNKNOWN
    distinct: int = 0
    values: tuple[str, ...] = ()
    ticks_per_second: int | None = None

    @property
    def family(self) -> Family:
        """What kind of values it holds."""
        return family_of(self.type)


@attrs.frozen(kw_only=True)
class Table:
    """A table.

    Args:
        name: the file's stem.
        file: the file's name.
        rows: how many.
        columns: in the file's order.
        covered_from: the time of the first row, ISO 8601; None where there is no time.
        covered_to: of the last.
        months: those that have rows, as ``2025-05``.
        usual_cost: what a token usually costs, or a row where tokens are not known; None where nothing costs anything.
        implausible: how many rows cost IMPLAUSIBLE_TIMES that and more.
    """

    name: str
    file: str
    rows: int
    columns: tuple[Column, ...]
    covered_from: str | None = None
    covered_to: str | None = None
    months: tuple[str, ...] = ()
    usual_cost: float | None = None
    implausible: int = 0

    def column(self, meaning: Meaning) -> Column | None:
        """The column of this meaning, if there is one."""
        return next((column for column in self.columns if column.meaning is meaning), None)

    def named(self, name: str) -> Column:
        """The column of this name."""
        return next(column for column in self.columns if column.name == name)

    def has(self, *meanings: Meaning) -> bool:
        """Whether there is a column of each of these meanings."""
        return all(self.column(meaning) for meaning in meanings)

    @property
    def currency(self) -> str:
        """The sign of the currency of its costs, empty where the name of the column tells none."""
        cost = self.column(Meaning.COST)
        return currency_of(cost.name) if cost else ""

    @property
    def covered(self) -> Covered | None:
        """The period its rows cover, None where they have no time."""
        return Covered(from_=self.covered_from, to=self.covered_to) if self.covered_from else None

    @property
    def first_day(self) -> dt.date | None:
        """The day of its first row."""
        return dt.date.fromisoformat(self.covered_from[:10]) if self.covered_from else None

    @property
    def last_day(self) -> dt.date | None:
        """The day of its last row: what ``last month`` and the like count from."""
        return dt.date.fromisoformat(self.covered_to[:10]) if self.covered_to else None


@attrs.frozen(kw_only=True)
class Catalogue:
    """All tables.

    Args:
        tables: in the order of the files.
        origin: where they come from.
        data_version: names this state of the data.
    """

    tables: tuple[Table, ...]
    origin: Origin
    data_version: str

    def table(self, name: str) -> Table:
        """The table of this name."""
        return next(table for table in self.tables if table.name == name)
