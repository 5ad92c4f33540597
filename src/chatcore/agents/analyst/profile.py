"""What a table holds, found by a few queries once it is loaded. Blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from chatcore.agents.analyst.catalogue import Column, Table
from chatcore.agents.analyst.columns import Candidate, Family, Meaning, recognise, says_time
from chatcore.agents.analyst.mapping import MAPPING, check_types
from chatcore.agents.analyst.readings import identifier, literal
from chatcore.agents.analyst.sql import cost_basis, time_of
from chatcore.errors import ConfigurationError

MAX_NAMED_VALUES = 2_000
"""A column with more different values than this is not searched for the words of a question."""

Fetch: TypeAlias = Callable[[str, Mapping[str, Any]], Sequence[Sequence[Any]]]
"""Runs a statement with parameters and returns its rows."""


def profile(fetch: Fetch, name: str, file: str, mapping: Mapping[str, Meaning] | None = None) -> Table:
    """Look at a table.

    Args:
        fetch: runs a query.
        name: of the table.
        file: that it came from.
        mapping: what somebody has said that its columns mean.

    Raises:
        ConfigurationError: a column of the mapping is missing, or cannot mean that.
    """
    given = mapping or {}
    described = fetch(
        "SELECT column_name, data_type FROM duckdb_columns() "
        f"WHERE table_name = {literal(name)} AND NOT internal ORDER BY column_index",
        {},
    )
    candidates = [Candidate(column, type_name) for column, type_name in described]
    check_types(name, given, candidates)
    meanings = recognise(candidates, given)
    columns = tuple(
        Column(name=c.name, type=c.type, meaning=meanings[c.name], told=c.name in given) for c in candidates
    )
    table = _with_epoch(fetch, Table(name=name, file=file, rows=0, columns=columns))
    table = _measure(fetch, table)
    table = attrs.evolve(table, columns=tuple(_with_values(fetch, table, column) for column in table.columns))
    return _with_usual_cost(fetch, _with_months(fetch, table))


def _measure(fetch: Fetch, table: Table) -> Table:
    time = time_of(table)
    period = f"CAST(min({time}) AS VARCHAR), CAST(max({time}) AS VARCHAR)" if time else "NULL, NULL"
    distinct = "".join(
        f", approx_count_distinct({identifier(column.name)})" if _is_name(column) else ", 0" for column in table.columns
    )
    (row,) = fetch(f"SELECT count(*), {period}{distinct} FROM {identifier(table.name)}", {})
    rows, first, last, *distincts = row
    columns = tuple(attrs.evolve(c, distinct=d) for c, d in zip(table.columns, distincts, strict=True))
    return attrs.evolve(table, rows=rows, covered_from=first, covered_to=last, columns=columns)


def _is_name(column: Column) -> bool:
    """Whether a column's values are names that a question may have in it."""
    return column.family is Family.TEXT or column.meaning in (Meaning.MODEL, Meaning.USER, Meaning.FEATURE)


def _with_values(fetch: Fetch, table: Table, column: Column) -> Column:
    if not _is_name(column) or column.distinct > MAX_NAMED_VALUES:
        return column
    name = identifier(column.name)
    found = fetch(
        f"SELECT {name} FROM {identifier(table.name)} WHERE {name} IS NOT NULL "
        f"GROUP BY {name} ORDER BY count(*) DESC, {name} LIMIT {MAX_NAMED_VALUES}",
        {},
    )
    return attrs.evolve(column, values=tuple(str(value) for (value,) in found))


def _with_months(fetch: Fetch, table: Table) -> Table:
    time = time_of(table)
    if time is None or table.covered_from is None:
        return table
    months = fetch(
        f"SELECT strftime(month, '%Y-%m') FROM (SELECT DISTINCT date_trunc('month', {time}) AS month "
        f"FROM {identifier(table.name)} WHERE {time} IS NOT NULL) ORDER BY 1",
        {},
    )
    return attrs.evolve(table, months=tuple(month for (month,) in months))


def _with_usual_cost(fetch: Fetch, table: Table) -> Table:
    basis = cost_basis(table)
    if basis is None:
        return table
    source = identifier(table.name)
    ((usual,),) = fetch(f"SELECT median({basis.unit_cost}) FROM {source} WHERE {basis.paid}", {})
    if not usual:
        return table
    condition = basis.implausible(float(usual))
    ((found,),) = fetch(f"SELECT count(*) FROM {source} WHERE {condition.sql}", condition.parameters)
    return attrs.evolve(table, usual_cost=float(usual), implausible=found)


def _with_epoch(fetch: Fetch, table: Table) -> Table:
    """Take a column of numbers for the time, if its name says so and its values are of this century."""
    told = table.column(Meaning.TIME)
    if told is not None and told.family is not Family.NUMBER:
        return table
    for column in table.columns if told is None else (told,):
        if column is told or (column.family is Family.NUMBER and says_time(column.name) and not column.told):
            name = identifier(column.name)
            ((low, high),) = fetch(f"SELECT min({name}), max({name}) FROM {identifier(table.name)}", {})
            ticks = _ticks_per_second(low, high)
            if ticks is not None:
                timed = attrs.evolve(column, meaning=Meaning.TIME, ticks_per_second=ticks)
                return attrs.evolve(table, columns=tuple(timed if c is column else c for c in table.columns))
    if told is not None:
        problem = f"[{table.name}] {told.name}: it is said to be the time and holds numbers that are none"
        raise ConfigurationError(MAPPING, problem, "times are kept as such, or as numbers since 1970")
    return table


def _ticks_per_second(low: float | None, high: float | None) -> int | None:
    """What a number since 1970 counts, if the lowest and the highest are both of this century."""
    if low is None or high is None:
        return None
    units = (1, 1_000, 1_000_000)
    return next((unit for unit in units if _CENTURY[0] * unit <= low and high <= _CENTURY[1] * unit), None)


_CENTURY = (946_684_800, 4_102_444_800)
"""2000-01-01 and 2100-01-01 in seconds since 1970."""
