"""Whether the spend is within an amount: as measured, and for a period that is not over, at the pace so far."""

from __future__ import annotations

import re

import attrs
import msgspec

from chatcore.agents.analyst import lexicon
from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.choosing import choose_table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.currencies import no_rate, other_currency
from chatcore.agents.analyst.decisions.pace import (
    clean_spend,
    pace_fault,
    pace_queries,
    paced_table_fault,
    window_of,
)
from chatcore.agents.analyst.decisions.run_rate import is_ahead, target_query
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    Sheets,
    markdown_table,
    options_of,
    plural,
    table_of,
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
)
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Grain, Intent, Refusal
from chatcore.agents.analyst.scoping import amount_in, apart_from, scope_of
from chatcore.agents.analyst.sql import exact_sum, implausible, parameters_of, restriction, select, time_of

MOST_STEPS = 24
"""Steps that are shown, of more of them the dearest; the evidence has all."""


class BudgetOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What only a budget takes.

    Args:
        amount: of the budget, in the currency of the costs.
        each: the step of time that it is for; None for the whole period that is asked for.
        ahead: whether the rest of a period that is not over is asked for too.
    """

    amount: float
    each: Grain | None = None
    ahead: bool = False


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The spend against the budget, in steps where it is for each, and what the period comes to at the pace so far."""
    table, asked = table_of(intent, catalogue), options_of(intent, BudgetOptions)
    found = [_spend_query(intent, table, asked), *implausible_query(intent, catalogue), *gap_query(intent, catalogue)]
    if asked.each is not None:
        found.append(_steps_query(intent, table, asked))
    window = window_of(None, table)
    if asked.ahead and window is not None and intent.period is not None and is_ahead(intent.period, table):
        found += [*pace_queries(intent, catalogue, window), target_query(intent, table, window, intent.period)]
    return found


def _against(spend: str) -> str:
    return (
        f"{spend}, CAST($budget AS DOUBLE) AS budget, CAST($budget AS DOUBLE) - spend AS left_over, "
        "spend - CAST($budget AS DOUBLE) AS too_much, 100.0 * spend / nullif($budget, 0) AS used_percent, "
        "spend > $budget AS exceeded"
    )


def _spend_query(intent: Intent, table: Table, asked: BudgetOptions) -> Query:
    where, time = restriction(intent, table), time_of(table)
    columns = {
        "calls": "count(*)",
        "days_with_rows": f"count(DISTINCT CAST({time} AS DATE))",
        "spend_as_recorded": _recorded_spend(table),
        "spend": clean_spend(table),
        "implausible_rows": _count_of_implausible(table),
    }
    inner = f"SELECT {select(columns)} FROM {identifier(table.name)} {where.where}"
    sql = (
        f"SELECT {_against('calls, days_with_rows, spend_as_recorded, implausible_rows, spend')}, "
        f"spend_as_recorded > $budget AS exceeded_as_recorded FROM ({inner})"
    )
    return Query("spend", sql, {**where.parameters, **parameters_of(table), "budget": asked.amount})


def _recorded_spend(table: Table) -> str:
    cost = next(column for column in table.columns if column.meaning is Meaning.COST)
    return f"coalesce({exact_sum(identifier(cost.name), cost.type)}, 0)"


def _count_of_implausible(table: Table) -> str:
    odd = implausible(table)
    return f"count(*) FILTER (WHERE {odd.sql})" if odd else "0"


def _steps_query(intent: Intent, table: Table, asked: BudgetOptions) -> Query:
    where, time = restriction(intent, table), time_of(table)
    step = f"CAST(CAST(date_trunc('{asked.each}', {time}) AS DATE) AS VARCHAR)"
    inner = (
        f"SELECT {step} AS step, {clean_spend(table)} AS spend, {_recorded_spend(table)} AS spend_as_recorded "
        f"FROM {identifier(table.name)} "
        f"{where.where}{' AND' if where.sql else ' WHERE'} {time} IS NOT NULL GROUP BY 1"
    )
    sql = (
        f"SELECT {_against('step, spend_as_recorded, spend')}, "
        "count(*) FILTER (WHERE spend > $budget) OVER () AS steps_exceeded, "
        "count(*) FILTER (WHERE spend_as_recorded > $budget) OVER () AS steps_exceeded_as_recorded, "
        f"count(*) OVER () AS steps FROM ({inner}) ORDER BY step"
    )
    return Query("steps", sql, {**where.parameters, **parameters_of(table), "budget": asked.amount})


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """Whether it is within the budget first, by how much after."""
    if not sheets["spend"].cell("calls"):
        return nothing_there(intent, catalogue)
    fault = pace_fault(intent, catalogue, sheets) if "pace" in sheets else None
    words = _Words(intent, table_of(intent, catalogue), sheets)
    if fault is not None:
        return attrs.evolve(fault, text=f"{words.so_far()} {fault.text}")
    return words.draft()


@attrs.frozen
class _Words:
    """The wording of a budget."""

    intent: Intent
    table: Table
    sheets: Sheets

    @property
    def _scope(self) -> str:
        return period_words(self.intent) + filter_words(self.intent.filters)

    def _money(self, cell: Cell) -> str:
        return cell.money(self.table.currency)

    def _cell(self, name: str) -> Cell:
        return self.sheets["spend"].cell(name)

    def draft(self) -> Draft:
        """The whole answer."""
        parts = [self._steps() if "steps" in self.sheets else self._verdict()]
        parts += [self._ahead()] if "target" in self.sheets else []
        odd = implausible_words(self.table, self.sheets.get("implausible"))
        parts += [f"\n{odd}"] if odd else []
        return Draft(tuple(parts), tuple(self._insights()))

    def so_far(self) -> str:
        """What is spent, without a verdict on what is to come."""
        spend, budget, percent = self._money(self._cell("spend")), self._money(self._cell("budget")), self._percent
        return f"Recorded so far{self._scope}: {spend} of {budget}, that is {percent}."

    @property
    def _percent(self) -> str:
        return self._cell("used_percent").percent

    def _verdict(self) -> str:
        spend, budget = self._money(self._cell("spend")), self._money(self._cell("budget"))
        over, left = self._money(self._cell("too_much")), self._money(self._cell("left_over"))
        calls = f"over {plural(self._cell('calls'), 'call')} (`{self.table.name}`)"
        if self._disagree:
            raw = self._money(self._cell("spend_as_recorded"))
            return (
                f"**Over {budget} as recorded**: {raw}{self._scope}; **within** it without "
                f"{plural(self._cell('implausible_rows'), 'implausible row')}: {spend}, {self._percent} of it, "
                f"{left} left, {calls}.\n"
            )
        if self._cell("exceeded"):
            return f"**Over**: {spend} was spent{self._scope}, {over} more than {budget} ({self._percent}), {calls}.\n"
        return f"**Within**: {spend} was spent{self._scope}, {self._percent} of {budget}; {left} is left, {calls}.\n"

    def _steps(self) -> str:
        sheet, each = self.sheets["steps"], options_of(self.intent, BudgetOptions).each
        exceeded, of = sheet.cell("steps_exceeded"), plural(sheet.cell("steps"), str(each))
        verdict = f"**Over**: {exceeded.count}" if exceeded else "**Within**: none"
        told = [row for row in sheet if not exceeded or row["exceeded"]]
        if len(told) > MOST_STEPS:
            told = sorted(told, key=lambda row: -row["spend"].value)[:MOST_STEPS]
        rows = [
            [str(row["step"]), self._money(row["spend"]), row["used_percent"].percent, _OVER[bool(row["exceeded"])]]
            for row in told
        ]
        budget = self._money(sheet.cell("budget"))
        recorded = sheet.cell("steps_exceeded_as_recorded")
        differs = recorded.value != exceeded.value
        beside = f" without implausible rows; as recorded, **{recorded.count}** went **over**" if differs else ""
        return (
            f"{verdict} of {of} with rows{self._scope} went over {budget}{beside} (`{self.table.name}`).\n\n"
            + markdown_table([f"{each} from", "spend", "of the budget", ""], rows)
        )

    def _ahead(self) -> str:
        target, pace, period = self.sheets["target"], self.sheets["pace"], self.intent.period
        projected, left = self._money(target.cell("projected_spend")), plural(target.cell("days_left"), "day")
        end = "over" if target.cell("projected_spend").value > self._cell("budget").value else "within"
        return (
            f"\nAt {self._money(pace.cell('spend_per_day'))} a day, as from {pace.cell('first_day')} to "
            f"{pace.cell('last_day')}, {period.words if period else ''} comes to **{projected}** with {left} to go: "
            f"**{end}** {self._money(self._cell('budget'))}.\n"
        )

    @property
    def _disagree(self) -> bool:
        """Whether the implausible rows alone decide it."""
        return bool(self._cell("exceeded_as_recorded").value != self._cell("exceeded").value)

    def _insights(self) -> list[str]:
        facts = [*relative_words(self.intent, self.table), *gap_words(self.sheets)]
        days = plural(self._cell("days_with_rows"), "day")
        facts.append(f"The rows are of {days}; what a day without rows cost is not known.")
        if "target" in self.sheets:
            facts.append("It is assumed that a day to come costs what a day of that time did.")
        return facts


_OVER = {True: "over", False: ""}

_NUMBER = r"(?<![\w.,])\d[\d,]*(?:\.\d+)?"
_MONEY = (
    rf"(?P<amount>[$€£]\s?{_NUMBER}\s?(?:k\b|m\b)?"
    rf"|{_NUMBER}\s?(?:k\b)?(?=\s?(?:dollars?|usd|bucks|eur|euros?)\b))"
)
_PLAIN = rf"\bbudgets?\b(?: \w+){{0,3}}? (?P<amount>{_NUMBER})\b(?!-)"
_BUDGET = r"\bbudget(?:s|ed|ary)?\b|\b(?:spending|spend|cost) (?:limit|cap|ceiling|allowance)\b|\ballowance\b"
_LIMIT = r"(?:within|under|below|inside|over|above|past|beyond|exceed(?:s|ed|ing)?|more than|less than|at most|out of)"
_ASKS = r"\b(?:are|were|is|was|did|do|does|will|have|has|had|can|would|stay\w*|remain\w*|keep\w*|kept)\b"
_AGAINST = rf"{_ASKS}.*\b{_LIMIT}\s+(?:of |the |our |my |a |an )*[$€£\d]"
_OTHERS = (
    r"^\W*(?:which|what|list|show|how many|find)\b|\b(?:any|each|every|single) (?:\w+ )?(?:call|request|prompt|row)s?\b"
    r"|\b(?:calls?|requests?|rows?|prompts?|models?|users?)\b(?: that| which)? \b(?:cost\w*|over|above|under|below)\b"
)
_BEYOND = r"(?:over|above|more than|exceed(?:s|ed|ing)?|past)\s+(?=[$€£\d])"
_STEPS_OVER = (
    r"\b(?:which|what|any|how many|list|show|days|weeks|months|quarters|years)\b(?!.*\b(?:model|user|call|request)s?\b)"
    rf".*?\b(?:day|week|month|quarter|year)s?\b.*\b{_BEYOND}|^\W*(?:days|weeks|months|quarters|years)\b.*\b{_BEYOND}"
)
"""``which months were over $20``: a limit for each of them."""
_AHEAD = r"\bwill\b|\bgoing to\b|\bon track\b|\bby the end\b|\bstay(?:ing)?\b|\bat this (?:rate|pace)\b"
_EACH = (
    r"(?:\b(?:a|per|each|every|any|some|which|what|single)|/) ?(?:single )?(?P<each>day|week|month|quarter|year)\b"
    r"|\b(?P<steps>days|weeks|months|quarters|years)\b(?=.*[$€£\d])"
    r"|\b(?P<adverb>daily|weekly|monthly|quarterly|yearly|annual)\b"
)
_WORDS = frozenset(
    """
    inside past beyond stay stayed staying remain keep kept left stick had with went day days week weeks month months
    quarter quarters
    """.split()  # noqa: SIM905
)


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Whether a spend is within an amount that the question names."""
    text = reading.text
    money = re.search(_MONEY, text) or re.search(_PLAIN, text)
    budget = re.search(_BUDGET, text)
    against = re.search(_STEPS_OVER, text) or (re.search(_AGAINST, text) and not re.search(_OTHERS, text))
    if not budget and not (money and against):
        return None
    table = choose_table(apart_from(reading, (_MONEY, _BUDGET)))
    if isinstance(table, Refusal):
        return table
    fault = paced_table_fault(table, reading)
    if fault is not None or money is None:
        return fault or _without_amount(table)
    if table.currency and (other := other_currency(text, table.currency)):
        return no_rate(table, f"the amount is in {other}", _without_amount(table).alternatives)
    each = re.search(_EACH, text)
    scope = scope_of(apart_from(reading, (_MONEY, _PLAIN, _BUDGET, _EACH, rf"\b{_LIMIT}\b")), table, _WORDS)
    if isinstance(scope, Refusal):
        return scope
    step = lexicon.GRAINS[each["each"] or each["adverb"] or each["steps"]] if each else None
    options = {"amount": amount_in(money), "each": step, "ahead": bool(re.search(_AHEAD, text))}
    return Intent(kind=KIND.name, table=table.name, periods=scope.periods, filters=scope.filters, options=options)


def _without_amount(table: Table) -> Refusal:
    """No row says what the budget is, and the question did not either."""
    latest, sign = table.months[-1], table.currency or "$"
    within = (f"Are we within {sign}5 in {latest}?", f"Are we within {sign}5 a month?") if sign in "$€£" else ()
    return Refusal(
        reason="no_such_column",
        text=f"Nothing in `{table.name}` says what the budget is: name the amount, and I set the spend against it.",
        missing=("budget",),
        alternatives=(*within, f"What did we spend in {latest}?"),
    )


KIND = IntentKind(
    "budget", "Whether the spend is within an amount, and what is left of it", queries, word, recognise, BudgetOptions
)
