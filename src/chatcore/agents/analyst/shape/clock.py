"""When calls are made: hours of the day, days of the week, weekends. In UTC, as the rows are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.asking import PER_CALL, Asking
from chatcore.agents.analyst.catalogue import Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.account import Account, Subject, kind_of
from chatcore.agents.analyst.intents.base import MEASURED, Draft, listed, options_of
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.scope import implausible_query, ratios_of, totals_query
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.shape.hours import (
    BETWEEN_HOURS,
    DAY,
    DAYS,
    PART,
    PARTS,
    WORKING,
    WORKING_DAYS,
    Clock,
    Unit,
    narrowed,
    unit_of,
)
from chatcore.agents.analyst.sql import Condition, aggregates, all_of, parameters_of, select


def _tells_hours(table: Table) -> bool:
    """Whether the rows say at what time of the day they were; a date alone does not."""
    column = table.column(Meaning.TIME)
    return column is not None and column.type != "DATE"


CLAIM = Claim(
    name="clock",
    what="hours and weekdays",
    words=(
        r"(?:by|per|each|every|which|what|over|across|busiest|quietest|most expensive|costliest|cheapest|peak|top)"
        r" (?:the )?(?:single )?hours?(?: of (?:the )?day)?",
        r"hours? of (?:the )?day|time of (?:the )?day|times of (?:the )?day|hourly|what hours?|peak hours?",
        r"(?:at )?what time(?:s)?(?: of (?:the )?day)?(?= (?:do|did|are|is|was|were|we|of))",
        r"(?:by |per |each |every |which |what )?(?:week[ -]?days?|days? of (?:the )?week)",
        r"(?:at |on |over |during |the ){0,3}week-?ends?(?: and week-?days?)?",
        r"(?:on |during |the )?work(?:ing)? ?days",
        rf"(?:on |every |by |each |from )?{DAY}(?: ?(?:,|and|or|vs|versus|to|through|till|until|-) ?{DAY})*",
        rf"(?:in |at |during |by |outside |out |of )*(?:the )?{PART}",
        BETWEEN_HOURS,
    ),
    unless=(
        r"off[- ]peak|peak load|per (?:minute|second)|concurren\w+|throughput|load|batch\w*|discount\w*",
        r"weeks? (?:starting|beginning|start|begin)s?|price|prices|cheaper|latenc\w+|durations?|slow\w*|fast\w*",
        r"(?:mon|tues|wednes|thurs|fri|satur|sun)day (?:the )?\d+\w*|next \w+|last (?:mon|tues|wednes|thurs|fri)day",
    ),
    needs=(Meaning.TIME,),
    able=_tells_hours,
    lacks="time of day",
    steps=None,
)


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Which unit of the clock is meant, and whether calls, tokens or spend."""
    asking = CLAIM.of(reading)
    if not isinstance(asking, Asking):
        return asking
    unit, measure = unit_of(reading), _measure(asking)
    if unit is None:
        return refusals.not_supported("hours and days of the week together", reading.catalogue)
    options: dict[str, Any] = {"unit": unit, **narrowed(reading, unit)}
    if reading.says(PER_CALL):
        measure = _OF_A_CALL.get(measure, measure)
    elif reading.has(lexicon.AVERAGE) and unit in ("weekday", "weekend"):
        options["a_day"] = True
    elif reading.has(lexicon.AVERAGE) and measure not in _OF_A_CALL:
        return refusals.not_supported(f"an average of {MEASURED[measure].words} by the hour", reading.catalogue)
    elif reading.has(lexicon.AVERAGE):
        measure = _OF_A_CALL[measure]
    return CLAIM.intent(asking, measure=measure, options=options)


_OF_A_CALL = {Measure.COST: Measure.COST_PER_CALL, Measure.TOKENS: Measure.TOKENS_PER_CALL}


def _measure(asking: Asking) -> Measure:
    """Spend where the words are of money, else calls: ``busiest`` asks for calls."""
    text = asking.reading
    if text.says(r"\b(?:tokens?)\b") and asking.has_tokens and not text.says(r"\b(?:spend|cost)"):
        return Measure.TOKENS
    money = text.says(r"\b(?:how much|spen[dt]\w*|cost\w*|expensive|pa(?:y|id)|bill\w*|money|dollars|cheap\w*|\$)")
    return Measure.COST if money and asking.table.has(Meaning.COST) else Measure.CALLS


def queries(subject: Subject) -> list[Query]:
    """Every hour, weekday, half of the week or part of the day, those without rows too."""
    days = _on_days(subject)
    return [
        totals_query(subject.intent, subject.catalogue, also=days),
        *(_query(name, subject) for name in _SHEETS[options_of(subject.intent, Clock).unit]),
        *implausible_query(subject.intent, subject.catalogue, also=days),
    ]


def _on_days(subject: Subject) -> Condition | None:
    """Where a row is on one of the days of the week that are asked about; None where all of them are."""
    days = options_of(subject.intent, Clock).days
    places = [place for place, name in enumerate(DAYS, 1) if name in days]
    return Condition(f"list_contains($days, isodow({subject.time}))", {"days": places}) if places else None


_SHEETS: dict[Unit, tuple[str, ...]] = {
    "hour": ("hours",),
    "weekday": ("weekdays", "halves"),
    "weekend": ("halves", "weekdays"),
    "part": ("parts",),
    "span": ("spans",),
}
"""What is asked for each unit; the first is told first."""


_HOURS = tuple(f"{hour:02}:00" for hour in range(24))
_PLACES: dict[str, tuple[str, tuple[str, ...]]] = {
    "hours": ("hour({time})", _HOURS),
    "weekdays": ("isodow({time}) - 1", DAYS),
    "halves": ("CAST(isodow({time}) >= 6 AS INTEGER)", (WORKING_DAYS, "weekend")),
    "parts": ("hour({time}) // 6", tuple(f"{name} ({first:02}:00 to {last:02}:00)" for name, first, last in PARTS)),
}
"""SQL for the place of a row, from 0, and the names of the places."""


def _query(name: str, subject: Subject) -> Query:
    """The places of one kind, each with what is summed over its rows, its part of the whole, and how it ranks."""
    timed = Condition(f"{subject.time} IS NOT NULL")
    table, rows = subject.table, all_of((subject.rows, timed, _on_days(subject)))
    place, labels = _spans(options_of(subject.intent, Clock)) if name == "spans" else _PLACES[name]
    sums = aggregates(table)
    counted = (
        f"SELECT {place.format(time=subject.time)} AS place, {select(sums)}, "
        f"count(DISTINCT CAST({subject.time} AS DATE)) AS days FROM {identifier(table.name)} {rows.where} GROUP BY 1"
    )
    summed = [column for column in ("calls", "tokens", _spend(subject)) if column in sums]
    more = "".join(
        f", 100.0 * {column} / nullif(sum({column}) OVER (), 0) AS {column}_percent"
        f", 1.0 * {column} / nullif(days, 0) AS {column}_per_day"
        for column in summed
    )
    rank = f"row_number() OVER (ORDER BY {_column(subject)} DESC NULLS LAST, place) AS rank"
    listed = "SELECT unnest($labels) AS part, unnest(range(len($labels))) AS place"
    ratios = ratios_of(table, subject.intent.measure)
    joined = f"({listed}) LEFT JOIN ({counted}) USING (place)"
    figures = f"SELECT part, place, * EXCLUDE (part, place){more}{ratios} FROM {joined}"
    sql = f"SELECT * EXCLUDE (place), {rank} FROM ({figures}) ORDER BY place"
    return Query(name, sql, {**parameters_of(table), **rows.parameters, "labels": list(labels)})


def _spans(asked: Clock) -> tuple[str, tuple[str, ...]]:
    """The same for hours from one time of the day to another, past midnight too, and for all others."""
    hour = "hour({time})"
    inside = f"{hour} >= {asked.first} {'AND' if asked.first < asked.last else 'OR'} {hour} < {asked.last}"
    within = f"({inside}) AND isodow({{time}}) < 6" if asked.working else inside
    on_days = f", {WORKING_DAYS}" if asked.working else ""
    named = f"{asked.first:02}:00 to {asked.last:02}:00{on_days}"
    return f"CASE WHEN {within} THEN 0 ELSE 1 END", (named, "other hours")


def _spend(subject: Subject) -> str:
    """The column of spend that shares are of."""
    return "spend_without_implausible" if subject.table.implausible else "spend"


def _column(subject: Subject) -> str:
    measure = subject.intent.measure
    column = _spend(subject) if measure is Measure.COST else MEASURED[measure].column
    return f"{column}_per_day" if options_of(subject.intent, Clock).a_day else column


def draft(account: Account) -> Draft:
    """The part with the most in a sentence, all parts in a table."""
    sheet, *others = _SHEETS[options_of(account.intent, Clock).unit]
    parts = [f"{_headline(account, sheet)}\n\n", _table(account, sheet)]
    parts += [f"\n{_table(account, name)}" for name in others]
    insights = ["Times are UTC, as they are recorded: hours elsewhere are shifted.", *_weekend(account), *account.notes]
    if options_of(account.intent, Clock).working:
        insights.insert(0, f"Office hours are taken for 09:00 to 17:00, {WORKING_DAYS}: no row says when yours are.")
    return Draft((*parts, *account.odd_part), tuple(insights))


def _headline(account: Account, sheet: str) -> str:
    what = MEASURED[account.intent.measure].words.replace("call", account.noun)
    ranked = sorted((row for row in account.sheet(sheet) if row["calls"]), key=lambda row: row["rank"].value)
    if sheet == "spans":
        return _spans_headline(account, what)
    most, least = ranked[0], ranked[-1]
    money = MEASURED[account.intent.measure].is_money
    usual = _a_day(account) or account.intent.measure in _OF_A_CALL.values()
    verb = f"the average {what}{' of a day' if _a_day(account) else ''} is highest" if usual else f"most {what} fall"
    verb += "s" if money and not usual else ""
    text = f"By {_BY[sheet]} (UTC){account.scope}{_days_words(account)}, {verb} {_where(most)}"
    text += f" ({_figure(account, most)})"
    text += f"; least {_where(least)} ({_figure(account, least)})" if len(ranked) > 1 else ""
    asked = [row for row in account.sheet(sheet) if str(row["part"]).split(" (")[0] in _asked(account)]
    others = "".join(f" {what.capitalize()} {_where(row)}: {_figure(account, row)}." for row in asked if row["calls"])
    return f"{text}{account.left_out if money else ''} (`{account.table.name}`).{others}"


def _spans_headline(account: Account, what: str) -> str:
    """The hours that are asked about first, all others after them."""
    outside = options_of(account.intent, Clock).outside
    rows = sorted(account.sheet("spans"), key=lambda row: (str(row["part"]) == "other hours") is not outside)
    told = [f"{_where(row)} {_figure(account, row)}" for row in rows if row["calls"]]
    left = account.left_out if MEASURED[account.intent.measure].is_money else ""
    scope = f"{account.scope}{_days_words(account)}"
    none = "" if rows[0]["calls"] else f"no rows {_where(rows[0])}, which is not the same as none; "
    return f"{what.capitalize()}{scope} (UTC): {none}{'; '.join(told)}{left} (`{account.table.name}`)."


def _days_words(account: Account) -> str:
    """The days of the week that rows are restricted to, as they follow a noun."""
    days = options_of(account.intent, Clock).days
    if not days:
        return ""
    weekend = days == list(DAYS[WORKING:])
    return f" from {WORKING_DAYS}" if days == list(DAYS[:WORKING]) else f" on {'weekends' if weekend else listed(days)}"


def _a_day(account: Account) -> bool:
    return options_of(account.intent, Clock).a_day


def _asked(account: Account) -> list[str]:
    return options_of(account.intent, Clock).named


def _where(row: Mapping[str, Cell]) -> str:
    """A place, as it follows a verb."""
    part = str(row["part"])
    if part in DAYS or part.startswith("other"):
        return f"{'on' if part in DAYS else 'at'} {part}"
    where = "in the" if part[:1].islower() else "from" if " to " in part else "at"
    return f"{where} {part.split(' (', maxsplit=1)[0]}"


def _figure(account: Account, row: Mapping[str, Cell]) -> str:
    """What a place has, and which part of the whole that is."""
    column = _column(account)
    share = f", {row[f'{column}_percent'].percent} of all" if f"{column}_percent" in row else ""
    return f"**{account.shown(column, row[column])}**{share}"


_BY = {
    "hours": "hour of the day",
    "weekdays": "day of the week",
    "halves": "part of the week",
    "parts": "part of the day",
    "spans": "hours of the day",
}


def _table(account: Account, sheet: str) -> str:
    noun, spend, asked = f"{account.noun}s", _spend(account), account.intent.measure
    titles = {"part": _BY[sheet], "calls": noun, "calls_percent": f"of {noun}", "spend": "spend"}
    if account.has_implausible:
        titles["spend_without_implausible"] = "without implausible rows"
    titles |= {f"{spend}_percent": "of spend", "tokens": "tokens"}
    titles |= {MEASURED[measure].column: MEASURED[measure].words for measure in _OF_A_CALL.values() if measure is asked}
    if sheet in ("weekdays", "halves"):
        titles |= {"days": "days with rows", "calls_per_day": f"{noun} a day", f"{spend}_per_day": "spend a day"}
    return account.markdown(sheet, titles)


def _weekend(account: Account) -> list[str]:
    if "halves" not in account.sheets or options_of(account.intent, Clock).days:
        return []
    weekend = account.sheet("halves").row(1)
    if not weekend["calls"]:
        return ["No row falls on a weekend."]
    spend = ""
    share = weekend.get(f"{_spend(account)}_percent")
    if share is not None and not share.missing:
        spend = f" and {share.percent} of the spend{account.left_out}"
    return [f"Weekends have {weekend['calls_percent'].percent} of the {account.noun}s{spend}; two days of seven."]


KIND = kind_of(
    CLAIM,
    "When calls are made and money is spent: hours of the day, weekdays, weekends; UTC",
    queries,
    draft,
    recognise=recognise,
    options=Clock,
)
