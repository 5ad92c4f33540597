"""Calls and names between two amounts, against the rows of the CSV; and a rate of which the rows know no part."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from .alternatives import check_alternatives
from .conftest import ask, loaded

Row = dict[str, str]


def _cost(row: Row) -> Decimal:
    return Decimal(row["cost_usd"])


@pytest.mark.parametrize(
    ("question", "holds"),
    [
        ("calls between $0.50 and $1", lambda row: Decimal("0.5") <= _cost(row) <= 1),
        ("calls of $0.50-$1", lambda row: Decimal("0.5") <= _cost(row) <= 1),
        ("how many calls cost between 10 and 20 cents", lambda row: Decimal("0.1") <= _cost(row) <= Decimal("0.2")),
        ("calls that cost more than 10 cents", lambda row: _cost(row) > Decimal("0.1")),
        ("calls with 1000 to 5000 tokens", lambda row: 1000 <= int(row["total_tokens"]) <= 5000),
        ("calls over 1000 and under 5000 tokens", lambda row: 1000 < int(row["total_tokens"]) < 5000),
        ("calls with between 1k and 5k output tokens", lambda row: 1000 <= int(row["completion_tokens"]) <= 5000),
    ],
)
async def test_calls_between_two_amounts(
    shared: Path, usage_rows: list[Row], question: str, holds: Callable[[Row], bool]
) -> None:
    kept = [row for row in usage_rows if holds(row)]
    async with loaded(shared) as ledger:
        told = await ask(ledger, question)
        assert told.text.startswith(f"**{len(kept):,} calls** "), told.text
        (totals,) = told.sheet("calls_beyond", "spend_beyond")
        assert totals["spend_beyond"] == pytest.approx(float(sum(map(_cost, kept))), abs=1e-9)


async def test_models_between_two_amounts(shared: Path, usage_rows: list[Row]) -> None:
    spent: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in usage_rows:
        spent[row["model"]] += _cost(row) if _cost(row) < 5000 else 0
    used = Counter(row["model"] for row in usage_rows)
    async with loaded(shared) as ledger:
        told = await ask(ledger, "models that cost between $1 and $5")
        assert told.text.startswith(f"**{sum(1 <= amount <= 5 for amount in spent.values())}** of {len(spent)} ")
        told = await ask(ledger, "which models were used between 10 and 50 times")
        assert told.text.startswith(f"**{sum(10 <= count <= 50 for count in used.values())}** of {len(used)} ")
        assert "have between 10 and 50 calls" in told.text


async def test_years_are_no_amounts(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, "calls between 2024 and 2025")
        assert f"**{sum(row['ts_utc'][:4] in ('2024', '2025') for row in usage_rows):,} calls**" in told.text


@pytest.mark.parametrize(
    "question",
    [
        "cost per 1k output tokens",
        "what did we pay per 1k output tokens on o3",
        "how much do we pay for every million output tokens",
        "cost per million input tokens",
    ],
)
async def test_what_was_paid_for_tokens_of_one_side_is_not_known(shared: Path, question: str) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, question)
        assert (told.answer.answered, told.answer.reason) == (False, "no_such_column"), told.text
        await check_alternatives(ledger, told)
        offered = list(told.answer.alternatives or [])
        assert "Cost per million tokens?" in offered
        assert any("list price of o3" in each for each in offered) == ("o3" in question)
