"""Sessions: how many, how dear, how long. Their bounds are recorded or reconstructed from a running total."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.catalogue import Column, Table
from chatcore.agents.analyst.columns import Family, Meaning, name_words
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.account import Account, Subject, kind_of, step_name
from chatcore.agents.analyst.intents.base import Draft, code, options_of, plural
from chatcore.agents.analyst.intents.bounds import Bounds, bounds, bounds_of
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.scope import implausible_query, totals_query
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.scoping import apart_from
from chatcore.agents.analyst.sql import (
    Condition,
    aggregates,
    all_of,
    exact_sum,
    implausible,
    select,
    time_of,
    tokens_of,
)

SHOWN, SHOWN_STEPS = 10, 24
NEARLY = 1e-9
"""Amounts closer than this are the same: sums of binary fractions differ in the last digits."""

_SESSION = frozenset({"session", "sessions", "conversation", "conversations", "thread", "threads", "chat"})
_RUNNING = frozenset({"cost", "usd", "eur", "gbp", "spend", "total", "cumulative", "running", "amount"})
_USUAL = r"(?:average|mean|median|typical)"
_MOST = r"(?:most expensive|dearest|costliest|priciest|longest|biggest|largest|cheapest|shortest)"
_FIGURE = r"(?:spend|costs?|calls|requests|messages|tokens)"
_THING = r"(?:sessions?|conversations?|threads?|chats?)"


class Sessions(msgspec.Struct, frozen=True):
    """The options: what is told first, and what the sessions are ranked by."""

    first: Literal["count", "cost", "calls", "tokens", "top"] = "count"
    beyond: Annotated[Bounds | None, msgspec.Meta(description="Only those beyond an amount.")] = None
    of: Literal["cost", "calls", "minutes"] = "cost"


CLAIM = Claim(
    name="sessions",
    what="sessions",
    words=(
        rf"{_THING} (?:begin|began|start|started|last|lasted|took|take)",
        rf"(?:how many|number of|count of) (?:\w+ )?{_THING}",
        rf"(?:{_USUAL} |total )?{_FIGURE} (?:per|of a|of each|of the {_USUAL}|in a|a) {_THING}",
        rf"(?:how (?:much|many)|what) (?:\w+ ){{0,4}}(?:per|an?(?: {_USUAL})?|the {_USUAL}) {_THING}(?: costs?)?",
        rf"(?:{_MOST}|top(?: \w+)?|{_USUAL}) {_THING}(?: costs?| spend| by (?:cost|spend|calls|length))?",
        rf"{_THING} (?:cost(?:s|ed)?|length|sizes?)|(?:which|what|show|list|our|the|all) {_THING}",
        rf"{_THING}(?= (?:by|per|each|every|for each) )|{_THING} (?:that|which|with|over|above|under|below"
        rf"|costing)|^{_THING}",
        rf"(?:by|per) {_THING}|{_THING} by (?:cost|spend|calls|length)",
    ),
    unless=(r"session_cost_usd",),
    able=lambda table: session_columns(table) is not None,
    lacks="session",
    steps=True,
)


def session_columns(table: Table) -> tuple[Column, bool] | None:
    """The column that tells sessions, and whether it is a running total of their cost; None where there is none."""
    named = [column for column in table.columns if _SESSION.intersection(name_words(column.name))]
    for column in named:
        if column.family is Family.TEXT or {"id", "key", "uuid"}.intersection(name_words(column.name)):
            return column, False
    running = [c for c in named if c.family is Family.NUMBER and _RUNNING.intersection(name_words(c.name))]
    known = running and table.has(Meaning.COST, Meaning.TIME)
    return (running[0], True) if known else None


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Sessions, where any table tells them; what is dearest or longest first where that is asked for."""
    found = _BOUND.search(reading.text)
    found = found if found and (found["sign"] or found["unit"] or re.search("[$€£]", found["bound"])) else None
    reading = apart_from(reading, (re.escape(found["bound"]),)) if found else reading
    asking = CLAIM.of(reading)
    if not isinstance(asking, Asking):
        return asking
    if found is not None:
        return _bounded(asking, found)
    first = "count"
    if reading.says(r"\b(?:most expensive|dearest|costliest|priciest|longest|biggest|largest|top|which|cheapest)\b"):
        first = "top"
    elif reading.says(r"\b(?:calls|requests|messages)\b"):
        first = "calls"
    elif reading.says(r"\btokens?\b") and not reading.says(r"\b(?:costs?|spend|pay)\b"):
        return _in_tokens(asking)
    elif reading.says(r"\b(?:costs?|spend|pay|much)\b"):
        first = "cost"
    long = reading.says(r"\b(?:longest|length|biggest|largest)\b") or first == "calls"
    return CLAIM.intent(asking, measure=Measure.CALLS if long else Measure.COST, options={"first": first})


_UNITS = r"(?: ?(?:dollars?|usd|bucks|cents?|calls?|requests?|messages?|minutes?))"
_BOUND = re.compile(
    rf"\b{_THING}(?: \w+){{0,5}}? (?P<bound>{bounds(f'{_UNITS}?')}(?P<unit>{_UNITS})?)(?!\w|[.,]\d|%| (?:days"
    rf"|weeks|months|hours))"
)


def _bounded(asking: Asking, found: re.Match[str]) -> Intent | Refusal | None:
    """``sessions that cost more than $1``, ``with at least 10 calls``."""
    unit, amounts = (found["unit"] or "").strip(), bounds_of(found)
    money = re.search("[$€£]", found["bound"]) is not None or re.match(r"dollar|usd|buck|cent", unit) is not None
    of = "cost" if money or (not unit and re.search(r"\bcost", found[0])) else _SIZES.get(unit.rstrip("s"))
    if of is None or amounts is None:
        return None
    if asking.grain is not None:
        return refusals.not_supported(f"sessions beyond an amount by {asking.grain}", asking.reading.catalogue)
    options: dict[str, Any] = {"first": "top", "beyond": amounts, "of": of}
    return CLAIM.intent(asking, measure=Measure.COST if of == "cost" else Measure.CALLS, options=options)


_SIZES = {"call": "calls", "request": "calls", "message": "calls", "minute": "minutes"}


def _in_tokens(asking: Asking) -> Intent | Refusal:
    """Tokens of a session: both kinds together, which is what is summed."""
    catalogue = asking.reading.catalogue
    if not asking.has_tokens:
        return refusals.no_such_column("tokens", asking.table, catalogue)
    if asking.kind_of_tokens() is not Measure.TOKENS:
        return refusals.not_supported("tokens in or tokens out of a session", catalogue)
    return CLAIM.intent(asking, measure=Measure.TOKENS, options={"first": "tokens"})


def sessions_sql(subject: Subject) -> Condition:
    """SQL for the rows with the number of their session, ``session``; over all rows, so that no period cuts one."""
    column, running = session_columns(subject.table) or (None, False)
    if column is None:
        return Condition("")
    source, name = identifier(subject.table.name), identifier(column.name)
    if not running:
        return Condition(f"SELECT *, CAST({name} AS VARCHAR) AS session_key, false AS begun FROM {source}")
    cost, user = subject.table.column(Meaning.COST), subject.table.column(Meaning.USER)
    own, time = identifier(cost.name) if cost else "0", subject.time
    users = f"PARTITION BY {identifier(user.name)} " if user else ""
    order = f"ORDER BY {time}, {name}, {own}"
    before = f"SELECT *, lag({name}) OVER ({users}{order}) AS total_before FROM {source}"
    starts = (
        f"total_before IS NULL OR {name} < total_before - {NEARLY} "
        f"OR (total_before > {NEARLY} AND {own} > 0 AND abs({name} - {own}) <= {NEARLY})"
    )
    begun = f"SELECT *, ({starts}) AS starts, ({starts}) AND {name} - {own} > {NEARLY} AS begun FROM ({before})"
    number = f"sum(CAST(starts AS INTEGER)) OVER ({users}{order} ROWS UNBOUNDED PRECEDING)"
    owner = f"coalesce(CAST({identifier(user.name)} AS VARCHAR), '')" if user else "''"
    return Condition(f"SELECT *, {owner} || ' ' || {number} AS session_key FROM ({begun})")


def per_session(subject: Subject) -> Condition:
    """SQL for one row a session with its figures, of the rows that are asked for; implausible costs left out."""
    cost, rows, odd = subject.table.column(Meaning.COST), subject.rows, implausible(subject.table)
    plausible = Condition(f"{odd.sql} IS NOT TRUE", odd.parameters) if odd else Condition("")
    time, user = time_of(subject.table), subject.table.column(Meaning.USER)
    columns = {"calls": "count(*)", "begun": "bool_or(begun)"}
    columns |= {"spend": exact_sum(identifier(cost.name), cost.type, plausible.sql)} if cost else {}
    tokens = aggregates(subject.table).get("tokens")
    columns |= {"tokens": tokens} if tokens else {}
    columns |= {"user": f"CAST(any_value({identifier(user.name)}) AS VARCHAR)"} if user else {}
    if time:
        columns |= {"start": f"CAST(min({time}) AS VARCHAR)", "last": f"CAST(max({time}) AS VARCHAR)"}
        columns["minutes"] = f"date_diff('second', min({time}), max({time})) / 60.0"
    known = all_of((rows, Condition("session_key IS NOT NULL")))
    source = f"FROM ({sessions_sql(subject).sql}) {known.where} GROUP BY session_key"
    sql = f"SELECT session_key AS session, {select(columns)} {source}"
    return Condition(sql, {**known.parameters, **plausible.parameters})


def queries(subject: Subject) -> list[Query]:
    """The figures of all sessions together, the first of them, and how many calls they have."""
    each, cost = per_session(subject), subject.has(Meaning.COST)
    found = [totals_query(subject.intent, subject.catalogue), *implausible_query(subject.intent, subject.catalogue)]
    figures = {
        "sessions": "count(*)",
        "calls": "CAST(sum(calls) AS BIGINT)",
        "calls_per_session": "1.0 * sum(calls) / nullif(count(*), 0)",
        "median_calls": "median(calls)",
        "most_calls": "max(calls)",
        "begun_before": "count(*) FILTER (WHERE begun)",
    }
    if cost:
        exact = "CAST(sum(CAST(spend AS DECIMAL(38,12))) AS DOUBLE)"
        figures |= {"spend": exact, "cost_per_session": f"{exact} / nullif(count(*), 0)"}
        figures |= {"median_cost": "median(spend)", "median_cost_of_paid": "median(spend) FILTER (WHERE spend > 0)"}
        figures |= {"cost_p95": "quantile_disc(spend, 0.95)", "paid_sessions": "count(*) FILTER (WHERE spend > 0)"}
    if tokens_of(subject.table):
        figures |= {"tokens_per_session": "1.0 * sum(tokens) / nullif(count(*), 0)", "median_tokens": "median(tokens)"}
    if subject.has(Meaning.TIME):
        figures["median_minutes"] = "median(minutes)"
    found.append(Query("sessions", f"SELECT {select(figures)} FROM ({each.sql})", each.parameters))
    rank = _RANKED_BY.get(subject.intent.measure, "spend" if cost else "calls")
    direction = "DESC" if subject.intent.descending else "ASC"
    within = _within(subject)
    top = (
        f"SELECT * EXCLUDE (begun) FROM ({each.sql}) {within.where} "
        f"ORDER BY {rank} {direction} NULLS LAST, session LIMIT 50"
    )
    found.append(Query("top", top, {**each.parameters, **within.parameters}))
    if within.sql:
        found.append(_beyond(each, within, options_of(subject.intent, Sessions).beyond))
    if subject.intent.grain is not None and subject.has(Meaning.TIME):
        found.append(_steps(subject, each))
    return [*found, _lengths(each)]


def _within(subject: Subject) -> Condition:
    """Where a session is beyond the amount that is asked for; all of them where none is."""
    options = options_of(subject.intent, Sessions)
    measured = {"cost": "spend", "calls": "calls", "minutes": "minutes"}[options.of]
    return options.beyond.condition(f"coalesce({measured}, 0)") if options.beyond else Condition("")


def _beyond(each: Condition, within: Condition, asked: Bounds | None) -> Query:
    """How many sessions are beyond the amount, and what they cost together."""
    spend = " sum(CAST(spend AS DECIMAL(38,12)))"
    known = "spend" in each.sql.split(" AS session,", 1)[1].split(" FROM ", 1)[0]
    money = (
        f", CAST(coalesce({spend} FILTER (WHERE {within.sql}), 0) AS DOUBLE) AS spend, "
        f"CAST(100.0 * {spend} FILTER (WHERE {within.sql}) / nullif({spend}, 0) AS DOUBLE) AS spend_percent"
    )
    sql = (
        f"SELECT count(*) FILTER (WHERE {within.sql}) AS sessions_beyond, "
        f"100.0 * count(*) FILTER (WHERE {within.sql}) / nullif(count(*), 0) AS beyond_percent"
        f"{money if known else ''}, {asked.asked if asked else '0 AS amount_asked'} FROM ({each.sql})"
    )
    return Query("beyond", sql, {**each.parameters, **within.parameters})


def _steps(subject: Subject, each: Condition) -> Query:
    """The sessions that began in each step of time."""
    begin = f"date_trunc('{subject.intent.grain}', CAST(start AS TIMESTAMP))"
    cost = ", CAST(sum(CAST(spend AS DECIMAL(38,12))) AS DOUBLE) AS spend" if subject.has(Meaning.COST) else ""
    sql = (
        f"SELECT {step_name(subject.intent.grain, begin)} AS step, count(*) AS sessions, "
        f"CAST(sum(calls) AS BIGINT) AS calls{cost} FROM ({each.sql}) GROUP BY {begin} ORDER BY step"
    )
    return Query("steps", sql, each.parameters)


_RANKED_BY = {Measure.CALLS: "calls", Measure.TOKENS: "tokens"}
_LENGTHS = {"1": (1, 1), "2 to 5": (2, 5), "6 to 10": (6, 10), "11 to 20": (11, 20), "more": (21, 1_000_000_000)}


def _lengths(each: Condition) -> Query:
    """How many sessions have so many calls."""
    listed = "SELECT unnest($names) AS calls, unnest($least) AS low, unnest($most) AS high"
    sql = (
        "SELECT lengths.calls AS calls, count(each.session) AS sessions, "
        "100.0 * count(each.session) / sum(count(each.session)) OVER () AS sessions_percent "
        f"FROM ({listed}) AS lengths LEFT JOIN ({each.sql}) AS each ON each.calls BETWEEN low AND high "
        "GROUP BY lengths.calls, low ORDER BY low"
    )
    least, most = ([bound[i] for bound in _LENGTHS.values()] for i in (0, 1))
    return Query("lengths", sql, {**each.parameters, "names": list(_LENGTHS), "least": least, "most": most})


def draft(account: Account) -> Draft:
    """How many and what the usual one is, the first ones in a table, and how they were told."""
    sheet, top = account.sheet("sessions"), account.sheet("top")
    if not sheet.cell("sessions"):
        return Draft((f"No row{account.scope} belongs to a session (`{account.table.name}`).\n",))
    noun = f"{account.noun}s"
    titles = {"start": "start", "user": "user", "calls": noun, "spend": "spend", "minutes": "minutes"}
    if account.intent.measure is Measure.TOKENS:
        titles["tokens"] = "tokens"
    if not top.has("start"):
        titles = {"session": "session", **titles}
    first = _headline(account)
    dearest = f" {_top(account)}" if len(top) else ""
    if "steps" in account.sheets:
        return _over_time(account, first)
    if "beyond" in account.sheets:
        return _those_beyond(account, titles)
    parts = [f"{first}{dearest}\n\n", account.markdown("top", titles, account.intent.limit or SHOWN)]
    lengths = {"calls": f"{noun} in a session", "sessions": "sessions", "sessions_percent": "of sessions"}
    parts.append(f"\n{account.markdown('lengths', lengths)}")
    return Draft((*parts, *account.odd_part), (*_how(account), *account.notes))


def _over_time(account: Account, first: str) -> Draft:
    """The sessions that began in each step of time."""
    titles = {"step": str(account.intent.grain), "sessions": "sessions", "calls": f"{account.noun}s", "spend": "spend"}
    rows = len(account.sheet("steps"))
    table = account.markdown("steps", titles, first=max(rows - SHOWN_STEPS, 0))
    told = [f"A session counts, with all its {account.noun}s, in the {account.intent.grain} that it began in."]
    told += ["Only the newest steps are shown."] if rows > SHOWN_STEPS else []
    return Draft((f"{first}\n\n", table, *account.odd_part), (*told, *_how(account), *account.notes))


def _those_beyond(account: Account, titles: dict[str, str]) -> Draft:
    """How many sessions are beyond an amount, and which."""
    sheet, options = account.sheet("beyond"), options_of(account.intent, Sessions)
    amounts = [sheet.cell(name) for name in ("amount_asked", "upper_asked") if sheet.has(name)]
    money, number = options.of == "cost", sheet.cell("sessions_beyond")
    shown = [account.money(each) if money else each.figure for each in (*amounts, amounts[-1])][:2]
    words = options.beyond.words(*shown) if options.beyond else ""
    unit = "" if money else f" {account.noun}s" if options.of == "calls" else " minutes"
    all_of = plural(account.cell("sessions", "sessions"), "session")
    text = (
        f"**{plural(number, 'session')}** of {all_of}{account.scope} {_BE[options.of]} {words}{unit}: "
        f"{sheet.cell('beyond_percent').percent} of them{account.left_out if money else ''}{_source(account)}."
    )
    if number and sheet.has("spend") and not sheet.cell("spend_percent").missing:
        text += f" They cost **{account.money(sheet.cell('spend'))}**, {sheet.cell('spend_percent').percent} of all."
    table = (account.markdown("top", titles, account.intent.limit or SHOWN),) if number else ()
    return Draft((f"{text}\n\n", *table), (*_how(account), *account.notes))


_BE = {"cost": "cost", "calls": "have", "minutes": "last"}


def _headline(account: Account) -> str:
    sheet, first = account.sheet("sessions"), options_of(account.intent, Sessions).first
    count = f"**{plural(sheet.cell('sessions'), 'session')}**{account.scope}"
    mean, median = (sheet.cell(name).figure for name in ("calls_per_session", "median_calls"))
    calls = f"{mean} {account.noun}s on average, median {median}"
    if first == "tokens":
        usual, middle = (sheet.cell(name).figure for name in ("tokens_per_session", "median_tokens"))
        bare = count.replace(account.scope, "")
        return f"A session{account.scope} has **{usual} tokens** on average, median **{middle}**, over {bare}" + (
            f"{_source(account)}."
        )
    cost = ""
    if sheet.has("spend") and not sheet.cell("spend").missing:
        usual, middle = (account.money(sheet.cell(name)) for name in ("cost_per_session", "median_cost"))
        cost = f"cost **{usual}** on average, median **{middle}**"
    if first == "calls":
        return f"A session{account.scope} has **{calls}**, over {count.replace(account.scope, '')}{_source(account)}."
    figures = " and ".join(filter(None, (cost, f"have {calls}")))
    return f"There are {count}: they {figures}{account.left_out}{_source(account)}."


def _source(account: Account) -> str:
    return f" (`{account.table.name}`)"


def _top(account: Account) -> str:
    """The first session in a sentence."""
    row, sheet = account.sheet("top").row(0), account.sheet("top")
    if account.intent.measure is Measure.TOKENS:
        return f"The one with the most has **{row['tokens'].count}**, in {account.calls(row['calls'])}."
    long = account.intent.measure is Measure.CALLS or not sheet.has("spend")
    kind = ("longest" if account.intent.descending else "shortest") if long else "dearest"
    kind = "cheapest" if not long and not account.intent.descending else kind
    figure = account.calls(row["calls"]) if long else account.money(row["spend"])
    when = f", begun {row['start']}" if "start" in row else f", {code(row['session'])}"
    beside = "" if long else f", with {account.calls(row['calls'])}"
    return f"The {kind} has **{figure}**{beside}{when}."


def _how(account: Account) -> list[str]:
    """How sessions were told apart, and what that leaves open."""
    column, running = session_columns(account.table) or (None, False)
    if column is None:
        return []
    if not running:
        return [f"Sessions are the values of `{column.name}`."]
    user = account.table.column(Meaning.USER)
    cost = account.table.column(Meaning.COST)
    whose = f" of the same `{user.name}`" if user else ""
    found = [
        f"The rows have no session of their own: it was reconstructed from `{column.name}`, a running total{whose}. "
        "A session begins where the total falls, or where it is no more than the call's own "
        f"`{cost.name if cost else ''}`."
    ]
    begun: Cell = account.cell("sessions", "begun_before")
    if begun:
        found.append(
            f"{plural(begun, 'session')} of them begin with money already spent: sessions side by side, or rows that "
            "are missing. Sessions that cost nothing, one after another, cannot be told apart."
        )
    return found


KIND = kind_of(
    CLAIM,
    "Sessions: how many, what they cost, how many calls; reconstructed from a running total where that is all there is",
    queries,
    draft,
    recognise=recognise,
    options=Sessions,
)
