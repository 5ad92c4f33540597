"""How the spend is made up, over the real rows, each figure computed again with nothing but plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median

import pytest

from .conftest import ask, loaded
from .test_answers import Row, clean, close, cost, during, grouped, money

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def when(row: Row) -> datetime:
    return datetime.fromisoformat(row["ts_utc"])


def lowest_at_least(values: Sequence[float], percent: int) -> float:
    """The percentile as the lowest value that so many percent are at or below."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


@pytest.mark.parametrize(
    ("question", "sheet", "key"),
    [
        ("spend by hour", 24, lambda row: f"{when(row).hour:02}:00"),
        ("spend by weekday", 7, lambda row: DAYS[when(row).weekday()]),
        ("spend on weekends", 2, lambda row: "weekend" if when(row).weekday() >= 5 else "Monday to Friday"),
    ],
)
async def test_the_clock(
    shared: Path, usage_rows: list[Row], question: str, sheet: int, key: Callable[[Row], str]
) -> None:
    places = grouped(usage_rows, key)
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, question)
        found = told.sheet("part", "calls", "spend_without_implausible_percent")
        assert len(found) == sheet
        for row in found:
            mine = places.get(row["part"], [])
            assert (row["calls"] or 0) == len(mine)
            if mine:
                assert close(row["spend"], cost(mine))
                assert close(row["spend_without_implausible"], cost(clean(mine)))
                share = 100 * cost(clean(mine)) / cost(clean(usage_rows))
                assert close(row["spend_without_implausible_percent"], share)
                assert row["days"] == len({each["ts_utc"][:10] for each in mine})
        high = max(places, key=lambda place: cost(clean(places[place])))
        assert f" {high} (**{money(cost(clean(places[high])))}**" in told.text
        assert "UTC" in told.text


async def test_the_busiest_hour_is_of_all_calls(shared: Path, usage_rows: list[Row]) -> None:
    hours = grouped(during(usage_rows, "2025"), lambda row: f"{when(row).hour:02}:00")
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "busiest hour since 2025")
        high = max(hours, key=lambda hour: len(hours[hour]))
        assert f"most calls fall at {high} (**{len(hours[high]):,}**" in told.text


async def test_concentration_over_calls(shared: Path, usage_rows: list[Row]) -> None:
    ranked = sorted((Decimal(row["cost_usd"]) for row in clean(usage_rows)), reverse=True)
    whole = sum(ranked)
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "what share of spend comes from the top 25 calls?")
        found = {row["part"]: row for row in told.sheet("part", "spend_percent")}
        sizes = {f"top {n}": n for n in (1, 5, 10, 25, 100)}
        sizes |= {f"top {n} %": math.ceil(len(ranked) * n / 100) for n in (1, 5, 10)}
        assert {part: row["calls"] for part, row in found.items()} == sizes
        for part, size in sizes.items():
            assert close(found[part]["spend_percent"], 100 * sum(ranked[:size]) / whole)
        assert f"**{100 * sum(ranked[:25]) / whole:.1f}%** of the spend" in told.text
        for percent, question in ((80, "pareto of the calls"), (50, "how many calls make up half of the spend?")):
            (few,) = (await ask(ledger, question)).sheet("calls_needed")
            needed = next(n for n in range(1, len(ranked)) if sum(ranked[:n]) >= whole * percent / 100)
            assert (few["calls_needed"], few["of_spend_percent"]) == (needed, percent)


async def test_concentration_over_names(shared: Path, usage_rows: list[Row]) -> None:
    models = {name: cost(rows) for name, rows in grouped(clean(usage_rows), lambda row: row["model"]).items()}
    ranked = sorted(models, key=lambda name: -models[name])
    whole = sum(models.values())
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "how few models make up 90% of spend?")
        found = told.sheet("name", "so_far_percent")
        assert [row["name"] for row in found[:10]] == ranked[:10]
        assert close(found[4]["so_far_percent"], 100 * sum(models[name] for name in ranked[:5]) / whole)
        needed = next(n for n in range(1, len(ranked)) if sum(models[m] for m in ranked[:n]) >= whole * 90 / 100)
        assert found[0]["needed"] == needed
        assert f"{needed} of {len(models)} make up 90.0%" in told.text
        dimensions = {row["by"]: row for row in told.sheet("top_3_percent")}
        assert close(dimensions["model"]["top_3_percent"], 100 * sum(models[name] for name in ranked[:3]) / whole)


async def test_distributions(shared: Path, usage_rows: list[Row]) -> None:
    costs = [float(row["cost_usd"]) for row in clean(usage_rows)]
    tokens = [float(row["total_tokens"]) for row in usage_rows]
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "p80 and p95 of the cost per call")
        for row in told.sheet("percentile", "cost"):
            percent = 100 if row["percentile"] == "highest" else int(row["percentile"][1:])
            assert row["cost"] == lowest_at_least(costs, percent), row
        assert "`p80` **" in told.text
        sizes = told.sheet("size", "calls", "calls_percent", "spend")
        assert sum(row["calls"] for row in sizes) == len(costs)
        cents = next(row for row in sizes if row["size"] == "0.01 to 0.1")
        assert cents["calls"] == sum(0.01 <= each < 0.1 for each in costs)
        assert sizes[0] == {**sizes[0], "size": "zero", "calls": sum(each == 0 for each in costs)}
        told = await ask(ledger, "distribution of tokens per call")
        for row in told.sheet("percentile", "tokens"):
            percent = 100 if row["percentile"] == "highest" else int(row["percentile"][1:])
            assert row["tokens"] == lowest_at_least(tokens, percent)
        told = await ask(ledger, "p95 cost per call by model")
        for row in told.sheet("name", "cost_p95"):
            mine = [float(each["cost_usd"]) for each in clean(usage_rows) if each["model"] == row["name"]]
            assert (row["calls"], row["cost_p95"]) == (len(mine), lowest_at_least(mine, 95))


async def test_token_ratios(shared: Path, usage_rows: list[Row]) -> None:
    def ratio(rows: list[Row]) -> float | None:
        out = sum(int(row["completion_tokens"]) for row in rows)
        return sum(int(row["prompt_tokens"]) for row in rows) / out if out else None

    models = grouped(usage_rows, lambda row: row["model"])
    months = grouped(during(usage_rows, "2025", "2026"), lambda row: row["ts_utc"][:7])
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "input/output ratio by model")
        (whole,) = told.sheet("median_ratio")
        assert close(whole["tokens_in_per_token_out"], ratio(usage_rows) or 0)
        with_output = [r for r in usage_rows if int(r["completion_tokens"])]
        middle = median(int(r["prompt_tokens"]) / int(r["completion_tokens"]) for r in with_output)
        assert close(whole["median_ratio"], middle)
        for row in told.sheet("name", "tokens_in_per_token_out"):
            expected = ratio(models[row["name"]])
            assert (
                row["tokens_in_per_token_out"] is None
                if expected is None
                else close(row["tokens_in_per_token_out"], expected)
            )
        told = await ask(ledger, "which model has the highest input to output ratio?")
        highest = max((name for name in models if ratio(models[name])), key=lambda name: ratio(models[name]) or 0)
        assert told.sheet("name", "output_percent")[0]["name"] == highest
        steps = (await ask(ledger, "input to output ratio by month in 2025")).sheet("step", "output_percent")
        assert {row["step"]: row["calls"] for row in steps} == {month: len(rows) for month, rows in months.items()}


async def test_unit_costs(shared: Path, usage_rows: list[Row]) -> None:
    rows = clean(usage_rows)
    async with loaded(shared / "llm_usage.csv") as ledger:
        (units,) = (await ask(ledger, "What are our unit costs?")).sheet("cost_per_user")
        spend, tokens = cost(rows), sum(int(row["total_tokens"]) for row in rows)
        assert close(units["cost_per_call"], spend / len(rows))
        assert close(units["cost_per_paid_call"], spend / sum(float(row["cost_usd"]) > 0 for row in rows))
        assert close(units["cost_per_million_tokens"], 1_000_000 * spend / tokens)
        assert close(units["cost_per_user"], spend / len({row["user_id"] for row in rows if row["user_id"]}))
        assert close(units["cost_per_day"], spend / len({row["ts_utc"][:10] for row in rows}))
        told = await ask(ledger, "cost per call by month in 2025")
        months = grouped(during(rows, "2025", "2026"), lambda row: row["ts_utc"][:7])
        found = told.sheet("step", "cost_per_call")
        assert [row["step"] for row in found] == sorted(months)
        for row in found:
            assert close(row["cost_per_call"], cost(months[row["step"]]) / len(months[row["step"]]))
        for row in (await ask(ledger, "unit cost by model")).sheet("name", "cost_per_call"):
            mine = [each for each in rows if each["model"] == row["name"]]
            assert close(row["cost_per_call"], cost(mine) / len(mine))


async def test_coverage(shared: Path, usage_rows: list[Row]) -> None:
    active = {date.fromisoformat(row["ts_utc"][:10]) for row in usage_rows}
    first, last = min(active), max(active)
    every = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "What is the coverage?")
        (span,) = told.sheet("days_without_rows")
        assert (span["days"], span["days_with_rows"]) == (len(every), len(active))
        assert (span["months"], span["months_with_rows"]) == (21, 17)
        for row in told.sheet("step", "days_with_rows"):
            mine = [day for day in every if f"{day:%Y-%m}" == row["step"]]
            assert (row["days"], row["days_with_rows"]) == (len(mine), len(active.intersection(mine)))
        stretches, run = [], 0
        for day in [*every, last]:
            run, ended = (0, run) if day in active else (run + 1, 0)
            stretches += [ended] if ended else []
        gaps = told.sheet("first", "last", "gaps")
        assert [row["days"] for row in gaps] == sorted(stretches, reverse=True)[:50]
        assert gaps[0]["gaps"] == len(stretches)
        assert "2024-09, 2025-09, 2025-10, 2026-01" in told.answer.insights[0]
        (span,) = (await ask(ledger, "which days have rows in May 2025?")).sheet("days_without_rows")
        may = {day for day in active if f"{day:%Y-%m}" == "2025-05"}
        assert (span["days"], span["days_with_rows"]) == (31, len(may))


def sessions_of(rows: list[Row]) -> list[list[Row]]:
    """A session begins where a user's running total falls, or where it is the call's own cost after some was spent."""
    found: list[list[Row]] = []
    for mine in grouped(rows, lambda row: row["user_id"]).values():
        before: float | None = None
        for row in sorted(mine, key=lambda r: (r["ts_utc"], float(r["session_cost_usd"]), float(r["cost_usd"]))):
            total, own = float(row["session_cost_usd"]), float(row["cost_usd"])
            fresh = before is not None and before > 1e-9 and own > 0 and abs(total - own) <= 1e-9
            if before is None or total < before - 1e-9 or fresh:
                found.append([])
            found[-1].append(row)
            before = total
    return found


async def test_sessions(shared: Path, usage_rows: list[Row]) -> None:
    sessions = sessions_of(usage_rows)
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "which session was the most expensive?")
        (figures,) = told.sheet("sessions", "median_cost")
        assert figures["sessions"] == len(sessions)
        costs = [float(cost(clean(rows))) for rows in sessions if clean(rows)]
        assert close(figures["median_cost"], median(costs))
        assert figures["median_calls"] == median(map(len, sessions))
        assert close(figures["calls_per_session"], len(usage_rows) / len(sessions))
        top = told.sheet("session", "minutes")[0]
        dearest = max((rows for rows in sessions if clean(rows)), key=lambda rows: cost(clean(rows)))
        assert (top["start"], top["calls"]) == (dearest[0]["ts_utc"], len(dearest))
        assert close(top["spend"], cost(clean(dearest)))
        assert "reconstructed from `session_cost_usd`" in told.answer.insights[0]
        lengths = {row["calls"]: row["sessions"] for row in told.sheet("sessions_percent")}
        assert lengths["1"] == sum(len(rows) == 1 for rows in sessions)
        told = await ask(ledger, "how many sessions in March 2025?")
        (figures,) = told.sheet("sessions", "median_cost")
        assert figures["sessions"] == sum(bool(during(rows, "2025-03", "2025-04")) for rows in sessions)


async def test_what_moved_the_spend(shared: Path, usage_rows: list[Row]) -> None:
    april, may = during(usage_rows, "2025-04", "2025-05"), clean(during(usage_rows, "2025-05", "2025-06"))
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "what drove the increase in spend from April to May 2025?")
        (effects,) = told.sheet("amount_volume", "amount_rate")
        rate = cost(april) / len(april)
        assert close(effects["amount_volume"], (len(may) - len(april)) * rate)
        assert close(effects["amount_rate"], (cost(may) / len(may) - rate) * len(may))
        assert effects["amount_volume"] + effects["amount_rate"] == pytest.approx(effects["amount_change"], abs=1e-12)
        assert effects["amount_mix"] + effects["amount_own_rate"] == pytest.approx(effects["amount_rate"], abs=1e-12)
        before, after = (grouped(rows, lambda row: row["model"]) for rows in (april, may))
        own = sum(
            cost(after[name]) - cost(before[name]) / len(before[name]) * len(after[name])
            for name in set(before) & set(after)
        )
        assert close(effects["amount_own_rate"], own)
        names = told.sheet("name", "status")
        assert {row["name"]: row["status"] for row in names if row["status"] != "in both"} == {
            **dict.fromkeys(set(after) - set(before), "new"),
            **dict.fromkeys(set(before) - set(after), "gone"),
        }
        assert sum(row["amount_change"] for row in names) == pytest.approx(float(cost(may) - cost(april)))
        for row in names:
            assert close(row["amount_change"], cost(after.get(row["name"], [])) - cost(before.get(row["name"], [])))
            assert row["spend_first"] is None or row["name"] in before
        waterfall = told.sheet("part", "amount")
        assert waterfall[0]["amount"] + sum(row["amount"] for row in waterfall[1:4]) == pytest.approx(
            waterfall[4]["amount"]
        )
        assert (
            f"As recorded it went from {money(cost(april))} to {money(cost(during(usage_rows, '2025-05', '2025-06')))}"
            in told.text
        )


async def test_a_side_without_rows_is_no_change(shared: Path) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "what drove the change from August 2025 to September 2025?")
        assert (told.answer.answered, told.answer.reason) == (False, "no_rows")
        assert "$0" not in told.text
