"""What stands out and what was wasted, over the real rows, each figure computed again with plain Python."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from statistics import median

import pytest

from .conftest import ask, loaded
from .test_answers import ODD, Row, clean, close, cost, during, grouped, money


def odd_days(rows: list[Row]) -> dict[str, float]:
    """The robust z of each day that is odd by its spend."""
    days = {day: float(cost(mine)) for day, mine in grouped(rows, lambda row: row["ts_utc"][:10]).items()}
    middle = median(days.values())
    mad = median(abs(amount - middle) for amount in days.values())
    scores = {day: 0.6745 * (amount - middle) / mad for day, amount in days.items()}
    return {day: score for day, score in scores.items() if abs(score) >= 3.5}


async def test_odd_days(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "Which days were odd?")
        views = [e for e in told.answer.evidence if "robust_z" in e.columns]
        for rows, evidence in zip((usage_rows, clean(usage_rows)), views, strict=True):
            expected = odd_days(rows)
            found = [dict(zip(evidence.columns, row, strict=True)) for row in evidence.rows]
            assert {row["day"] for row in found} == set(expected)
            assert [row["day"] for row in found] == sorted(expected, key=lambda day: (-abs(expected[day]), day))
            assert all(close(row["robust_z"], expected[row["day"]]) for row in found)
        assert views[1].columns == ["day", "spend_without_implausible", "spend", "calls", "robust_z"]
        assert (
            f"first **{ODD[:10]}** with **{money(cost([r for r in usage_rows if r['ts_utc'][:10] == ODD[:10]]))}**"
            in told.text
        )
        assert f"{ODD}, 10,033 tokens, $9,990.01" in told.text
        assert "Without implausible rows: **36** of 188 days" in told.text
        assert "3.5" in told.answer.insights[0]
        assert "MAD" in told.answer.insights[0]


async def test_odd_days_by_calls_and_in_a_period(shared: Path, usage_rows: list[Row]) -> None:
    march = during(usage_rows, "2025-03", "2025-04")
    counts = [len(rows) for rows in grouped(march, lambda row: row["ts_utc"][:10]).values()]
    async with loaded(shared / "llm_usage.csv") as ledger:
        (usual,) = (await ask(ledger, "unusual days by calls in March 2025")).sheet("median", "mad")
        assert (usual["median"], usual["days"]) == (median(counts), len(counts))
        assert usual["mad"] == median(abs(count - median(counts)) for count in counts)
        told = await ask(ledger, "unusual days in February 2026")
        assert (told.answer.answered, told.answer.reason) == (False, "not_supported")
        assert (await ask(ledger, (told.answer.alternatives or [""])[0])).answer.answered


async def test_the_implausible_call(shared: Path, usage_rows: list[Row]) -> None:
    row = max(usage_rows, key=lambda r: float(r["cost_usd"]))
    paid = [r for r in usage_rows if float(r["cost_usd"]) > 0 and int(r["total_tokens"]) > 0]
    usual = median(float(r["cost_usd"]) / int(r["total_tokens"]) for r in paid)
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "who made the implausible call and when?")
        (found,) = told.sheet("time", "user", "times_the_usual")
        assert (found["time"], found["user"], found["model"]) == (ODD, row["user_id"], row["model"])
        assert found["times_the_usual"] == pytest.approx(float(row["cost_usd"]) / int(row["total_tokens"]) / usual)
        (proposal,) = told.answer.recommendations
        assert (proposal.saving, proposal.basis) == (float(row["cost_usd"]), "ceiling")
        told = await ask(ledger, "any implausible calls in June 2025?")
        assert told.answer.answered
        assert not told.answer.recommendations
        assert told.text.startswith("None of 41 calls in 2025-06")


async def test_empty_outputs(shared: Path, usage_rows: list[Row]) -> None:
    empty = [row for row in usage_rows if int(row["completion_tokens"]) == 0 and float(row["cost_usd"]) > 0]
    paid = [row for row in clean(usage_rows) if float(row["cost_usd"]) > 0]
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "How much did we pay for empty outputs?")
        (found,) = told.sheet("empty_paid_calls", "spend_projected")
        assert (found["empty_paid_calls"], found["paid_calls"]) == (len(empty), len(paid))
        assert close(found["spend_on_empty"], cost(empty))
        assert close(found["empty_percent"], 100 * len(empty) / len(paid))
        (proposal,) = told.answer.recommendations
        assert (proposal.basis, proposal.unit) == ("measured", "USD")
        assert close(proposal.baseline, cost(clean(usage_rows)))
        assert close(proposal.saving, cost(empty))
        assert close(proposal.projected, cost(clean(usage_rows)) - cost(empty))
        cells = {cell for evidence in told.answer.evidence for row in evidence.rows for cell in row}
        assert {proposal.baseline, proposal.projected, proposal.saving} <= cells
        told = await ask(ledger, "empty outputs by model")
        models = grouped(empty, lambda row: row["model"])
        found_models = {row["name"]: row["empty_paid_calls"] for row in told.sheet("name", "spend_on_empty")}
        assert found_models == {name: len(rows) for name, rows in models.items()}
        told = await ask(ledger, "empty outputs by month")
        steps = {row["step"]: row["empty_paid_calls"] for row in told.sheet("step", "spend_on_empty")}
        assert steps == {month: len(rows) for month, rows in grouped(empty, lambda row: row["ts_utc"][:7]).items()}


async def test_free_calls(shared: Path, usage_rows: list[Row]) -> None:
    free = [row for row in usage_rows if Decimal(row["cost_usd"]) == 0]
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "how many calls were free?")
        (found,) = told.sheet("free_calls", "without_cost")
        assert (found["free_calls"], found["without_cost"]) == (len(free), 0)
        assert close(found["free_percent"], 100 * len(free) / len(usage_rows))
        assert found["free_tokens"] == sum(int(row["total_tokens"]) for row in free)
        models = grouped(free, lambda row: row["model"])
        for row in told.sheet("name", "free_calls"):
            assert row["free_calls"] == len(models.get(row["name"], []))


def errors_of(shared: Path) -> list[Row]:
    with (shared / "llm_send_errors.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def test_errors(shared: Path, usage_rows: list[Row]) -> None:
    errors = errors_of(shared)
    first, last = (pick(row["ts_utc"] for row in errors) for pick in (min, max))
    answered = [row for row in usage_rows if first <= row["ts_utc"] <= last]
    async with loaded(shared) as ledger:
        told = await ask(ledger, "What is the error rate?")
        (rate,) = told.sheet("answered", "first")
        assert (rate["errors"], rate["answered"]) == (len(errors), len(answered))
        assert close(rate["error_percent"], 100 * len(errors) / (len(errors) + len(answered)))
        kinds = {row["name"]: row["errors"] for row in told.sheet("name", "errors_percent")}
        assert kinds["[SSL: CERTIFICATE_VERIFY_FAILED]"] == sum("CERTIFICATE" in row["exception"] for row in errors)
        named = sum(row["exception"].startswith("name '") for row in errors)
        assert kinds["name … is not defined"] == named
        assert sum(kinds.values()) == len(errors)
        told = await ask(ledger, "errors by month")
        for row in told.sheet("step", "answered"):
            assert row["errors"] == sum(each["ts_utc"][:7] == row["step"] for each in errors)
            assert row["answered"] == sum(each["ts_utc"][:7] == row["step"] for each in answered)
        told = await ask(ledger, "how many calls failed in January 2025?")
        assert f"**{sum(row['ts_utc'][:7] == '2025-01' for row in errors)} errors** in 2025-01" in told.text
        told = await ask(ledger, "error rate in August 2025")
        assert (told.answer.answered, told.answer.reason) == (False, "out_of_range")
