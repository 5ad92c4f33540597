"""What was logged beside what the list says, call by call, and what explains a difference."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs
import msgspec

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    Sheets,
    code,
    markdown_table,
    options_of,
    plural,
    table_of,
)
from chatcore.agents.analyst.intents.scope import (
    filter_words,
    implausible_query,
    implausible_words,
    nothing_there,
    period_words,
)
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.pricing import calls_of, priced_calls
from chatcore.agents.analyst.prices.questions import LIST
from chatcore.agents.analyst.prices.repricing import (
    SHOWN_MODELS,
    Repricing,
    intent_of,
    models_of,
    money,
    nothing_priced,
    totals_query,
    unpriced_words,
    untold,
)
from chatcore.agents.analyst.prices.usage import asked_of, is_logged, usage_of
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.sql import Condition, all_of, implausible, restriction, time_of

TOLERANCE_PERCENT = 1.0
"""A call differs where it is further from the list than this: rounding of logged amounts stays below it."""

_LEAST = 0.0000005
"""Dollars that a call may differ by whatever its cost is: half a unit of the sixth digit, which logs are cut at."""

SHOWN_CALLS = 8

_LOGGED = (
    r"\b(?:logged|recorded|actual(?:ly)?|pa(?:y|id|ying)|(?:over|under)?charged|billed|spen[dt]|costs?|invoiced?)\b"
)
_BESIDE = (
    r"\b(?:vs\.?|versus|against|compare[ds]?|comparing|comparison|differ\w*|difference|match\w*|deviat\w*|discrepanc\w+"
    r"|(?:over|under)charged|(?:above|below|over|under|off|than) (?:the )?list"
    r"|agree\w*|same as|gap|far from|close to)\b"
)
_PAID_LIST = r"\b(?:did|do|have) we (?:really |actually )?(?:pay|paid) (?:the )?list\b"


_OF_OURS = r"\bcalls?\b|\b(?:which|what|are|were) (?:models?|calls?|we|users?)\b"


class AgainstListOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a call may be from the list, in percent."""

    tolerance_percent: float = TOLERANCE_PERCENT


# --- recognised -----------------------------------------------------------------------------------------------------


def recognise(reading: Reading) -> Intent | Refusal | None:
    """What was logged set against the list."""
    beside = reading.says(LIST) and reading.says(_BESIDE) and (reading.says(_LOGGED) or reading.says(_OF_OURS))
    if not beside and not reading.says(_PAID_LIST):
        return None
    if wording.book_of(reading.catalogue) is None:
        return wording.no_prices(reading.catalogue)
    table = usage_of(reading, is_logged)
    if table is None or isinstance(table, Refusal):
        return table or wording.no_usage(reading.catalogue)
    asking = other_currency(table, reading.catalogue) or asked_of(reading, table)
    if isinstance(asking, Refusal):
        return asking
    options = msgspec.to_builtins(AgainstListOptions(_tolerance(reading)))
    return msgspec.structs.replace(intent_of("logged_against_list", asking), options=options)


def other_currency(table: Table, catalogue: Catalogue) -> Refusal | None:
    """Why amounts of two currencies are not set against each other."""
    ours, listed = table.currency, catalogue.price_books[0].columns.currency
    if not ours or not listed or ours == listed:
        return None
    return Refusal(
        reason="not_supported",
        text=f"`{table.name}` was logged in {ours} and the list is in {listed}: there is no exchange rate in the data.",
        missing=("an exchange rate",),
        alternatives=wording.price_questions(catalogue),
    )


def _tolerance(reading: Reading) -> float:
    found = re.search(r"(\d+(?:\.\d+)?)\s*(?:%|percent)", reading.text)
    return float(found[1]) if found else TOLERANCE_PERCENT


# --- asked ----------------------------------------------------------------------------------------------------------

_REASONS: Mapping[str, str] = {
    "same": "as listed",
    "zero": "logged at zero: free, local or unpriced at the time",
    "short": "at the price of a short prompt, though the prompt was long",
    "condition": "at the price of another date or time of the day",
    "cache_read": "below the list, as where some input was read from a cache",
    "cache_write": "above the list, as where some input was written to a cache",
    "below": "below the list, for no reason that the data shows",
    "above": "above the list, for no reason that the data shows",
}


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """All calls together, by what explains them, by model, and the calls that differ most."""
    repricing, tolerance = Repricing.of(intent, catalogue), options_of(intent, AgainstListOptions).tolerance_percent
    judged = _judged(repricing, tolerance)
    priced = f"WITH priced AS MATERIALIZED ({judged.sql})"
    reasons = f"{priced} SELECT reason, {_SUMS} FROM priced WHERE list_cost IS NOT NULL GROUP BY reason"
    calls = (
        f"{priced} SELECT call_time, used_model, call_input_tokens AS input_tokens, call_output_tokens AS "
        "output_tokens, logged_cost, list_cost, logged_cost - list_cost AS difference, reason FROM priced "
        "WHERE list_cost IS NOT NULL AND reason <> 'same' ORDER BY abs(logged_cost - list_cost) DESC, "
        f"call_time, used_model, input_tokens, output_tokens, logged_cost LIMIT {SHOWN_CALLS}"
    )
    return [
        totals_query(judged, _SUMS),
        Query("reasons", f"{reasons} ORDER BY calls DESC, reason", judged.parameters),
        Query("calls", calls, judged.parameters),
        *implausible_query(intent, catalogue),
    ]


_DIFFERS = "count(*) FILTER (WHERE list_cost IS NOT NULL AND reason <> 'same')"
_SUMS = (
    "count(*) AS calls, count(list_cost) AS priced_calls, count(*) - count(list_cost) AS unpriced_calls, "
    "100.0 * (count(*) - count(list_cost)) / nullif(count(*), 0) AS unpriced_percent, "
    f"{_DIFFERS} AS differing_calls, 100.0 * {_DIFFERS} / nullif(count(list_cost), 0) AS differing_percent, "
    f"{money('logged_cost', 'list_cost IS NOT NULL')} AS logged_cost, {money('list_cost')} AS list_cost, "
    f"{money('logged_cost - list_cost')} AS difference, abs({money('logged_cost - list_cost')}) AS distance, "
    f"100.0 * abs({money('logged_cost - list_cost')}) / nullif({money('list_cost')}, 0) AS distance_percent, "
    "count(*) FILTER (WHERE price_tiered AND list_cost IS NOT NULL) AS tiered_calls"
)


def _judged(repricing: Repricing, tolerance: float) -> Condition:
    """The plausible calls that have a cost, each with what explains its difference from the list, if that is known."""
    table = repricing.table
    cost, odd, time = table.column(Meaning.COST), implausible(table), time_of(table)
    logged = identifier(cost.name) if cost else "NULL"
    plain = calls_of(table, Condition(""))
    other = f"({plain.input_tokens} * other.input + {plain.output_tokens} * other.output) / 1000000.0"
    near = f"abs({logged} - {other}) <= greatest($tolerance_percent / 100.0 * {other}, {_LEAST:.7f})"
    keep = {
        "used_model": repricing.model,
        "logged_cost": logged,
        "call_time": f"CAST({time} AS VARCHAR)" if time else "CAST(NULL AS VARCHAR)",
        "at_other_price": f"len(list_filter(listed_prices, lambda other: {near})) > 0",
    }
    sane = Condition(f"{odd.sql} IS NOT TRUE", odd.parameters) if odd else None
    logged_at_all = Condition(f"{logged} IS NOT NULL")
    calls = calls_of(table, all_of((restriction(repricing.intent, table), logged_at_all, sane)), keep)
    priced = priced_calls(calls, repricing.book, repricing.matches)
    sql = f"SELECT *, {_REASON} AS reason FROM ({priced.sql})"
    return Condition(sql, {**priced.parameters, "tolerance_percent": tolerance})


_NEAR = f"abs(logged_cost - list_cost) <= greatest($tolerance_percent / 100.0 * list_cost, {_LEAST:.7f})"
_WITH_CACHE = "(call_input_tokens * {rate} + call_output_tokens * output_rate) / 1000000.0"
_REASON = (
    f"CASE WHEN {_NEAR} THEN 'same' WHEN logged_cost = 0 THEN 'zero' "
    "WHEN at_other_price AND price_tiered THEN 'short' WHEN at_other_price THEN 'condition' "
    f"WHEN logged_cost < list_cost AND logged_cost >= {_WITH_CACHE.format(rate='cache_read_rate')} THEN 'cache_read' "
    f"WHEN logged_cost > list_cost AND logged_cost <= {_WITH_CACHE.format(rate='cache_write_rate')} THEN 'cache_write' "
    "WHEN logged_cost < list_cost THEN 'below' ELSE 'above' END"
)


# --- worded ---------------------------------------------------------------------------------------------------------


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The difference of all calls first, then what explains it."""
    repricing = Repricing.of(intent, catalogue)
    if sheets["totals"].cell("calls").value == 0:
        return nothing_there(intent, catalogue)
    if sheets["totals"].cell("priced_calls").value == 0:
        return nothing_priced(sheets, repricing, catalogue)
    return AgainstList(intent, catalogue, sheets, repricing).draft()


@attrs.frozen
class AgainstList:
    """The wording of logged amounts beside listed ones."""

    intent: Intent
    catalogue: Catalogue
    sheets: Sheets
    repricing: Repricing

    def draft(self) -> Draft:
        """The whole answer."""
        odd = implausible_words(table_of(self.intent, self.catalogue), self.sheets.get("implausible"))
        parts = [f"{self._headline()}\n\n", self._reasons(), f"\n{self._models()}", self._calls()]
        parts += [f"\n{odd.replace('in the raw figures only', 'out here')}"] if odd else []
        note = wording.source_note(self.repricing.book, self.catalogue)
        return Draft(
            tuple(filter(None, parts)),
            (unpriced_words(self.sheets), *untold(self.repricing, self.sheets), note),
        )

    def _money(self, cell: Cell) -> str:
        return cell.money(self.repricing.table.currency or self.repricing.book.columns.currency)

    def _headline(self) -> str:
        whole, scope = self.sheets["totals"], period_words(self.intent) + filter_words(self.intent.filters)
        difference, amount = whole.cell("difference").value, self._money(whole.cell("distance"))
        relation = "above" if difference > 0 else "below" if difference < 0 else "off"
        tolerance = options_of(self.intent, AgainstListOptions).tolerance_percent
        calls, differing = plural(whole.cell("priced_calls"), "call"), plural(whole.cell("differing_calls"), "call")
        return (
            f"Logged{scope}: **{self._money(whole.cell('logged_cost'))}**; at list price the same {calls} cost "
            f"**{self._money(whole.cell('list_cost'))}**. That is {amount} ({whole.cell('distance_percent').percent}) "
            f"{relation} the list. {differing} ({whole.cell('differing_percent').percent}) differ by more than "
            f"`{tolerance:g}%`."
        )

    def _reasons(self) -> str:
        rows = [
            [_REASONS[str(row["reason"])], row["calls"].count, *self._amounts(row)] for row in self.sheets["reasons"]
        ]
        return markdown_table(["how the calls were logged", "calls", "logged", "at list", "difference"], rows)

    def _models(self) -> str:
        differing = [row for row in models_of(self.sheets) if row["differing_calls"]]
        differing.sort(key=lambda row: -row["distance"].value)
        rows = [
            [code(row["used_model"]), row["priced_calls"].count, row["differing_calls"].count, *self._amounts(row)]
            for row in differing
        ]
        header = ["model", "calls", "differing", "logged", "at list", "difference"]
        return markdown_table(header, rows[:SHOWN_MODELS]) if rows else "No model has a call that differs.\n"

    def _calls(self) -> str:
        lines = "".join(f"- {self._call(row)}\n" for row in self.sheets["calls"])
        return f"\nThe calls that differ most:\n\n{lines}" if lines else ""

    def _call(self, row: Mapping[str, Cell]) -> str:
        when = "" if row["call_time"].missing else f"{str(row['call_time'])[:19]} "
        amounts = f"logged {self._money(row['logged_cost'])}, at list {self._money(row['list_cost'])}"
        return f"{when}{code(row['used_model'])}: {amounts}; {_REASONS[str(row['reason'])]}"

    def _amounts(self, row: Mapping[str, Cell]) -> list[str]:
        return [self._money(row[name]) for name in ("logged_cost", "list_cost", "difference")]


KIND = IntentKind(
    "logged_against_list",
    "What was logged beside the list price of the same calls",
    queries,
    word,
    recognise,
    AgainstListOptions,
)
