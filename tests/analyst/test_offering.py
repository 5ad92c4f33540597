"""What the analyst offers who has not asked anything: questions that this data answers, all of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from chatcore.agents.analyst.agent import Analyst
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.offering import MOST_OPENING
from chatcore.context import UserExecutionContext

from .conftest import ask, loaded, write_csv

USAGE = ("ts", "model", "user_id", "prompt_tokens", "completion_tokens", "cost_usd")
PRICES = ("provider_id", "model_id", "input_usd_per_mtok", "output_usd_per_mtok")


async def offered(ledger: Ledger) -> Sequence[str]:
    """What is offered; each is asked, and has to be answered."""
    questions = await Analyst(ledger).opening_questions(UserExecutionContext(user_id="tester"))
    for question in questions:
        assert (await ask(ledger, question)).answer.answered, question
    assert 1 < len(questions) <= MOST_OPENING
    return questions


def usage(folder: Path, days: Iterable[int]) -> Path:
    start = dt.datetime(2025, 5, 1, 9)
    rows = [(start + dt.timedelta(days=day), "gpt-4o", "ann", 100 + day, 10, 0.5 + day / 100) for day in days]
    return write_csv(folder / "usage.csv", USAGE, rows)


async def test_usage_is_asked_about_spend(tmp_path: Path) -> None:
    async with loaded(usage(tmp_path, range(20))) as ledger:
        found = await offered(ledger)
    assert {"What did we spend in total?", "Which days were unusual?"} <= set(found)


async def test_what_the_rows_do_not_answer_is_not_offered(tmp_path: Path) -> None:
    """It can be planned, and a single day has no unusual ones."""
    async with loaded(usage(tmp_path, [0, 0])) as ledger:
        found = await offered(ledger)
    assert "What did we spend in total?" in found
    assert "Which days were unusual?" not in found


async def test_prices_are_asked_for_prices(tmp_path: Path) -> None:
    prices = write_csv(tmp_path / "prices.csv", PRICES, [("openai", "gpt-4o", 2.5, 10), ("openai", "o3", 2, 8)])
    async with loaded(prices) as ledger:
        found = await offered(ledger)
    assert found[0] == "What is the list price of gpt-4o?"
    assert not any("unusual" in each for each in found)


SHARED = [
    ("llm_usage.csv", "model_prices.csv", "model_quality_cost.csv"),
    ("model_quality_cost.csv",),
    ("azure_llm_trace_2023_code.csv",),
    ("llm_send_errors.csv",),
    ("mooncake_conversation_trace.jsonl",),
]


@pytest.mark.parametrize("names", SHARED, ids=[names[0] for names in SHARED])
async def test_real_data_is_offered_what_it_answers(shared: Path, names: Sequence[str]) -> None:
    async with loaded(*(shared / name for name in names)) as ledger:
        found = await offered(ledger)
    if len(names) > 1:
        assert {"How can we cut our bill?", "Which model is the best value?"} <= set(found)
