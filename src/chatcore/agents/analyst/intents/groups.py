"""Spend, calls or tokens by the values of a column: which model, who, what for."""

from __future__ import annotations

from typing import Annotated

import attrs
import msgspec

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query, Sheet
from chatcore.agents.analyst.intents.base import (
    MEASURED,
    Draft,
    IntentKind,
    Sheets,
    code,
    markdown_table,
    noun_of,
    options_of,
    plural,
    table_of,
    written,
)
from chatcore.agents.analyst.intents.scope import (
    currency_beside,
    filter_words,
    implausible_query,
    implausible_words,
    nothing_there,
    period_words,
    ratios_of,
    totals_query,
)
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.sql import aggregates, exact_sum, parameters_of, restriction, select

MAX_GROUPS = 50
"""Groups that are fetched; the totals beside them count all."""

SHOWN_GROUPS = 10
"""Groups that the table of an answer shows, unless more or fewer were asked for."""


class Places(msgspec.Struct, frozen=True):
    """The options: which place of the ranking is told first, 1 for the first."""

    place: Annotated[int, msgspec.Meta(ge=1)] = 1


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The groups in order, the totals of all groups, and the implausible rows among them."""
    ranked = _groups_query(intent, catalogue)
    return [
        ranked,
        totals_query(intent, catalogue, distinct=intent.by),
        *implausible_query(intent, catalogue),
        *_together_query(ranked, intent, catalogue),
    ]


def _together_query(ranked: Query, intent: Intent, catalogue: Catalogue) -> list[Query]:
    """What the first so many groups have together, where so many were asked for and their sum means something."""
    table = table_of(intent, catalogue)
    if intent.limit is None or intent.kind != "by" or not _share(intent, table):
        return []
    column = MEASURED[intent.measure].column
    spend = ["spend", *(["spend_without_implausible"] if table.implausible else [])] if table.has(Meaning.COST) else []
    names = dict.fromkeys([column, *([] if _apart(intent, table) else spend)])
    sums = [f"{exact_sum(name, 'DECIMAL')} AS {name}" for name in names]
    share = exact_sum("share_percent", "DECIMAL")
    sql = f"SELECT count(*) AS shown, {', '.join(sums)}, {share} AS share_percent FROM ({ranked.sql})"
    return [Query("together", sql, ranked.parameters)]


def _groups_query(intent: Intent, catalogue: Catalogue) -> Query:
    table, name = table_of(intent, catalogue), identifier(str(intent.by))
    return in_order(intent, table, f"CAST({name} AS VARCHAR)", identifier(table.name))


def in_order(intent: Intent, table: Table, group: str, source: str) -> Query:
    """The groups in order, called as ``by`` says.

    Args:
        intent: what is asked.
        table: whose rows they are.
        group: SQL for the group of a row.
        source: SQL for the rows.
    """
    where, name = restriction(intent, table), identifier(str(intent.by))
    grouped = f"SELECT {group} AS {name}, {select(aggregates(table))} FROM {source} {where.where} GROUP BY 1"
    rank, order = identifier(MEASURED[intent.measure].column), "DESC" if intent.descending else "ASC"
    paid = "WHERE spend > 0" if _only_paid(intent) else ""
    currency, sign = currency_beside(table, besides=str(intent.by))
    sql = (
        f"SELECT *{_share(intent, table)}{ratios_of(table, intent.measure)}{currency} FROM ({grouped}) {paid} "
        f"ORDER BY {rank} {order} NULLS LAST, {name} NULLS LAST LIMIT $limit"
    )
    limit = intent.limit or MAX_GROUPS
    return Query("groups", sql, {**parameters_of(table), **where.parameters, **sign, "limit": limit})


def _only_paid(intent: Intent) -> bool:
    """Whether groups that cost nothing are left out: their calls are free or without a price, and not cheap."""
    cheapest = intent.measure is Measure.COST_PER_CALL and not intent.descending
    return cheapest or intent.measure is Measure.COST_PER_MILLION_TOKENS


def _apart(intent: Intent, table: Table) -> bool:
    """Whether each group is of another currency, so that nothing of them adds up."""
    column = table.currencies
    return column is not None and intent.by == column.name


def _share(intent: Intent, table: Table) -> str:
    """SQL for each group's part of the whole, in percent; of costs without the implausible rows."""
    if _apart(intent, table) and MEASURED[intent.measure].is_money:
        return ""
    base = {
        Measure.COST: "spend_without_implausible" if table.implausible else "spend",
        Measure.CALLS: "calls",
        Measure.TOKENS: "tokens",
        Measure.INPUT_TOKENS: "input_tokens",
        Measure.OUTPUT_TOKENS: "output_tokens",
    }.get(intent.measure)
    if base is None:
        return ""
    whole = f"CAST(sum(CAST({base} AS DECIMAL(38,12))) OVER () AS DOUBLE)"
    return f", 100.0 * {base} / nullif({whole}, 0) AS share_percent"


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The first group in a sentence, the groups in a table, the totals below it."""
    if sheets["totals"].cell("calls").value == 0 or not len(sheets["groups"]):
        return nothing_there(intent, catalogue)
    return Ranking(intent, table_of(intent, catalogue), sheets).draft()


@attrs.frozen
class Ranking:
    """The wording of groups in order."""

    intent: Intent
    table: Table
    sheets: Sheets

    def draft(self) -> Draft:
        """The whole answer."""
        parts = [f"{self._headline()}{self._together()}\n\n", self.ranked_table(), f"\n{self._totals()}\n"]
        odd = implausible_words(self.table, self.sheets.get("implausible"))
        if odd and self._is_cost:
            parts.append(f"\n{odd}")
        actions = ("Check the implausible rows against the provider's invoice.",) if odd and self._is_cost else ()
        return Draft(tuple(parts), tuple(self._insights()), actions)

    @property
    def _groups(self) -> Sheet:
        return self.sheets["groups"]

    @property
    def _is_cost(self) -> bool:
        return MEASURED[self.intent.measure].is_money

    @property
    def _by(self) -> str:
        return str(self.intent.by)

    def _value(self, row: int) -> str:
        column = MEASURED[self.intent.measure].column
        return written(column, self._groups.cell(column, row), self.table.currency)

    def _headline(self) -> str:
        if self._place > 1:
            return self._headline_of_place()
        measure, first = self.intent.measure, code(self._groups.cell(self._by))
        what = MEASURED[measure].words.replace("call", noun_of(self.table))
        what += ", of those that cost anything" if _only_paid(self.intent) else ""
        degree = "most" if self.intent.descending else "least"
        filters = self.intent.beside if self.intent.kind == "versus" else self.intent.filters
        scope = period_words(self.intent) + filter_words(filters)
        if _apart(self.intent, self.table) and self._is_cost:
            return f"By `{self._by}`{scope} the {what} is as below: amounts of different currencies are not added up."
        sentence = f"By `{self._by}`, {first} has the {degree} {what}{scope}: **{self._value(0)}**"
        return f"{sentence}{self._without(0)}."

    @property
    def _place(self) -> int:
        return options_of(self.intent, Places).place if self.intent.kind == "by" else 1

    def _headline_of_place(self) -> str:
        """Who is second, third and so on, as recorded and without implausible rows."""
        column, place = MEASURED[self.intent.measure].column, self._place
        degree = f"{_ORDINALS.get(place, f'`{place}.`')} {'most' if self.intent.descending else 'least'}"
        what = MEASURED[self.intent.measure].words.replace("call", noun_of(self.table))
        scope = period_words(self.intent) + filter_words(self.intent.filters)
        if len(self._groups) < place:
            only = plural(self.sheets["totals"].cell("groups"), "value")
            return f"There is no {degree} {what}{scope}: `{self._by}` has {only}."
        text = f"By `{self._by}`, {self._held(place - 1)} has the {degree} {what}{scope}: **{self._value(place - 1)}**"
        clean = self._in_order_without()
        if column != "spend" or not clean or clean[place - 1 : place] == [place - 1]:
            return f"{text}."
        left = self._groups.cell("spend_without_implausible", clean[place - 1]).money(self.table.currency)
        return f"{text} as recorded; without implausible rows it is {self._held(clean[place - 1])} with **{left}**."

    def _held(self, row: int) -> str:
        return code(self._groups.cell(self._by, row))

    def _in_order_without(self) -> list[int]:
        """The groups in the order that they have without implausible rows; none where that is not another."""
        if not self._has_odd or not any(row["implausible_rows"] for row in self._groups):
            return []
        left = {i: self._groups.cell("spend_without_implausible", i) for i in range(len(self._groups))}
        known = [i for i, cell in left.items() if not cell.missing]
        return sorted(known, key=lambda i: left[i].value, reverse=self.intent.descending)

    def _without(self, row: int) -> str:
        """What is left of a group's costs without its implausible rows, and who is first then."""
        if self.intent.measure is not Measure.COST or not self._groups.has("implausible_rows"):
            return ""
        if not self._groups.cell("implausible_rows", row):
            return ""
        left = self._groups.cell("spend_without_implausible", row)
        clean = "nothing" if left.missing else left.money(self.table.currency)
        odd = plural(self._groups.cell("implausible_rows", row), "implausible row")
        return f" as recorded, **{clean}** without {odd}{self._leader_without()}"

    def _leader_without(self) -> str:
        rows = [i for i in range(len(self._groups)) if not self._groups.cell("spend_without_implausible", i).missing]
        if not rows or not self.intent.descending:
            return ""
        leader = max(rows, key=lambda i: self._groups.cell("spend_without_implausible", i).value)
        if leader == 0:
            return ""
        amount = self._groups.cell("spend_without_implausible", leader).money(self.table.currency)
        return f"; without it {code(self._groups.cell(self._by, leader))} is first with **{amount}**"

    def ranked_table(self) -> str:
        """The groups in order, as a Markdown table."""
        columns = self._columns()
        rows = [
            [code(row[self._by]), *(written(name, row[name], self.table.currency) for name in columns)]
            for row in list(self._groups)[: self.intent.limit or SHOWN_GROUPS]
        ]
        return markdown_table([self._by, *columns.values()], rows)

    def _columns(self) -> dict[str, str]:
        """The columns to show: the evidence's name and the title."""
        measured = MEASURED[self.intent.measure]
        titles = {
            "spend": "spend",
            "spend_without_implausible": "without implausible rows",
            "share_percent": "share",
            "calls": f"{noun_of(self.table)}s",
            "tokens": "tokens",
        }
        titles.setdefault(measured.column, measured.words)
        if not (self._has_odd and any(row["implausible_rows"] for row in self._groups)):
            del titles["spend_without_implausible"]
        return {name: title for name, title in titles.items() if self._groups.has(name)}

    @property
    def _has_odd(self) -> bool:
        return self._groups.has("implausible_rows")

    def _totals(self) -> str:
        totals = self.sheets["totals"]
        what = [plural(totals.cell("calls"), noun_of(self.table))]
        if totals.has("spend") and not _apart(self.intent, self.table):
            what.insert(0, totals.cell("spend").money(self.table.currency))
        groups = plural(totals.cell("groups"), "value", "different values")
        return f"In total {' over '.join(what)}, {groups} of `{self._by}` (`{self.table.name}`)."

    def _together(self) -> str:
        """What the groups that were asked for have together."""
        sheet, measured = self.sheets.get("together"), MEASURED[self.intent.measure]
        if sheet is None or self._place > 1 or sheet.cell("shown").value <= 1 or sheet.cell(measured.column).missing:
            return ""
        amount = written(measured.column, sheet.cell(measured.column), self.table.currency)
        text = f" Together these {sheet.cell('shown').count} have **{amount}**"
        if self._is_cost and self._has_odd and bool(self.sheets["totals"].cell("implausible_rows")):
            clean = sheet.cell("spend_without_implausible").money(self.table.currency)
            text += f" as recorded, **{clean}** without implausible rows"
        text += f": {sheet.cell('share_percent').percent} of all"
        clean = "spend_without_implausible" if sheet.has("spend_without_implausible") else "spend"
        if self._is_cost or not sheet.has(clean) or sheet.cell(clean).missing:
            return f"{text}."
        without = ", implausible rows left out" if bool(self.sheets.get("implausible")) else ""
        return f"{text}, and cost {sheet.cell(clean).money(self.table.currency)}{without}."

    def _insights(self) -> list[str]:
        found = []
        if self._groups.has("share_percent") and not self._groups.cell("share_percent").missing:
            odd = self._is_cost and self._has_odd and bool(self.sheets["totals"].cell("implausible_rows"))
            without = ", implausible rows left out" if odd else ""
            share = self._groups.cell("share_percent").percent
            found.append(f"{code(self._groups.cell(self._by))} makes up {share} of the total{without}.")
        if self._is_feature():
            found.append(f"`{self._by}` is taken for the feature: it is the nearest that the data has.")
        return found

    def _is_feature(self) -> bool:
        """Whether the nearest to a feature is split by, and is not called so."""
        return self.table.named(self._by).meaning is Meaning.FEATURE and self._by.lower() != "feature"


_ORDINALS = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}

KIND = IntentKind("by", "Spend, calls or tokens by the values of a column", queries, word, options=Places)
