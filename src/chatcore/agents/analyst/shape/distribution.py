"""How the cost and the tokens of single calls are spread: percentiles, and calls by size."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated

import msgspec

from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.account import Account, Subject, by_column, kind_of
from chatcore.agents.analyst.intents.base import Draft, options_of
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.scope import implausible_query, nothing_there, totals_query
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier, literal
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.sql import Condition, select, tokens_of

PERCENTILES = (5, 10, 25, 50, 75, 90, 95, 99, 100)
_NAMED = (r"\bp(\d\d)\b", r"\b(\d\d)(?:th|st|nd|rd) percentile")
_LOWEST, _HIGHEST = -6, 9
"""Powers of ten between which calls are counted by size; what is beyond falls into the outermost."""

_SIDES = {Measure.INPUT_TOKENS: Meaning.INPUT_TOKENS, Measure.OUTPUT_TOKENS: Meaning.OUTPUT_TOKENS}
_TOKENS_OF = {
    Measure.INPUT_TOKENS: r"\b(?:input|prompt|context|incoming)[ _]tokens?\b|\btokens? (?:in|sent)\b(?! \w)",
    Measure.OUTPUT_TOKENS: r"\b(?:output|completion|response|generated)[ _]tokens?\b|\btokens? (?:out|generated)\b",
}
_ROW = r"(?:calls?|requests?|messages?|prompts?|queries|rows?)"
_SIZE = r"(?:costs?|spend|spending|tokens?|prices?|sizes?|lengths?)"
_SIZE_OF_ROW = rf"{_SIZE}(?: \w+)? (?:per|of|a|by) (?:the |our |a )?(?:single )?{_ROW}"
_WHAT = rf"(?:{_SIZE_OF_ROW}|{_ROW} by {_SIZE}|{_ROW}(?: {_SIZE})?)"
_SHAPE = r"(?:distributions?|histograms?|spread|buckets?)"
_QUANTILES = r"(?:percentiles?|quantiles?|deciles?|quartiles?)"

CLAIM = Claim(
    name="distribution",
    what="a distribution",
    words=(
        rf"{_SHAPE} (?:of|in|for|by) (?:the |our |all )?(?:single )?{_WHAT}",
        rf"(?:{_SIZE}|{_ROW})(?: {_SIZE})?(?: per {_ROW})? (?:{_SHAPE}|{_QUANTILES})",
        rf"{_SHAPE} of (?:the |our )?{_SIZE}(?! (?:by|over|across|among|between))",
        rf"{_QUANTILES}(?: (?:of|for) (?:the |our )?(?:{_SIZE_OF_ROW}|{_ROW} {_SIZE}|{_SIZE}))?",
        r"(?:p\d\d|\d\d(?:th|st|nd|rd) percentile)(?:(?:,| and|, and)? p\d\d)*",
        rf"how (?:are|is) (?:the |our )?(?:{_ROW} {_SIZE}|{_SIZE_OF_ROW}) (?:distributed|spread)",
        rf"how (?:are|is) (?:the |our )?{_SIZE} (?:distributed|spread)(?: out)?(?! (?:by|over|across|among|between))",
        rf"{_ROW} (?:grouped by|in) (?:size|cost)(?: (?:buckets?|classes|bands?|ranges?))?",
        rf"{_ROW} by (?:size|cost) (?:buckets?|classes|bands?|ranges?)|(?<!\d ){_ROW} by size",
    ),
    splits=True,
)
"""A percentile of another column is left to :mod:`~chatcore.agents.analyst.intents.statistics`."""


class Distribution(msgspec.Struct, frozen=True):
    """The options: percentiles to show beside the usual ones, from 1 to 99."""

    percentiles: list[Annotated[int, msgspec.Meta(ge=1, le=99)]] = []


def recognise(reading: Reading) -> Intent | Refusal | None:
    """The spread of cost or of tokens; of tokens where those are asked for or nothing costs anything."""
    asking = CLAIM.of(reading)
    if not isinstance(asking, Asking):
        return asking
    tokens = reading.says(r"\btokens?\b|\bsizes?\b|\blengths?\b") and not reading.says(r"\b(?:costs?|spend|price)")
    by_tokens = asking.has_tokens and (tokens or not asking.table.has(Meaning.COST))
    if asking.named_number is not None or not (by_tokens or asking.table.has(Meaning.COST)):
        return None
    named = [int(number) for pattern in _NAMED for number in re.findall(pattern, reading.text) if int(number)]
    measure = _side_of(asking) if by_tokens else Measure.COST
    if measure in _SIDES and not asking.table.has(_SIDES[measure]):
        return refusals.no_such_column(str(_SIDES[measure]), asking.table, reading.catalogue)
    return CLAIM.intent(asking, measure=measure, options={"percentiles": named} if named else {})


def _side_of(asking: Asking) -> Measure:
    """Tokens in, tokens out or both: by the words for them, or by what it is whose length is asked for."""
    for measure, words in _TOKENS_OF.items():
        of_length = asking.length is not None and asking.length.meaning is _SIDES[measure]
        if of_length or asking.reading.says(words):
            return measure
    return Measure.TOKENS


def _amount(subject: Subject) -> str | None:
    """SQL for what is spread: the cost of a row or its tokens; None where the table has neither."""
    cost, measure = subject.table.column(Meaning.COST), subject.intent.measure
    if measure in _SIDES:
        side = subject.table.column(_SIDES[measure])
        return identifier(side.name) if side else None
    return identifier(cost.name) if cost and measure is Measure.COST else tokens_of(subject.table)


def queries(subject: Subject) -> list[Query]:
    """The percentiles and the sizes, over plausible rows, and by a column."""
    amount = _amount(subject)
    if amount is None:
        return [totals_query(subject.intent, subject.catalogue)]
    found = [
        totals_query(subject.intent, subject.catalogue),
        _percentiles_query(subject),
        _sizes_query(subject, amount),
        *implausible_query(subject.intent, subject.catalogue),
    ]
    if subject.intent.by is not None:
        figures = {f"{_column(subject)}_p{n}": _percentile(amount, n) for n in (50, 90, 95, 99)}
        columns = {"calls": f"count({amount})", **figures}
        found.append(by_column(subject, columns, _kept(subject), f"{_column(subject)}_p95 DESC NULLS LAST"))
    return found


def _column(subject: Subject) -> str:
    if subject.intent.measure is Measure.COST:
        return "cost"
    return str(subject.intent.measure) if subject.intent.measure in _SIDES else "tokens"


def _words(subject: Subject) -> str:
    return {"input_tokens": "tokens in", "output_tokens": "tokens out"}.get(_column(subject), _column(subject))


def _percentile(amount: str, number: int) -> str:
    """SQL for the lowest value that so many percent of the rows are at or below."""
    return f"CAST(quantile_disc({amount}, {number / 100}) AS DOUBLE)"


def _kept(subject: Subject) -> Condition:
    """Which rows are looked at: an implausible cost says nothing against the tokens beside it."""
    return subject.plausible_rows if subject.intent.measure is Measure.COST else subject.rows


def _percentiles_query(subject: Subject) -> Query:
    """A row for each percentile: of the cost, and of the tokens in, out and in total."""
    table, rows = subject.table, _kept(subject)
    cost, tokens = table.column(Meaning.COST), tokens_of(table)
    amounts = {"cost": identifier(cost.name)} if cost else {}
    amounts |= {"tokens": tokens} if tokens else {}
    for name, meaning in (("input_tokens", Meaning.INPUT_TOKENS), ("output_tokens", Meaning.OUTPUT_TOKENS)):
        column = table.column(meaning)
        amounts |= {name: identifier(column.name)} if column else {}
    numbers = sorted({*PERCENTILES, *options_of(subject.intent, Distribution).percentiles})
    each = " UNION ALL ".join(
        f"SELECT {literal(f'p{n}' if n < 100 else 'highest')} AS percentile, {n} AS place, "
        f"{select({name: _percentile(sql, n) for name, sql in amounts.items()})} FROM kept"
        for n in numbers
    )
    kept = f"SELECT * FROM {identifier(table.name)} {rows.where}"
    sql = f"WITH kept AS ({kept}) SELECT * EXCLUDE (place) FROM ({each}) ORDER BY place"
    return Query("percentiles", sql, rows.parameters)


def _sizes_query(subject: Subject, amount: str) -> Query:
    """How many rows are of each size, in powers of ten, and what they add up to; sizes between that are empty too."""
    edges = [10.0**power for power in range(_LOWEST, _HIGHEST + 1)]
    names = [f"{_edge(low)} to {_edge(high)}" for low, high in pairwise(edges)]
    rows = _kept(subject)
    place = "CASE WHEN x <= 0 THEN 0 ELSE 1 + len(list_filter($edges[2:-2], lambda edge: edge <= x)) END"
    sized = f"SELECT x, {place} AS place FROM (SELECT {amount} AS x FROM {identifier(subject.table.name)} {rows.where})"
    counted = (
        "SELECT place, count(*) AS calls, CAST(sum(CAST(x AS DECIMAL(38,12))) AS DOUBLE) AS amount "
        f"FROM ({sized}) WHERE x IS NOT NULL GROUP BY place"
    )
    sql = (
        f"WITH counted AS ({counted}) SELECT size, coalesce(calls, 0) AS calls, "
        "100.0 * coalesce(calls, 0) / sum(calls) OVER () AS calls_percent, "
        f"coalesce(amount, 0.0) AS {_total(subject)}, "
        f"100.0 * coalesce(amount, 0.0) / nullif(sum(amount) OVER (), 0) AS {_total(subject)}_percent "
        "FROM (SELECT unnest($sizes) AS size, unnest(range(len($sizes))) AS place) LEFT JOIN counted USING (place) "
        "WHERE calls > 0 OR place BETWEEN (SELECT min(place) FROM counted WHERE place > 0) "
        "AND (SELECT max(place) FROM counted) ORDER BY place"
    )
    return Query("sizes", sql, {**rows.parameters, "edges": edges, "sizes": ["zero", *names]})


def _edge(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:.6f}".rstrip("0")


def _total(subject: Subject) -> str:
    return "spend" if subject.intent.measure is Measure.COST else "tokens"


def draft(account: Account) -> Draft | Refusal:
    """The median and the upper end in a sentence, percentiles and sizes in tables."""
    if "percentiles" not in account.sheets:
        return refusals.no_such_column("cost", account.table, account.catalogue)
    if account.cell("percentiles", _column(account)).missing:
        return nothing_there(account.intent, account.catalogue)
    noun, column = f"{account.noun}s", _column(account)
    titles = {"percentile": "percentile", "cost": "cost", "tokens": "tokens"}
    titles |= {"input_tokens": "tokens in", "output_tokens": "tokens out"}
    sizes = {"size": f"{_words(account)} of a {account.noun}", "calls": noun, "calls_percent": f"of {noun}"}
    sizes |= {"spend": "spend", "spend_percent": "of spend", "tokens": "tokens", "tokens_percent": "of tokens"}
    parts = [f"{_headline(account)}\n\n", _by(account), account.markdown("percentiles", titles)]
    parts.append(f"\n{account.markdown('sizes', sizes)}")
    insights = ["A percentile is the lowest value that so many percent of the rows are at or below.", *account.notes]
    return Draft((*filter(None, parts), *(account.odd_part if column == "cost" else ())), tuple(insights))


def _headline(account: Account) -> str:
    column = _column(account)
    rows = {str(row["percentile"]): account.shown(column, row[column]) for row in account.sheet("percentiles")}
    asked = [f"p{number}" for number in options_of(account.intent, Distribution).percentiles if number not in (50, 95)]
    named = ", ".join(f"`{name}` **{rows[name]}**" for name in asked if name in rows)
    whole = f"the median is **{rows['p50']}**, `p95` **{rows['p95']}**"
    left_out = account.left_out if column == "cost" else ""
    over, what = account.calls(account.cell("totals", "calls")), f"{_words(account)} of a {account.noun}"
    return (
        f"The {what}{account.scope}: {named}{'; ' if named else ''}{whole}, and the highest is "
        f"**{rows['highest']}**{left_out}, of {over} (`{account.table.name}`)."
    )


def _by(account: Account) -> str:
    if account.intent.by is None:
        return ""
    column = _column(account)
    titles = {f"{column}_p{n}": f"p{n}" for n in (50, 90, 95, 99)}
    return account.markdown("groups", {"name": account.intent.by, **titles, "calls": f"{account.noun}s"}, 10) + "\n"


KIND = kind_of(
    CLAIM,
    "How the cost or the tokens of single calls are spread: percentiles and sizes",
    queries,
    draft,
    recognise=recognise,
    options=Distribution,
)
