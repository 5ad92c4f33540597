"""What one measure saves: the queries, and the words that are made of their cells. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from chatcore.agents.analyst.evidence import Cell, Query, Sheet
from chatcore.agents.analyst.intents.base import Sheets, code, listed, markdown_table, plural
from chatcore.agents.analyst.prices.pricing import part_of
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.savings.measures import Change
from chatcore.agents.analyst.savings.priced import NAMED_MODELS, Priced
from chatcore.agents.analyst.sql import Condition, exact_sum
from chatcore.protocol.messages import Recommendation

SHOWN_MODELS = 10
"""Models that an answer lists with what would be saved on each."""

MAX_STEPS = 31
"""Steps of time that it lists: the days of a month, or more than two years of months."""


def money_sum(expression: str) -> str:
    """SQL for an exact sum of amounts, 0 where there are none."""
    return f"coalesce({exact_sum(expression, 'DOUBLE')}, 0)"


_ONLY_TARGET = "CASE WHEN count(DISTINCT touched.target) = 1 THEN any_value(touched.target) END"
"""SQL for the model that all calls of a part would be on, null where they are several."""


def outcome_query(intent: Intent, priced: Priced, change: Change, said: Mapping[str, Condition]) -> Query:
    """What a measure saves in all, in the first row, and in those after it by model, or by what the intent splits by.

    Args:
        intent: what is asked for.
        priced: the calls and their prices.
        change: the measure.
        said: further cells, by name: SQL over ``base``, such as a limit that an answer names.
    """
    parts = [priced.start(intent, *change.others), change.touched, *said.values()]
    cells = "".join(f", {cell.sql} AS {name}" for name, cell in said.items())
    split = part_of(intent, priced.table) is not None
    one, target = ("base.part", _ONLY_TARGET) if split else ("base.model", "touched.target")
    groups, order = one if split else f"{one}, {target}", "saving DESC, model, target"
    order = "model" if intent.grain and intent.limit is None else order
    sums = (
        f"SELECT grouping({one}) = 1 AS is_whole, {one} AS model, {target} AS target, "
        f"count(*) AS calls, {money_sum('list_cost')} AS baseline, {money_sum('projected')} AS projected, "
        f"{exact_sum('logged', 'DOUBLE')} AS logged FROM base JOIN touched USING (call) "
        f"GROUP BY GROUPING SETS ((), ({groups}))"
    )
    sql = (
        f"{parts[0].sql}, touched AS MATERIALIZED ({change.touched.sql}) "
        "SELECT is_whole, model, target, calls, baseline, projected, baseline - projected AS saving, "
        "100.0 * (baseline - projected) / nullif(baseline, 0) AS saving_percent, projected - baseline AS added_cost, "
        "(baseline - projected) / nullif(calls, 0) AS saving_per_call, "
        "logged, logged * (baseline - projected) / nullif(baseline, 0) AS saving_as_logged, priced_calls, list_cost, "
        f"100.0 * (baseline - projected) / nullif(list_cost, 0) AS saving_of_all_percent{cells} FROM ({sums}), "
        f"(SELECT count(*) AS priced_calls, {money_sum('list_cost')} AS list_cost FROM base) "
        f"ORDER BY is_whole DESC, {order}"
    )
    return Query("outcome", sql, {name: value for part in parts for name, value in part.parameters.items()})


@attrs.frozen(kw_only=True)
class Outcome:
    """The wording of what a measure saves.

    Args:
        sheets: of the queries.
        priced: the calls and their prices.
        intent: what is asked for.
    """

    sheets: Sheets
    priced: Priced
    intent: Intent

    @property
    def currency(self) -> str:
        """The sign of the currency of the prices."""
        return self.priced.book.columns.currency or self.priced.table.currency

    @property
    def sheet(self) -> Sheet:
        """The sums."""
        return self.sheets["outcome"]

    @property
    def _models(self) -> list[Mapping[str, Cell]]:
        return list(self.sheet)[1:]

    def cell(self, name: str) -> Cell:
        """One of the sums."""
        return self.sheet.cell(name)

    def money(self, name: str) -> str:
        """One of the sums as an amount."""
        return self.cell(name).money(self.currency)

    @property
    def saves(self) -> bool:
        """Whether it makes anything cheaper."""
        return bool(self.cell("calls")) and self.cell("saving").value > 0

    def verdict(self) -> str:
        """What the calls cost by the list, what they would, and the difference."""
        calls = plural(self.cell("calls"), "call")
        if self.saves:
            return (
                f"{calls} that cost {self.money('baseline')} at list prices would cost {self.money('projected')}: "
                f"**{self.money('saving')} less** ({self.cell('saving_percent').percent})"
            )
        return (
            f"{calls} that cost {self.money('baseline')} at list prices would cost {self.money('projected')}: "
            f"**{self.money('added_cost')} more**, nothing saved"
        )

    @property
    def targets(self) -> list[str]:
        """The models that calls would be on, as code."""
        rows = [self.sheet.row(0)] if self._split else self._models
        return list(dict.fromkeys(code(row["target"]) for row in rows if not row["target"].missing))

    @property
    def _split(self) -> str | None:
        """What the rows are split by, where that is not the model."""
        if part_of(self.intent, self.priced.table) is None:
            return None
        return str(self.intent.grain or f"`{self.intent.by}`")

    @property
    def _shown(self) -> int:
        return self.intent.limit or (MAX_STEPS if self.intent.grain else SHOWN_MODELS)

    def table(self) -> str:
        """The models with most to save, and what they would be on where that depends on the model; or the parts."""
        rows = self._models[: self._shown]
        moved = not self._split and len(self.targets) > 1
        moved = moved and any(row["target"].value != row["model"].value for row in rows)
        lines = [
            [self._name(row["model"]), *([code(row["target"])] if moved else []), row["calls"].count]
            + [row[name].money(self.currency) for name in _MONEY]
            for row in rows
        ]
        header = [self._split or "model", *(["would be on"] if moved else []), "calls", "at list", "then", "saving"]
        return markdown_table(header, lines)

    def _name(self, cell: Cell) -> str:
        return str(cell) if self.intent.grain and not cell.missing else code(cell)

    def recommendation(self, text: str, change: Change, assumptions: Sequence[str]) -> list[Recommendation]:
        """The measure with its quantities; none where it saves nothing."""
        if not self.saves:
            return []
        return [
            Recommendation(
                text=text,
                baseline=self.cell("baseline").value,
                projected=self.cell("projected").value,
                saving=self.cell("saving").value,
                unit="USD" if self.currency == "$" else self.currency or "USD",
                basis=change.basis,
                assumptions=[*assumptions, *self.bounds()],
            )
        ]

    def bounds(self) -> list[str]:
        """What is compared with what, and what is left out."""
        return [COMPARED, *uncovered(self.sheets)]

    def facts(self) -> list[str]:
        """What stands beside the saving: its share of all, what was logged, what is left out."""
        facts = [f"That is {self.money('saving_per_call')} a call that it touches."] if self.saves else []
        if not self.cell("logged").missing:
            share = f"; the same share of that is {self.money('saving_as_logged')}" if self.saves else ""
            facts.append(f"{self.money('logged')} was logged for these calls{share}.")
        if self.saves and self.cell("calls").value < self.cell("priced_calls").value:
            of_all, whole = self.cell("saving_of_all_percent").percent, self.money("list_cost")
            priced = plural(self.cell("priced_calls"), "paid call")
            facts.append(f"It is {of_all} of the {whole} that all {priced} with a list price come to.")
        if len(self._models) > self._shown:
            parts = f"{self.intent.grain}s" if self.intent.grain else "parts" if self._split else "models"
            which = "first" if self.intent.grain and not self.intent.limit else "largest savings by"
            facts.append(f"The table shows the {which} {parts}; the evidence has all.")
        return [*facts, *self.bounds()]


_MONEY = ("baseline", "projected", "saving")

COMPARED = "List price is set against list price, by the list of the call's day; what was logged stands beside."


def uncovered(sheets: Sheets) -> list[str]:
    """The calls that a saving is not worked out over."""
    scope, unpriced, facts = sheets["scope"], sheets["unpriced"], []
    if scope.has("unpaid_calls") and scope.cell("unpaid_calls"):
        facts.append(f"Left out: {plural(scope.cell('unpaid_calls'), 'call')} logged at nothing, with nothing to save.")
    if scope.has("implausible_calls") and scope.cell("implausible_calls"):
        facts.append(f"Left out: {plural(scope.cell('implausible_calls'), 'implausible call')}.")
    if len(unpriced):
        names = [code(row["model"]) for row in unpriced][:NAMED_MODELS]
        others = ["others"] if len(unpriced) > NAMED_MODELS else []
        logged = unpriced.cell("unpriced_logged_percent")
        share = f"{unpriced.cell('unpriced_calls_percent').percent} of the paid calls"
        share += "" if logged.missing else f" and {logged.percent} of what was logged for them"
        facts.append(f"Without a list price, so left out: {listed([*names, *others])}, {share}.")
    return facts
