"""The parts that the intents' queries are made of. Identifiers are quoted, values are bound, sums are exact.

Costs are summed as ``DECIMAL(38,12)``: an exact sum is the same in whatever order the threads add it up, so that a
query gives the same rows whenever it is run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from chatcore.agents.analyst.catalogue import IMPLAUSIBLE_TIMES, Column, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Filter, Intent, Measure, Period, Stretch

_FRACTIONS = ("DOUBLE", "FLOAT", "REAL", "DECIMAL")


@attrs.frozen
class Condition:
    """An SQL condition and the values that are bound in it."""

    sql: str
    parameters: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def where(self) -> str:
        """As a WHERE clause, empty for an empty condition."""
        return f"WHERE {self.sql}" if self.sql else ""


def all_of(conditions: Iterable[Condition | None]) -> Condition:
    """The conjunction."""
    present = [condition for condition in conditions if condition is not None and condition.sql]
    parameters = {name: value for condition in present for name, value in condition.parameters.items()}
    return Condition(" AND ".join(condition.sql for condition in present), parameters)


@attrs.frozen
class CostBasis:
    """What a cost is measured by to see whether it is plausible: a token, or a row where tokens are not known."""

    cost: str
    units: str | None

    @property
    def unit_cost(self) -> str:
        """SQL for the cost of one unit."""
        return f"{self.cost} / {self.units}" if self.units else self.cost

    @property
    def paid(self) -> str:
        """SQL that is true where a unit cost something."""
        return f"{self.cost} > 0" + (f" AND {self.units} > 0" if self.units else "")

    def implausible(self, usual_cost: float) -> Condition:
        """Where a unit costs IMPLAUSIBLE_TIMES the usual and more."""
        limit = f"{IMPLAUSIBLE_TIMES} * $usual_cost"
        bound = f"{limit} * {self.units} AND {self.units} > 0" if self.units else limit
        return Condition(f"({self.cost} > {bound})", {"usual_cost": usual_cost})


def cost_basis(table: Table) -> CostBasis | None:
    """The basis for a table's costs, None where it has none."""
    cost = table.column(Meaning.COST)
    return CostBasis(identifier(cost.name), tokens_of(table)) if cost else None


def implausible(table: Table) -> Condition | None:
    """Where a row of the table is implausible; None where no row is."""
    basis = cost_basis(table)
    if basis is None or table.usual_cost is None or not table.implausible:
        return None
    return basis.implausible(table.usual_cost)


def tokens_of(table: Table) -> str | None:
    """SQL for the tokens of a row, None where they are not known."""
    total = table.column(Meaning.TOTAL_TOKENS)
    if total is not None:
        return identifier(total.name)
    parts = [column for m in (Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS) if (column := table.column(m))]
    return f"({' + '.join(f'coalesce({identifier(part.name)}, 0)' for part in parts)})" if parts else None


def time_of(table: Table) -> str | None:
    """SQL for the time of a row, None where there is none."""
    column = table.column(Meaning.TIME)
    if column is None:
        return None
    name = identifier(column.name)
    if column.type == "DATE":
        return f"CAST({name} AS TIMESTAMP)"
    if column.ticks_per_second is None:
        return name
    return f"make_timestamp(CAST({name} * {1_000_000 // column.ticks_per_second} AS BIGINT))"


def exact_sum(expression: str, type_name: str, only: str = "") -> str:
    """SQL for the sum of an expression of a type, over the rows where ``only`` holds."""
    kept = f" FILTER (WHERE {only})" if only else ""
    if type_name.startswith(_FRACTIONS):
        return f"CAST(sum(CAST({expression} AS DECIMAL(38,12))){kept} AS DOUBLE)"
    return f"CAST(sum({expression}){kept} AS BIGINT)"


def _sum_of(column: Column, only: str = "") -> str:
    return exact_sum(identifier(column.name), column.type, only)


def aggregates(table: Table) -> dict[str, str]:
    """SQL for everything that is summed over a group of rows, by the name of its column in the evidence."""
    columns = {"calls": "count(*)"}
    cost = table.column(Meaning.COST)
    if cost is not None:
        columns["spend"] = _sum_of(cost)
        odd = implausible(table)
        if odd is not None:
            columns["spend_without_implausible"] = _sum_of(cost, f"{odd.sql} IS NOT TRUE")
            columns["implausible_rows"] = f"count(*) FILTER (WHERE {odd.sql})"
    for name, meaning in (("input_tokens", Meaning.INPUT_TOKENS), ("output_tokens", Meaning.OUTPUT_TOKENS)):
        column = table.column(meaning)
        if column is not None:
            columns[name] = _sum_of(column)
    tokens = tokens_of(table)
    if tokens is not None:
        columns["tokens"] = exact_sum(tokens, _token_type(table))
        odd = implausible(table)
        if odd is not None and table.implausible:
            left_out = exact_sum(tokens, _token_type(table), odd.sql)
            columns["implausible_tokens"] = f"coalesce({left_out}, 0)"
    return columns


def _token_type(table: Table) -> str:
    meanings = (Meaning.TOTAL_TOKENS, Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS)
    types = [column.type for meaning in meanings if (column := table.column(meaning))]
    return next((name for name in types if name.startswith(_FRACTIONS)), types[0])


def parameters_of(table: Table) -> dict[str, Any]:
    """What :func:`aggregates` binds."""
    odd = implausible(table)
    return dict(odd.parameters) if odd else {}


def ratio(measure: Measure, table: Table) -> str | None:
    """SQL for a quotient of the aggregates, implausible rows left out; None for a measure that is none."""
    clean = table.implausible > 0
    spend = "spend_without_implausible" if clean else "spend"
    calls = "(calls - implausible_rows)" if clean else "calls"
    tokens = "(tokens - implausible_tokens)" if clean else "tokens"
    return {
        Measure.COST_PER_CALL: f"{spend} / nullif({calls}, 0)",
        Measure.COST_PER_MILLION_TOKENS: f"1000000.0 * {spend} / nullif({tokens}, 0)",
        Measure.TOKENS_PER_CALL: "1.0 * tokens / nullif(calls, 0)",
        Measure.INPUT_TOKENS_PER_CALL: "1.0 * input_tokens / nullif(calls, 0)",
        Measure.OUTPUT_TOKENS_PER_CALL: "1.0 * output_tokens / nullif(calls, 0)",
    }.get(measure)


def during(period: Period | None, time: str | None, name: str = "") -> Condition | None:
    """Where a row lies in a period; ``name`` sets its parameters apart from another period's."""
    if period is None or time is None:
        return None
    bounds = [(">=", f"{name}from", period.start), ("<", f"{name}to", period.end)]
    present = [(sign, key, value) for sign, key, value in bounds if value is not None]
    sql = " AND ".join(f"{time} {sign} CAST(${key} AS TIMESTAMP)" for sign, key, _ in present)
    within = Condition(sql, {key: value for _, key, value in present})
    left_out = (during(_whole(each), time, f"{name}without_{n}_") for n, each in enumerate(period.without, 1))
    return all_of((within, *(Condition(f"({c.sql}) IS NOT TRUE", c.parameters) for c in left_out if c and c.sql)))


def _whole(stretch: Stretch) -> Period:
    return Period(words="", start=stretch.start, end=stretch.end)


def filtered(filters: Sequence[Filter]) -> Condition:
    """Where a row passes every filter."""
    return all_of(passes(each, number) for number, each in enumerate(filters, 1))


def passes(each: Filter, number: int) -> Condition:
    """Where a row passes a filter; ``number`` sets its parameters apart from another filter's."""
    value = f"CAST({identifier(each.column)} AS VARCHAR)"
    value = f"coalesce({value}, '')" if "" in each.values else value
    inside = f"list_contains($values_{number}, {value})"
    sql = f"coalesce({inside}, false) = false" if each.exclude else inside
    return Condition(sql, {f"values_{number}": list(each.values)})


def restriction(intent: Intent, table: Table) -> Condition:
    """Where a row is asked for: its period and its filters."""
    return all_of((during(intent.period, time_of(table)), filtered(intent.filters)))


def select(columns: Mapping[str, str]) -> str:
    """The select list: each expression under its name."""
    return ", ".join(f"{sql} AS {identifier(name)}" for name, sql in columns.items())
