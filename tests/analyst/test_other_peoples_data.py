"""Exports of others: costs in cents or in several currencies, days without a clock, usage by another name."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Refusal

from .conftest import ask, loaded

PRICES = "provider,model,input_usd_per_mtok,output_usd_per_mtok\nopenai,gpt-4o,2.5,10\nopenai,gpt-4o-mini,0.15,0.6\n"
CENTS = (
    "startTime,model,prompt_tokens,completion_tokens,spend_cents\n"
    "2025-09-01T10:00:00Z,gpt-4o,4000,1000,2\n2025-09-02T10:00:00Z,gpt-4o,8000,2000,4\n"
)
CURRENCIES = (
    "day,model,cost,currency,input_tokens,output_tokens\n2025-01-03,gpt-4o,12.50,USD,4000000,250000\n"
    "2025-01-05,gpt-4o,8.10,EUR,2500000,150000\n2025-02-07,gpt-4o-mini,1.20,USD,6000000,500000\n"
)
USAGE = (
    "id,startTime,providedModelName,inputUsage,outputUsage\n"
    "a,2025-06-01T10:00:00.000Z,gpt-4o,1000000,100000\nb,2025-06-02T10:00:00.000Z,gpt-4o-mini,2000000,0\n"
)


def _folder(tmp_path: Path, rows: str) -> Path:
    (tmp_path / "calls.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "list_prices.csv").write_text(PRICES, encoding="utf-8")
    return tmp_path


async def test_cents_are_told_as_cents_and_set_against_no_dollars(tmp_path: Path) -> None:
    async with loaded(_folder(tmp_path, CENTS)) as ledger:
        assert "¢6.00" in (await ask(ledger, "What did we spend?")).text
        for question in ("What did we spend in dollars?", "Are we within $5 a month?", "Do we pay more than list?"):
            told = await ask(ledger, question)
            assert told.answer.reason == "not_supported", told.text
        saved = await ask(ledger, "What would batching save?")
        assert "**$0.03 less**" in saved.text, saved.text
        assert "was logged" not in saved.text, saved.text


@pytest.mark.parametrize("question", ["What did we spend?", "Spend by month", "Are we within $20 a month?"])
async def test_costs_in_several_currencies_are_not_added_up(tmp_path: Path, question: str) -> None:
    async with loaded(_folder(tmp_path, CURRENCIES)) as ledger:
        told = await ask(ledger, question)
        assert told.answer.reason == "ambiguous", told.text
        for alternative in told.answer.alternatives or []:
            assert not isinstance(plan(alternative, ledger.catalogue), Refusal), alternative


async def test_costs_in_one_of_several_currencies_are_told(tmp_path: Path) -> None:
    async with loaded(_folder(tmp_path, CURRENCIES)) as ledger:
        told = await ask(ledger, "What did we spend in USD?")
        assert "13.70" in told.text, told.text
        assert "21.80" not in told.text, told.text


async def test_days_without_a_clock_are_priced(tmp_path: Path) -> None:
    async with loaded(_folder(tmp_path, CURRENCIES)) as ledger:
        told = await ask(ledger, "What would our usage cost at list price by month?")
        assert "$20.25" in told.text, told.text
        assert "| 2025-01 |" in told.text, told.text
        assert "¤" not in told.text, told.text


async def test_usage_by_another_name_is_tokens(tmp_path: Path) -> None:
    async with loaded(_folder(tmp_path, USAGE)) as ledger:
        told = await ask(ledger, "What would our usage cost at list price?")
        assert "**$3.80**" in told.text, told.text
