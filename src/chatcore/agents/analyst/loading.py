"""One file into one table: strictly, in bounded memory, and with true progress."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from chatcore.agents.analyst.blocking import interruptible
from chatcore.agents.analyst.columns import is_measured
from chatcore.agents.analyst.readings import IN_CALENDAR, identifier, literal
from chatcore.agents.analyst.sources import Kind, Source
from chatcore.errors import ConfigurationError

if TYPE_CHECKING:
    import duckdb

_JSON_OBJECT_BYTES = 64 * 1024 * 1024
"""The largest single object of a JSON file that is read."""

_AS_JSON_TEXT = ("STRUCT", "MAP", "UNION", "JSON")
_AS_PLAIN_TEXT = ("UUID", "ENUM", "TIME", "INTERVAL", "BLOB", "BIT")
_FRACTIONS = ("FLOAT", "DOUBLE")

_GOOD = {
    "DATE": (IN_CALENDAR, "the calendar has the years 1 to 9999"),
    "TIMESTAMP": (IN_CALENDAR, "the calendar has the years 1 to 9999"),
    "FLOAT": ("isfinite({value})", "nothing can be reckoned with it"),
    "DOUBLE": ("isfinite({value})", "nothing can be reckoned with it"),
}
"""What the values of a type must be, and why: to JSON and to Python's calendar, others are none or something else."""


@attrs.frozen
class Target:
    """Where a file goes.

    Args:
        connection: to the database that is being filled; nothing else uses it meanwhile.
        source: the file.
        link: another path of the same file, without characters that would be taken for a pattern.
        table: the name of the table to make.
        report: is told how much of the file is read, from 0 to 1, in the Trio thread.
    """

    connection: duckdb.DuckDBPyConnection
    source: Source
    link: Path
    table: str
    report: Callable[[float], None]

    async def fetch(self, sql: str, *, begin: float | None = None, end: float = 1.0) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows.

        Args:
            sql: the statement.
            begin: the part of the file that is read when it begins; None where its progress is not the file's.
            end: the part that is read when it ends.

        Raises:
            duckdb.Error: it failed.
        """

        def tick() -> None:
            percent = self.connection.query_progress()
            if begin is not None and percent > 0:
                self.report(begin + (end - begin) * min(percent, 100.0) / 100.0)

        return await interruptible(self.connection, lambda: self.connection.execute(sql).fetchall(), tick)


async def load_typed(target: Target) -> None:
    """Make and fill the table from a Parquet or JSON file, whose values carry their types.

    Raises:
        ConfigurationError: names the file, the fault, and the line where there is one.
    """
    import duckdb

    reader = _reader(target)
    parquet = target.source.kind is Kind.PARQUET
    try:
        described = await target.fetch(f"DESCRIBE SELECT * FROM {reader}", begin=0.0, end=0.5)
        types = {str(name): str(type_name) for name, type_name, *_ in described}
        columns = ", ".join(f"{_normal(name, type_name)} AS {identifier(name)}" for name, type_name in types.items())
        known = reader if parquet else _reader(target, types)
        make = f"CREATE TABLE {identifier(target.table)} AS SELECT {columns} FROM {known}"
        await target.fetch(make, begin=0.0 if parquet else 0.5)
        await _check_values(target)
    except duckdb.Error as error:
        raise unreadable(target.source, str(error)) from None


async def _check_values(target: Target) -> None:
    """Keep what cannot be told as a number or a time as text, unless its column measures something."""
    table = identifier(target.table)
    for name, type_name, *_ in await target.fetch(f"DESCRIBE {table}"):
        column, (good, reason) = identifier(name), _GOOD.get(type_name, ("true", ""))
        bad = f"{column} IS NOT NULL AND ({good.replace('{value}', column)}) IS NOT TRUE"
        found = await target.fetch(f"SELECT CAST({column} AS VARCHAR) FROM {table} WHERE {bad} LIMIT 1")
        if found and is_measured(name, type_name):
            problem = f"{name} is {found[0][0]!r}, and {reason}"
            raise ConfigurationError(target.source.shown, problem, "mend the rows where it is wrong, or leave them out")
        if found:
            await target.fetch(f"ALTER TABLE {table} ALTER {column} TYPE VARCHAR")


def _reader(target: Target, types: Mapping[str, str] | None = None) -> str:
    """The table function that reads the file; with ``types`` it need not look at all of it to find them."""
    path = literal(str(target.link))
    if target.source.kind is Kind.PARQUET:
        return f"read_parquet({path})"
    layout = "newline_delimited" if target.source.kind is Kind.JSON_LINES else "auto"
    shape = "maximum_depth=2, sample_size=-1"
    if types is not None:
        shape = "columns={" + ", ".join(f"{literal(n)}: {literal(t)}" for n, t in types.items()) + "}"
    return f"read_json({path}, format='{layout}', maximum_object_size={_JSON_OBJECT_BYTES}, {shape})"


def _normal(name: str, type_name: str) -> str:
    """SQL for a column as it is kept: times in UTC, nested values as JSON text, NaN as a missing value."""
    column = identifier(name)
    if type_name == "TIMESTAMP WITH TIME ZONE":
        return f"{column} AT TIME ZONE 'UTC'"
    if type_name.startswith("TIMESTAMP"):
        return f"CAST({column} AS TIMESTAMP)"
    if type_name in _FRACTIONS:
        return f"CASE WHEN NOT isnan({column}) THEN {column} END"
    if type_name.startswith(_AS_JSON_TEXT) or type_name.endswith("]"):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)" if type_name.startswith(_AS_PLAIN_TEXT) else column


def unreadable(source: Source, message: str) -> ConfigurationError:
    """The fault of a file in chatcore's own words, from what DuckDB said of it."""
    line = re.search(r"\bline:? (\d+)", message, re.IGNORECASE)
    problem = f"line {line[1]} cannot be read as {source.kind}" if line else f"it cannot be read as {source.kind}"
    if "state machine" in message:
        problem = "its lines do not all end in the same way"
    return ConfigurationError(source.shown, problem, f"it should be {source.kind}, one kind of record throughout")
