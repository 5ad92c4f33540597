"""What the analyst knows of the data before it is asked: tables, columns, what they mean, what they cover. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any

import attrs

from chatcore.agents.analyst.columns import Family, Meaning, currency_of, family_of, flat, name_words
from chatcore.agents.analyst.keeping import Kept
from chatcore.agents.analyst.pricebook import PriceBook
from chatcore.protocol.messages import Covered

IMPLAUSIBLE_TIMES = 10_000
"""A row is implausible where it costs this many times what a token, or a row, usually costs. The dearest model there
is costs some thousand times the cheapest, so that no real price comes near."""

KEPT_PLANS = 1024
"""A plan takes some milliseconds of the loop; what answers suggest is planned again and again."""


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
        told: whether somebody has said so; else it is a guess.
        distinct: how many different values it has, about, where they are names; else 0.
        values: those values, commonest first, where they are names and not too many.
        ticks_per_second: for a time that is kept as a number since 1970: 1 for seconds, 1,000 for milliseconds.
    """

    name: str
    type: str
    meaning: Meaning = Meaning.UNKNOWN
    told: bool = False
    distinct: int = 0
    values: tuple[str, ...] = ()
    ticks_per_second: int | None = None

    @property
    def family(self) -> Family:
        """What kind of values it holds."""
        return family_of(self.type)

    @cached_property
    def spelt_alike(self) -> Mapping[str, tuple[str, ...]]:
        """The values by their spelling in lower case."""
        found: dict[str, tuple[str, ...]] = {}
        for value in self.values:
            found[value.lower()] = (*found.get(value.lower(), ()), value)
        return found

    @cached_property
    def _flat_values(self) -> tuple[tuple[str, str], ...]:
        return tuple((f" {' '.join(flat(value).split())} ", value) for value in self.values)

    @cached_property
    def parts(self) -> frozenset[str]:
        """The words that the values are made of."""
        return frozenset(part for flattened, _ in self._flat_values for part in flattened.split())

    def containing(self, parts: Sequence[str]) -> tuple[str, ...]:
        """The values that have these words in them, side by side."""
        if not self.parts.issuperset(parts):
            return ()
        sought = f" {' '.join(parts)} "
        return tuple(value for flattened, value in self._flat_values if sought in flattened)


_CURRENCY_WORDS = frozenset({"currency", "currencies", "ccy"})


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
        told_in: the sign of the currency that its costs are in, where another column tells it.
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
    told_in: str = ""

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
    def only_counts(self) -> bool:
        """Whether nothing can be said of its rows but how many there are: no column is a number or a time."""
        return all(column.family not in (Family.NUMBER, Family.TIME) for column in self.columns)

    @property
    def currency(self) -> str:
        """The sign of the currency of its costs, empty where nothing tells one."""
        cost, told = self.column(Meaning.COST), self.currencies
        if self.told_in or cost is None:
            return self.told_in
        return currency_of(told.values[0]) if told and len(told.values) == 1 else currency_of(cost.name)

    @property
    def currencies(self) -> Column | None:
        """The column that says for each row which currency its cost is in; None where the costs' name says it, or
        nothing does.
        """
        cost = self.column(Meaning.COST)
        if cost is None or currency_of(cost.name):
            return None
        named = (column for column in self.columns if column.family is Family.TEXT and not column.name.isdigit())
        return next((c for c in named if _CURRENCY_WORDS.intersection(name_words(c.name)) and c.values), None)

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
        price_books: the tables of list prices among them.
    """

    tables: tuple[Table, ...]
    origin: Origin
    data_version: str
    price_books: tuple[PriceBook, ...] = ()

    @cached_property
    def plans(self) -> Kept[Any]:
        """What questions were taken for, by their words: a plan depends on nothing but them and this catalogue."""
        return Kept(KEPT_PLANS)

    @cached_property
    def leanings(self) -> Kept[bool]:
        """Whether questions lean on those before them, by their words."""
        return Kept(KEPT_PLANS)

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """The words that the names of tables, columns and values are made of."""
        names = {word for table in self.tables for word in name_words(table.name)}
        columns = [column for table in self.tables for column in table.columns]
        names.update(word for column in columns for word in (*name_words(column.name), *column.parts))
        return frozenset(name for name in names if not name.isdigit())

    def table(self, name: str) -> Table:
        """The table of this name."""
        return next(table for table in self.tables if table.name == name)

    @property
    def price_tables(self) -> frozenset[str]:
        """The names of the tables that hold prices: no usage is looked for in them."""
        books = self.price_books
        return frozenset(name for book in books for name in (book.columns.table, book.tiers) if name)

    def find_prices(self) -> None:
        """Look up the price of every model that the tables have: done while they are looked at, and kept."""
        for book in self.price_books:
            book.words  # noqa: B018  the index of its names is made here, too
            for table in self.tables:
                column = table.column(Meaning.MODEL)
                if column is not None and table.name != book.columns.table:
                    book.matches(column.values)
