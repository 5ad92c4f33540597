"""Two periods side by side, and what moved between them."""

from __future__ import annotations

import attrs

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Cell, Query, Sheet
from chatcore.agents.analyst.intents.base import (
    MEASURED,
    Draft,
    IntentKind,
    Sheets,
    code,
    markdown_table,
    noun_of,
    table_of,
    written,
)
from chatcore.agents.analyst.intents.scope import (
    filter_words,
    gap_query,
    gap_words,
    implausible_query,
    implausible_words,
    nothing_there,
    ratios_of,
)
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.sql import aggregates, all_of, during, filtered, parameters_of, select, time_of

_SIDES = ("first", "second")


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """Each period's totals, the change between them, what models moved it, and the implausible rows of both."""
    asked = [_side(intent, catalogue, side) for side in _SIDES] + [_change(intent, catalogue)]
    if table_of(intent, catalogue).has(Meaning.MODEL, Meaning.COST) and intent.measure is Measure.COST:
        asked.append(_movers(intent, catalogue))
    gaps = [gap_query(_only(intent, side), catalogue) for side in (0, 1)]
    asked += [attrs.evolve(each[0], name=f"gaps_{i}") for i, each in enumerate(gaps) if each]
    odd = [implausible_query(_only(intent, side), catalogue) for side in (0, 1)]
    return asked + [attrs.evolve(each[0], name=f"implausible_{i}") for i, each in enumerate(odd) if each]


def _only(intent: Intent, side: int) -> Intent:
    return Intent(kind=intent.kind, table=intent.table, periods=[intent.periods[side]], filters=intent.filters)


def _side(intent: Intent, catalogue: Catalogue, side: str) -> Query:
    """The totals of one period; its parameters are set apart by the name of the side."""
    table = table_of(intent, catalogue)
    period = intent.periods[_SIDES.index(side)]
    where = all_of((during(period, time_of(table), f"{side}_"), filtered(intent.filters)))
    columns, time = aggregates(table), time_of(table)
    if time is not None:  # the years of an answer trace to these
        columns |= {"first": f"CAST(min({time}) AS VARCHAR)", "last": f"CAST(max({time}) AS VARCHAR)"}
    inner = f"SELECT {select(columns)} FROM {identifier(table.name)} {where.where}"
    sql = f"SELECT *{ratios_of(table, intent.measure)} FROM ({inner})"
    return Query(side, sql, {**parameters_of(table), **where.parameters})


def _change(intent: Intent, catalogue: Catalogue) -> Query:
    """How each figure moved: by how much, its size without the sign, and in percent of the first."""
    first, second = (_side(intent, catalogue, side) for side in _SIDES)
    moves = []
    for name in _moving(intent, table_of(intent, catalogue)):
        move = f"(b.{name} - a.{name})"
        percent = f"100.0 * {move} / nullif(a.{name}, 0)"
        moves += [f"{move} AS {name}_change", f"abs({move}) AS {name}_change_size"]
        moves += [f"{percent} AS {name}_change_percent", f"abs({percent}) AS {name}_change_percent_size"]
    sql = f"SELECT {', '.join(moves)} FROM ({first.sql}) AS a, ({second.sql}) AS b"
    return Query("change", sql, {**first.parameters, **second.parameters})


def _moving(intent: Intent, table: Table) -> list[str]:
    """The figures whose change is asked for: the measure, with implausible rows and without, and the calls."""
    names = [MEASURED[intent.measure].column, "calls"]
    if intent.measure is Measure.COST and table.implausible:
        names.append("spend_without_implausible")
    return list(dict.fromkeys(names))


def _movers(intent: Intent, catalogue: Catalogue) -> Query:
    """The models whose spend moved most, implausible rows left out."""
    table = table_of(intent, catalogue)
    model, time = table.column(Meaning.MODEL), time_of(table)
    spend = aggregates(table).get("spend_without_implausible", aggregates(table)["spend"])
    name = identifier(model.name) if model else ""
    sides, parameters = [], dict(parameters_of(table) if table.implausible else {})
    for side, period in zip(_SIDES, intent.periods, strict=True):
        where = all_of((during(period, time, f"{side}_"), filtered(intent.filters)))
        sides.append(f"SELECT {name} AS model, {spend} AS spend FROM {identifier(table.name)} {where.where} GROUP BY 1")
        parameters |= where.parameters
    move = "coalesce(b.spend, 0) - coalesce(a.spend, 0)"
    sql = (
        f"SELECT coalesce(a.model, b.model) AS model, a.spend AS first, b.spend AS second, {move} AS change, "
        f"abs({move}) AS change_size FROM ({sides[0]}) AS a FULL JOIN ({sides[1]}) AS b "
        "ON a.model IS NOT DISTINCT FROM b.model ORDER BY change_size DESC, model NULLS LAST LIMIT 5"
    )
    return Query("movers", sql, parameters)


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The change in a sentence, both periods in a table, what moved it beside them."""
    for number, side in enumerate(_SIDES):
        if sheets[side].cell("calls").value == 0:
            return nothing_there(_only(intent, number), catalogue)
    return Comparison(intent, table_of(intent, catalogue), sheets).draft()


@attrs.frozen
class Comparison:
    """The wording of two periods."""

    intent: Intent
    table: Table
    sheets: Sheets

    def draft(self) -> Draft:
        """The whole answer."""
        parts = [f"{self._headline()}\n\n", self._table()]
        odd = [implausible_words(self.table, self.sheets.get(f"implausible_{i}")) for i in (0, 1)]
        parts += [f"\n{words}" for words in dict.fromkeys(odd) if words and self._is_cost]
        return Draft(tuple(parts), tuple(self._insights()))

    @property
    def _is_cost(self) -> bool:
        return MEASURED[self.intent.measure].is_money

    @property
    def _change(self) -> Sheet:
        return self.sheets["change"]

    def _shown(self, name: str, cell: Cell) -> str:
        return written(name, cell, self.table.currency)

    def _headline(self) -> str:
        name = MEASURED[self.intent.measure].column
        a, b = self.intent.periods
        scope = filter_words(self.intent.filters)
        text = f"{self._subject}{scope} {self._moved(name)}, {a.words} to {b.words}"
        if self.intent.measure is Measure.COST and self._has_odd():
            text += f", as recorded; without implausible rows it {self._moved('spend_without_implausible')}"
        return f"{text} (`{self.table.name}`)."

    @property
    def _subject(self) -> str:
        measured = MEASURED[self.intent.measure]
        if self.intent.measure is Measure.COST:
            return "Spend"
        words = measured.words.replace("call", noun_of(self.table))
        return f"The {words}" if measured.is_money else f"The number of {words}"

    def _has_odd(self) -> bool:
        sides = [self.sheets[side] for side in _SIDES]
        return any(side.has("implausible_rows") and side.cell("implausible_rows") for side in sides)

    def _moved(self, name: str) -> str:
        first, second = (self._shown(name, self.sheets[side].cell(name)) for side in _SIDES)
        change = self._change.cell(f"{name}_change")
        if change.missing:
            return f"went from **{first}** to **{second}**"
        if change.value == 0:
            return f"stayed at **{first}**"
        verb = "rose" if change.value > 0 else "fell"
        size, percent = self._change.cell(f"{name}_change_size"), self._change.cell(f"{name}_change_percent_size")
        share = "" if percent.missing else f", {percent.percent}"
        return f"{verb} from **{first}** to **{second}** (by {self._shown(name, size)}{share})"

    def _table(self) -> str:
        possible = {
            "spend": "spend",
            "spend_without_implausible": "spend without implausible rows",
            "calls": f"{noun_of(self.table)}s",
            "tokens": "tokens",
            "cost_per_call": "cost per call",
            str(MEASURED[self.intent.measure].column): MEASURED[self.intent.measure].words,
        }
        first, second = (self.sheets[side] for side in _SIDES)
        rows = [
            [title, self._shown(name, first.cell(name)), self._shown(name, second.cell(name))]
            for name, title in possible.items()
            if first.has(name) and (name != "spend_without_implausible" or self._has_odd())
        ]
        return markdown_table(["", *(period.words for period in self.intent.periods)], rows)

    def _insights(self) -> list[str]:
        found = []
        movers = self.sheets.get("movers")
        if movers is not None and len(movers) and movers.cell("change"):
            row = movers.row(0)
            first, second, size = (self._shown("spend", row[name]) for name in ("first", "second", "change_size"))
            verb = "more" if row["change"].value > 0 else "less"
            found.append(f"{code(row['model'])} moved most: {size} {verb} (from {first} to {second}).")
        last = self.table.covered_to
        if last and any(period.end and period.end > last for period in self.intent.periods):
            found.append(f"The rows end on {last[:10]}: a period that goes beyond it is not complete.")
        for gaps in (self.sheets.get(f"gaps_{i}") for i in (0, 1)):
            found += gap_words({"gaps": gaps} if gaps is not None else {})
        return found


KIND = IntentKind("compare", "Two periods side by side", queries, word)
