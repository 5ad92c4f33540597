"""One figure over all rows that are asked for: what was spent, how many calls, how many tokens."""

from __future__ import annotations

import attrs
import msgspec

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Cell, Query, Sheet
from chatcore.agents.analyst.intents.base import (
    MEASURED,
    Draft,
    IntentKind,
    Sheets,
    noun_of,
    plural,
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
    period_words,
    relative_words,
    totals_query,
)
from chatcore.agents.analyst.request import Filter, Intent, Measure, Refusal


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The totals; for a part of the rows, those of the whole period beside them."""
    table = table_of(intent, catalogue)
    kept = _of_currency(intent, table)
    if kept:  # first, so that its parameters have the same names in the part and in the whole
        intent = msgspec.structs.replace(intent, filters=[*kept, *(f for f in intent.filters if f not in kept)])
    asked = [totals_query(intent, catalogue), *implausible_query(intent, catalogue), *gap_query(intent, catalogue)]
    if intent.filters != kept and table.has(Meaning.COST):
        asked.append(_share_query(asked[0], intent, catalogue))
    return asked


def _of_currency(intent: Intent, table: Table) -> list[Filter]:
    """The filters that say of which currency costs are: the whole is of the same."""
    column = table.currencies
    return [each for each in intent.filters if column is not None and each.column == column.name]


def _share_query(totals: Query, intent: Intent, catalogue: Catalogue) -> Query:
    """What part of the period's spend and calls the rows are that are asked for, in percent."""
    kept = _of_currency(intent, table_of(intent, catalogue))
    whole = Intent(kind=intent.kind, table=intent.table, periods=intent.periods, filters=kept)
    everything = totals_query(whole, catalogue)
    spend = "spend_without_implausible" if table_of(intent, catalogue).implausible else "spend"
    sql = (
        f"SELECT 100.0 * part.{spend} / nullif(whole.{spend}, 0) AS spend_percent, "
        f"100.0 * part.calls / nullif(whole.calls, 0) AS calls_percent, whole.{spend} AS whole_spend, "
        f"whole.calls AS whole_calls FROM ({totals.sql}) AS part, ({everything.sql}) AS whole"
    )
    return Query("share", sql, totals.parameters)


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The figure that was asked for first, what belongs to it after."""
    table, totals = table_of(intent, catalogue), sheets["totals"]
    if totals.cell("calls").value == 0:
        return nothing_there(intent, catalogue)
    if MEASURED[intent.measure].is_money and totals.cell("spend").missing:
        return Refusal(
            reason="no_rows",
            text=f"No row{period_words(intent)}{filter_words(intent.filters)} has a cost.",
            missing=("cost",),
            covered=table.covered,
            alternatives=("How many calls were there in total?",),
        )
    return Figure(intent, table, totals).draft(sheets)


@attrs.frozen
class Figure:
    """The wording of totals."""

    intent: Intent
    table: Table
    totals: Sheet

    def draft(self, sheets: Sheets) -> Draft:
        """The whole answer."""
        parts = [f"{self._headline()} (`{self.table.name}`).\n\n", *self._share(sheets)]
        odd = implausible_words(self.table, sheets.get("implausible"))
        is_cost = MEASURED[self.intent.measure].is_money
        if odd and is_cost:
            parts.append(odd)
        insights = [
            *self._beside(),
            *relative_words(self.intent, self.table),
            *gap_words(sheets),
        ]
        actions = [_CHECK] if odd and self.intent.measure is Measure.COST else []
        return Draft(tuple(parts), tuple(insights), tuple(actions))

    def _cell(self, column: str) -> Cell:
        return self.totals.cell(column)

    def _money(self, column: str) -> str:
        return self._cell(column).money(self.table.currency)

    @property
    def _calls(self) -> str:
        return plural(self._cell("calls"), noun_of(self.table))

    def _headline(self) -> str:
        scope = period_words(self.intent) + filter_words(self.intent.filters)
        measure = self.intent.measure
        if measure is Measure.CALLS:
            verb, extent = "is" if self._cell("calls").value == 1 else "are", self._extent()
            return f"There {verb} **{self._calls}**{scope}{',' if scope and extent else ''}{extent}"
        return f"{self._figure(measure, scope)}, over {self._calls}{self._extent()}"

    def _figure(self, measure: Measure, scope: str) -> str:
        column = MEASURED[measure].column
        figure = f"**{written(column, self._cell(column), self.table.currency)}**"
        if measure is Measure.COST:
            return f"The total spend{scope} is {figure}{self._clean()}"
        if measure is Measure.COST_PER_CALL:
            return f"A call{scope} costs {figure} on average{self._left_out()}"
        if measure is Measure.COST_PER_MILLION_TOKENS:
            return f"A million tokens{scope} cost {figure} on average{self._left_out()}"
        if measure in _TOKENS_OF_A_CALL:
            return f"A call{scope} has {figure} {_TOKENS_OF_A_CALL[measure]} on average"
        return f"There are {figure} {MEASURED[measure].words}{scope}"

    def _clean(self) -> str:
        if not self._has_implausible():
            return ""
        rows = plural(self._cell("implausible_rows"), "implausible row")
        return f" as recorded, and **{self._money('spend_without_implausible')}** without {rows}"

    def _left_out(self) -> str:
        odd = plural(self._cell("implausible_rows"), "implausible row") if self._has_implausible() else ""
        return f", {odd} left out" if odd else ""

    def _has_implausible(self) -> bool:
        return self.totals.has("implausible_rows") and bool(self._cell("implausible_rows"))

    def _extent(self) -> str:
        if not self.totals.has("first") or self._cell("first").missing:
            return ""
        first, last = str(self._cell("first"))[:10], str(self._cell("last"))[:10]
        if self.intent.period and self.intent.period.words == first == last:
            return ""
        return f" on {first}" if first == last else f" from {first} to {last}"

    def _share(self, sheets: Sheets) -> list[str]:
        sheet = sheets.get("share")
        if sheet is None or sheet.cell("spend_percent").missing or self.table.currencies is not None:
            return []
        whole, percent = sheet.cell("whole_spend").money(self.table.currency), sheet.cell("spend_percent").percent
        without = ", implausible rows left out" if "implausible" in sheets else ""
        spent = f"{percent} of the {whole} spent{period_words(self.intent)}{without}"
        return [f"That is {spent}, and {sheet.cell('calls_percent').percent} of the calls.\n\n"]

    def _beside(self) -> list[str]:
        """Figures beside the one that was asked for."""
        facts = []
        if self.intent.measure is Measure.COST:
            if self._cell("zero_cost_calls"):
                zero = plural(self._cell("zero_cost_calls"), noun_of(self.table))
                facts.append(f"Of them, {zero} carry a cost of zero: free, local or unpriced.")
            facts.append(f"A call costs {self._money('cost_per_call')} on average{self._left_out()}.")
            if self.totals.has("tokens") and not self._cell("tokens").missing:
                facts.append(f"The tokens are {self._cell('tokens').count}.")
        elif self.totals.has("spend") and not self._cell("spend").missing:
            facts.append(f"The spend is {self._money('spend')}{self._clean()}.".replace("**", ""))
        if (
            self.intent.measure is Measure.TOKENS
            and self.totals.has("input_tokens")
            and self.totals.has("output_tokens")
        ):
            inside, outside = self._cell("input_tokens").count, self._cell("output_tokens").count
            facts.append(f"{inside} tokens went in and {outside} came out.")
        return facts


_TOKENS_OF_A_CALL = {
    Measure.TOKENS_PER_CALL: "tokens",
    Measure.INPUT_TOKENS_PER_CALL: "tokens in",
    Measure.OUTPUT_TOKENS_PER_CALL: "tokens out",
}
_CHECK = "Check the implausible rows against the provider's invoice before the raw total is used."

KIND = IntentKind("total", "What was spent, how many calls or how many tokens, over all rows or some", queries, word)
