"""Rows whose cost cannot be right: who, when, how many times what is usual."""

from __future__ import annotations

from chatcore.agents.analyst.catalogue import IMPLAUSIBLE_TIMES
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.account import Account, Subject, kind_of, unit_of
from chatcore.agents.analyst.intents.base import Draft, code, plural
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.scope import totals_query
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Refusal
from chatcore.agents.analyst.sql import all_of, cost_basis, exact_sum, select, time_of, tokens_of
from chatcore.protocol.messages import Recommendation

MAX_ROWS = 50
_ROWS = (
    r"(?:calls?|requests?|rows?|records?|charges?|costs?|bills?|entry|entries|prices?|transactions?|amounts?|values?)"
)
_ODD = (
    r"(?:implausibl[ey]|impossibl[ey]|absurd|suspicious|outlying|outlier|unbelievabl[ey]|erroneous|bogus|anomalous"
    r"|abnormal|crazy)"
)
_NAMES = (Meaning.MODEL, Meaning.USER, Meaning.FEATURE)

CLAIM = Claim(
    name="implausible",
    what="implausible rows",
    words=(
        rf"{_ODD}(?:ly)?(?: \w+)?[ -](?:expensive |priced |costly |high )?{_ROWS}",
        rf"{_ROWS}(?: \w+){{0,4}} {_ODD}(?:ly)?",
        rf"(?:wrongly|mistakenly) (?:charged|billed|priced) {_ROWS}",
        rf"{_ROWS}(?: \w+){{0,3}} (?:cannot|can't|can not|couldn't) be (?:right|true|correct|real)",
        r"(?:other |more |further )?(?:bad|bogus|faulty|corrupt(?:ed)?|broken)"
        r" (?:rows?|records?|entries|charges?|calls?)",
        r"outliers?|implausible",
    ),
    unless=(
        r"quality|days?|daily|weeks?|months?|duplicates?|missing|gaps?",
        r"without|excluding|exclude|except|ignor\w+|minus|less|clean|prices|pass",
    ),
    needs=(Meaning.COST,),
    splits=None,
)


def queries(subject: Subject) -> list[Query]:
    """The implausible rows with all that is known of them, and the totals with and without."""
    return [totals_query(subject.intent, subject.catalogue), _usual(subject), *_rows(subject)]


def _usual(subject: Subject) -> Query:
    """What is usual and from where on a row is implausible."""
    basis, usual = cost_basis(subject.table), subject.table.usual_cost
    if usual is None or basis is None:
        return Query("usual", "SELECT 0 AS implausible_rows, NULL AS usual_cost")
    odd, rows = basis.implausible(usual), subject.rows
    cost = subject.table.column(Meaning.COST)
    amount = exact_sum(basis.cost, cost.type if cost else "DOUBLE", odd.sql)
    columns = {
        "implausible_rows": f"count(*) FILTER (WHERE {odd.sql})",
        "spend": amount,
        "usual_cost": "CAST($usual_cost AS DOUBLE)",
        "times": str(IMPLAUSIBLE_TIMES),
        "cost_per_million_tokens": "1000000.0 * $usual_cost",
    }
    sql = f"SELECT {select(columns)} FROM {identifier(subject.table.name)} {rows.where}"
    return Query("usual", sql, {**odd.parameters, **rows.parameters})


def _rows(subject: Subject) -> list[Query]:
    table, usual, basis = subject.table, subject.table.usual_cost, cost_basis(subject.table)
    if usual is None or basis is None:
        return []
    tokens, time = tokens_of(table), time_of(table)
    columns = {"time": f"CAST({time} AS VARCHAR)"} if time else {}
    columns |= {str(m): f"CAST({identifier(c.name)} AS VARCHAR)" for m in _NAMES if (c := table.column(m))}
    columns |= {"tokens": tokens} if tokens else {}
    columns |= {"cost": basis.cost, "times_the_usual": f"{basis.unit_cost} / $usual_cost"}
    where = all_of((basis.implausible(usual), subject.rows))
    sql = (
        f"SELECT {select(columns)} FROM {identifier(table.name)} {where.where} "
        f"ORDER BY cost DESC, {', '.join(identifier(name) for name in columns)} LIMIT {MAX_ROWS}"
    )
    return [Query("rows", sql, where.parameters)]


def draft(account: Account) -> Draft | Refusal:
    """How many there are, each in a sentence, and what the totals are with and without."""
    if not account.cell("usual", "implausible_rows"):
        return Draft((_none(account),), (_rule(account),) if account.table.usual_cost else ())
    odd = account.cell("usual", "implausible_rows")
    verb = "is" if odd.value == 1 else "are"
    lines = "".join(f"- {_line(account, i)}\n" for i in range(len(account.sheet("rows"))))
    first = f"**{account.calls(odd)}** {verb} implausible{account.scope} (`{account.table.name}`):\n\n"
    totals = account.sheet("totals")
    raw, clean = (account.money(totals.cell(name)) for name in ("spend", "spend_without_implausible"))
    after = f"\nThe total is **{raw}** as recorded and **{clean}** without.\n"
    return Draft((first, lines, after), (_rule(account),), (_CHECK,), (_recommendation(account),))


def _none(account: Account) -> str:
    total = account.calls(account.cell("totals", "calls"))
    return f"None of {total}{account.scope} has an implausible cost (`{account.table.name}`).\n"


def _line(account: Account, number: int) -> str:
    row = account.sheet("rows").row(number)
    facts = [str(row["time"])] if "time" in row else []
    facts += [plural(row["tokens"], "token")] if "tokens" in row else []
    facts += [account.money(row["cost"])]
    facts += [f"{name} {code(row[name])}" for name in map(str, _NAMES) if name in row and not row[name].missing]
    unit = "token" if "tokens" in row else account.noun
    return f"{', '.join(facts)}: {row['times_the_usual'].count} times what a {unit} usually costs"


def _rule(account: Account) -> str:
    by_token = tokens_of(account.table) is not None
    usual = account.cell("usual", "cost_per_million_tokens" if by_token else "usual_cost")
    times = account.cell("usual", "times").count
    unit = "million tokens" if by_token else account.noun
    return (
        f"Implausible is what costs more than {times} times the usual, which is the median of the paid "
        f"{account.noun}s: {account.money(usual)} a {unit}."
    )


def _recommendation(account: Account) -> Recommendation:
    amount = account.money(account.cell("usual", "spend"))
    return Recommendation(
        text=f"Hold the implausible rows against the invoice, and claim back the {amount} if it was charged.",
        baseline=account.cell("totals", "spend").value,
        projected=account.cell("totals", "spend_without_implausible").value,
        saving=account.cell("usual", "spend").value,
        unit=unit_of(account.table),
        basis="ceiling",
        assumptions=["The amount was charged as it is recorded; a fault of the record alone saves nothing."],
    )


_CHECK = "Check the implausible rows against the provider's invoice, and correct or remove them."
KIND = kind_of(
    CLAIM,
    "Rows whose cost cannot be right: who, when, how many times the usual",
    queries,
    draft,
)
