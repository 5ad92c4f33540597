"""A CSV file into a table, with types that hold for every row.

The types are chosen on the beginning of the file and checked on every row while it is read. Where a later value does
not fit, the whole file is looked at: a column that only looked narrower is widened and the file is read again; a word
in a column of times, tokens or costs is a fault of the file, named with its line. No row is ever left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO

import attrs
import trio

from chatcore.agents.analyst import delimited
from chatcore.agents.analyst.columns import is_measured
from chatcore.agents.analyst.loading import Target, unreadable
from chatcore.agents.analyst.readings import (
    READINGS,
    TEXT,
    Reading,
    choose,
    identifier,
    is_missing,
    literal,
    misfit_mark,
    strict,
)
from chatcore.agents.analyst.sources import SAMPLE_BYTES, Source, decode
from chatcore.errors import ChatcoreError, ConfigurationError

FIRST_ROWS = 200
"""Rows on which every reading is tried for every column."""

SAMPLE_ROWS = 20_480
"""Rows on which the choice is tried before a large file is read: ten of DuckDB's vectors."""

MOSTLY = 0.5
"""A column of which more than this share is a number or a time is meant to be one."""

_MISFIT = re.compile(misfit_mark(0).replace("0", r"\d+"))


class MisfitError(ChatcoreError):
    """A value beyond the sample does not fit the type that was chosen on it."""


async def load_csv(target: Target) -> None:
    """Make and fill the table from a CSV file.

    Raises:
        ConfigurationError: names the file, the fault, and the line.
    """
    header = await trio.to_thread.run_sync(header_of, target.source)
    await CsvLoading(target, header).run()


def header_of(source: Source) -> delimited.Header:
    """The header of a CSV file. Blocks.

    Raises:
        ConfigurationError: names the file and the fault of its first line.
    """
    with source.path.open("rb") as file:
        content = file.read(SAMPLE_BYTES)
    return delimited.header_of(source.shown, decode(source.shown, content, whole=len(content) >= source.size_bytes))


@attrs.define
class CsvLoading:
    """One CSV file on its way into its table.

    Args:
        target: the file and where it goes.
        header: the file's first line.
        readings: how each column is read; None while all its values seen so far are missing.
    """

    target: Target
    header: delimited.Header
    readings: list[Reading | None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.readings = [None] * len(self.header.columns)

    async def run(self) -> None:
        """Choose the types, and load."""
        everything = f"SELECT * FROM {self._file}"
        await self._choose(self._columns, f"{everything} LIMIT {FIRST_ROWS}")
        if self.target.source.size_bytes > SAMPLE_BYTES:
            await self._fill(f"{everything} LIMIT {SAMPLE_ROWS}")
        await self._fill(everything, begin=0.0)
        await self._settle()

    @property
    def _columns(self) -> Sequence[int]:
        return range(len(self.header.columns))

    @property
    def _file(self) -> str:
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in self.header.columns)
        return (
            f"read_csv({literal(str(self.target.link))}, columns={{{columns}}}, "
            f"delim={literal(self.header.delimiter)}, header=true, auto_detect=false, "
            "quote='\"', escape='\"', strict_mode=true)"
        )

    async def _choose(self, columns: Sequence[int], rows: str) -> None:
        """Choose how columns are read on the rows that ``rows`` selects, no narrower than before."""
        by_candidates: dict[tuple[Reading, ...], list[int]] = {}
        for i in columns:
            if self.readings[i] is not TEXT:
                by_candidates.setdefault(_candidates(self.readings[i]), []).append(i)
        for candidates, alike in by_candidates.items():
            for i, present, *good in await self._read(self._counts(alike, candidates, rows)):
                await self._decide(i, present, dict(zip(candidates, good, strict=True)))

    def _counts(self, columns: Sequence[int], candidates: Sequence[Reading], rows: str) -> str:
        """SQL for each column: its position, how many values are present, and how many of them each reading fits."""
        named = ", ".join(f"{identifier(self.header.columns[i])} AS {identifier(str(i))}" for i in columns)
        fits = ", ".join(f"count(*) FILTER (WHERE {reading.fits('raw')})" for reading in candidates)
        return (
            f"SELECT CAST(i AS INTEGER), count(*), {fits} "
            f"FROM (UNPIVOT (SELECT {named} FROM ({rows})) ON COLUMNS(*) INTO NAME i VALUE raw) "
            f"WHERE NOT {is_missing('raw')} GROUP BY i"
        )

    async def _decide(self, column: int, present: int, good: dict[Reading, int]) -> None:
        chosen = choose([reading for reading, count in good.items() if count == present])
        if chosen is TEXT:
            likeliest = max(good, key=lambda reading: (reading is not TEXT, good[reading]))
            measured = is_measured(self.header.columns[column], likeliest.type)
            if measured and MOSTLY * present < good[likeliest] < present:
                await self._refuse(column, likeliest)
        self.readings[column] = chosen

    async def _fill(self, rows: str, begin: float | None = None) -> None:
        """Fill the table with the rows that ``rows`` selects, after a second look at the types if they need it."""
        try:
            await self._insert(rows, begin)
        except MisfitError:
            await self._choose(self._columns, rows)
            await self._insert(rows, begin)

    async def _insert(self, rows: str, begin: float | None) -> None:
        readings = [reading or TEXT for reading in self.readings]
        named = list(zip(self.header.columns, readings, strict=True))
        columns = ", ".join(f"{identifier(name)} {reading.type}" for name, reading in named)
        await self._read(f"CREATE OR REPLACE TABLE {self._table} ({columns})")
        kept = ", ".join(strict(reading, i) for i, reading in enumerate(readings))
        fields = ", ".join(_field(name, i, reading) for i, (name, reading) in enumerate(named))
        await self._read(f"INSERT INTO {self._table} SELECT {kept} FROM (SELECT {fields} FROM ({rows}))", begin=begin)

    async def _settle(self) -> None:
        """Give columns that were empty at first the type of the values that came later."""
        late = [i for i, reading in enumerate(self.readings) if reading is None]
        await self._choose(late, f"SELECT * FROM {self._table}")
        for i in late:
            reading, raw = self.readings[i], identifier(self.header.columns[i])
            if reading is not None and reading is not TEXT:
                value = f"CASE WHEN NOT {is_missing(raw)} THEN {reading.value_of(raw)} END"
                await self._read(f"ALTER TABLE {self._table} ALTER {raw} TYPE {reading.type} USING {value}")

    @property
    def _table(self) -> str:
        return identifier(self.target.table)

    async def _read(self, sql: str, *, begin: float | None = None) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            return await self.target.fetch(sql, begin=begin)
        except duckdb.Error as error:
            if _MISFIT.search(str(error)):
                raise MisfitError from None
            raise await self._fault(str(error)) from None

    async def _fault(self, message: str) -> ConfigurationError:
        """The file's fault with its line, which DuckDB does not know: it counts records."""

        def look() -> None:
            with self._lines() as lines:
                delimited.check_lines(self.target.source.shown, lines, self.header)

        try:
            await trio.to_thread.run_sync(look, abandon_on_cancel=True)
        except ConfigurationError as fault:
            return fault
        return unreadable(self.target.source, message)

    async def _refuse(self, column: int, reading: Reading) -> NoReturn:
        """Raise for the first value that is not what its column measures."""
        raw = identifier(self.header.columns[column])
        bad = f"NOT {is_missing(raw)} AND ({reading.fits(raw)}) IS NOT TRUE"
        value = str((await self._read(f"SELECT {raw} FROM {self._file} WHERE {bad} LIMIT 1"))[0][0])

        def look() -> int | None:
            with self._lines() as lines:
                return delimited.line_of(lines, self.header, column, value)

        line = await trio.to_thread.run_sync(look, abandon_on_cancel=True)
        kind = "number" if reading.type in ("BIGINT", "DOUBLE") else "date or time"
        problem = f"line {line}: {self.header.columns[column]} is {value[:40]!r}, not a {kind}"
        raise ConfigurationError(self.target.source.shown, problem, f"write a {kind}, or nothing where there is none")

    @contextmanager
    def _lines(self) -> Iterator[TextIO]:
        with self.target.source.path.open(encoding="utf-8-sig", newline="") as lines:
            yield lines


def _candidates(known: Reading | None) -> tuple[Reading, ...]:
    """The readings that can still fit a column: all, or those as wide as the known one and of its kind."""
    if known is None:
        return READINGS
    kind = [reading for reading in READINGS if reading.kind == known.kind]
    return (*kind[kind.index(known) :], TEXT)


def _field(name: str, column: int, reading: Reading) -> str:
    raw = identifier(name)
    return f"{raw} AS r{column}" + ("" if reading is TEXT else f", {reading.value_of(raw)} AS v{column}")
