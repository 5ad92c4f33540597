"""What millions of tokens cost: they are of many calls, so that no single prompt is as long as all of them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from .conftest import ask, loaded

MILLIONS = (10, 2)


def _gemini(shared: Path) -> tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal]]:
    """The prices of input and output for short prompts, and for long ones, as the JSON file has them."""
    listed: Any = json.loads((shared / "genai_prices.json").read_text(encoding="utf-8"))
    models = listed["providers"] if isinstance(listed, dict) else listed
    (google,) = [each for each in models if each["id"] == "google"]
    (model,) = [each for each in google["models"] if each["id"] == "gemini-2.5-pro"]
    sides = [model["prices"][side] for side in ("input_mtok", "output_mtok")]
    short, long = [Decimal(str(s["base"])) for s in sides], [Decimal(str(s["tiers"][-1]["price"])) for s in sides]
    return (short[0], short[1]), (long[0], long[1])


def _cost(rates: tuple[Decimal, Decimal]) -> Decimal:
    return MILLIONS[0] * rates[0] + MILLIONS[1] * rates[1]


@pytest.mark.parametrize(
    "question",
    ["10M in, 2M out on gemini 2.5 pro", "what would 10M input tokens and 2M output tokens cost on gemini 2.5 pro?"],
)
async def test_millions_of_tokens_are_priced_as_many_calls(shared: Path, question: str) -> None:
    short, long = _gemini(shared)
    async with loaded(shared) as ledger:
        told = await ask(ledger, question)
        assert f"**${_cost(short):,.2f}** at list price for prompts of standard length" in told.text
        assert f"**${_cost(long):,.2f}** if every call had a long prompt" in told.text
        (row,) = told.sheet("workload_cost", "workload_cost_of_long_prompts")
        assert abs(row["workload_cost"] - float(_cost(short))) < 1e-9
        assert abs(row["workload_cost_of_long_prompts"] - float(_cost(long))) < 1e-9


async def test_the_number_of_calls_tells_how_long_a_prompt_is(shared: Path) -> None:
    short, long = _gemini(shared)
    async with loaded(shared) as ledger:
        for calls, rates in ((1000, short), (20, long)):
            told = await ask(ledger, f"what do {calls} calls with 10M in and 2M out together cost on gemini 2.5 pro")
            assert f"`{calls}` calls together" in told.text
            assert f"**${_cost(rates):,.2f}** at list price." in told.text
        told = await ask(ledger, "what would 1000 calls with 10k in and 2k out cost on gemini 2.5 pro")
        assert f"**${_cost(short):,.2f}**" in told.text
        told = await ask(ledger, "what does a call with 300k in and 2k out cost on gemini 2.5 pro")
        assert f"**${(300 * long[0] + 2 * long[1]) / 1000:,.2f}**" in told.text
