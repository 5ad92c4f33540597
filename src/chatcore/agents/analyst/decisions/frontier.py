"""Which models are worth their money: none beside them is both better and no dearer."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.decisions.benchmark import Benchmark, find_benchmark
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
)
from chatcore.agents.analyst.intents.scope import filter_words, nothing_there, period_words
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.refusals import groupings, suggestions
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.scoping import AMOUNT, amount_in, apart_from, scope_of
from chatcore.agents.analyst.sql import restriction, select

NAMED = 20
"""Models without a recorded cost that are named one by one."""


class FrontierOptions(msgspec.Struct, frozen=True):
    """What only the frontier takes.

    Args:
        least_score: only models that scored at least this, in percent.
        most_cost: only models whose run cost at most this.
    """

    least_score: float | None = None
    most_cost: float | None = None


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The frontier, the models that have no cost, and how many there are of each."""
    benchmark = find_benchmark(catalogue, intent.table)
    if benchmark is None:
        return []
    return [_frontier_query(intent, benchmark), _unrecorded_query(intent, benchmark), _counts_query(intent, benchmark)]


def _runs(intent: Intent, benchmark: Benchmark) -> tuple[str, dict[str, object]]:
    """SQL for the runs that are asked for, and what it binds."""
    where = restriction(intent, benchmark.table)
    columns = {
        "model": f"CAST({identifier(benchmark.model.name)} AS VARCHAR)",
        "score_percent": f"CAST({identifier(benchmark.score.name)} AS DOUBLE)",
        "cost": f"CAST({identifier(benchmark.cost.name)} AS DOUBLE)",
        "recorded": f"coalesce({benchmark.recorded}, false)",
    }
    if benchmark.cost_per_solved is not None:
        columns["cost_per_solved"] = f"CASE WHEN {benchmark.recorded} THEN {benchmark.cost_per_solved} END"
    sql = f"SELECT {select(columns)} FROM {identifier(benchmark.table.name)} {where.where}"
    return sql, dict(where.parameters)


def _frontier_query(intent: Intent, benchmark: Benchmark) -> Query:
    runs, parameters = _runs(intent, benchmark)
    per_solved = ", one.cost_per_solved, 100 * one.cost_per_solved AS cost_per_100_solved" if benchmark.cases else ""
    sql = (
        f"WITH runs AS ({runs}) SELECT one.model, one.score_percent, one.cost{per_solved}, "
        "count(*) OVER () AS frontier_runs FROM runs AS one WHERE one.recorded AND "
        "($least_score IS NULL OR one.score_percent >= $least_score) "
        "AND ($most_cost IS NULL OR one.cost <= $most_cost) "
        "AND NOT EXISTS (SELECT 1 FROM runs AS other WHERE other.recorded AND other.cost <= one.cost "
        "AND other.score_percent >= one.score_percent "
        "AND (other.cost < one.cost OR other.score_percent > one.score_percent)) ORDER BY one.cost, one.model"
    )
    return Query("frontier", sql, {**parameters, **_limits(intent)})


def _limits(intent: Intent) -> dict[str, float | None]:
    asked = options_of(intent, FrontierOptions)
    return {"least_score": asked.least_score, "most_cost": asked.most_cost}


def _unrecorded_query(intent: Intent, benchmark: Benchmark) -> Query:
    runs, parameters = _runs(intent, benchmark)
    sql = f"SELECT model, score_percent FROM ({runs}) WHERE NOT recorded ORDER BY score_percent DESC NULLS LAST, model"
    return Query("without_cost", sql, parameters)


def _counts_query(intent: Intent, benchmark: Benchmark) -> Query:
    runs, parameters = _runs(intent, benchmark)
    columns = {
        "runs": "count(*)",
        "with_cost": "count(*) FILTER (WHERE recorded)",
        "without_cost": "count(*) FILTER (WHERE NOT recorded)",
        "least_score_percent": "CAST($least_score AS DOUBLE)",
        "most_cost": "CAST($most_cost AS DOUBLE)",
    }
    if benchmark.cost_per_solved:
        columns["cheapest_solved"] = "min(cost_per_solved)"
        columns["cheapest_solver"] = "arg_min(model, (cost_per_solved, model))"
    return Query("counts", f"SELECT {select(columns)} FROM ({runs})", {**parameters, **_limits(intent)})


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The frontier as a table, its ends in a sentence, what is left out named."""
    benchmark = find_benchmark(catalogue, intent.table)
    if benchmark is None:
        return _no_benchmark(catalogue)
    counts, frontier = sheets["counts"], sheets["frontier"]
    if not counts.cell("with_cost"):
        return nothing_there(intent, catalogue)
    if not len(frontier):
        return _none_within(benchmark, sheets)
    return Draft(
        (_headline(intent, benchmark, sheets), _table(benchmark, sheets)),
        tuple(_insights(benchmark, sheets)),
    )


def _headline(intent: Intent, benchmark: Benchmark, sheets: Sheets) -> str:
    """The model that was asked for, or both ends of the frontier."""
    frontier, counts, currency = sheets["frontier"], sheets["counts"], benchmark.table.currency
    asked, scope = options_of(intent, FrontierOptions), period_words(intent) + filter_words(intent.filters)
    cheapest, best = (_run(frontier.row(number), currency) for number in (0, len(frontier) - 1))
    of = f"of {plural(counts.cell('with_cost'), 'run')}{scope} with a recorded cost"
    if asked.least_score is not None:
        limits = counts.cell("least_score_percent").percent
        return f"The cheapest that scores at least {limits}{_within(sheets, currency)} is {cheapest}, {of}.\n\n"
    if asked.most_cost is not None:
        return f"The best{_within(sheets, currency)} is {best}, {of}.\n\n"
    if len(frontier) == 1:
        return f"Nothing beats {cheapest}, {of}.\n\n"
    number = frontier.cell("frontier_runs").count
    words = f"**{number}** are on the frontier: nothing else scores as much for less"
    return f"O{of[1:]}, {words}. They go from {cheapest} to {best}.\n\n"


def _run(row: Mapping[str, Cell], currency: str) -> str:
    return f"{code(row['model'])} ({row['score_percent'].percent} for {row['cost'].money(currency)})"


def _within(sheets: Sheets, currency: str) -> str:
    """What the run may cost, as it follows a noun; empty where that was not asked."""
    cost = sheets["counts"].cell("most_cost")
    return "" if cost.missing else f" whose run cost at most {cost.money(currency)}"


def _table(benchmark: Benchmark, sheets: Sheets) -> str:
    frontier, currency = sheets["frontier"], benchmark.table.currency
    header = ["model", f"`{benchmark.score.name}`", f"`{benchmark.cost.name}`"]
    header += ["per hundred solved"] if benchmark.cases else []
    lines = []
    for row in frontier:
        line = [code(row["model"]), row["score_percent"].percent, row["cost"].money(currency)]
        lines.append(line + ([row["cost_per_100_solved"].money(currency)] if benchmark.cases else []))
    return markdown_table(header, lines)


def _insights(benchmark: Benchmark, sheets: Sheets) -> list[str]:
    counts, without = sheets["counts"], sheets["without_cost"]
    facts = []
    if counts.has("cheapest_solved") and not counts.cell("cheapest_solved").missing:
        cost = counts.cell("cheapest_solved").money(benchmark.table.currency)
        facts.append(f"Of all, a solved case is cheapest with {code(counts.cell('cheapest_solver'))}: {cost}.")
    if len(without):
        names = [code(row["model"]) for row in without][:NAMED]
        more = " and others" if len(without) > NAMED else ""
        runs = plural(counts.cell("without_cost"), "run has", "runs have")
        facts.append(f"{runs} no recorded cost (0 or empty: not recorded, not free): {listed(names)}{more}.")
    facts.append(f"How well a model did is taken from `{benchmark.score.name}`, its cost from `{benchmark.cost.name}`.")
    return facts


def _none_within(benchmark: Benchmark, sheets: Sheets) -> Refusal:
    """No model does what was asked."""
    least = sheets["counts"].cell("least_score_percent")
    score = "" if least.missing else f" that scores at least {least.percent}"
    return Refusal(
        reason="no_rows",
        text=f"There is no run{score}{_within(sheets, benchmark.table.currency)}, among those with a recorded cost.",
        missing=("a model within these limits",),
        covered=benchmark.table.covered,
        alternatives=(WORKING,),
    )


def _no_benchmark(catalogue: Catalogue) -> Refusal:
    return Refusal(
        reason="no_such_column",
        text="No table here says how well a model did and what that cost, so that no quality can be set against cost.",
        missing=("quality",),
        alternatives=tuple(groupings(catalogue.tables[0])[:2]) or suggestions(catalogue),
    )


WORKING = "Which models are on the quality-cost frontier?"

_SOLVED = r"(?:solved|passed|correct) (?:cases?|exercises?|tasks?|problems?|answers?)"
_AND = r"[- /]*(?:vs\.?|versus|against|to|and|per)?[- /]*"
_ASKED = (
    rf"\b(?:quality{_AND}(?:cost|price)|(?:cost|price){_AND}(?:quality|performance))\b",
    r"\bpareto(?:[- ]optimal)?\b(?! (?:of|in|for) (?:the |our |my )?(?:calls|spend\w*|costs?|users|requests))",
    r"\befficien(?:t|cy) (?:frontier|front|curve)\b|\bfrontiers?\b|\btrade[- ]?offs?\b",
    r"\b(?:best|most) (?:value|bang|quality|score|performance|results?)(?: models?)? (?:for|per) "
    r"(?:(?:the|our|my|a|its) )?(?:money|buck|dollar|price|cost)\b",
    r"\bbest (?:model|llm|one)s? for (?:the|our|my|its) (?:money|price|cost|bucks?)\b",
    r"\bkeep(?:s|ing)? (?:the |our |its )?quality\b",
    r"\bbest[- ]value\b|\bvalue for money\b|\bworth (?:the|their|its) (?:money|price|cost)\b",
    rf"\b(?:cost|price|pay|cheap)\w*\b.{{0,20}}\b(?:per|for|a|an|one|each|of) {_SOLVED}\b",
    rf"\b(?:per|an?|each|one) {_SOLVED}\b.{{0,20}}\bcosts?\b",
)
_MORE = rf"\b(?:at least|over|above|more than|better than)\s+{AMOUNT}"
_BETTER = rf"\b(?:solv|scor|pass)\w*\b.{{0,30}}?{_MORE}\s?(?:%|percent\b)"
_RATED = rf"\b(?:pass rate|pass(?:es|ing)?|scor(?:e[ds]?|ing)|quality|accuracy)\b.{{0,20}}?{_MORE}"
_MUCH = rf"\b(?:at least|over|above|more than|better than|minimum|min)\s+(?:an? |the )?{AMOUNT}\s?(?:%|percent\b)"
_PASSED = rf"{_MUCH} (?:on )?(?:pass(?:es|ed)?(?: rate)?|scores?|quality|accuracy|solved|success)\b"
"""``at least 60% pass rate``."""
_LESS = r"(?:under|below|within|for at most|for less than|at most)"
_WITHIN = rf"\b(?:best|highest|strongest|smartest)\b.{{0,40}}?\b{_LESS}\s+{AMOUNT}"
_UNDER = r"(?:less than|under|below|at most|up to|within|<)"
_COSTING = (
    rf"\b(?:cost(?:s|ing)?|(?:total|run) costs?|priced?|for|and)(?: \w+)? {_UNDER}\s*{AMOUNT}"
    rf"|(?<![\w.]){_UNDER}\s*(?P<sum>\$\s?\d[\d,]*(?:\.\d+)?)"
)
"""``costs less than $10``, ``under $5``."""
_WORDS = frozenset({"quality", "cost", "score", "models", "model", "pass", "rate"})


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Quality set against cost; the cheapest that scores enough, the best for so much."""
    text = reading.text
    score = re.search(_BETTER, text) or re.search(_RATED, text)
    score = score or re.search(_PASSED, text)
    cost = re.search(_WITHIN, text) if re.search(r"\b(?:model|llm)s?\b", text) else None
    asked = score or any(re.search(pattern, text) for pattern in _ASKED)
    if not asked and not cost:
        return None
    score = score or re.search(_MUCH, text)
    cost = cost or re.search(_COSTING, text)
    found = (re.search(pattern, text) for pattern in (_PASSED, _MUCH, _COSTING))
    bounds = [re.escape(match[0]) for match in found if match]
    named = [each for mention in reading.tables if (each := find_benchmark(reading.catalogue, mention.table.name))]
    benchmark = named[0] if named else find_benchmark(reading.catalogue)
    if benchmark is None:
        return _no_benchmark(reading.catalogue)
    scope = scope_of(apart_from(reading, (*_ASKED, _BETTER, _RATED, _WITHIN, *bounds)), benchmark.table, _WORDS)
    if isinstance(scope, Refusal):
        return scope
    if scope.filters and re.search(r"\bworth\b", text):
        return None  # a few models are on a frontier of their own, which says nothing of the others
    options = FrontierOptions(least_score=amount_in(score), most_cost=_most(cost))
    return Intent(
        kind=KIND.name,
        table=benchmark.table.name,
        periods=scope.periods,
        filters=scope.filters,
        options=msgspec.to_builtins(options),
    )


def _most(cost: re.Match[str] | None) -> float | None:
    """The most that a run may cost, whichever way it was said."""
    said_otherwise = cost is not None and "sum" in cost.re.groupindex and cost["sum"]
    return amount_in(cost, "sum" if said_otherwise else "amount")


KIND = IntentKind(
    "frontier",
    "Which models nothing beats: quality against cost, and the cost of a solved case",
    queries,
    word,
    recognise,
    FrontierOptions,
)
