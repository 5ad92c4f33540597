"""What moved the spend between two periods: more or fewer calls, dearer or cheaper ones, and which names.

The change is split so that the parts add up to it exactly. Volume is the calls added or lost, at the first period's
cost per call; rate is the change of the cost per call, over the second period's calls. Rate is split again: what the
same names cost more or less per call, and the rest, which is the mix: that other names were called.
"""

from __future__ import annotations

import re

import msgspec

from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query, money_apart
from chatcore.agents.analyst.intents.account import Account, Subject, kind_of
from chatcore.agents.analyst.intents.base import Draft, code, listed
from chatcore.agents.analyst.intents.claims import Claim, dimensions_of
from chatcore.agents.analyst.intents.scope import filter_words, nothing_there
from chatcore.agents.analyst.periods import before
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Measure, Period, Refusal
from chatcore.agents.analyst.sql import (
    Condition,
    all_of,
    during,
    exact_sum,
    filtered,
    implausible,
    parameters_of,
    time_of,
)

MAX_NAMES = 50
SHOWN_NAMES = 8
NAMED_NEW = 5
_TWO = 2
_SPEND = r"(?:spend|spending|costs?|bill|expenses?|total)"
_MOVE = (
    r"(?:change|changes|difference|increase|decrease|rise|fall|drop|jump|growth|decline|go up|goes up|went up|go down"
    r"|went down|up|down|grow|grew|rose|fell|dropped|increased|decreased|jumped|spike)"
)
_WHO = r"(?:what|which \w+|who)"
_MADE = (
    r"(?:has |have |had )?"
    r"(?:drove|drives?|driven|caused|moved|explains?|explained|made|pushed|contributed to)"
)
_BEHIND = r"(?:behind|driving|responsible for|moving)"
_OF_SPEND = rf"(?: (?:in|of) (?:the |our )?{_SPEND})?"
_EFFECT = r"(?:volume|price|rate|mix)"
_DEARER = r"(?:dearer|costlier|more expensive|pricier)"

CLAIM = Claim(
    name="drivers",
    what="what moved the spend",
    words=(
        rf"{_WHO} {_MADE}(?: \w+){{0,3}} {_SPEND}(?: {_MOVE})?",
        rf"{_WHO} (?:is |was |are |were )?{_BEHIND}(?: \w+){{0,4}} {_MOVE}(?: in {_SPEND})?",
        rf"{_WHO} {_MADE}(?: \w+){{0,3}} {_MOVE}{_OF_SPEND}",
        rf"why (?:did|has|have|was|were|is|are)(?: \w+){{0,2}} {_SPEND}(?: \w+)? {_MOVE}",
        rf"{_SPEND}(?: \w+){{0,2}} {_MOVE}(?: [\w-]+){{0,10}},? (?:and|but) why",
        rf"how (?:much )?(?:did|has|have|do)(?: \w+){{0,4}} {_MOVE}(?: [\w-]+){{0,10}},? (?:and|but) why",
        r"why (?:did|do) we (?:spend|pay) (?:more|less)",
        rf"(?:decompose|break down|split|explain|attribute)(?: \w+){{0,2}} {_MOVE}{_OF_SPEND}",
        rf"{_EFFECT}(?: and|,| or| vs\.?| versus|/)+ ?{_EFFECT}(?: \w+)?(?: effects?)?|{_EFFECT} effects?|mix shift",
        rf"(?:cost |spend |main ){{0,3}}drivers?(?: of (?:the |our )?(?:{_MOVE}|{_SPEND})(?: in {_SPEND})?)?",
        rf"more calls or {_DEARER} (?:calls|ones)|{_DEARER} calls or more(?: of them| calls)?",
        r"which \w+ (?:grew|rose|fell|dropped|increased|decreased|changed|jumped|moved)(?: (?:the )?(?:most|least))?",
        r"(?:because of|due to|from) (?:more calls|volume|price|higher prices|usage)",
    ),
    unless=(r"invoice|list price|forecast",),
    needs=(Meaning.COST, Meaning.TIME),
    splits=True,
    steps=None,
)
"""Its words mean a change; which two periods are compared is asked of the reading as in a comparison."""


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Two periods, or one against the one before it, and the column whose names are told apart."""
    asking = CLAIM.of(reading, apart=True)
    if not isinstance(asking, Asking):
        return asking
    periods = _two(asking)
    if periods is None:
        return _undated(asking)
    if len(periods) > _TWO:
        return refusals.too_many_periods(reading.catalogue)
    intent = CLAIM.intent(asking, measure=Measure.COST)
    return msgspec.structs.replace(intent, periods=periods, by=intent.by or _named(asking))


def _two(asking: Asking) -> list[Period] | None:
    """The periods in their order; None where none with both its ends is named."""
    periods = [found.choices[0] for found in asking.reading.periods]
    if any(period.days is None for period in periods) or not periods:
        return None
    if len(periods) == 1:
        return [before(periods[0], asking.previous_unit), periods[0]]
    return sorted(periods, key=lambda period: str(period.start))


def _undated(asking: Asking) -> Intent | None:
    """Drivers without a period are what the spend is made up of; any other change has to say between what."""
    if not asking.reading.says(r"\b(?:drivers?|drives)\b"):
        return None
    columns = dimensions_of(asking.table)
    by = _named(asking) or (columns[0].name if columns else None)
    return Intent(kind="by", table=asking.table.name, by=by, filters=asking.reading.filters) if by else None


def _named(asking: Asking) -> str | None:
    words = {r"models?": Meaning.MODEL, r"users?|who|people": Meaning.USER, r"features?|modes?": Meaning.FEATURE}
    found = (meaning for word, meaning in words.items() if re.search(rf"\b(?:{word})\b", asking.reading.text))
    return next((column.name for meaning in found if (column := asking.table.column(meaning))), None)


def _grouped(subject: Subject) -> Condition:
    """SQL for a row a name with its calls and its spend in both periods, plausible rows only."""
    cost, by = subject.table.column(Meaning.COST), subject.split
    amount = f"CAST({identifier(cost.name) if cost else '0'} AS DECIMAL(38,12))"
    first, second = _sides(subject)
    odd = implausible(subject.table)
    kept = all_of(
        (Condition(f"{odd.sql} IS NOT TRUE", odd.parameters) if odd else None, filtered(subject.intent.filters))
    )
    either = all_of((Condition(f"(({first.sql}) OR ({second.sql}))", {**first.parameters, **second.parameters}), kept))
    columns = ", ".join(
        f"count(*) FILTER (WHERE {side.sql}) AS {name}_calls, "
        f"coalesce(sum({amount}) FILTER (WHERE {side.sql}), 0) AS {name}_spend"
        for name, side in (("first", first), ("second", second))
    )
    name = f"CAST({identifier(by)} AS VARCHAR)" if by else "'all'"
    sql = f"SELECT {name} AS name, {columns} FROM {identifier(subject.table.name)} {either.where} GROUP BY 1"
    return Condition(sql, either.parameters)


def _sides(subject: Subject) -> tuple[Condition, Condition]:
    one, two = (
        during(period, time_of(subject.table), f"{side}_") or Condition("true")
        for side, period in zip(("first", "second"), subject.intent.periods, strict=False)
    )
    return one, two


def queries(subject: Subject) -> list[Query]:
    """Both periods as recorded, the parts of the change, the names that moved most, and how many are new or gone."""
    if len(subject.intent.periods) != _TWO:
        return [Query("totals", f"SELECT count(*) AS calls FROM {identifier(subject.table.name)}")]
    grouped = _grouped(subject)
    return [
        _recorded(subject),
        Query("effects", _effects(grouped.sql), grouped.parameters),
        Query("waterfall", _waterfall(grouped.sql), {**grouped.parameters, **_labels(subject)}),
        Query("names", _names(grouped.sql), grouped.parameters),
        Query("status", _status(grouped.sql), grouped.parameters),
    ]


def _recorded(subject: Subject) -> Query:
    """Calls and spend of both periods with every row that is asked for."""
    cost = subject.table.column(Meaning.COST)
    first, second = _sides(subject)
    kept, odd = filtered(subject.intent.filters), implausible(subject.table)
    name, kind = (identifier(cost.name), cost.type) if cost else ("0", "BIGINT")
    columns = ", ".join(
        f"count(*) FILTER (WHERE {side.sql}) AS {label}_calls, {exact_sum(name, kind, side.sql)} AS {label}_spend"
        for label, side in (("first", first), ("second", second))
    )
    implausible_rows = f"count(*) FILTER (WHERE ({first.sql} OR {second.sql}) AND {odd.sql})" if odd else "0"
    sql = (
        f"SELECT *, first_calls + second_calls AS calls, second_spend - first_spend AS change_of_spend FROM (SELECT "
        f"{columns}, {implausible_rows} AS implausible_rows FROM {identifier(subject.table.name)} {kept.where})"
    )
    return Query(
        "totals", sql, {**first.parameters, **second.parameters, **kept.parameters, **parameters_of(subject.table)}
    )


_WHOLE = (
    "SELECT CAST(sum(first_calls) AS BIGINT) AS first_calls, CAST(sum(second_calls) AS BIGINT) AS second_calls, "
    "sum(first_spend) AS first_spend, sum(second_spend) AS second_spend, "
    "sum(CASE WHEN first_calls > 0 AND second_calls > 0 THEN second_spend - CAST(CAST(first_spend AS DOUBLE) "
    "/ first_calls * second_calls AS DECIMAL(38,12)) ELSE 0 END) AS own_rate FROM ({grouped})"
)
_PARTS = (
    "SELECT *, second_spend - first_spend AS change, CAST(CAST(first_spend AS DOUBLE) / nullif(first_calls, 0) "
    "* (second_calls - first_calls) AS DECIMAL(38,12)) AS volume FROM ({whole})"
)


def _parts(grouped: str) -> str:
    """SQL for the whole: exact decimals, so that volume and rate are the change, and mix and own rate the rate."""
    split = _PARTS.format(whole=_WHOLE.format(grouped=grouped))
    return f"SELECT *, change - volume AS rate, change - volume - own_rate AS mix FROM ({split})"


def _effects(grouped: str) -> str:
    amounts = ("first_spend", "second_spend", "change", "volume", "rate", "mix", "own_rate")
    plain = ", ".join(f"CAST({name} AS DOUBLE) AS {_AMOUNT[name]}" for name in amounts)
    sizes = ", ".join(f"abs(CAST({name} AS DOUBLE)) AS {_AMOUNT[name]}_size" for name in amounts[2:])
    return (
        f"SELECT first_calls, second_calls, second_calls - first_calls AS change_of_calls, {plain}, {sizes}, "
        "CAST(first_spend AS DOUBLE) / nullif(first_calls, 0) AS cost_per_call_first, "
        "CAST(second_spend AS DOUBLE) / nullif(second_calls, 0) AS cost_per_call_second, "
        "abs(100.0 * CAST(change AS DOUBLE) / nullif(CAST(first_spend AS DOUBLE), 0)) AS change_percent "
        f"FROM ({_parts(grouped)})"
    )


_AMOUNT = {
    "first_spend": "spend_first",
    "second_spend": "spend_second",
    "change": "amount_change",
    "volume": "amount_volume",
    "rate": "amount_rate",
    "mix": "amount_mix",
    "own_rate": "amount_own_rate",
}


def _labels(subject: Subject) -> dict[str, list[str]]:
    first, second = (period.words for period in subject.intent.periods)
    return {"labels": [first, "number of calls", "mix", "cost per call of the same", second]}


def _waterfall(grouped: str) -> str:
    """From the first period's spend to the second's, part by part."""
    amounts = ", ".join(
        f"CAST({name} AS DOUBLE)" for name in ("first_spend", "volume", "mix", "own_rate", "second_spend")
    )
    return f"SELECT unnest($labels) AS part, unnest([{amounts}]) AS amount FROM ({_parts(grouped)})"


def _names(grouped: str) -> str:
    """The names whose spend moved most, each with its own volume and rate; what is new or gone has no rate."""
    both = "first_calls > 0 AND second_calls > 0"
    volume = "CAST(CAST(first_spend AS DOUBLE) / first_calls * (second_calls - first_calls) AS DECIMAL(38,12))"
    moved = (
        "SELECT *, second_spend - first_spend AS change, "
        f"CASE WHEN {both} THEN {volume} ELSE second_spend - first_spend END AS volume, "
        f"{_STATUS} AS status FROM ({grouped})"
    )
    return (
        "SELECT name, CASE WHEN first_calls > 0 THEN CAST(first_spend AS DOUBLE) END AS spend_first, "
        "CASE WHEN second_calls > 0 THEN CAST(second_spend AS DOUBLE) END AS spend_second, "
        "CAST(change AS DOUBLE) AS amount_change, CAST(volume AS DOUBLE) AS amount_volume, "
        "CAST(change - volume AS DOUBLE) AS amount_rate, first_calls, second_calls, status, "
        "abs(CAST(change AS DOUBLE)) AS amount_change_size "
        f"FROM ({moved}) ORDER BY abs(change) DESC, name NULLS LAST LIMIT {MAX_NAMES}"
    )


def _status(grouped: str) -> str:
    """How many names are new, gone or in both, and what of the change they make."""
    change = "CAST(sum(second_spend - first_spend) AS DOUBLE) AS amount_change"
    return f"SELECT {_STATUS} AS status, count(*) AS names, {change} FROM ({grouped}) GROUP BY 1 ORDER BY 1"


_STATUS = (
    "CASE WHEN first_calls > 0 AND second_calls > 0 THEN 'in both' WHEN second_calls > 0 THEN 'new' ELSE 'gone' END"
)


def draft(account: Account) -> Draft | Refusal:
    """The change, its parts, and who made it; what was recorded with implausible rows beside it."""
    if len(account.intent.periods) != _TWO:
        return refusals.not_supported("a change without two periods", account.catalogue)
    for number, side in enumerate(("first", "second")):
        if account.cell("totals", f"{side}_calls").value == 0:
            only = msgspec.structs.replace(account.intent, periods=[account.intent.periods[number]])
            return nothing_there(only, account.catalogue)
    parts = [f"{_headline(account)}\n\n", _effect_lines(account), _names_table(account), _as_recorded(account)]
    return Draft(tuple(filter(None, parts)), tuple(_insights(account)))


def _headline(account: Account) -> str:
    effects, (a, b) = account.sheet("effects"), account.intent.periods
    first, second, size = (
        account.money(effects.cell(n)) for n in ("spend_first", "spend_second", "amount_change_size")
    )
    without = " without implausible rows" if account.cell("totals", "implausible_rows") else ""
    change = effects.cell("amount_change")
    scope = filter_words(account.intent.filters)
    if not change:
        return f"Spend{scope}{without} stayed at **{first}**, {a.words} to {b.words} (`{account.table.name}`)."
    percent = effects.cell("change_percent")
    share = "" if percent.missing else f", {percent.percent}"
    verb = "rose" if change.value > 0 else "fell"
    return (
        f"Spend{scope}{without} {verb} by **{size}**{share}: from {first} in {a.words} to {second} in {b.words} "
        f"(`{account.table.name}`). Of that:"
    )


def _effect_lines(account: Account) -> str:
    effects, noun = account.sheet("effects"), f"{account.noun}s"
    calls = [effects.cell(name).count for name in ("first_calls", "second_calls")]
    earlier, later = effects.cell("cost_per_call_first"), effects.cell("cost_per_call_second")
    rates = money_apart(earlier, later, account.table.currency)
    lines = [
        f"- {_signed(account, 'amount_volume')} is volume: {calls[0]} to {calls[1]} {noun}, at {rates[0]} each\n",
        f"- {_signed(account, 'amount_rate')} is rate: {rates[0]} to {rates[1]} each, over {calls[1]} {noun}\n",
    ]
    by = account.split
    if by is not None:
        lines.append(
            f"    - {_signed(account, 'amount_mix')} of the rate is mix: other values of `{by}` than before\n"
            f"    - {_signed(account, 'amount_own_rate')} of it is what the same ones cost a {account.noun}\n"
        )
    return "".join(lines)


def _signed(account: Account, name: str) -> str:
    cell = account.cell("effects", name)
    return f"**{'+' if not cell.missing and cell.value > 0 else ''}{account.money(cell)}**"


def _names_table(account: Account) -> str:
    by, (a, b) = account.split, account.intent.periods
    if by is None:
        return ""
    titles = {"name": by, "spend_first": a.words, "spend_second": b.words, "amount_change": "change"}
    titles |= {"amount_volume": "by volume", "amount_rate": "by rate", "status": ""}
    return "\n" + account.markdown("names", titles, account.intent.limit or SHOWN_NAMES)


def _as_recorded(account: Account) -> str:
    totals = account.sheet("totals")
    if not totals.cell("implausible_rows"):
        return ""
    first, second = (account.money(totals.cell(f"{side}_spend")) for side in ("first", "second"))
    rows = totals.cell("implausible_rows")
    verb = "row is" if rows.value == 1 else "rows are"
    return f"\nAs recorded it went from {first} to {second}: {rows.count} implausible {verb} left out above.\n"


def _insights(account: Account) -> list[str]:
    found, names = [], account.sheet("names")
    if account.split is not None and len(names) and names.cell("amount_change"):
        row = names.row(0)
        verb = "more" if row["amount_change"].value > 0 else "less"
        found.append(f"{code(row['name'])} moved most: {account.money(row['amount_change_size'])} {verb}.")
        found += [_of_status(account, status) for status in ("new", "gone") if _counted(account, status)]
    found.append("That says what moved the figure, not why anyone did it: of that the rows say nothing.")
    last = account.table.covered_to
    if last and any(period.end and period.end > last for period in account.intent.periods):
        found.append(f"The rows end on {last[:10]}: a period that goes beyond it is not complete.")
    return found


def _counted(account: Account, status: str) -> bool:
    return any(str(row["status"]) == status for row in account.sheet("status"))


def _of_status(account: Account, status: str) -> str:
    (row,) = [row for row in account.sheet("status") if str(row["status"]) == status]
    names = [code(each["name"]) for each in account.sheet("names") if str(each["status"]) == status][:NAMED_NEW]
    more = " and others" if row["names"].value > len(names) else ""
    return f"{status.capitalize()}, {account.money(row['amount_change'])} in all: {listed(names)}{more}."


KIND = kind_of(
    CLAIM,
    "What moved the spend between two periods: volume, rate and mix, and which models, users or features",
    queries,
    draft,
    recognise=recognise,
)
