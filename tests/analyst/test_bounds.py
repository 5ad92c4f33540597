"""Amounts that calls, or what models and users come to, are held against."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatcore.agents.analyst.ledger import Ledger

from .conftest import ask, loaded, write_csv

HEADER = ("at", "user", "model", "prompt_tokens", "completion_tokens", "cost_usd")
ROWS = (
    ("2025-01-01 10:00:00", "ann", "big", 9000, 100, 3.00),
    ("2025-01-02 10:00:00", "ann", "big", 9000, 900, 1.50),
    ("2025-01-03 10:00:00", "bob", "small", 200, 900, 0.25),
    ("2025-01-04 10:00:00", "bob", "small", 100, 50, 0.25),
    ("2025-02-05 10:00:00", "cid", "small", 100, 50, 0.25),
    ("2025-02-06 10:00:00", "cid", "tiny", 10, 5, 0.01),
)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with loaded(write_csv(tmp_path / "usage.csv", HEADER, ROWS)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("question", "calls", "spend"),
    [
        ("how many calls cost more than $1", 2, "4.50"),
        ("calls of at most $0.25", 4, "0.76"),
        ("calls below $1 in 2025-01", 2, "0.50"),
        ("calls with more than 1,000 tokens", 3, "4.75"),
        ("calls with more than 1k input tokens", 2, "4.50"),
        ("how many calls have at least 900 output tokens", 2, "1.75"),
        ("calls over 500 tokens out", 2, "1.75"),
        ("calls over 80 prompt tokens without big", 3, "0.75"),
    ],
)
async def test_calls_beyond_an_amount(ledger: Ledger, question: str, calls: int, spend: str) -> None:
    told = await ask(ledger, question)
    row = told.sheet("calls_beyond")[0]
    assert (row["calls_beyond"], f"{row['spend_beyond']:.2f}") == (calls, spend)
    assert f"**{calls} calls**" in told.text


async def test_calls_beyond_an_amount_by_a_column(ledger: Ledger) -> None:
    told = await ask(ledger, "calls under $1 by user")
    assert [(row["name"], row["calls"]) for row in told.sheet("name", "calls", "cost")] == [("bob", 2), ("cid", 2)]


@pytest.mark.parametrize(
    ("question", "names", "of"),
    [
        ("which models cost more than $1", ["big"], 3),
        ("models that cost less than $1", ["small", "tiny"], 3),
        ("users who spent more than $0.30", ["ann", "bob"], 3),
        ("which users spent at least $0.26 in 2025-02", ["cid"], 1),
        ("models with more than 1 call", ["small", "big"], 3),
        ("which model was used only once", ["tiny"], 3),
        ("models with fewer than 500 input tokens", ["small", "tiny"], 3),
        ("which models other than big cost more than $0.50", ["small"], 2),
    ],
)
async def test_groups_beyond_an_amount(ledger: Ledger, question: str, names: list[str], of: int) -> None:
    told = await ask(ledger, question)
    totals = told.sheet("groups_beyond")[0]
    assert (totals["groups_beyond"], totals["groups"]) == (len(names), of), told.text
    assert sorted(row["name"] for row in told.sheet("name")) == sorted(names)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("calls over €1", "not_supported"),
        ("which users never used big", "not_supported"),
        ("how many tokens did marge use", "no_rows"),
        ("total tokens excluding free calls", "not_supported"),
        ("top 2 spend", "not_supported"),
        ("kosten pro Monat", "not_supported"),
        ("spend in £", "not_supported"),
        ("spend in 2025-W60", "out_of_range"),
        ("spend in 2025-13", "out_of_range"),
    ],
)
async def test_no_part_of_a_question_is_left_out(ledger: Ledger, question: str, reason: str) -> None:
    answer = (await ask(ledger, question)).answer
    assert (answer.answered, answer.reason) == (False, reason)
    for alternative in answer.alternatives or ():
        assert (await ask(ledger, alternative)).answer.answered, alternative


async def test_a_name_without_rows_is_said_so(ledger: Ledger) -> None:
    told = await ask(ledger, "compare big and tiny in 2025-02")
    assert any("No rows in 2025-02 for `big`" in each for each in told.answer.insights)
