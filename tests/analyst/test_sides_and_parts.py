"""Names side by side over a stretch of time, and questions of which another table has a part."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from .conftest import Told, ask, loaded

Row = dict[str, str]


def _cost(rows: list[Row], *tests: Callable[[Row], bool]) -> Decimal:
    kept = [row for row in rows if Decimal(row["cost_usd"]) < 5000 and all(test(row) for test in tests)]
    return round(sum((Decimal(row["cost_usd"]) for row in kept), Decimal(0)), 9)


def _within(first: str, last: str) -> Callable[[Row], bool]:
    return lambda row: first <= row["ts_utc"][:10] <= last


def _of(name: str) -> Callable[[Row], bool]:
    return lambda row: name in re.split(r"[^a-z0-9]+", row["model"].lower())


def _sides(told: Told) -> dict[str, Decimal]:
    rows = told.sheet("model", "spend_without_implausible")
    return {row["model"]: round(Decimal(row["spend_without_implausible"]), 9) for row in rows}


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("Compare spend of claude and gemini from 2025-05-01 to 2025-05-31", "2025-05-01", "2025-05-31"),
        ("compare claude and gemini between May and July 2025", "2025-05-01", "2025-07-31"),
        ("compare claude and gemini may to july 2025", "2025-05-01", "2025-07-31"),
        ("difference between claude and gemini from may to july 2025", "2025-05-01", "2025-07-31"),
    ],
)
async def test_names_are_compared_over_one_stretch(
    shared: Path, usage_rows: list[Row], question: str, first: str, last: str
) -> None:
    expected = {name: _cost(usage_rows, _within(first, last), _of(name)) for name in ("claude", "gemini")}
    async with loaded(shared) as ledger:
        assert _sides(await ask(ledger, question)) == expected


async def test_names_that_are_compared_may_be_of_a_part_of_the_rows(shared: Path, usage_rows: list[Row]) -> None:
    def mode(name: str) -> Callable[[Row], bool]:
        return lambda row: row["edit_format"] == name

    async with loaded(shared) as ledger:
        for earlier, question in (
            ([], "compare claude and gemini in ask mode"),
            (["compare claude and gemini in diff mode"], "and in ask mode?"),
        ):
            told = await ask(ledger, question, earlier)
            expected = {name: _cost(usage_rows, mode("ask"), _of(name)) for name in ("claude", "gemini")}
            assert _sides(told) == expected, question
            assert "where `edit_format` is `ask`" in told.text


async def test_names_in_two_periods_are_one_or_the_other(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question in ("compare claude and gemini in may and june 2025", "claude vs gemini may 2025 vs june 2025"):
            answer = (await ask(ledger, question)).answer
            assert (answer.answered, answer.reason) == (False, "ambiguous")
            asked = list(answer.alternatives or [])
            assert len(asked) == 4
            for each in asked:
                assert (await ask(ledger, each)).answer.answered, each
        told = await ask(ledger, "how did claude and gemini spend change from May to July 2025")
        assert "2025-05 to 2025-07" in told.text


async def test_may_is_a_month_before_another(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, "spend may to july 2025")
        assert f"**${_cost(usage_rows, _within('2025-05-01', '2025-07-31')):,.2f}**" in told.text


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("total cost and number of errors", ("what did we spend in total?", "errors were there in total?")),
        ("total cost and number of errors in may 2025", ("what did we spend in 2025-05?", "errors were there in 2025")),
        ("errors and spend by month", ("errors were there", "spend by month?")),
        ("number of errors and total tokens in 2025", ("errors were there in 2025?", "tokens in 2025?")),
        ("how much did we spend and how many errors were there", ("what did we spend", "errors were there")),
    ],
)
async def test_each_part_of_two_tables_is_offered(shared: Path, question: str, parts: tuple[str, str]) -> None:
    async with loaded(shared) as ledger:
        answer = (await ask(ledger, question)).answer
        assert (answer.answered, answer.reason) == (False, "not_supported")
        asked = list(answer.alternatives or [])
        assert len(asked) == len(parts)
        for each in asked:
            assert sum(part in each.lower() for part in parts) == 1, (each, parts)
            told = await ask(ledger, each)
            assert told.answer.answered, each
            assert ("`llm_send_errors`" in told.text) == ("errors" in each), told.text
