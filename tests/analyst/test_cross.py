"""Splits by two things at once, against the rows of the CSV."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.rerun import rerun

from .alternatives import check_alternatives
from .conftest import Told, ask, loaded

Row = dict[str, str]


def _amount(row: Row, measure: str) -> Decimal:
    if measure == "calls":
        return Decimal(1)
    return Decimal(row["total_tokens"]) if measure == "tokens" else Decimal(row["cost_usd"])


def _check(told: Told, rows: list[Row], row_of: str, column_of: str, measure: str) -> None:
    """Every pair that is shown, what the others come to, and each row's total."""
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        name = row["ts_utc"][:7] if row_of == "month" else row[row_of]
        if measure != "spend_without_implausible" or Decimal(row["cost_usd"]) < 5000:
            sums[name, row[column_of]] += _amount(row, measure)
    pairs = told.sheet("row_name", "column_place", "column_name", measure)
    named = {(p["row_name"], p["column_name"]): p[measure] for p in pairs if p["column_name"] is not None}
    assert named
    for pair, amount in named.items():
        assert amount == pytest.approx(float(sums[pair]), abs=1e-9), pair
    columns = {p["column_name"] for p in pairs} - {None}
    totals: defaultdict[str, Decimal] = defaultdict(Decimal)
    for (_, column), amount in sums.items():
        totals[column] += amount
    assert min(totals[each] for each in columns) >= max((totals[e] for e in totals if e not in columns), default=0)
    for row in told.sheet("row_name", "of_rows", measure):
        whole = sum(amount for (name, _), amount in sums.items() if name == row["row_name"])
        assert row[measure] == pytest.approx(float(whole), abs=1e-9)
        parts = sum(p[measure] for p in pairs if p["row_name"] == row["row_name"])
        assert parts == pytest.approx(row[measure], abs=1e-9)


@pytest.mark.parametrize(
    ("earlier", "question", "year", "row_of", "column_of", "measure"),
    [
        ((), "spend by month and model in 2025", "2025", "month", "model", "spend_without_implausible"),
        ((), "spend by model and month in 2025", "2025", "month", "model", "spend_without_implausible"),
        ((), "top 3 models by month in 2025", "2025", "month", "model", "spend_without_implausible"),
        ((), "spend per user per month", "", "month", "user_id", "spend_without_implausible"),
        ((), "spend by model and user", "", "model", "user_id", "spend_without_implausible"),
        ((), "calls by model and edit_format in may 2025", "2025-05", "model", "edit_format", "calls"),
        (("spend by month and model in 2025",), "and in tokens?", "2025", "month", "model", "tokens"),
        (("spend by month and model in 2025",), "and for 2024?", "2024", "month", "model", "spend_without_implausible"),
        (("calls in 2025",), "by month and model", "2025", "month", "model", "calls"),
    ],
)
async def test_a_split_by_two_things(
    shared: Path,
    usage_rows: list[Row],
    earlier: tuple[str, ...],
    question: str,
    year: str,
    row_of: str,
    column_of: str,
    measure: str,
) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, question, earlier)
        _check(told, [r for r in usage_rows if r["ts_utc"].startswith(year)], row_of, column_of, measure)
        for evidence in told.answer.evidence:
            assert (await rerun(ledger, evidence)).holds


async def test_months_without_rows_are_no_rows_of_it(shared: Path) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, "spend by month and model in 2025")
        assert "| 2025-09 |" not in told.text
        assert any("no rows for 2025-09 and 2025-10" in each for each in told.answer.insights)
        assert "implausible rows left out" in told.text


async def test_what_is_no_sum_is_not_split_by_two_things(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for earlier, question in (
            ((), "cost per call by model and month"),
            ((), "spend by model, user and month"),
            (("spend by month and model",), "and cost per call?"),
        ):
            told = await ask(ledger, question, earlier)
            assert (told.answer.answered, told.answer.reason) == (False, "not_supported"), told.text
            await check_alternatives(ledger, told)
        found = plan("by model", ledger.catalogue, ["spend by month and model in 2025"])
        assert isinstance(found, Intent)
        assert (found.kind, found.by, found.periods[0].words) == ("by", "model", "2025")
