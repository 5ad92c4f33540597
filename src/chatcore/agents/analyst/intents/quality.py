"""How far the data can be trusted: what is missing, free, twice there, not there, or not plausible."""

from __future__ import annotations

import attrs

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query, Sheet
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    Sheets,
    limits_of,
    listed,
    markdown_table,
    noun_of,
    plural,
    table_of,
)
from chatcore.agents.analyst.intents.scope import (
    NAMED_MONTHS,
    gap_query,
    implausible_query,
    implausible_words,
    nothing_there,
    totals_query,
)
from chatcore.agents.analyst.readings import identifier, literal
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.sql import all_of, restriction, select


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """One query for each way in which rows can be wrong."""
    return [
        totals_query(intent, catalogue),
        _missing_query(intent, catalogue),
        _odd_query(intent, catalogue),
        *implausible_query(intent, catalogue),
        *gap_query(intent, catalogue),
    ]


def _missing_query(intent: Intent, catalogue: Catalogue) -> Query:
    """The columns with missing values, most first."""
    table = table_of(intent, catalogue)
    where = restriction(intent, table)
    each = " UNION ALL ".join(
        f"SELECT {literal(column.name)} AS name, count(*) - count({identifier(column.name)}) AS missing, "
        f"100.0 * (count(*) - count({identifier(column.name)})) / count(*) AS missing_percent "
        f"FROM {identifier(table.name)} {where.where}"
        for column in table.columns
    )
    return Query("missing", f"SELECT * FROM ({each}) WHERE missing > 0 ORDER BY missing DESC, name", where.parameters)


def _odd_query(intent: Intent, catalogue: Catalogue) -> Query:
    """How many rows are twice there, negative, or do not add up."""
    table = table_of(intent, catalogue)
    where = all_of((restriction(intent, table),))
    columns = {"duplicates": "count(*) - count(DISTINCT hash(t))"}
    cost = table.column(Meaning.COST)
    if cost is not None:
        columns["negative_costs"] = f"count(*) FILTER (WHERE {identifier(cost.name)} < 0)"
    parts = [table.column(m) for m in (Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS, Meaning.TOTAL_TOKENS)]
    if all(parts):
        one, two, total = (identifier(part.name) for part in parts if part is not None)
        columns["tokens_do_not_add_up"] = f"count(*) FILTER (WHERE {one} + {two} <> {total})"
    sql = f"SELECT {select(columns)} FROM {identifier(table.name)} AS t {where.where}"
    return Query("odd", sql, where.parameters)


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """What was found, and what was looked for and not found."""
    if sheets["totals"].cell("calls").value == 0:
        return nothing_there(intent, catalogue)
    return Findings(table_of(intent, catalogue), sheets).draft()


@attrs.frozen
class Findings:
    """The wording of what is wrong with the data."""

    table: Table
    sheets: Sheets

    def draft(self) -> Draft:
        """The whole answer."""
        found, clean = self._found(), self._clean()
        rows = plural(self._totals.cell("calls"), "row")
        verdict = "a few things to know" if found or len(self.sheets["missing"]) else "nothing wrong"
        parts = [f"`{self.table.name}` has {rows}, and {verdict}. {limits_of(self.table)}".rstrip() + "\n\n"]
        parts += [f"- {line}\n" for line in found]
        odd = implausible_words(self.table, self.sheets.get("implausible"))
        parts += [f"\n{odd}"] if odd else []
        if len(self.sheets["missing"]):
            parts.append(f"\nMissing values:\n\n{self._missing()}")
        insights = [f"Looked for and not found: {listed(clean)}."] if clean else []
        return Draft(tuple(parts), tuple(insights), tuple(self._actions()))

    @property
    def _totals(self) -> Sheet:
        return self.sheets["totals"]

    def _count(self, sheet: str, column: str) -> bool:
        return self.sheets[sheet].has(column) and bool(self.sheets[sheet].cell(column))

    def _found(self) -> list[str]:
        noun, odd = noun_of(self.table), self.sheets["odd"]
        found = []
        if self._count("totals", "implausible_rows"):
            rows = plural(self._totals.cell("implausible_rows"), "row")
            raw, clean = (
                self._totals.cell(n).money(self.table.currency) for n in ("spend", "spend_without_implausible")
            )
            found.append(f"{rows} with an implausible cost: the total is {raw} as recorded and {clean} without.")
        gaps = self.sheets.get("gaps")
        if gaps is not None and len(gaps):
            months = listed([str(row["month"]) for row in gaps][:NAMED_MONTHS])
            found.append(f"Months without any rows: {months}. No rows is not the same as no spend.")
        if self._count("totals", "zero_cost_calls"):
            zero = plural(self._totals.cell("zero_cost_calls"), noun)
            found.append(f"{zero} with a cost of zero: free, local or unpriced.")
        if self._count("odd", "duplicates"):
            found.append(f"{plural(odd.cell('duplicates'), 'row')} that repeat another in every column.")
        if self._count("odd", "negative_costs"):
            found.append(f"{plural(odd.cell('negative_costs'), 'row')} with a negative cost.")
        if self._count("odd", "tokens_do_not_add_up"):
            found.append(
                f"{plural(odd.cell('tokens_do_not_add_up'), 'row')} whose tokens in and out are not the total."
            )
        return found

    def _clean(self) -> list[str]:
        """What was looked for and not found."""
        checks = {
            "implausible costs": self.table.usual_cost is not None and not self._count("totals", "implausible_rows"),
            "months without rows": bool(self.table.months) and not len(self.sheets.get("gaps", ())),
            "duplicate rows": not self._count("odd", "duplicates"),
            "negative costs": self.sheets["odd"].has("negative_costs") and not self._count("odd", "negative_costs"),
            "tokens that do not add up": self.sheets["odd"].has("tokens_do_not_add_up")
            and not self._count("odd", "tokens_do_not_add_up"),
            "missing values": not len(self.sheets["missing"]),
        }
        return [name for name, passed in checks.items() if passed]

    def _missing(self) -> str:
        rows = [
            [f"`{row['name']}`", row["missing"].count, row["missing_percent"].percent] for row in self.sheets["missing"]
        ]
        return markdown_table(["column", "missing", "of all rows"], rows)

    def _actions(self) -> list[str]:
        actions = []
        if self._count("totals", "implausible_rows"):
            actions.append("Check the implausible rows against the provider's invoice, and correct or remove them.")
        gaps = self.sheets.get("gaps")
        if gaps is not None and len(gaps):
            actions.append("Find out whether the months without rows were exported at all.")
        if self._count("odd", "duplicates"):
            actions.append("Find out whether repeated rows were exported twice.")
        return actions


KIND = IntentKind("quality", "What is missing, free, repeated, absent or implausible in a table", queries, word)
