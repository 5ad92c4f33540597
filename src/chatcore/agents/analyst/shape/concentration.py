"""How much of the spend is in how few: the top calls, the top names, and how many make up most of it."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.catalogue import Column
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.account import Account, Subject, kind_of
from chatcore.agents.analyst.intents.base import Draft, code, options_of
from chatcore.agents.analyst.intents.claims import Claim, dimensions_of
from chatcore.agents.analyst.intents.scope import implausible_query, nothing_there, totals_query
from chatcore.agents.analyst.lexicon import NUMBERS
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier, literal
from chatcore.agents.analyst.request import Intent, Measure, Refusal

MOST_PERCENT = 80.0
"""Pareto's share: how few make up this much of the whole."""

MAX_NAMES = 50
_TOPS = (1, 5, 10, 100)
_PERCENTS = (1, 5, 10)
_ROW = r"(?:calls?|requests?|rows?|messages?|queries|prompts?)"
_NAMES = r"(?:models?|users?|people|persons?|features?|modes?|formats?)"
_SPEND = r"(?:spend|spending|costs?|bill|money|expenses?|total|usage)"
_ALL = rf"(?:the |our )?(?:total )?{_SPEND}"
_SHARE = r"(?:share|percentage|percent|proportion|fraction|part|much|%)"
_PERCENT = r"(?:%|percent|per cent)"
_OF = r"(?: of)?(?: the| our)? ?"
_MAKE = (
    r"(?:(?:make|makes|made|add|adds) up|(?:account|accounts|accounted|responsible) for|cover|covers|covered"
    r"|(?:cause|caused|do|drive|take|represent) (?:half|most|(?:over |at least )?\d))"
)
_MUCH = rf"(?: (?:over |at least )?(?:\d+ ?{_PERCENT}|half|most|the bulk))?"
_FEW = r"(?:from|by|in|on) (?:how (?:many|few)|few|a few|one|a single)"
_TOP = r"(?:top|first|biggest|largest|dearest|most expensive|costliest|highest)"

CLAIM = Claim(
    name="concentration",
    what="concentration",
    words=(
        r"(?:a )?(?:few|handful of|small number of)(?: \w+)? (?:make up|account for|cause|drive|eat up)"
        r"(?: (?:most|the bulk|nearly all)(?: of)?)?",
        r"concentrat(?:ed|ion|ions)|pareto|80[ /-]20|long tail|gini|lopsided|top[- ]heavy",
        rf"{_SHARE} of {_ALL}(?: \w+){{0,6}} {_TOP}(?: \w+)? ?{_PERCENT}?{_OF}(?:{_ROW}|{_NAMES})",
        rf"{_TOP} (?:\d+|one|five|ten) ?{_PERCENT}{_OF}(?:{_ROW})?",
        rf"how (?:many|few) (?:of the |of our )?(?:{_ROW}|{_NAMES})(?: \w+){{0,4}} {_MAKE}(?: to)?{_MUCH}",
        rf"(?:\d+ ?{_PERCENT}|half|most|the bulk) of {_ALL}(?: \w+){{0,4}} {_FEW}(?: {_ROW}| {_NAMES})?",
        rf"(?:share|contribution) of (?:the )?{_TOP} (?:\d+ )?(?:\w+ )?(?:{_ROW}|{_NAMES})",
        r"(?:dependent|reliant|depend|rely|relying)(?: \w+){0,2} on (?:a )?(?:single|one|few|a few)(?: \w+)?",
    ),
    needs=(Meaning.COST,),
    splits=True,
)


class Concentration(msgspec.Struct, frozen=True):
    """The options.

    ``percent``: the part of the spend that is asked how few make it up; ``top_percent``: what the dearest calls have of
    the spend, so many in a hundred of them.
    """

    percent: Annotated[float, msgspec.Meta(gt=0, le=100)] = MOST_PERCENT
    top_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Concentration of spend; over the names of a column where one is named, else over single calls."""
    asking = CLAIM.of(reading)
    if not isinstance(asking, Asking):
        return asking
    part = re.search(r"(\d{1,2}(?:\.\d+)?) ?(?:%|percent) of (?:the |our )?(?:total )?" + _SPEND, reading.text)
    percent = float(part[1]) if part else 50.0 if reading.says(rf"\bhalf (?:of )?(?:the |our )?{_SPEND}") else None
    top = re.search(rf"{_TOP} (\d{{1,2}}|one|five|ten) ?{_PERCENT}", reading.text)
    options: dict[str, float] = {"percent": percent} if percent else {}
    options |= {"top_percent": int(NUMBERS.get(top[1], top[1]))} if top else {}
    intent = CLAIM.intent(asking, measure=Measure.COST, options=options)
    return msgspec.structs.replace(intent, by=intent.by or _named(asking), descending=True)


def _named(asking: Asking) -> str | None:
    """The column that the words are about, where they are within those that were recognised."""
    words = {"model": Meaning.MODEL, "user": Meaning.USER, "people": Meaning.USER, "person": Meaning.USER}
    words |= {"feature": Meaning.FEATURE, "mode": Meaning.FEATURE, "format": Meaning.FEATURE}
    found = (meaning for word, meaning in words.items() if asking.reading.says(rf"\b{word}s?\b"))
    return next((column.name for meaning in found if (column := asking.table.column(meaning))), None)


def queries(subject: Subject) -> list[Query]:
    """The top calls, how few calls make up most, and the same of models, users and features."""
    found = [totals_query(subject.intent, subject.catalogue), *implausible_query(subject.intent, subject.catalogue)]
    found += [_tops(subject), _few(subject)]
    columns = dimensions_of(subject.table)
    if columns:
        found.append(_dimensions(subject, columns))
    if subject.intent.by is not None:
        found.append(_names(subject))
    return found


def _ranked(subject: Subject, by: str | None) -> str:
    """SQL for the rows, or for the values of a column, dearest first, with what they add up to so far."""
    cost = subject.table.column(Meaning.COST)
    amount, source = identifier(cost.name) if cost else "0", identifier(subject.table.name)
    where = subject.plausible_rows.where
    name = f"CAST({identifier(by)} AS VARCHAR)" if by else "NULL"
    exact = f"CAST({amount} AS DECIMAL(38,12))"
    if by:
        each = f"SELECT {name} AS name, coalesce(sum({exact}), 0) AS amount FROM {source} {where} GROUP BY name"
    else:
        each = f"SELECT {name} AS name, coalesce({exact}, 0) AS amount FROM {source} {where}"
    order = "ORDER BY amount DESC, name NULLS LAST ROWS UNBOUNDED PRECEDING"
    return (
        f"SELECT name, CAST(amount AS DOUBLE) AS spend, row_number() OVER ({order}) AS place, "
        f"count(*) OVER () AS size, CAST(sum(amount) OVER ({order}) AS DOUBLE) AS so_far, "
        f"CAST(sum(amount) OVER () AS DOUBLE) AS whole FROM ({each})"
    )


def _tops(subject: Subject) -> Query:
    """What the dearest calls have of the spend: so many of them, and so many in a hundred."""
    counts = " UNION ALL ".join(
        [f"SELECT 'top {n}' AS part, {n} AS taken, {i} AS line" for i, n in enumerate(_tops_of(subject))]
        + [
            f"SELECT 'top {n} %' AS part, CAST(greatest(1, ceil({n} * max(size) / 100.0)) AS BIGINT) AS taken, "
            f"{100 + n} AS line FROM ranked"
            for n in _percents_of(subject)
        ]
    )
    sql = (
        f"WITH ranked AS ({_ranked(subject, None)}) SELECT part, place AS calls, so_far AS spend, "
        f"100.0 * so_far / nullif(whole, 0) AS spend_percent FROM ({counts}) JOIN ranked ON place = taken ORDER BY line"
    )
    return Query("tops", sql, subject.plausible_rows.parameters)


def _tops_of(subject: Subject) -> list[int]:
    asked = [subject.intent.limit] if subject.intent.limit and not subject.intent.by else []
    return sorted({*_TOPS, *asked})


def _percents_of(subject: Subject) -> list[int]:
    asked = options_of(subject.intent, Concentration).top_percent
    return sorted({*_PERCENTS, *([asked] if asked else [])})


def _few(subject: Subject) -> Query:
    """How few calls make up the part of the spend that is asked for."""
    percent = options_of(subject.intent, Concentration).percent
    sql = (
        f"SELECT min(place) FILTER (WHERE so_far >= whole * $percent / 100) AS calls_needed, max(size) AS calls, "
        "100.0 * min(place) FILTER (WHERE so_far >= whole * $percent / 100) / max(size) AS calls_percent, "
        f"CAST($percent AS DOUBLE) AS of_spend_percent, max(whole) AS spend FROM ({_ranked(subject, None)})"
    )
    return Query("few", sql, {**subject.plausible_rows.parameters, "percent": percent})


def _dimensions(subject: Subject, columns: list[Column]) -> Query:
    """For each column: how many values, the dearest, what the dearest have, how few make up most."""
    percent = options_of(subject.intent, Concentration).percent
    shares = ", ".join(
        f"100.0 * max(so_far) FILTER (WHERE place <= {n}) / nullif(max(whole), 0) AS top_{n}_percent" for n in (1, 3, 5)
    )
    each = " UNION ALL ".join(
        f"SELECT {literal(column.name)} AS by, {place} AS line, count(name) AS different, "
        f"min(name) FILTER (WHERE place = 1) AS name, {shares}, "
        f"min(place) FILTER (WHERE so_far >= whole * $percent / 100) AS needed FROM ({_ranked(subject, column.name)})"
        for place, column in enumerate(columns)
    )
    parameters = {**subject.plausible_rows.parameters, "percent": percent}
    return Query("dimensions", f"SELECT * EXCLUDE (line) FROM ({each}) ORDER BY line", parameters)


def _names(subject: Subject) -> Query:
    """The values of the column that is asked about, dearest first, with what they add up to."""
    percent = options_of(subject.intent, Concentration).percent
    sql = (
        "SELECT name, spend, 100.0 * spend / nullif(whole, 0) AS spend_percent, so_far AS spend_so_far, "
        "100.0 * so_far / nullif(whole, 0) AS so_far_percent, place, count(name) OVER () AS different, "
        "min(place) FILTER (WHERE so_far >= whole * $percent / 100) OVER () AS needed, "
        f"CAST($percent AS DOUBLE) AS of_spend_percent FROM ({_ranked(subject, subject.intent.by)}) "
        f"ORDER BY place LIMIT {MAX_NAMES}"
    )
    return Query("names", sql, {**subject.plausible_rows.parameters, "percent": percent})


def draft(account: Account) -> Draft | Refusal:
    """How few make up most of it in a sentence, then the top calls or names in a table."""
    if not account.cell("few", "spend"):
        return nothing_there(account.intent, account.catalogue)
    parts = [f"{_of_names(account) if account.intent.by else _of_calls(account)}\n\n"]
    noun = f"{account.noun}s"
    if account.intent.by:
        titles = {"name": account.intent.by, "spend": "spend", "spend_percent": "share", "so_far_percent": "so far"}
        parts.append(account.markdown("names", titles, account.intent.limit or 10))
    else:
        tops = {"part": f"dearest {noun}", "calls": noun, "spend": "spend", "spend_percent": "of the spend"}
        parts.append(account.markdown("tops", tops))
    return Draft((*parts, *account.odd_part), (*_dimension_lines(account), *account.notes))


def _of_calls(account: Account) -> str:
    few, percent = account.sheet("few").row(0), options_of(account.intent, Concentration).top_percent
    asked = f"top {percent} %" if percent else f"top {account.intent.limit}"
    tops = [row for row in account.sheet("tops") if str(row["part"]) == asked]
    top = ""
    if tops:
        share = f"**{tops[0]['spend_percent'].percent}** of the spend"
        top = f"The {asked}, the dearest {account.calls(tops[0]['calls'])}{account.scope}, have {share}. "
    return (
        f"{top}**{account.calls(few['calls_needed'])}** of {account.calls(few['calls'])}{account.scope} make up "
        f"{few['of_spend_percent'].percent} of the {account.money(few['spend'])} spent: "
        f"{few['calls_percent'].percent} of all{account.left_out} (`{account.table.name}`)."
    )


def _of_names(account: Account) -> str:
    first = account.sheet("names").row(0)
    limit = account.intent.limit
    top = ""
    if limit and limit > 1 and len(account.sheet("names")) >= limit:
        row = account.sheet("names").row(limit - 1)
        top = f"; the first {row['place'].count} have **{row['so_far_percent'].percent}**"
    return (
        f"By `{account.intent.by}`, {code(first['name'])} has **{first['spend_percent'].percent}** of the spend"
        f"{account.scope}{top}; {first['needed'].count} of {first['different'].count} make up "
        f"{first['of_spend_percent'].percent} of it{account.left_out} (`{account.table.name}`)."
    )


def _dimension_lines(account: Account) -> list[str]:
    if "dimensions" not in account.sheets:
        return []
    return [
        f"By `{row['by']}`, the first of {row['different'].count} is {code(row['name'])} with "
        f"{row['top_1_percent'].percent}, the first 3 have {row['top_3_percent'].percent} and the first 5 "
        f"{row['top_5_percent'].percent} of the spend."
        for row in account.sheet("dimensions")
        if str(row["by"]) != account.intent.by
    ]


KIND = kind_of(
    CLAIM,
    "How much of the spend is in how few: top calls, top models and users, how many make up 80 %",
    queries,
    draft,
    recognise=recognise,
    options=Concentration,
)
