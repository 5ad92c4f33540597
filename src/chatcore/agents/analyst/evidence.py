"""Queries, the rows that came out, and the cells that an answer's numbers are taken from by reference.

The words of an answer are made of cells, never of numbers: whatever figure a sentence shows is formatted here from a
cell of the evidence, rounded and nothing else. So each number traces (protocol.md, 1.3) by construction.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs

from chatcore.agents.analyst.plain import plain
from chatcore.protocol.messages import Evidence

MAX_EVIDENCE_ROWS = 200
"""Rows that are sent with an answer; ``row_count`` and ``sha256`` cover all of them."""

_CENTS = 2
_MOST_DECIMALS = 6
_SMALL_MONEY_DIGITS = 4
"""Significant digits of an amount below a cent."""


@attrs.frozen
class Query:
    """A question in SQL.

    Args:
        name: what its rows are, for the wording that uses them.
        sql: one SELECT; values come in as ``$name``.
        parameters: JSON values by name, each used in ``sql``.
    """

    name: str
    sql: str
    parameters: Mapping[str, Any] = attrs.field(factory=dict)

    @cached_property
    def key(self) -> str:
        """Says wholly what is asked, and is short, however long that is."""
        return short_key(self.sql, sorted(self.parameters.items()))


def short_key(*parts: Any) -> str:
    """Says wholly what the parts are, and is short, however long they are."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@attrs.frozen
class Rows:
    """What came out of a query: JSON values, in its order.

    Args:
        columns: their names.
        rows: the values.
        written: numbers that a stranger's query has brought along itself, and that may be among them.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    written: tuple[str, ...] = attrs.field(default=(), eq=False)

    @staticmethod
    def of(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Rows:
        """Rows as DuckDB gives them, with times as ISO 8601 and decimals as numbers."""
        return Rows(tuple(columns), tuple(tuple(map(plain, row)) for row in rows))

    @cached_property
    def _sealed(self) -> tuple[str, int]:
        return _seal(self)

    @property
    def digest(self) -> str:
        """See :func:`digest_of`; made once."""
        return self._sealed[0]

    @property
    def size(self) -> int:
        """How many bytes of JSON they are."""
        return self._sealed[1]


def digest_of(rows: Rows) -> str:
    """SHA-256 of the compact UTF-8 JSON of all rows, lists in the query's order, in lower-case hexadecimal."""
    return _seal(rows)[0]


def _seal(rows: Rows) -> tuple[str, int]:
    """The digest of the rows' JSON, and its length in bytes."""
    text = json.dumps([list(row) for row in rows.rows], ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    encoded = text.encode()
    return hashlib.sha256(encoded).hexdigest(), len(encoded)


def evidence_of(identity: str, tool: str, query: Query, rows: Rows, data_version: str) -> Evidence:
    """A query and its rows as an answer carries them."""
    return Evidence(
        id=identity,
        tool=tool,
        query=query.sql,
        parameters=dict(query.parameters),
        columns=list(rows.columns),
        rows=[list(row) for row in rows.rows[:MAX_EVIDENCE_ROWS]],
        row_count=len(rows.rows),
        sha256=rows.digest,
        data_version=data_version,
    )


@attrs.frozen
class Cell:
    """One value of the evidence. Its text is the value's, rounded."""

    value: Any

    def __str__(self) -> str:
        """A name or a time, as it stands; ``(none)`` where there is none."""
        return "(none)" if self.value is None else str(self.value)

    def __bool__(self) -> bool:
        """Whether there is a value, and it is not zero."""
        return bool(self.value)

    @property
    def missing(self) -> bool:
        """Whether there is no value."""
        return self.value is None

    @property
    def count(self) -> str:
        """A whole number with separators: 10,033."""
        return "unknown" if self.value is None else f"{round(self.value):,}"

    @property
    def percent(self) -> str:
        """A percentage to one decimal: 12.5%. The cell holds a percentage, not a fraction."""
        return "unknown" if self.value is None else f"{self.value:,.1f}%"

    @property
    def figure(self) -> str:
        """A number to at most two decimals, more below a hundredth."""
        return "unknown" if self.value is None else _figure(self.value)

    def money(self, currency: str) -> str:
        """An amount to the cent, or to four significant digits below one: $9,990.01.

        Args:
            currency: the sign before it, possibly empty.
        """
        if self.value is None:
            return "unknown"
        return ("-" if self.value < 0 else "") + currency + _amount(abs(self.value))


def money_apart(one: Cell, other: Cell, currency: str) -> tuple[str, str]:
    """Two amounts with the digits that tell them apart: $0.047 to $0.052, and not $0.05 to $0.05.

    Args:
        one: an amount.
        other: one that it is set against.
        currency: the sign before them, possibly empty.
    """
    first, second = one.money(currency), other.money(currency)
    if first != second or one.missing or one.value == other.value:
        return first, second
    shown = ((f"{abs(one.value):,.{n}f}", f"{abs(other.value):,.{n}f}") for n in range(_CENTS + 1, _MOST_DECIMALS + 1))
    apart = next(((a, b) for a, b in shown if a != b), None)
    sign = f"-{currency}" if one.value < 0 else currency
    return (sign + apart[0], sign + apart[1]) if apart else (first, second)


def _amount(value: float) -> str:
    return f"{value:,.{_decimals(value)}f}"


def _figure(value: float) -> str:
    if isinstance(value, int) or float(value).is_integer():
        return f"{round(value):,}"
    return f"{value:,.{_decimals(value)}f}"


def _decimals(value: float) -> int:
    """Two decimals, or as many as show four significant digits of something that two would show as nothing."""
    if value == 0 or abs(value) >= 0.005:
        return _CENTS
    return _SMALL_MONEY_DIGITS - 1 - math.floor(math.log10(abs(value)))


@attrs.frozen
class Sheet:
    """The cells of one query, as far as the answer carries them."""

    evidence: Evidence

    def __len__(self) -> int:
        return len(self.evidence.rows)

    def __iter__(self) -> Iterator[Mapping[str, Cell]]:
        return (self.row(i) for i in range(len(self)))

    def row(self, number: int) -> Mapping[str, Cell]:
        """The cells of a row, counted from 0, by column."""
        return {name: Cell(v) for name, v in zip(self.evidence.columns, self.evidence.rows[number], strict=True)}

    def cell(self, column: str, row: int = 0) -> Cell:
        """One cell."""
        return Cell(self.evidence.rows[row][self.evidence.columns.index(column)])

    def has(self, column: str) -> bool:
        """Whether the query has such a column."""
        return column in self.evidence.columns
