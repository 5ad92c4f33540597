"""Calls whose cost is zero: free, local or unpriced."""

from __future__ import annotations

from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.account import Account, Subject, by_column, by_step, kind_of
from chatcore.agents.analyst.intents.base import Draft, code
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.scope import totals_query
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.sql import exact_sum, select, tokens_of

SHOWN = 10
_CALLS = r"(?:calls?|requests?|messages?|queries|rows|records|usage)"
_AT_ZERO = (
    r"(?:with|had|has|have|carr(?:y|ies)|at) (?:a )?"
    r"(?:zero cost|no (?:recorded |logged )?cost|cost of (?:zero|0)|cost 0)"
)
_SHARE = r"(?:share|part|percentage|percent|proportion|fraction)"

CLAIM = Claim(
    name="free_calls",
    what="free calls",
    words=(
        rf"(?:free|unbilled|costless|zero[ -]cost|no[ -]cost) {_CALLS}",
        rf"{_CALLS}(?: \w+){{0,3}} (?:free|unbilled|cost nothing|{_AT_ZERO})",
        rf"{_CALLS}(?: \w+){{0,3}} cost(?:ed)? (?:us )?(?:exactly )?(?:zero|\$?0(?:\.00?)?|nothing)",
        rf"{_CALLS} without (?:any |a )?costs?",
        rf"{_SHARE} of (?:the |our )?(?:calls|requests|usage) (?:is|are|was|were) free",
    ),
    unless=(r"quality|unpriced|list price|empty",),
    needs=(Meaning.COST,),
    splits=True,
    steps=True,
)


def _figures(subject: Subject) -> dict[str, str]:
    cost, tokens = subject.table.column(Meaning.COST), tokens_of(subject.table)
    free = f"{identifier(cost.name)} = 0" if cost else "false"
    columns = {"free_calls": f"count(*) FILTER (WHERE {free})", "calls": "count(*)"}
    columns["free_percent"] = f"100.0 * count(*) FILTER (WHERE {free}) / nullif(count(*), 0)"
    if tokens is not None:
        amount = exact_sum(tokens, "DOUBLE" if subject.fractional_tokens else "BIGINT", free)
        columns["free_tokens"] = f"coalesce({amount}, 0)"
    return columns


def queries(subject: Subject) -> list[Query]:
    """How many in all, by what tells rows apart, and over time."""
    columns, rows = _figures(subject), subject.rows
    source = f"FROM {identifier(subject.table.name)} {rows.where}"
    cost = subject.table.column(Meaning.COST)
    unknown = f"count(*) - count({identifier(cost.name)})" if cost else "0"
    found = [
        totals_query(subject.intent, subject.catalogue),
        Query("free", f"SELECT {select(columns)}, {unknown} AS without_cost {source}", rows.parameters),
    ]
    if (split := subject.split) is not None:
        found.append(by_column(subject.split_by(split), columns, rows, "free_calls DESC"))
    if subject.intent.grain is not None and subject.has(Meaning.TIME):
        found.append(by_step(subject, columns, rows))
    return found


def draft(account: Account) -> Draft:
    """How many, which part of all; by what tells rows apart."""
    free = account.sheet("free")
    total = account.calls(free.cell("calls"))
    if not free.cell("free_calls"):
        return Draft((f"None of {total}{account.scope} has a cost of zero (`{account.table.name}`).\n",))
    tokens = f", with {free.cell('free_tokens').count} tokens" if free.has("free_tokens") else ""
    first = (
        f"**{account.calls(free.cell('free_calls'))}**{account.scope} carry a cost of zero: "
        f"{free.cell('free_percent').percent} of {total}{tokens} (`{account.table.name}`).\n\n"
    )
    return Draft((first, *_tables(account)), (_MEANING, *_insights(account), *account.notes), _ACTIONS)


def _tables(account: Account) -> list[str]:
    figures = {"free_calls": f"free {account.noun}s", "calls": f"all {account.noun}s", "free_percent": "of them free"}
    figures["free_tokens"] = "free tokens"
    return account.divided(figures, SHOWN)


def _insights(account: Account) -> list[str]:
    found = []
    if account.cell("free", "without_cost"):
        unknown = account.calls(account.cell("free", "without_cost"))
        found.append(f"{unknown} have no cost at all, and are not counted as free.")
    if "groups" in account.sheets and account.cell("groups", "free_calls"):
        name = code(account.cell("groups", "name"))
        found.append(f"Most of them are of {name}: {account.cell('groups', 'free_calls').count}.")
    return found


_MEANING = "A cost of zero says that nothing was recorded: free, local or unpriced. The rows do not say which."
_ACTIONS = ("Ask what the zero-cost calls cost at list price: that tells the free ones from those without a price.",)
KIND = kind_of(
    CLAIM,
    "Calls whose cost is zero, by model, user or feature",
    queries,
    draft,
)
