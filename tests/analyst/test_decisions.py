"""Decisions over the shared data and over made data, each figure computed again with nothing but the csv module."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Intent

from .alternatives import check_alternatives
from .conftest import Told, ask, loaded, write_csv

Row = dict[str, str]


def read_csv(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def spent(rows: list[Row], start: str, end: str) -> Decimal:
    """What rows of a period cost, the implausible one left out."""
    costs = (Decimal(row["cost_usd"]) for row in rows if start <= row["ts_utc"] < end)
    return sum((cost for cost in costs if cost < 9000), Decimal(0))


def close(found: object, expected: float | Decimal) -> bool:
    return isinstance(found, int | float) and abs(float(found) - float(expected)) < 1e-6


# --- quality against cost ---------------------------------------------------------------------------------------------


def frontier_of(rows: list[Row]) -> list[str]:
    runs = [(float(r["total_cost_usd"] or 0), float(r["pass_rate_2"]), r["model"]) for r in rows]
    paid = sorted(run for run in runs if run[0] > 0)
    beaten = {
        one
        for one in paid
        for other in paid
        if other[0] <= one[0] and other[1] >= one[1] and (other[0] < one[0] or other[1] > one[1])
    }
    return [model for cost, score, model in paid if (cost, score, model) not in beaten]


async def test_frontier(shared: Path) -> None:
    rows = read_csv(shared / "model_quality_cost.csv")
    free = [row["model"] for row in rows if float(row["total_cost_usd"] or 0) == 0]
    async with loaded(shared / "model_quality_cost.csv") as ledger:
        told = await ask(ledger, "Which models are on the quality-cost frontier?")
    assert [row["model"] for row in told.sheet("score_percent", "cost", "frontier_runs")] == frontier_of(rows)
    assert Counter(row["model"] for row in told.sheet("model", "score_percent") if "cost" not in row) or free
    (counts,) = told.sheet("with_cost", "without_cost")
    assert (counts["with_cost"], counts["without_cost"]) == (len(rows) - len(free), len(free)) == (51, 18)
    solved = {
        r["model"]: float(r["total_cost_usd"] or 0) / (float(r["pass_rate_2"]) / 100 * int(r["test_cases"]))
        for r in rows
    }
    cheapest = min((cost, model) for model, cost in solved.items() if cost > 0)
    assert close(counts["cheapest_solved"], cheapest[0])
    assert counts["cheapest_solver"] == cheapest[1]
    assert any("not recorded, not free" in fact for fact in told.answer.insights)


@pytest.mark.parametrize(
    ("question", "least", "most"),
    [("cheapest model that solves at least 70%", 70.0, 1e9), ("best model under $10", 0.0, 10.0)],
)
async def test_frontier_within_limits(shared: Path, question: str, least: float, most: float) -> None:
    rows = read_csv(shared / "model_quality_cost.csv")
    able = [r for r in rows if 0 < float(r["total_cost_usd"] or 0) <= most and float(r["pass_rate_2"]) >= least]
    cheapest = min(able, key=lambda row: float(row["total_cost_usd"]))["model"]
    best = max(able, key=lambda row: float(row["pass_rate_2"]))["model"]
    async with loaded(shared / "model_quality_cost.csv") as ledger:
        told = await ask(ledger, question)
    assert f"`{cheapest if least else best}`" in told.text.split("\n")[0]


# --- budget and pace --------------------------------------------------------------------------------------------------


BUDGETS = (
    ("are we within $50 in April 2025?", "2025-04", "2025-05", 50),
    ("did we exceed $10 in May 2025?", "2025-05", "2025-06", 10),
    ("is our spend over 100 dollars?", "2000", "2100", 100),
    ("how much of our $500 budget is left?", "2000", "2100", 500),
    ("were we over budget of $20 in 2025-02?", "2025-02", "2025-03", 20),
)


async def test_budget(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        for question, start, end, budget in BUDGETS:
            told, expected = await ask(ledger, question), spent(usage_rows, start, end)
            (row,) = told.sheet("spend", "left_over", "exceeded")
            assert close(row["spend"], expected), question
            assert close(row["left_over"], budget - expected), question
            verdict = "**Over**" if expected > budget else "**Within**"
            recorded = sum(float(each["cost_usd"]) for each in usage_rows if start <= each["ts_utc"] < end)
            differs = recorded > budget >= expected
            assert told.text.startswith(f"**Over ${budget}.00 as recorded**" if differs else verdict), question


async def test_budget_for_each_month(shared: Path, usage_rows: list[Row]) -> None:
    months = Counter[str]()
    for row in usage_rows:
        if row["ts_utc"] < "2026" and row["ts_utc"] >= "2025" and float(row["cost_usd"]) < 9000:
            months[row["ts_utc"][:7]] += 1
    over = [m for m in months if spent(usage_rows, m, m + "~") > 10]
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "are we within $10 a month in 2025?")
    rows = told.sheet("step", "spend", "exceeded")
    assert sorted(row["step"][:7] for row in rows if row["exceeded"]) == sorted(over)
    assert len(rows) == len(months)


async def test_budget_names_the_implausible_row(shared: Path) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "did we exceed $100 in May 2025?")
        each = await ask(ledger, "did we stay within $100 a month in 2025?")
    assert "as recorded**: $10,009.91 in 2025-05; **within** it without 1 implausible row: $19.90" in told.text
    assert "none of 10 months" in each.text
    assert "as recorded, **1** went **over**" in each.text


async def test_nothing_is_projected_over_gaps(shared: Path) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        for question in (
            "What is our monthly run rate?",
            "forecast next month's spend",
            "what will we spend in May 2026?",
            "will we stay under $50 in April 2026?",
            "run rate in March 2025",
            "run rate on 2025-03-04",
        ):
            told = await ask(ledger, question)
            assert not told.answer.answered, question
            assert told.answer.missing
            await check_alternatives(ledger, told)


async def test_run_rate_of_whole_days(shared: Path, usage_rows: list[Row]) -> None:
    total = spent(usage_rows, "2024-11-18", "2024-12-15")
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "What was the run rate from 2024-11-18 to 2024-12-14?")
    (pace,) = told.sheet("spend_per_day", "spend_per_month")
    assert pace["days"] == pace["days_with_rows"] == 27
    assert close(pace["spend"], total)
    assert close(pace["spend_per_month"], total / 27 * 30)


def daily(path: Path, days: int, first: str = "2025-03-01") -> Path:
    """A ledger with two calls on each of some days."""
    begin = dt.date.fromisoformat(first)
    rows = [
        (f"{begin + dt.timedelta(days=day)} {hour}:00:00", "m", 100, 10, 1.5)
        for day in range(days)
        for hour in (10, 15)
    ]
    return write_csv(path, ("time", "model", "input_tokens", "output_tokens", "cost_usd"), rows)


async def test_projection(tmp_path: Path) -> None:
    async with loaded(daily(tmp_path / "usage.csv", 20)) as ledger:
        told = await ask(ledger, "what will we spend in March 2025?")
        (target,) = told.sheet("projected_spend", "days_left")
        assert (target["spent_so_far"], target["days_left"], target["projected_spend"]) == (60.0, 11, 93.0)
        assert "$93.00" in told.text
        over, within = (
            await ask(ledger, "will we stay under $90 this month?"),
            await ask(ledger, "will we stay under $100 this month?"),
        )
        assert "**over** $90.00" in over.text
        assert "**within** $100.00" in within.text


async def test_too_few_days(tmp_path: Path) -> None:
    async with loaded(daily(tmp_path / "usage.csv", 3)) as ledger:
        told = await ask(ledger, "what is our run rate?")
    assert not told.answer.answered
    assert "only 3 days" in told.text


async def test_budget_without_an_amount(shared: Path) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "are we on budget?")
        assert (told.answer.answered, told.answer.reason) == (False, "no_such_column")
        await check_alternatives(ledger, told)


# --- peak -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "file", "column", "cut"),
    [
        ("what was our peak load?", "llm_usage.csv", "ts_utc", 16),
        ("peak rps of the azure code trace", "azure_llm_trace_2023_code.csv", "TIMESTAMP", 19),
        ("peak calls per minute in the azure conv trace", "azure_llm_trace_2023_conv.csv", "TIMESTAMP", 16),
        ("busiest single hour in llm_usage", "llm_usage.csv", "ts_utc", 13),
    ],
)
async def test_peak(shared: Path, question: str, file: str, column: str, cut: int) -> None:
    counted = Counter(row[column][:cut] for row in read_csv(shared / file))
    async with loaded(shared / file) as ledger:
        told = await ask(ledger, question)
    rows = told.sheet("begins", "calls")
    assert [row["calls"] for row in rows] == sorted(counted.values(), reverse=True)[:5]
    assert all(counted[row["begins"][:cut]] == row["calls"] for row in rows)
    (usual,) = told.sheet("mean_calls")
    assert close(usual["mean_calls"], sum(counted.values()) / len(counted))


async def test_peak_of_a_clock_from_the_start(shared: Path) -> None:
    with (shared / "mooncake_conversation_trace.jsonl").open(encoding="utf-8") as file:
        minutes = Counter(json.loads(line)["timestamp"] // 60_000 for line in file)
    async with loaded(shared / "mooncake_conversation_trace.jsonl") as ledger:
        told = await ask(ledger, "busiest minute in the mooncake trace")
    assert told.sheet("begins", "calls")[0]["calls"] == max(minutes.values())
    assert any("counts from the trace" in fact for fact in told.answer.insights)


async def test_calls_at_once(tmp_path: Path) -> None:
    rows = [(f"2025-01-01 00:00:0{at}", 100, 10, seconds) for at, seconds in ((0, 3), (1, 1), (2, 5), (2, 1), (3, 1))]
    path = write_csv(tmp_path / "calls.csv", ("time", "input_tokens", "output_tokens", "duration_seconds"), rows)
    async with loaded(path) as ledger:
        told = await ask(ledger, "how many calls ran concurrently at most?")
    assert told.sheet("most_at_once")[0]["most_at_once"] == 3


async def test_calls_at_once_without_durations(shared: Path) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "how many calls ran concurrently at most?")
        assert (told.answer.answered, told.answer.missing) == (False, ["duration"])
        await check_alternatives(ledger, told)


# --- words ------------------------------------------------------------------------------------------------------------

ASKED = {
    "frontier": (
        "pareto optimal models",
        "best value model",
        "quality vs cost",
        "which model gives the best quality for its price?",
        "cost per solved case",
        "what does a solved case cost?",
    ),
    "budget": (
        "did o3 stay below $25?",
        "have we spent more than $150?",
        "can we keep under $10 in March 2025?",
        "our monthly budget is 30 dollars, did we keep to it in 2025?",
    ),
    "run_rate": (
        "monthly run rate",
        "at this rate what will the year cost?",
        "predict our costs",
        "projected spend for May 2026",
        "estimate our monthly cost",
    ),
    "peak": ("max requests per minute", "calls per minute at peak", "busiest minute in March 2025"),
}
"""Ordinary wordings by the kind that they ask for."""

NOT_ASKED = (
    "How much did we spend in total?",
    "spend by month",
    "busiest day",
    "which calls cost more than $1?",
    "average cost per call",
    "top 5 calls",
    "compare gpt-4o vs o3",
)
"""Questions of other families."""


async def test_wordings(shared: Path) -> None:
    async with loaded(shared / "llm_usage.csv", shared / "model_quality_cost.csv") as ledger:
        for kind, questions in ASKED.items():
            for question in questions:
                planned = plan(question, ledger.catalogue)
                assert isinstance(planned, Intent), question
                assert planned.kind == kind, question
        for question in NOT_ASKED:
            planned = plan(question, ledger.catalogue)
            assert not isinstance(planned, Intent) or planned.kind not in ASKED, question


async def test_no_quality_to_set_against_cost(tmp_path: Path) -> None:
    async with loaded(daily(tmp_path / "usage.csv", 3)) as ledger:
        told: Told = await ask(ledger, "which models are on the pareto frontier?")
        assert (told.answer.answered, told.answer.missing) == (False, ["quality"])
        await check_alternatives(ledger, told)
