"""Periods that are left out of others, against the rows of the CSV."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from chatcore.agents.analyst.phrasing import phrase
from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.rerun import rerun

from .alternatives import check_alternatives
from .conftest import ask, loaded

Row = dict[str, str]


@pytest.mark.parametrize(
    ("earlier", "question", "year", "months", "but"),
    [
        ((), "spend in 2025 without May", "2025", ("2025-05",), ""),
        ((), "spend in 2025 except march", "2025", ("2025-03",), ""),
        ((), "spend excluding may 2025", "", ("2025-05",), ""),
        ((), "spend without May", "", ("2025-05",), ""),
        ((), "spend in 2025 except may and july", "2025", ("2025-05", "2025-07"), ""),
        ((), "spend in 2025 apart from march to may", "2025", ("2025-03", "2025-04", "2025-05"), ""),
        ((), "spend in may 2025 excluding may 7", "2025-05", ("2025-05-07",), ""),
        ((), "spend in 2025 excluding o3 and may", "2025", ("2025-05",), "o3"),
        ((), "spend in 2025 excluding may and o3", "2025", ("2025-05",), "o3"),
        (("spend in 2025",), "and without May?", "2025", ("2025-05",), ""),
        (("spend in 2025", "and without May?"), "and without July?", "2025", ("2025-05", "2025-07"), ""),
    ],
)
async def test_what_is_left_out_of_a_period(
    shared: Path,
    usage_rows: list[Row],
    earlier: tuple[str, ...],
    question: str,
    year: str,
    months: tuple[str, ...],
    but: str,
) -> None:
    kept = [r for r in usage_rows if r["ts_utc"].startswith(year) and not r["ts_utc"].startswith(months)]
    costs = [Decimal(r["cost_usd"]) for r in kept if r["model"] != but]
    async with loaded(shared) as ledger:
        told = await ask(ledger, question, earlier)
        (totals,) = told.sheet("calls", "spend", "first")
        assert (totals["calls"], round(Decimal(totals["spend"]), 9)) == (len(costs), round(sum(costs, Decimal(0)), 9))
        assert "without 2025-" in told.text
        for evidence in told.answer.evidence:
            assert (await rerun(ledger, evidence)).holds


async def test_lists_and_spreads_leave_it_out_too(shared: Path, usage_rows: list[Row]) -> None:
    kept = [r for r in usage_rows if r["ts_utc"].startswith("2025") and not r["ts_utc"].startswith("2025-05")]
    async with loaded(shared) as ledger:
        for question in (
            "spend by model in 2025 without May",
            "p95 cost in 2025 without may",
            "calls by month in 2025 but not in may",
        ):
            told = await ask(ledger, question)
            (totals,) = told.sheet("calls", "spend", "first")
            assert totals["calls"] == len(kept), question
        assert "2025-05" not in {row["step"] for row in told.sheet("step")}


async def test_a_hole_is_put_in_words_that_are_read_as_it(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question in (
            "spend in 2025 without May",
            "spend excluding may and july 2025",
            "calls from 2025-05-01 to 2025-08-31 without 2025-06 by model",
        ):
            intent = plan(question, ledger.catalogue)
            assert isinstance(intent, Intent)
            words = phrase(intent, ledger.catalogue)
            again = plan(str(words), ledger.catalogue)
            assert isinstance(again, Intent)
            assert again.bare == intent.bare, words


async def test_where_no_hole_is_left_it_is_refused_by_name(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for earlier, question in (
            ((), "what would batching save in 2025 without May"),
            ((), "compare 2024 and 2025 without May"),
            ((), "forecast excluding may 2025"),
            (("compare april and may 2025",), "without may 7"),
        ):
            told = await ask(ledger, question, earlier)
            assert (told.answer.answered, told.answer.reason) == (False, "not_supported"), told.text
            assert any("without" in each for each in told.answer.missing or ())
            await check_alternatives(ledger, told)
        assert (await ask(ledger, "spend without march")).answer.reason == "ambiguous"
        assert (await ask(ledger, "spend in 2025 without 31 february")).answer.reason == "out_of_range"
