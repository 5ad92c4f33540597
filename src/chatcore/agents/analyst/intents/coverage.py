"""Which days and months have rows, and where the gaps are. No rows is not the same as no spend."""

from __future__ import annotations

import msgspec

from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.account import Account, Subject, kind_of
from chatcore.agents.analyst.intents.base import Draft, plural
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.scope import totals_query
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.sql import Condition, all_of

SHOWN_GAPS = 5
_STEPS = r"(?:days?|dates?|months?|weeks?)"
_ROWS = r"(?:rows?|data|calls?|records?|usage|entries|activity|requests?|anything|nothing|spend|gaps?)"
_ASK = r"(?:which|what|how many|number of|list(?: the)?|show(?: the)?)"
_HAVE = r"(?:have|has|had|with|without|lack|lacks|are missing|is missing|were missing)"
_AUX = r"(?:are|is|were|did we|do we|have we)"
_STATE = r"(?:covered|missing|empty|active|absent|recorded|record|used|use|make|made)"
_GAP = r"(?:gaps?|stretch(?:es)?|holes?)"
_SHARE = r"(?:share|percentage|percent|part|portion|proportion|fraction)"

_ANY_ROWS = r"(?:data|rows|records|usage|calls|entries)"

CLAIM = Claim(
    name="coverage",
    what="coverage",
    words=(
        rf"{_ASK} (?:\w+ )?{_STEPS}(?: \w+){{0,3}} {_HAVE}(?: any| no)?(?: {_ROWS})?",
        rf"(?:which|what|how many) {_STEPS} {_AUX} (?:\w+ )?{_STATE}(?: calls| it| the api)?",
        rf"(?:missing|uncovered|empty|active|idle) {_STEPS}",
        rf"{_STEPS} (?:without|with no|that have no|with) (?:any )?{_ROWS}",
        rf"(?:longest|biggest|largest|all|any) {_GAP}(?: (?:in|without|of|with no)(?: the| our| any)? {_ROWS})?",
        rf"{_SHARE} of (?:the |all )?{_STEPS}(?: \w+){{0,3}} (?:rows?|data|calls|covered|usage)",
        r"(?:the |our |data |date |time ){0,3}coverage(?: of (?:the |our )?(?:data|ledger|table|log))?",
        r"when (?:did|was|were|do|have) (?:\w+ ){0,3}?(?:first|last)(?: (?:used?|using|called?|seen|started?))?",
        r"(?:first|last) (?:time|day)(?: that)?(?: (?:we|i|they))?(?= )",
        rf"(?:is|are|was|were) there (?:any |some |no )?{_ANY_ROWS}(?= (?:for|in|during|on|from) )",
        rf"(?:do|did) (?:we|you) have (?:any |some )?{_ANY_ROWS}(?= (?:for|in|during|on|from) )",
        r"how (?:continuous|complete|patchy|gappy)",
    ),
    unless=(
        r"calls per|spend per|tokens per|average|quality|duplicates?|columns?|invoice|prices?|costs?|expensive",
        r"most|least|fewest|highest|lowest|busiest",
    ),
    needs=(Meaning.TIME,),
    steps=None,
)


def _days(subject: Subject) -> Condition:
    """SQL for every day from the table's first to its last, as far as asked for, with how many rows it has."""
    table, time, rows = subject.table, subject.time, subject.rows
    period = subject.intent.period
    bounds = f"CAST(min({time}) AS DATE) AS first, CAST(max({time}) AS DATE) AS last"
    first = "greatest(first, CAST($from AS DATE))" if period and period.start else "first"
    last = "least(last, CAST($to AS DATE) - 1)" if period and period.end else "last"
    known = all_of((rows, Condition(f"{time} IS NOT NULL")))
    sql = (
        "SELECT day, coalesce(counted.calls, 0) AS calls FROM (SELECT CAST(unnest(generate_series("
        f"CAST({first} AS TIMESTAMP), CAST({last} AS TIMESTAMP), INTERVAL 1 DAY)) AS DATE) AS day FROM "
        f"(SELECT {bounds} FROM {identifier(table.name)})) LEFT JOIN (SELECT CAST({time} AS DATE) AS day, "
        f"count(*) AS calls FROM {identifier(table.name)} {known.where} GROUP BY 1) AS counted USING (day)"
    )
    return Condition(sql, known.parameters)


def queries(subject: Subject) -> list[Query]:
    """How many days and months have rows, month by month, and the stretches that have none."""
    days = _days(subject)
    shares = (
        "count(*) AS days, count(*) FILTER (WHERE calls > 0) AS days_with_rows, "
        "count(*) FILTER (WHERE calls = 0) AS days_without_rows, "
        "100.0 * count(*) FILTER (WHERE calls > 0) / count(*) AS days_with_rows_percent"
    )
    month = "strftime(day, '%Y-%m')"
    months = (
        f"count(DISTINCT {month}) AS months, count(DISTINCT {month}) FILTER (WHERE calls > 0) AS months_with_rows, "
        f"count(DISTINCT {month}) - count(DISTINCT {month}) FILTER (WHERE calls > 0) AS months_without_rows"
    )
    ends = (
        "CAST(min(day) AS VARCHAR) AS from_day, CAST(max(day) AS VARCHAR) AS to_day, "
        "CAST(min(day) FILTER (WHERE calls > 0) AS VARCHAR) AS first, "
        "CAST(max(day) FILTER (WHERE calls > 0) AS VARCHAR) AS last"
    )
    return [
        totals_query(subject.intent, subject.catalogue),
        Query("span", f"SELECT {shares}, {months}, {ends} FROM ({days.sql})", days.parameters),
        Query("months", _by_month(days), days.parameters),
        Query("gaps", _gaps(days), days.parameters),
    ]


def _by_month(days: Condition) -> str:
    return (
        "SELECT strftime(day, '%Y-%m') AS step, count(*) FILTER (WHERE calls > 0) AS days_with_rows, count(*) AS days, "
        "100.0 * count(*) FILTER (WHERE calls > 0) / count(*) AS days_with_rows_percent, "
        f"CAST(sum(calls) AS BIGINT) AS calls FROM ({days.sql}) GROUP BY 1 ORDER BY 1"
    )


def _gaps(days: Condition) -> str:
    """The longest stretches of days without rows: days in a row have the same distance from their number."""
    run = "day - CAST(row_number() OVER (ORDER BY day) AS INTEGER) AS run"
    numbered = f"SELECT day, {run} FROM ({days.sql}) WHERE calls = 0"
    return (
        "SELECT CAST(min(day) AS VARCHAR) AS first, CAST(max(day) AS VARCHAR) AS last, count(*) AS days, "
        f"count(*) OVER () AS gaps FROM ({numbered}) GROUP BY run ORDER BY days DESC, first LIMIT 50"
    )


def draft(account: Account) -> Draft:
    """The share of days and months in a sentence, the months in a table, the longest gaps."""
    span = account.sheet("span").row(0)
    days, months = plural(span["days"], "day"), plural(span["months"], "month")
    first = (
        f"Rows{account.scope} are on **{span['days_with_rows'].count}** of {days} from {span['from_day']} to "
        f"{span['to_day']} (**{span['days_with_rows_percent'].percent}**), in **{span['months_with_rows'].count}** of "
        f"{months}: the first on {span['first']}, the last on {span['last']} (`{account.table.name}`).\n\n"
    )
    titles = {"step": "month", "days_with_rows": "days with rows", "days": "of days"}
    titles |= {"days_with_rows_percent": "share", "calls": f"{account.noun}s"}
    gaps = account.sheet("gaps")
    lines = [f"- {row['first']} to {row['last']}: {plural(row['days'], 'day')}\n" for row in list(gaps)[:SHOWN_GAPS]]
    parts = [first, account.markdown("months", titles)]
    if lines:
        all_gaps = plural(gaps.cell("gaps"), "stretch", "stretches")
        verb = "is" if gaps.cell("gaps").value == 1 else "are"
        parts.append(f"\nThere {verb} {all_gaps} of days without rows, the longest of them:\n\n{''.join(lines)}")
    return Draft(tuple(parts), (*_insights(account), *account.notes))


def _insights(account: Account) -> list[str]:
    without = [f"{row['step']}" for row in account.sheet("months") if not row["calls"]]
    found = ["Days and months are UTC. No rows is not the same as no spend: it may only not have been recorded."]
    if without:
        found.insert(0, f"Months without any rows: {', '.join(without)}.")
    return found


_EDGE_DAY = (
    r"\b(?:first|last|latest|newest|most recent) (?:day|date|week|month)s? "
    r"(?:with|of|in|that (?:has|have)|when|having)\b"
)


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Coverage; the ``last day with data`` is the last of all, and not one before it."""
    found = CLAIM.recognise(reading)
    if not isinstance(found, Intent) or not reading.says(_EDGE_DAY):
        return found
    return msgspec.structs.replace(found, periods=[each for each in found.periods if not each.relative])


KIND = kind_of(CLAIM, "Which days and months have rows, and the longest gaps", queries, draft, recognise=recognise)
