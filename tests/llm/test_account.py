"""What a model took and what that costs: from the prices that there are, and never from none."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import repeat
from pathlib import Path

import pytest

from chatcore.agents.analyst.account import MODEL_USAGE, Asked, ModelPrice, cost_line, usage_query
from chatcore.agents.analyst.ledger import Ledger, open_ledger
from chatcore.agents.analyst.rerun import Standing, rerun
from chatcore.agents.analyst.running import run_queries
from chatcore.agents.analyst.sources import find_sources
from chatcore.agents.llm.reply import Reply, Usage
from chatcore.agents.llm.verdict import defect_of
from chatcore.protocol.messages import Evidence

PRICES: list[Sequence[object]] = [
    ("openai", "gpt-4o", 2.5, 10, "", "", ""),
    ("openai", "o3", 10, 40, "", "", ""),
    ("openai", "o3", 2, 8, "2025-06-10", "", ""),
    ("deepseek", "deepseek-chat", 0.27, 1.1, "", "", ""),
    ("deepseek", "deepseek-chat", 0.135, 0.55, "", "16:30:00", "00:30:00"),
    ("openai", "gpt-gift", 0, 0, "", "", ""),
    ("openai", "gpt-half", 1, "", "", "", ""),
]
HEADER = (
    "provider_id", "model_id", "input_usd_per_mtok", "output_usd_per_mtok", "start_date", "start_time", "end_time",
)  # fmt: skip
NOON = dt.datetime(2025, 7, 1, 12, 0, tzinfo=dt.UTC)


@asynccontextmanager
async def opened(folder: Path, prices: Sequence[Sequence[object]] = PRICES) -> AsyncIterator[Ledger]:
    with (folder / "usage.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("ts", "model", "cost_usd"), ("2025-05-07 10:00:00", "gpt-4o", 0.5)])
    if prices:
        with (folder / "prices.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([HEADER, *prices])
    async with open_ledger(find_sources([folder]), lambda part, words: None) as ledger:
        yield ledger


async def took(ledger: Ledger, asked: Asked, price: ModelPrice | None = None) -> Evidence:
    query = usage_query(asked, ledger.catalogue, price)
    return (await run_queries(ledger, MODEL_USAGE, [query], repeat(MODEL_USAGE)))[MODEL_USAGE]


def asked_of(model: str, *counted: tuple[int, int], at: dt.datetime = NOON, turns: int = 0) -> Asked:
    return Asked(model=model, turns=turns or len(counted), counted=[Usage(*each) for each in counted], at=at)


CASES = [
    (asked_of("gpt-4o", (1_000, 100), (2_000, 50)), (3_000 * 2.5 + 150 * 10) / 1e6, "openai/gpt-4o"),
    (asked_of("openai/gpt-4o", (1_000, 100)), 0.0035, "openai/gpt-4o"),
    (asked_of("o3", (1_000, 100)), 0.0028, "openai/o3"),
    (asked_of("o3", (1_000, 100), at=dt.datetime(2025, 6, 9, 23, 59, tzinfo=dt.UTC)), 0.014, "openai/o3"),
    (asked_of("deepseek-chat", (1_000, 100)), 0.00038, "deepseek/deepseek-chat"),
    (asked_of("deepseek-chat", (1_000, 100), at=NOON.replace(hour=23)), 0.00019, "deepseek/deepseek-chat"),
    (asked_of("gpt-gift", (1_000, 100)), None, "openai/gpt-gift"),
    (asked_of("gpt-half", (1_000, 100)), None, "openai/gpt-half"),
]


@pytest.mark.parametrize(("asked", "cost", "of"), CASES, ids=range(len(CASES)))
async def test_it_costs_what_the_list_says_for_that_hour(
    tmp_path: Path, asked: Asked, cost: float | None, of: str
) -> None:
    async with opened(tmp_path) as ledger:
        evidence = await took(ledger, asked)
        assert (await rerun(ledger, evidence)).standing is Standing.HOLDS
    row = dict(zip(evidence.columns, evidence.rows[0], strict=True))
    assert row["cost"] == (None if cost is None else pytest.approx(cost, rel=1e-9))
    assert row["price_of"] == of
    line = cost_line(evidence)
    assert ("$" in line) is (cost is not None), "where no price is known, none is told"
    assert defect_of(Reply(line), "", [evidence]) is None


async def test_the_operators_own_price_goes_before_the_list(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        evidence = await took(ledger, asked_of("gpt-4o `x`", (123_456, 1_000), turns=2), ModelPrice(1.5, 4.0))
        assert (await rerun(ledger, evidence)).standing is Standing.HOLDS
    assert cost_line(evidence) == (
        "`gpt-4o 'x'` took 2 turns (its server counted 1 of them), 123,456 tokens in and 1,000 tokens out: $0.1892 at "
        "the price that is set."
    )


@pytest.mark.parametrize("prices", [[], PRICES], ids=["no list", "not in the list"])
async def test_without_a_price_it_tells_tokens_alone(tmp_path: Path, prices: Sequence[Sequence[object]]) -> None:
    async with opened(tmp_path, prices) as ledger:
        evidence = await took(ledger, asked_of("my-own-7b", (1_234, 56)))
        assert (await rerun(ledger, evidence)).standing is Standing.HOLDS
    assert evidence.columns == ["model", "turns", "counted_turns", "prompt_tokens", "completion_tokens"]
    assert cost_line(evidence) == "`my-own-7b` took 1 turn, 1,234 tokens in and 56 tokens out."


async def test_a_longer_prompt_has_its_own_price_by_the_turn_and_not_by_the_sum(tmp_path: Path) -> None:
    """Prices with tiers come from the nested list."""
    (tmp_path / "list.json").write_text(
        """[{"id": "google", "models": [{"id": "gemini-x", "match": {"equals": "gemini-x"}, "prices":
        {"input_mtok": {"base": 1.25, "tiers": [{"start": 1000, "price": 2.5}]}, "output_mtok": 10}}]}]"""
    )
    async with opened(tmp_path, ()) as ledger:
        short = await took(ledger, asked_of("gemini-x", (800, 0), (900, 0)))
        long = await took(ledger, asked_of("gemini-x", (800, 0), (1_900, 0)))
    costs = [each.rows[0][each.columns.index("cost")] for each in (short, long)]
    assert costs == pytest.approx([1_700 * 1.25 / 1e6, (800 * 1.25 + 1_900 * 2.5) / 1e6])
