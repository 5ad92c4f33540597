"""Spend, calls or tokens over time, by day, week, month, quarter or year."""

from __future__ import annotations

import attrs

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import MAX_EVIDENCE_ROWS, Cell, Query, Sheet
from chatcore.agents.analyst.intents.base import (
    MEASURED,
    Draft,
    IntentKind,
    Sheets,
    markdown_table,
    noun_of,
    table_of,
    written,
)
from chatcore.agents.analyst.intents.scope import (
    currency_beside,
    filter_words,
    gap_query,
    gap_words,
    implausible_query,
    implausible_words,
    nothing_there,
    period_words,
    ratios_of,
    totals_query,
)
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.sql import aggregates, parameters_of, restriction, select, time_of

SHOWN_STEPS = 24
"""The newest steps that the table of an answer shows; the evidence has more."""

_FORMATS = {"day": "'%Y-%m-%d'", "week": "'%G-W%V'", "month": "'%Y-%m'", "year": "'%Y'"}


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The newest steps, or those that lead where a number is asked for; the extremes of all; what belongs to them."""
    return [
        _steps_query(intent, catalogue),
        _extremes_query(intent, catalogue),
        totals_query(intent, catalogue),
        *implausible_query(intent, catalogue),
        *gap_query(intent, catalogue),
    ]


def _all_steps(intent: Intent, catalogue: Catalogue) -> tuple[str, dict[str, object]]:
    """SQL for every step, ``step`` being its name, and what it binds."""
    table, grain = table_of(intent, catalogue), intent.grain or "month"
    where, time = restriction(intent, table), str(time_of(table))
    name = _FORMATS.get(grain)
    named = f"strftime(begin, {name})" if name else "strftime(begin, '%Y-Q') || quarter(begin)"
    grouped = (
        f"SELECT date_trunc('{grain}', {time}) AS begin, {select(aggregates(table))} "
        f"FROM {identifier(table.name)} {where.where} GROUP BY begin"
    )
    ratios = ratios_of(table, intent.measure)
    sql = f"SELECT {named} AS step, * EXCLUDE (begin){ratios} FROM ({grouped}) WHERE begin IS NOT NULL"
    return sql, {**parameters_of(table), **where.parameters}


def _steps_query(intent: Intent, catalogue: Catalogue) -> Query:
    sql, parameters = _all_steps(intent, catalogue)
    currency, sign = currency_beside(table_of(intent, catalogue))
    parameters = {**parameters, **sign}
    if intent.limit is not None:
        order = "DESC" if intent.descending else "ASC"
        rank = identifier(MEASURED[intent.measure].column)
        ranked = f"SELECT *{currency} FROM ({sql}) ORDER BY {rank} {order} NULLS LAST, step LIMIT $limit"
        return Query("steps", ranked, {**parameters, "limit": intent.limit})
    newest = f"SELECT * FROM ({sql}) ORDER BY step DESC LIMIT {MAX_EVIDENCE_ROWS}"
    return Query("steps", f"SELECT *{currency} FROM ({newest}) ORDER BY step", parameters)


def _extremes_query(intent: Intent, catalogue: Catalogue) -> Query:
    """The steps with the most and the least, as recorded and without implausible rows, and how many there are."""
    sql, parameters = _all_steps(intent, catalogue)
    rank = identifier(MEASURED[intent.measure].column)
    clean = "spend_without_implausible" if _has_clean(intent, catalogue) else rank
    averages = f"{_average(rank)} AS average"
    if clean != rank:
        averages += f", {_average(clean)} AS average_without_implausible"
    ranked = ", ".join(
        f"row_number() OVER (ORDER BY {column} {order} NULLS LAST, step) AS {name}"
        for column, order, name in (
            (rank, "DESC", "high"),
            (rank, "ASC", "low"),
            (clean, "DESC", "high_without_implausible"),
        )
    )
    return Query(
        "extremes",
        f"SELECT *, {averages} FROM (SELECT *, {ranked} FROM ({sql})) "
        "QUALIFY high = 1 OR low = 1 OR high_without_implausible = 1 ORDER BY high, step",
        parameters,
    )


def _average(column: str) -> str:
    """SQL for the average over all steps, exact so that it does not depend on their order."""
    return f"CAST(sum(CAST({column} AS DECIMAL(38,12))) OVER () AS DOUBLE) / count({column}) OVER ()"


def _has_clean(intent: Intent, catalogue: Catalogue) -> bool:
    return intent.measure is Measure.COST and table_of(intent, catalogue).implausible > 0


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The highest and the lowest in a sentence, the steps in a table."""
    if sheets["totals"].cell("calls").value == 0 or not len(sheets["steps"]):
        return nothing_there(intent, catalogue)
    return Course(intent, table_of(intent, catalogue), sheets).draft()


@attrs.frozen
class Course:
    """The wording of a course over time."""

    intent: Intent
    table: Table
    sheets: Sheets

    def draft(self) -> Draft:
        """The whole answer."""
        parts = [f"{self._headline()}\n\n", self._table()]
        odd = implausible_words(self.table, self.sheets.get("implausible"))
        if odd and self._is_cost:
            parts.append(f"\n{odd}")
        return Draft(tuple(parts), (*self._insights(), *gap_words(self.sheets)))

    @property
    def _is_cost(self) -> bool:
        return MEASURED[self.intent.measure].is_money

    @property
    def _extremes(self) -> Sheet:
        return self.sheets["extremes"]

    def _shown(self, cell: Cell) -> str:
        return written(MEASURED[self.intent.measure].column, cell, self.table.currency)

    def _extreme(self, mark: str, column: str = "") -> tuple[str, str]:
        """The name and the figure of the step that is first by a mark."""
        (row,) = [row for row in self._extremes if row[mark].value == 1]
        return str(row["step"]), self._shown(row[column or MEASURED[self.intent.measure].column])

    def _headline(self) -> str:
        grain = self.intent.grain or "month"
        (high, most), (low, least) = self._extreme("high"), self._extreme("low")
        scope = period_words(self.intent) + filter_words(self.intent.filters)
        what = MEASURED[self.intent.measure].words.replace("call", noun_of(self.table))
        if high == low:
            return f"All {what}{scope} falls into {high}: **{most}**."
        highest = f"the most {self._at} {high} (**{most}**{self._clean(high)})"
        lowest = f"the least {self._at} {low} (**{least}**)"
        ordered = f"{highest} and {lowest}" if self.intent.descending else f"{lowest} and {highest}"
        return f"{what.capitalize()} by {grain}{scope}: {ordered}. {self._average()}"

    @property
    def _at(self) -> str:
        return "on" if self.intent.grain == "day" else "in"

    def _average(self) -> str:
        average = self._extremes.cell("average")
        text = f"The average of the {self.intent.grain or 'month'}s that have rows is {self._shown(average)}"
        if self._has_odd and self._extremes.has("average_without_implausible"):
            text += f", or {self._shown(self._extremes.cell('average_without_implausible'))} without implausible rows"
        return f"{text}."

    @property
    def _has_odd(self) -> bool:
        totals = self.sheets["totals"]
        return totals.has("implausible_rows") and bool(totals.cell("implausible_rows"))

    def _clean(self, high: str) -> str:
        if not self._extremes.has("spend_without_implausible") or self.intent.measure is not Measure.COST:
            return ""
        row = next(row for row in self._extremes if str(row["step"]) == high)
        if not row["implausible_rows"]:
            return ""
        step, figure = self._extreme("high_without_implausible", "spend_without_implausible")
        alone = f", {self._shown(row['spend_without_implausible'])} without implausible rows"
        return alone + (f"; the most without them is **{figure}** {self._at} {step}" if step != high else "")

    def _table(self) -> str:
        columns = {self.intent.grain or "month": "step", "spend": "spend"}
        if any(row["implausible_rows"] for row in self.sheets["steps"] if "implausible_rows" in row):
            columns["without implausible rows"] = "spend_without_implausible"
        columns |= {f"{noun_of(self.table)}s": "calls", "tokens": "tokens"}
        measured = MEASURED[self.intent.measure]
        if measured.column not in columns.values():
            columns[measured.words] = measured.column
        present = {title: name for title, name in columns.items() if self.sheets["steps"].has(name)}
        rows = [[self._written(name, row[name]) for name in present.values()] for row in self.sheets["steps"]]
        return markdown_table(list(present), rows if self.intent.limit else rows[-SHOWN_STEPS:])

    def _written(self, name: str, cell: Cell) -> str:
        return str(cell) if name == "step" else written(name, cell, self.table.currency)

    def _insights(self) -> list[str]:
        found = []
        if len(self.sheets["steps"]) > SHOWN_STEPS and self.intent.limit is None:
            found.append(f"The table shows the newest {self.intent.grain}s; the evidence has those before.")
        first, last = self.sheets["totals"].cell("first"), self.sheets["totals"].cell("last")
        if self.intent.grain != "day" and not first.missing and self.table.column(Meaning.TIME):
            found.append(
                f"The rows begin on {str(first)[:10]} and end on {str(last)[:10]}: "
                f"the {self.intent.grain}s at the edges may be cut."
            )
        return found


KIND = IntentKind("trend", "Spend, calls or tokens over time", queries, word)
