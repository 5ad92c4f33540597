"""What one of something costs: a call, a million tokens, a user, a session, a day; by a column or over time."""

from __future__ import annotations

from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.account import Account, Subject, by_column, by_step, kind_of
from chatcore.agents.analyst.intents.base import Draft, code
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.scope import (
    gap_query,
    gap_words,
    implausible_query,
    nothing_there,
    totals_query,
)
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.sql import exact_sum, select, tokens_of

SHOWN = 24
_COST = r"(?:costs?|spend|spending|price)"
_UNIT = (
    r"(?:(?:single |paid )?(?:call|request|message|query|prompt)s?|users?|persons?|active day|day with rows"
    r"|(?:(?:1[ ,.]?000[ ,.]?000|1 ?m|one million|a million|million|1 ?k|1000|thousand) )?tokens?|million)"
)
_OVER = r"(?:by (?:day|week|month|quarter|year)|(?:daily|weekly|monthly)|over time|each (?:day|week|month)|trend)"
_PER_UNIT = rf"{_COST} (?:per|of a|of each|a) {_UNIT}"
_MOVE = r"(?:chang|ris|rose|fall|fell|gone|grow|grew|increas|decreas|go|get)\w*"

_WHO = r"(?:active )?(?:users?|persons?|developers?|members?|employees?|engineers?|models?)"
_STEP = r"(?:active )?(?:day|week|month|quarter|year)"

CLAIM = Claim(
    name="unit_cost",
    what="unit costs",
    words=(
        r"unit (?:costs?|economics|prices?)|costs? per unit",
        rf"{_PER_UNIT}(?= (?:\w+ ){{0,8}}{_OVER})",
        rf"(?:daily|weekly|monthly) (?:average )?{_PER_UNIT}",
        rf"(?:evolution|trend|course|development|history) of (?:the |our )?(?:average )?{_PER_UNIT}",
        rf"(?:has|have|is|did|are) (?:the |our )?{_PER_UNIT}(?= (?:\w+ ){{0,8}}{_MOVE})",
        rf"(?:average|mean) {_COST} (?:per|of a|of each|for a) (?:active )?(?:user|person|developer|active day)",
        r"how much does (?:a|one|each|the average) (?:user|person|developer) cost(?: us)?(?: on average)?",
        rf"{_COST} (?:per|of a) (?:paid call|paid request|active user|active day)",
    ),
    unless=(
        r"list|catalogue|catalog|what if|instead|switch\w*|highest|lowest",
        rf"(?:average|avg|mean) (?:daily|weekly|monthly|quarterly|yearly|annual) {_COST} (?:per|of a|of each) {_WHO}",
        rf"(?:each|every|a|one) {_WHO} (?:costs?|spends?)(?: \w+)? (?:per|a|each|every) {_STEP}",
        rf"per {_WHO} (?:per|a|an|each|every|and) {_STEP}|per {_STEP} (?:per|and|for each|a|each) {_WHO}",
    ),
    needs=(Meaning.COST,),
    splits=True,
    steps=True,
)


def _figures(subject: Subject) -> dict[str, str]:
    """Sums and quotients of a group of plausible rows."""
    cost, tokens, time = (
        subject.table.column(Meaning.COST),
        tokens_of(subject.table),
        subject.table.column(Meaning.TIME),
    )
    if cost is None:
        return {}
    name = identifier(cost.name)
    spend, paid = exact_sum(name, cost.type), f"count(*) FILTER (WHERE {name} > 0)"
    columns = {
        "cost_per_call": f"{spend} / nullif(count({name}), 0)",
        "cost_per_paid_call": f"{spend} / nullif({paid}, 0)",
        "spend": spend,
        "calls": f"count({name})",
        "paid_calls": paid,
    }
    if tokens is not None:
        amount = exact_sum(tokens, "DOUBLE" if subject.fractional_tokens else "BIGINT")
        columns |= {"cost_per_million_tokens": f"1000000.0 * {spend} / nullif({amount}, 0)", "tokens": amount}
    user = subject.table.column(Meaning.USER)
    if user is not None:
        users = f"count(DISTINCT {identifier(user.name)})"
        columns |= {"cost_per_user": f"{spend} / nullif({users}, 0)", "users": users}
    if time is not None:
        days = f"count(DISTINCT CAST({subject.time} AS DATE))"
        columns |= {"cost_per_day": f"{spend} / nullif({days}, 0)", "days": days}
    return columns


def queries(subject: Subject) -> list[Query]:
    """The unit costs of all rows, by a column and over time."""
    figures, rows = _figures(subject), subject.plausible_rows
    source = f"FROM {identifier(subject.table.name)} {rows.where}"
    found = [
        totals_query(subject.intent, subject.catalogue),
        Query("units", f"SELECT {select(figures)} {source}", rows.parameters),
        *implausible_query(subject.intent, subject.catalogue),
    ]
    if subject.intent.by is not None:
        found.append(by_column(subject, figures, rows, "spend DESC NULLS LAST"))
    if subject.intent.grain is not None and subject.has(Meaning.TIME):
        found += [by_step(subject, figures, rows), *gap_query(subject.intent, subject.catalogue)]
    return found


_TITLES = {
    "cost_per_call": "a call",
    "cost_per_paid_call": "a paid call",
    "cost_per_million_tokens": "a million tokens",
    "cost_per_user": "a user",
    "cost_per_day": "a day with rows",
}


def draft(account: Account) -> Draft | Refusal:
    """Each unit cost, then by the column or over the steps that were asked for."""
    units = account.sheet("units")
    if units.cell("spend").missing:
        return nothing_there(account.intent, account.catalogue)
    known = {name: title for name, title in _TITLES.items() if units.has(name) and not units.cell(name).missing}
    listed = [f"- {title}: **{account.money(units.cell(name))}**\n" for name, title in known.items()]
    spend, calls = account.money(units.cell("spend")), account.calls(units.cell("calls"))
    first = (
        f"On average{account.scope}, over {spend} and {calls}{account.left_out} (`{account.table.name}`), it costs:\n\n"
    )
    parts = [first, "".join(listed), *_tables(account)]
    return Draft((*parts, *account.odd_part), (*_insights(account), *gap_words(account.sheets), *account.notes))


def _tables(account: Account) -> list[str]:
    titles = {name: title for name, title in _TITLES.items() if name not in ("cost_per_user", "cost_per_day")}
    titles |= {"spend": "spend", "calls": f"{account.noun}s"}
    tables = []
    if "groups" in account.sheets:
        shown = account.markdown("groups", {"name": str(account.intent.by), **titles}, account.intent.limit or 10)
        tables.append(f"\n{shown}")
    if "steps" in account.sheets:
        rows = len(account.sheet("steps"))
        shown = account.markdown("steps", {"step": str(account.intent.grain), **titles}, first=max(rows - SHOWN, 0))
        tables.append(f"\n{shown}")
    return tables


def _insights(account: Account) -> list[str]:
    """What the averages leave out, and which value is the dearest per token."""
    units, found = account.sheet("units"), []
    if units.cell("calls").value != units.cell("paid_calls").value:
        paid, calls = account.calls(units.cell("paid_calls")), units.cell("calls").count
        found.append(f"Of {calls}, {paid} cost anything: an average over all counts those at zero too.")
    if "groups" in account.sheets:
        rows = [row for row in account.sheet("groups") if row["cost_per_call"]]
        if len(rows) > 1:
            most = max(rows, key=lambda row: float(row["cost_per_call"].value))
            found.append(f"{code(most['name'])} costs most a call: {account.money(most['cost_per_call'])}.")
    return found


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Unit costs in one period: between two they are compared."""
    between = reading.says(rf"\b{_MOVE}\b.*\b(?:from|between)\b") and not reading.says(rf"\b{_OVER}\b")
    asking = CLAIM.of(reading, apart=bool(between))
    if not isinstance(asking, Asking):
        return asking
    return None if len(asking.reading.periods) > 1 else CLAIM.intent(asking)


KIND = kind_of(
    CLAIM,
    "Cost per call, per million tokens, per user and per day with rows; by a column or over time",
    queries,
    draft,
    recognise=recognise,
)
