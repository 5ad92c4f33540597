"""The savings plan: every measure that the data allows, ranked, what overlaps marked, and no saving counted twice.

Two measures may save on one call. In the whole each call takes one measure only, the one that saves most on it, worked
out call by call in SQL: so the whole is never more than the savings added up, and never more than the calls cost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import msgspec

from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    Sheets,
    code,
    listed,
    markdown_table,
    options_of,
    plural,
    table_of,
)
from chatcore.agents.analyst.intents.scope import (
    filter_words,
    gap_query,
    gap_words,
    nothing_there,
    period_words,
    relative_words,
)
from chatcore.agents.analyst.prices.on_models import USUAL_DISCOUNT
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.savings.asked import asked_of, names_a_model
from chatcore.agents.analyst.savings.chosen import but, left_out, patterns, together
from chatcore.agents.analyst.savings.measures import (
    USUAL_SMALL,
    Change,
    as_good,
    batched,
    cached,
    cap_length,
    capped,
    off_peak,
    routed,
)
from chatcore.agents.analyst.savings.outcome import COMPARED, money_sum, uncovered
from chatcore.agents.analyst.savings.priced import Priced, find_priced, priced_of, scope_queries
from chatcore.agents.analyst.savings.quality import find_quality
from chatcore.protocol.messages import Recommendation

TOGETHER = "together"
"""The row of all measures, each call under one of them."""

WITHOUT_CEILINGS = "together_without_ceilings"
"""The same without the measures whose saving is only a ceiling."""


class PlanOptions(msgspec.Struct, frozen=True):
    """What only the plan takes.

    Args:
        below: prompts of fewer tokens are small.
        cap_at: tokens that a prompt may have; None for the length that most stay within.
        discount_percent: off the price of a call that may wait.
        measures: only these, by their names; all where it is empty.
    """

    below: int = USUAL_SMALL
    cap_at: int | None = None
    discount_percent: float = USUAL_DISCOUNT
    measures: list[str] = []


def changes(intent: Intent, catalogue: Catalogue, priced: Priced) -> list[Change]:
    """The measures that the data allows."""
    options, quality = options_of(intent, PlanOptions), find_quality(catalogue, priced)
    found = [
        as_good(priced, quality) if quality else None,
        batched(options.discount_percent),
        cached(),
        capped(priced, options.cap_at),
        routed(priced, None, options.below),
        off_peak(priced),
    ]
    wanted = options.measures
    return [change for change in found if change is not None and (not wanted or change.name in wanted)]


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """All measures over all calls, in one query, and what is left out."""
    priced = priced_of(intent, catalogue)
    if priced is None:
        return []
    found = changes(intent, catalogue, priced)
    if not found:
        return []
    return [
        plan_query(intent, priced, found),
        *scope_queries(intent, priced),
        *gap_query(intent, catalogue),
    ]


def plan_query(intent: Intent, priced: Priced, found: Sequence[Change]) -> Query:
    """A row for each measure, and two for all together; the measures that save most first."""
    names = tuple(dict.fromkeys(name for change in found for name in change.others))
    start, options = priced.start(intent, *names), options_of(intent, PlanOptions)
    parts = [start, *(change.touched for change in found), cap_length(options.cap_at)]
    parameters = {name: value for part in parts for name, value in part.parameters.items()}
    touched = ", ".join(f"by_{change.name} AS ({change.touched.sql})" for change in found)
    sql = (
        f"{start.sql}, {touched}, calls AS MATERIALIZED ({_calls(found)}), "
        f"best AS MATERIALIZED ({_best(found)}) "
        f"{' UNION ALL '.join(_measure(change, found, options) for change in found)} "
        f"UNION ALL {_whole(TOGETHER, 'best')} UNION ALL {_whole(WITHOUT_CEILINGS, 'best_without_ceilings')} "
        f"ORDER BY starts_with(measure, '{TOGETHER}'), saving DESC, measure"
    )
    return Query("plan", sql, parameters)


def _calls(found: Sequence[Change]) -> str:
    """Each call with what each measure saves on it: nothing where the measure does not touch it or makes it dearer."""
    saved = ", ".join(
        f"greatest(coalesce(list_cost - by_{c.name}.projected, 0), 0) AS {c.name}, by_{c.name}.target AS to_{c.name}"
        for c in found
    )
    joins = " ".join(f"LEFT JOIN by_{change.name} USING (call)" for change in found)
    return f"SELECT call, list_cost, {saved} FROM base {joins}"


def _best(found: Sequence[Change]) -> str:
    """Each call with the measure that saves most on it; of equal ones the first counts."""
    sure = [change.name for change in found if change.basis != "ceiling"]
    whens = " ".join(f"WHEN {change.name} = best THEN '{change.name}'" for change in found)
    greatest = f"SELECT *, greatest({', '.join(change.name for change in found)}, 0.0) AS best, "
    return (
        f"SELECT *, CASE WHEN best = 0 THEN NULL {whens} END AS taken "
        f"FROM ({greatest}greatest({', '.join([*sure, '0.0'])}) AS best_without_ceilings FROM calls)"
    )


def _measure(change: Change, found: Sequence[Change], options: PlanOptions) -> str:
    name, others = change.name, [other for other in found if other is not change]
    shared = ", ".join(f"CASE WHEN bool_or({name} > 0 AND {o.name} > 0) THEN '{o.name}' END" for o in others)
    any_other = " OR ".join(f"{other.name} > 0" for other in others) or "false"
    limit = {"cap": cap_length(options.cap_at).sql, "route": str(options.below)}.get(name, "CAST(NULL AS BIGINT)")
    touched = f"FILTER (WHERE {name} > 0)"
    baseline, saving = money_sum(f"CASE WHEN {name} > 0 THEN list_cost ELSE 0 END"), money_sum(name)
    return (
        f"SELECT '{name}' AS measure, '{change.basis}' AS basis, count(*) {touched} AS calls, {baseline} AS baseline, "
        f"{baseline} - {saving} AS projected, {saving} AS saving, "
        f"100.0 * {saving} / nullif({money_sum('list_cost')}, 0) AS saving_percent, "
        f"count(*) FILTER (WHERE taken = '{name}') AS calls_together, "
        f"{money_sum(_taken(name))} AS saving_together, "
        f"count(*) FILTER (WHERE {name} > 0 AND ({any_other})) AS calls_shared, "
        f"array_to_string(list_filter([{shared or 'NULL'}], lambda other: other IS NOT NULL), ', ') AS shared_with, "
        f"{limit} AS limit_tokens, CASE WHEN count(DISTINCT to_{name}) {touched} = 1 "
        f"THEN any_value(to_{name}) {touched} END AS target FROM best"
    )


def _taken(name: str) -> str:
    return f"CASE WHEN taken = '{name}' THEN best ELSE 0 END"


def _whole(name: str, column: str) -> str:
    saving, baseline = money_sum(column), money_sum("list_cost")
    return (
        f"SELECT '{name}', NULL, count(*) FILTER (WHERE {column} > 0), {baseline}, {baseline} - {saving}, {saving}, "
        f"100.0 * {saving} / nullif({baseline}, 0), count(*), {saving}, NULL, NULL, NULL, NULL FROM best"
    )


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """What can be saved together first, the measures in a table, what overlaps and what is assumed after."""
    priced = find_priced(catalogue, table_of(intent, catalogue))
    if isinstance(priced, Refusal):
        return priced
    if "plan" not in sheets:
        return refusals.not_supported("a plan of none of the measures that this data allows", catalogue)
    if not sheets["scope"].cell("calls"):
        return nothing_there(intent, catalogue)
    rows = [row for row in sheets["plan"] if row["calls"]]
    whole = next((row for row in rows if row["measure"].value == TOGETHER), None)
    if whole is None:
        return _nothing(intent, priced)
    return _Words(intent, catalogue, priced, sheets, rows, whole).draft()


def _nothing(intent: Intent, priced: Priced) -> Refusal:
    scope = period_words(intent) + filter_words(intent.filters)
    return Refusal(
        reason="no_rows",
        text=f"No paid call of `{priced.table.name}`{scope} has a list price, so that there is nothing to work out.",
        missing=("paid calls with a list price",),
        covered=priced.table.covered,
        alternatives=("What did we spend in total?",),
    )


@attrs.frozen
class _Words:
    """The wording of a plan."""

    intent: Intent
    catalogue: Catalogue
    priced: Priced
    sheets: Sheets
    rows: Sequence[Mapping[str, Cell]]
    whole: Mapping[str, Cell]

    @property
    def _measures(self) -> list[Mapping[str, Cell]]:
        return [row for row in self.rows if not str(row["measure"]).startswith(TOGETHER)]

    @property
    def _shown(self) -> list[Mapping[str, Cell]]:
        return self._measures[: self.intent.limit]

    @property
    def _of_which(self) -> str:
        """Which measures it is about, where not all of them were asked for."""
        asked = options_of(self.intent, PlanOptions).measures
        names = [_TITLES[name].lower() for name in asked if name in _TITLES]
        return f", of these measures only: {listed(names)}" if names else ""

    def _money(self, cell: Cell) -> str:
        return cell.money(self.priced.book.columns.currency or self.priced.table.currency)

    @property
    def _scope(self) -> str:
        return period_words(self.intent) + filter_words(self.intent.filters)

    def draft(self) -> Draft:
        """The whole answer."""
        facts = [
            *self._overlaps(),
            *(f"{_TITLES[str(row['measure'])]}: {_ASSUMED[str(row['measure'])]}" for row in self._measures),
            COMPARED,
            *uncovered(self.sheets),
            *relative_words(self.intent, self.priced.table),
            *gap_words(self.sheets),
        ]
        first = self._title(self._measures[0])
        return Draft(
            (self._headline(), self._table()),
            tuple(facts),
            (f"Try the first on some of the calls before all of them: {first[:1].lower()}{first[1:]}.",),
            tuple(self._recommendations()),
        )

    def _headline(self) -> str:
        calls, first = plural(self.whole["calls_together"], "paid call"), self._measures[0]
        sure = next((row for row in self.rows if row["measure"].value == WITHOUT_CEILINGS), None)
        without = f", or {self._money(sure['saving'])} without what is only a ceiling" if sure else ""
        return (
            f"{calls} with a list price{self._scope} come to {self._money(self.whole['baseline'])} "
            f"(`{self.priced.table.name}`). With each call under the one measure that saves most on it, **at most "
            f"{self._money(self.whole['saving'])}** ({self.whole['saving_percent'].percent}) is saved{without}"
            f"{self._of_which}. By itself this saves most: {self._title(first)}, "
            f"**{self._money(first['saving'])}**.\n\n"
        )

    def _title(self, row: Mapping[str, Cell]) -> str:
        name, target = str(row["measure"]), row["target"]
        to = "a cheaper model in use" if target.missing else code(target)
        if name == "cap":
            return f"Cap prompts at {row['limit_tokens'].count} tokens"
        return f"Send prompts below {row['limit_tokens'].count} tokens to {to}" if name == "route" else _TITLES[name]

    def _table(self) -> str:
        header = ["measure", "basis", "calls", "at list", "saving by itself", "of it in the whole"]
        lines = [
            [self._title(row), _BASES[str(row["basis"])], row["calls"].count]
            + [self._money(row[name]) for name in ("baseline", "saving", "saving_together")]
            for row in self._shown
        ]
        return markdown_table(header, lines)

    def _overlaps(self) -> list[str]:
        shared = [row for row in self._measures if row["calls_shared"]]
        if not shared:
            return []
        pairs = [f"{_TITLES[str(row['measure'])]} ({row['calls_shared'].count} calls)" for row in shared]
        return [f"These overlap with others, so that their savings must not be added up: {listed(pairs)}."]

    def _recommendations(self) -> list[Recommendation]:
        found = [self._recommendation(row) for row in self._shown]
        sure = next((row for row in self.rows if row["measure"].value == WITHOUT_CEILINGS), None)
        if sure is None or len([row for row in self._measures if row["basis"].value != "ceiling"]) < 2:
            return found
        title = "All of these but the ceilings, each call under one of them"
        return [*found, self._of(sure, title, "what_if", [ONE_EACH])]

    def _recommendation(self, row: Mapping[str, Cell]) -> Recommendation:
        name = str(row["measure"])
        with_others = [_TITLES[each] for each in str(row["shared_with"]).split(", ") if row["shared_with"]]
        overlap = (
            [f"It touches calls that these do too, do not add them up: {listed(with_others)}."] if with_others else []
        )
        assumed = [_ASSUMED[name], *(overlap if with_others else []), COMPARED, *uncovered(self.sheets)]
        return self._of(row, f"{self._title(row)}{self._scope}", row["basis"].value, assumed)

    def _of(self, row: Mapping[str, Cell], text: str, basis: Any, assumptions: list[str]) -> Recommendation:
        return Recommendation(
            text=text,
            baseline=row["baseline"].value,
            projected=row["projected"].value,
            saving=row["saving"].value,
            unit="USD" if self.priced.book.columns.currency in ("$", "") else self.priced.book.columns.currency,
            basis=basis,
            assumptions=assumptions,
        )


ONE_EACH = "Each call takes the one measure that saves most on it, so that nothing is counted twice."

_BASES = {"what_if": "what if", "ceiling": "ceiling", "measured": "measured"}
_TITLES = {
    "as_good": "Move each model's calls to the cheapest that scored at least as well",
    "batch": "Run the calls that can wait in batches",
    "cache": "Read prompts from a cache",
    "cap": "Cap long prompts",
    "route": "Send small prompts to a cheaper model",
    "off_peak": "Move calls to the hours when their model is cheaper",
}
_ASSUMED = {
    "as_good": "the scores are those of the benchmark here; calls on models without a score stay where they are.",
    "batch": "every call can wait, and its provider gives half off; the rows do not say.",
    "cache": "a ceiling: all input from the cache, none of it new, and nothing paid for writing it there.",
    "cap": "what is cut is not needed, and the answers stay as long as they were.",
    "route": "a small prompt is an easy one; the other model must be tried on them first.",
    "off_peak": "each of these calls can wait for the cheaper hours of the same day.",
}

_ASKED = (
    r"\b(?:savings?|cost[- ](?:cutting|reduction|optimi[sz]ation))\b.{0,20}\b(?:plan|options?|ideas?"
    r"|opportunit\w+|potential|measures?|tips?)\b|\bplan\b.{0,20}\bsav\w+",
    r"\btotal savings?\b|\bsaves? (?:us |me )?(?:the )?most\b",
    r"\b(?:recommend|suggest|propose|advise)\w*\b.{0,40}\b(?:sav\w+|cost\w*|bill|spend\w*|cheap\w*|reduc\w*|optimi\w+)\b",
    r"\b(?:how|where|what|which)\b.{0,40}\b(?:can|could|do|to|should|would|might|ways?)\b.{0,40}"
    r"\b(?:sav(?:e|ings?)|spend less|pay less|economi[sz]e)\b",
    r"\b(?:reduc|cut|lower|optimi[sz]|shrink|trim|slash|bring down|minimi[sz]|decreas)\w*\b(?: down| on)?.{0,20}"
    r"\b(?:bills?|costs?|spend(?:ing)?|expenses?|invoice|usage costs?)\b",
    r"\bsave (?:us |me )?(?:some |more |any )?money\b|\bwhere is (?:the|our) money wasted\b",
    r"\b(?:biggest|largest) (?:single )?savings?\b",
)
_ONE_THING = r"\bif\b|\bby (?!how\b)\w+ing\b|\b(?:with|using) (?:a|an|the)\b"
"""What asks for one measure, and not for the plan."""


_TARGET = r"\b(?:sav\w*|cut\w*|reduc\w*|lower\w*|trim\w*)\b.*(?:[$]\d|\b\d+(?:\.\d+)? ?(?:%|percent|dollars)|\bhalf\b)"
"""``save 30%``: the plan tells what can be saved, and not how to save just so much."""


def recognise(reading: Reading) -> Intent | Refusal | None:
    """How the bill can be made smaller, with nothing named that would do it."""
    several, text = together(reading.text), reading.text
    apart = names_a_model(reading) or re.search(_ONE_THING, text)
    asked = any(re.search(pattern, text) for pattern in _ASKED)
    if not several and (apart or not asked):
        return None
    if re.search(_TARGET, text):
        return refusals.not_supported("a saving of a given size", reading.catalogue)
    gone = left_out(text)
    measures = several or (but(gone) if gone else [])
    found = asked_of(reading, KIND.name, (*_ASKED, *patterns(text)), {"measures": measures} if measures else {})
    split = isinstance(found, Intent) and (found.grain or found.by)
    return refusals.not_supported(f"a savings plan by {split}", reading.catalogue) if split else found


KIND = IntentKind(
    "savings_plan",
    "What would make the bill smaller, ranked, with nothing counted twice",
    queries,
    word,
    recognise,
    PlanOptions,
)
