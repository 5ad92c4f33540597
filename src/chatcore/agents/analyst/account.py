"""What asking a model took, and what that costs where a price is known: evidence like any other of an answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import repeat

import attrs

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.evidence import Cell, Query, Sheet
from chatcore.agents.analyst.intents.base import code, plural
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.prices.pricing import Calls, priced_calls
from chatcore.agents.analyst.prices.wording import amount
from chatcore.agents.analyst.running import run_queries
from chatcore.agents.analyst.sql import Condition, exact_sum
from chatcore.agents.base import Run
from chatcore.agents.llm.budget import Budget
from chatcore.agents.llm.reply import Usage
from chatcore.protocol.messages import Evidence

MODEL_USAGE = "model_usage"

OWN_CURRENCY = "$"
"""Of the prices that settings give."""

_TURNS = (
    "SELECT unnest($prompt_tokens) AS prompt, unnest($completion_tokens) AS completion, "
    "CAST($asked_at AS TIMESTAMP) AS asked_at"
)
"""What the server counted is in no table: it is bound, a number for each turn, so that the query can be run again."""

_CALLS = Calls(
    source=f"({_TURNS})",
    name="$model",
    input_tokens="prompt",
    output_tokens="completion",
    time="asked_at",
    keep={"prompt": "prompt", "completion": "completion"},
)
_MILLIONTHS = "CAST({price} AS DOUBLE) / 1000000.0"


@attrs.frozen
class ModelPrice:
    """What the operator pays for a million tokens, in US dollars.

    Args:
        prompt: tokens in.
        completion: tokens out.
    """

    prompt: float
    completion: float


@attrs.frozen(kw_only=True)
class Asked:
    """What a model was asked, and when.

    Args:
        model: its name.
        turns: with it.
        counted: what its server counted, for each turn that it did.
        at: the time in UTC; prices may depend on the day and the hour.
    """

    model: str
    turns: int
    counted: Sequence[Usage]
    at: dt.datetime


async def account_for(
    run: Run, model: str, budget: Budget, ledger: Ledger, price: ModelPrice | None = None
) -> Evidence | None:
    """Show what the model took as the result of a tool; None where its server does not count.

    Args:
        run: that is told.
        model: its name.
        budget: of the dialogue, after it.
        ledger: of the answer; its table of list prices may have the model.
        price: what the operator says that the model costs, which goes before any list.
    """
    if not budget.counted:
        return None
    asked = Asked(model=model, turns=budget.turns, counted=budget.counted, at=dt.datetime.now(dt.UTC))
    async with run.tool(MODEL_USAGE, model=model) as call:
        query = usage_query(asked, ledger.catalogue, price)
        found = await run_queries(ledger, MODEL_USAGE, [query], repeat(MODEL_USAGE))
        call.summary = cost_line(found[MODEL_USAGE])
        call.evidence.append(found[MODEL_USAGE])
    return found[MODEL_USAGE]


def usage_query(asked: Asked, catalogue: Catalogue, price: ModelPrice | None) -> Query:
    """One row: the tokens of all turns and, where a price is known, their cost."""
    priced = _at_own_price(price) if price is not None else _at_list_price(asked.model, catalogue)
    bound = {
        "model": asked.model,
        "turns": asked.turns,
        "prompt_tokens": [each.prompt_tokens for each in asked.counted],
        "completion_tokens": [each.completion_tokens for each in asked.counted],
        "asked_at": asked.at.strftime("%Y-%m-%d %H:%M:%S"),
    }
    cost = f", {_COST}, $currency AS currency, $price_of AS price_of" if priced else ""
    sql = f"SELECT {_COUNTED}{cost} FROM ({priced.sql if priced else _TURNS})"
    return Query(MODEL_USAGE, sql, {**bound, **(priced.parameters if priced else {})})


_COUNTED = (
    "$model AS model, CAST($turns AS BIGINT) AS turns, count(*) AS counted_turns, "
    f"{exact_sum('prompt', 'BIGINT')} AS prompt_tokens, "
    f"{exact_sum('completion', 'BIGINT')} AS completion_tokens"
)
_COST = f"CASE WHEN count(list_cost) = count(*) THEN nullif({exact_sum('list_cost', 'DOUBLE')}, 0) END AS cost"
"""Of every turn or of none. A price of nothing is an offer or a gap in the list, and tells no cost."""


def _at_own_price(price: ModelPrice) -> Condition:
    """The turns at what the operator pays."""
    amounts = (
        f"prompt * {_MILLIONTHS.format(price='$prompt_price')} + "
        f"completion * {_MILLIONTHS.format(price='$completion_price')}"
    )
    told = {"prompt_price": price.prompt, "completion_price": price.completion}
    said = {"currency": OWN_CURRENCY, "price_of": None}
    return Condition(f"SELECT *, {amounts} AS list_cost FROM ({_TURNS})", {**told, **said})


def _at_list_price(model: str, catalogue: Catalogue) -> Condition | None:
    """The turns at the price that a list has for that day and hour, if one has the model."""
    for book in catalogue.price_books:
        matches = book.matches([model])
        if matches:
            priced = priced_calls(_CALLS, book, matches)
            said = {"currency": book.columns.currency, "price_of": str(matches[model])}
            return Condition(priced.sql, {**priced.parameters, **said})
    return None


def cost_line(evidence: Evidence) -> str:
    """What the model took, in a sentence of its cells."""
    row = Sheet(evidence).row(0)
    turns, counted = row["turns"], row["counted_turns"]
    uncounted = "" if turns.value == counted.value else f" (its server counted {counted.count} of them)"
    tokens = f"{row['prompt_tokens'].count} tokens in and {row['completion_tokens'].count} tokens out"
    return f"{code(row['model'])} took {plural(turns, 'turn')}{uncounted}, {tokens}{_cost(row)}."


def _cost(row: Mapping[str, Cell]) -> str:
    if "cost" not in row or row["cost"].missing:
        return ""
    listed = f"the list price of {code(row['price_of'])}"
    basis = "the price that is set" if row["price_of"].missing else listed
    return f": {amount(row['cost'], str(row['currency']))} at {basis}"
