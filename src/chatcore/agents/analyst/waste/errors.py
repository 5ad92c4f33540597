"""Calls that raised: what kinds of errors, when, and how many to the calls that were answered."""

from __future__ import annotations

from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.catalogue import Column, Table
from chatcore.agents.analyst.columns import Family, Meaning, name_words
from chatcore.agents.analyst.evidence import MAX_EVIDENCE_ROWS, Query
from chatcore.agents.analyst.intents.account import Account, Subject, by_column, kind_of, step_name
from chatcore.agents.analyst.intents.base import Draft, code, plural
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier, literal
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.sql import Condition, all_of, during, select, time_of

SHOWN = 10
MAX_KINDS = 50
KIND_LENGTH = 48
"""Characters of a message that say what kind it is: what follows is what it was about."""

_NAMED = frozenset({"error", "errors", "exception", "exceptions", "failure", "failures", "traceback"})
_CLASS = r"^[A-Za-z_][A-Za-z0-9_.]*(Error|Exception|Timeout|Interrupt|Warning|Exit)\b"
_TAG = r"^\[[^\]]+\]"
_ERRORS = r"(?:errors?|exceptions?|failures?)"
_CALLS = r"(?:calls|requests|messages|queries)"

CLAIM = Claim(
    name="errors",
    what="errors",
    words=(
        rf"{_ERRORS}[ -]rates?|rate of {_ERRORS}",
        rf"(?:kinds?|types?|sorts?|class|classes|categories|causes?)(?: of)?(?: \w+)? {_ERRORS}",
        rf"{_ERRORS} (?:kinds|types)|{_ERRORS} (?:by|per) (?:kind|type|class|category|message|cause)",
        rf"{_ERRORS} over time|(?:daily|weekly|monthly) {_ERRORS}|{_ERRORS}(?= (?:by|per|each|every) )",
        rf"(?:most )?(?:common|frequent|usual|typical|main|top(?: \w+)?) {_ERRORS}",
        rf"(?:breakdown|summary|overview) of (?:the |our )?{_ERRORS}",
        rf"what (?:kind of )?{_ERRORS} (?:did|do|have|were|are|occur\w*|happen\w*)",
        rf"{_CALLS}(?: \w+){{0,2}} (?:failed|fail|errored|raised|crashed)|(?:failed|failing) {_CALLS}",
        r"how often (?:do|did|does) (?:\w+ ){0,3}fail",
    ),
    unless=(r"by exception",),
    able=lambda table: error_column(table) is not None,
    lacks="errors",
    splits=True,
    steps=True,
)


def error_column(table: Table) -> Column | None:
    """The column that says what went wrong; None where there is none."""
    texts = (c for c in table.columns if c.family is Family.TEXT and c.meaning in (Meaning.UNKNOWN, Meaning.STATUS))
    return next((column for column in texts if _NAMED.intersection(name_words(column.name))), None)


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Errors, where a table has them; what only has a status is the planner's."""
    if not any(error_column(table) for table in reading.catalogue.tables):
        return None
    asking = CLAIM.of(reading)
    return CLAIM.intent(asking, measure=Measure.CALLS) if isinstance(asking, Asking) else asking


def _raised(subject: Subject) -> Condition:
    """Where a row is an error: it says what went wrong."""
    column = error_column(subject.table)
    return Condition(f"{identifier(column.name)} <> ''" if column else "false")


def _kind(subject: Subject) -> str:
    """SQL for the kind of an error: its leading class name or tag, or else its message without what varies."""
    column = error_column(subject.table)
    text = identifier(column.name) if column else "''"
    quoted = f"regexp_replace({text}, {literal(_QUOTED)}, '…', 'g')"
    plain = f"left(regexp_replace({quoted}, '0x[0-9a-f]+|[0-9]+', '#', 'g'), {KIND_LENGTH})"
    named = "".join(
        f"WHEN regexp_matches({text}, {literal(pattern)}) THEN regexp_extract({text}, {literal(pattern)}) "
        for pattern in (_CLASS, _TAG)
    )
    return f"CASE {named}ELSE {plain} END"


_QUOTED = "'[^']*'"


def queries(subject: Subject) -> list[Query]:
    """The errors by kind, by a column, over time, and how many there are to the calls that were answered."""
    raised, time = all_of((_raised(subject), subject.rows)), time_of(subject.table)
    extent = {"first": f"CAST(min({time}) AS VARCHAR)", "last": f"CAST(max({time}) AS VARCHAR)"} if time else {}
    columns = {"calls": "count(*)", "kinds": f"count(DISTINCT {_kind(subject)})", **extent}
    source = f"FROM {identifier(subject.table.name)} {raised.where}"
    found = [
        Query("totals", f"SELECT {select(columns)} {source}", raised.parameters),
        Query("kinds", _kinds(subject, source, extent), raised.parameters),
    ]
    if subject.intent.by is not None:
        found.append(by_column(subject, {"errors": "count(*)"}, raised, "errors DESC"))
    return found + (_course(subject, raised) if time else [])


def _kinds(subject: Subject, source: str, extent: dict[str, str]) -> str:
    share = "100.0 * count(*) / sum(count(*)) OVER ()"
    columns = {"name": _kind(subject), "errors": "count(*)", "errors_percent": share, **extent}
    return f"SELECT {select(columns)} {source} GROUP BY {_kind(subject)} ORDER BY errors DESC, name LIMIT {MAX_KINDS}"


def _course(subject: Subject, raised: Condition) -> list[Query]:
    """Errors over time, with the calls that were answered where they are known, and the rate of all of them."""
    grain, answered = subject.intent.grain or "month", _answered(subject)
    timed = all_of((raised, Condition(f"{subject.time} IS NOT NULL")))
    if answered is None:
        begin = f"date_trunc('{grain}', {subject.time})"
        source = f"FROM {identifier(subject.table.name)} {timed.where}"
        sql = f"SELECT {begin} AS begin, count(*) AS errors {source} GROUP BY 1"
        return [
            Query(
                "steps", _newest(f"SELECT {step_name(grain, 'begin')} AS step, errors FROM ({sql})"), timed.parameters
            )
        ]
    parts = _both(subject, answered, timed)
    counted = f"SELECT date_trunc('{grain}', time) AS begin, {_RATE} FROM ({parts.sql}) GROUP BY 1"
    steps = _newest(f"SELECT {step_name(grain, 'begin')} AS step, * EXCLUDE (begin) FROM ({counted})")
    whole = (
        f"SELECT {_RATE}, CAST(min(time) AS VARCHAR) AS first, CAST(max(time) AS VARCHAR) AS last FROM ({parts.sql})"
    )
    return [Query("steps", steps, parts.parameters), Query("rate", whole, parts.parameters)]


_RATE = (
    "count(*) FILTER (WHERE error) AS errors, count(*) FILTER (WHERE NOT error) AS answered, "
    "100.0 * count(*) FILTER (WHERE error) / count(*) AS error_percent"
)


def _newest(steps: str) -> str:
    return f"SELECT * FROM (SELECT * FROM ({steps}) ORDER BY step DESC LIMIT {MAX_EVIDENCE_ROWS}) ORDER BY step"


def _answered(subject: Subject) -> Table | None:
    """The table of the calls that were answered: the same one where it has both, else the likeliest ledger.

    Filters are of the columns of one table, so that with them the calls of another cannot be counted.
    """
    if subject.table.has(Meaning.OUTPUT_TOKENS) or subject.table.has(Meaning.COST):
        return subject.table
    ledgers = [t for t in ranked(subject.catalogue.tables) if t.has(Meaning.TIME, Meaning.COST, Meaning.OUTPUT_TOKENS)]
    return ledgers[0] if ledgers and not subject.intent.filters else None


def _both(subject: Subject, answered: Table, raised: Condition) -> Condition:
    """SQL for the errors and the answered calls of the time that both tables cover, with what it binds."""
    if answered.name == subject.table.name:
        rows = all_of((subject.rows, Condition(f"{subject.time} IS NOT NULL")))
        error = f"coalesce({_raised(subject).sql}, false)"
        sql = f"SELECT {subject.time} AS time, {error} AS error FROM {identifier(answered.name)} {rows.where}"
        return Condition(sql, rows.parameters)
    time = str(time_of(answered))
    one, other = identifier(subject.table.name), identifier(answered.name)
    first = f"greatest((SELECT min({subject.time}) FROM {one}), (SELECT min({time}) FROM {other}))"
    last = f"least((SELECT max({subject.time}) FROM {one}), (SELECT max({time}) FROM {other}))"
    inside = all_of((during(subject.intent.period, time), Condition(f"{time} BETWEEN {first} AND {last}")))
    errors = all_of((raised, Condition(f"{subject.time} BETWEEN {first} AND {last}")))
    sql = (
        f"SELECT {subject.time} AS time, true AS error FROM {one} {errors.where} "
        f"UNION ALL SELECT {time} AS time, false AS error FROM {other} {inside.where}"
    )
    return Condition(sql, {**errors.parameters, **inside.parameters})


def draft(account: Account) -> Draft:
    """How many and of what kinds, the rate where it is known, the kinds or the split that was asked for in a table."""
    totals, first = account.sheet("totals"), account.sheet("kinds").row(0)
    errors, kinds = plural(totals.cell("calls"), "error"), plural(totals.cell("kinds"), "kind")
    parts = [
        f"There {'is' if totals.cell('calls').value == 1 else 'are'} **{errors}**{account.scope} of **{kinds}**; the "
        f"commonest is {code(first['name'])} with {first['errors'].count}, {first['errors_percent'].percent} "
        f"(`{account.table.name}`).{_rate(account)}\n\n",
        _table(account),
    ]
    return Draft(tuple(parts), (_method(account), *_assumed(account), *account.notes))


def _rate(account: Account) -> str:
    """The rate in a sentence; empty where it is not known."""
    if "rate" not in account.sheets or not account.cell("rate", "answered"):
        return ""
    rate = account.sheet("rate").row(0)
    span = f"From {str(rate['first'])[:10]} to {str(rate['last'])[:10]}"
    answered = plural(rate["answered"], "answered call")
    return f" {span} there are {rate['errors'].count} to {answered}: **{rate['error_percent'].percent}** of both."


def _table(account: Account) -> str:
    limit = account.intent.limit or SHOWN
    if account.intent.by is not None:
        return account.markdown("groups", {"name": account.intent.by, "errors": "errors"}, limit)
    if account.intent.grain is not None and "steps" in account.sheets:
        rate = {"answered": "answered calls", "error_percent": "errors of both"}
        return account.markdown("steps", {"step": account.intent.grain, "errors": "errors", **rate})
    kinds = {"name": "kind", "errors": "errors", "errors_percent": "share", "first": "first", "last": "last"}
    return account.markdown("kinds", kinds, limit)


def _method(account: Account) -> str:
    column = error_column(account.table)
    return (
        f"The kind is the leading class name or tag of `{column.name if column else ''}`, or else the beginning of the "
        "message with names and numbers taken out."
    )


def _assumed(account: Account) -> list[str]:
    answered = _answered(account)
    if "rate" not in account.sheets or answered is None or answered.name == account.table.name:
        return []
    return [
        f"The rate counts `{account.table.name}` against `{answered.name}` over the time that both cover, from the "
        "first error to the last; it assumes that a call that raised has no row among the answered ones."
    ]


KIND = kind_of(
    CLAIM,
    "Calls that raised: kinds of errors, over time, and their rate against the calls that were answered",
    queries,
    draft,
    recognise=recognise,
)
