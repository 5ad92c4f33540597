"""Days that stand out: far from the median day, measured in the spread that most days have."""

from __future__ import annotations

import msgspec

from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.account import Account, Subject, kind_of
from chatcore.agents.analyst.intents.base import MEASURED, Draft, options_of, plural
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.scope import gap_query, gap_words, implausible_query, totals_query
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.sql import aggregates, parameters_of, select

THRESHOLD = 3.5
"""The robust z from which a day is odd, as Iglewicz and Hoaglin recommend."""

NORMAL_SCALE = 0.6745
"""The third quartile of a standard normal: it makes MAD comparable with a standard deviation."""

FEWEST_DAYS = 7
"""With fewer days there is no saying what is usual."""

SHOWN_DAYS = 10
MAX_DAYS = 100
_MEASURES = (Measure.COST, Measure.CALLS, Measure.TOKENS)


class OddDays(msgspec.Struct, frozen=True):
    """The options: from which robust z, to either side, a day is odd."""

    threshold: float = THRESHOLD


_ODD = r"(?:odd|unusual|abnormal|anomalous|strange|weird|atypical|exceptional|outlier|outlying|suspicious)"
_JUMPS = r"(?:anomaly|anomalies|outliers?|spikes?|jumps?)"
_SPEND = r"(?:spend|spending|costs?|daily|usage)"
CLAIM = Claim(
    name="odd_days",
    what="odd days",
    words=(
        rf"(?:(?:which|what) )?{_ODD}(?:ly)?(?: \w+)?[ -](?:days?|dates?)",
        rf"(?:days?|dates?) (?:with|of|that had) (?:an? )?{_ODD}(?:ly)?",
        r"(?:which|what|any|are there) days?(?: \w+){0,6} (?:stand|stands|stood|sticks?|stuck) out",
        rf"(?:which|what|any) (?:days?|dates?)(?: \w+){{0,3}} (?:{_ODD}|{_JUMPS}|spiked|off|out of line)",
        rf"days? (?:with|of|that had) (?:\w+ )?{_ODD} (?:{_SPEND}|amounts?|numbers?|calls|tokens)",
        rf"{_SPEND}[ -]{_JUMPS}|{_JUMPS} (?:in|of) (?:the |our )?(?:daily |day-to-day )?{_SPEND}",
        rf"(?:daily|days?|by day|per day)(?: \w+){{0,3}} {_JUMPS}",
        rf"{_JUMPS}(?: \w+){{0,3}} (?:daily|days?|by day|per day)",
        r"robust z(?:[ -]?scores?)?|(?:did )?spend(?:ing)? spiked?",
    ),
    needs=(Meaning.TIME,),
    steps=None,
)


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Odd days by what is asked for: spend, calls or tokens; spend where nothing is."""
    asking = CLAIM.of(reading)
    if not isinstance(asking, Asking):
        return asking
    measure = asking.measure if asking.measure in _MEASURES else Measure.COST
    named = reading.says(r"\b(?:calls|requests|volume|traffic|queries|messages)\b")
    if measure is Measure.CALLS and not named and asking.table.has(Meaning.COST):
        measure = Measure.COST
    return CLAIM.intent(asking, measure=measure)


def queries(subject: Subject) -> list[Query]:
    """What is usual and which days are not, with the implausible rows and without."""
    intent, catalogue = subject.intent, subject.catalogue
    views = {"": MEASURED[intent.measure].column}
    if intent.measure is Measure.COST and subject.table.implausible:
        views["_without_implausible"] = "spend_without_implausible"
    asked = [totals_query(intent, catalogue), *implausible_query(intent, catalogue), *gap_query(intent, catalogue)]
    for name, column in views.items():
        scored, parameters = _scored(subject, column)
        asked += [Query(f"usual{name}", _usual(scored), parameters), Query(f"days{name}", _odd(scored), parameters)]
    return asked


def _scored(subject: Subject, column: str) -> tuple[str, dict[str, object]]:
    """SQL for every day that has rows, with its robust z, and what it binds."""
    table, rows = subject.table, subject.rows
    days = (
        f"SELECT CAST({subject.time} AS DATE) AS day, {select(aggregates(table))} FROM {identifier(table.name)} "
        f"{rows.where} GROUP BY day HAVING day IS NOT NULL AND {column} IS NOT NULL"
    )
    middle = f"SELECT *, median(CAST({column} AS DOUBLE)) OVER () AS median FROM ({days})"
    spread = f"SELECT *, abs({column} - median) AS apart, median(abs({column} - median)) OVER () AS mad FROM ({middle})"
    scored = (
        f"SELECT CAST(day AS VARCHAR) AS day, {_shown_columns(subject.intent, column)}, median, mad, "
        f"{NORMAL_SCALE} * ({column} - median) / nullif(mad, 0) AS robust_z FROM ({spread})"
    )
    options = options_of(subject.intent, OddDays)
    return scored, {**parameters_of(table), **rows.parameters, "threshold": options.threshold}


def _shown_columns(intent: Intent, column: str) -> str:
    """What is measured; the same as recorded where rows are left out of it, and the calls beside it."""
    return ", ".join(dict.fromkeys((column, MEASURED[intent.measure].column, "calls")))


def _usual(scored: str) -> str:
    return (
        "SELECT max(median) AS median, max(mad) AS mad, CAST($threshold AS DOUBLE) AS threshold, count(*) AS days, "
        "count(*) FILTER (WHERE abs(robust_z) >= $threshold) AS odd_days, "
        f"max(median) + $threshold * max(mad) / {NORMAL_SCALE} AS odd_from FROM ({scored})"
    )


def _odd(scored: str) -> str:
    return (
        f"SELECT * EXCLUDE (median, mad) FROM ({scored}) WHERE abs(robust_z) >= $threshold "
        f"ORDER BY abs(robust_z) DESC, day LIMIT {MAX_DAYS}"
    )


def draft(account: Account) -> Draft | Refusal:
    """How many days are odd and which, first as recorded and then without the implausible rows."""
    days = account.cell("usual", "days")
    if days.value < FEWEST_DAYS or not account.cell("usual", "mad"):
        return _too_alike(account)
    lines = [f"{_headline(account, '')}\n\n", _table(account, "")]
    if "usual_without_implausible" in account.sheets and account.has_implausible:
        lines.append(f"\nWithout implausible rows: {_headline(account, '_without_implausible')}\n\n")
        lines.append(_table(account, "_without_implausible"))
    actions = ["Look at what ran on the odd days before a usual day is taken from an average."]
    insights = (_method(account), *account.notes, *gap_words(account.sheets))
    return Draft((*filter(None, lines), *account.odd_part), insights, tuple(actions if _found(account) else []))


def _found(account: Account) -> bool:
    return bool(account.cell("usual", "odd_days"))


def _too_alike(account: Account) -> Refusal:
    days = plural(account.cell("usual", "days"), "day")
    text = f"`{account.table.name}` has {days} with rows{account.scope}"
    enough = account.cell("usual", "days").value >= FEWEST_DAYS
    why = "more than half of them are the same" if enough else f"I say what is usual from {FEWEST_DAYS} days on"
    measured = "Spend" if account.has(Meaning.COST) else "Calls"
    return Refusal(
        reason="not_supported",
        text=f"{text}: {why}, so that none can be called odd.",
        missing=("days to compare with",),
        covered=account.table.covered,
        alternatives=(f"{measured} by day",),
    )


def _amount(account: Account, sheet: str, column: str, row: int = 0) -> str:
    cell = account.cell(sheet, column, row)
    return account.money(cell) if MEASURED[account.intent.measure].is_money else cell.figure


def _headline(account: Account, view: str) -> str:
    usual, days = f"usual{view}", f"days{view}"
    odd, all_days = account.cell(usual, "odd_days"), plural(account.cell(usual, "days"), "day")
    what = MEASURED[account.intent.measure].column
    column = f"{what}{view}"
    typical = f"the median day has {_amount(account, usual, 'median')}"
    if not odd:
        return f"None of {all_days} with rows{account.scope} is odd by {what}; {typical}."
    worst = f"**{account.cell(days, 'day')}** with **{_amount(account, days, column)}**"
    z = account.cell(days, "robust_z").figure
    verb = "is" if odd.value == 1 else "are"
    of = f"**{odd.count}** of {all_days} with rows{account.scope} {verb} odd by {what}"
    return f"{of}, first {worst} (robust z {z}); {typical} (`{account.table.name}`)."


def _table(account: Account, view: str) -> str:
    if not account.cell(f"usual{view}", "odd_days"):
        return ""
    measured = MEASURED[account.intent.measure]
    column = f"{measured.column}{view}"
    titles = {"day": "day", column: measured.words, "calls": f"{account.noun}s", "robust_z": "robust z"}
    return account.markdown(f"days{view}", titles, account.intent.limit or SHOWN_DAYS)


def _method(account: Account) -> str:
    mad, threshold = _amount(account, "usual", "mad"), account.cell("usual", "threshold").figure
    return (
        f"Robust z is `{NORMAL_SCALE} * (day - median) / MAD`, where MAD is the median distance from the median day "
        f"({mad}); a day is odd from {threshold} to either side. Days without rows are not counted; days are UTC."
    )


KIND = kind_of(
    CLAIM,
    "Days whose spend, calls or tokens are far from the median day (robust z from median and MAD)",
    queries,
    draft,
    recognise=recognise,
    options=OddDays,
)
