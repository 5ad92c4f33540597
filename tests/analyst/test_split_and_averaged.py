"""Splits, averages and columns that once were answered with the number of another question."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

from chatcore.web.charts import chart_of

from .conftest import ask, loaded

Row = dict[str, str]


def _plausible(rows: list[Row]) -> list[Row]:
    return [row for row in rows if Decimal(row["cost_usd"]) < 5000]


def _cost(rows: list[Row]) -> Decimal:
    return sum((Decimal(row["cost_usd"]) for row in _plausible(rows)), Decimal(0))


async def test_errors_are_not_split_by_what_their_rows_lack(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question in ("errors by model", "errors by feature", "errors per model"):
            answer = (await ask(ledger, question)).answer
            assert (answer.answered, answer.reason) == (False, "no_such_column"), question
        assert (await ask(ledger, "errors by user")).answer.answered


async def test_a_comparison_by_a_column_is_by_that_column(shared: Path, usage_rows: list[Row]) -> None:
    o3 = [row for row in usage_rows if row["model"] == "o3"]
    async with loaded(shared) as ledger:
        told = await ask(ledger, "is spend this year higher than last year by model")
        (row,) = [each for each in told.sheet("name", "spend_first", "spend_second") if each["name"] == "o3"]
        assert abs(row["spend_first"] - float(_cost([r for r in o3 if r["ts_utc"].startswith("2025")]))) < 1e-9
        answer = (await ask(ledger, "compare calls of march 2025 and april 2025 by model")).answer
        assert (answer.answered, answer.reason) == (False, "not_supported")


async def test_an_average_by_the_hour_is_of_a_call(shared: Path, usage_rows: list[Row]) -> None:
    hours: defaultdict[str, list[Row]] = defaultdict(list)
    for row in _plausible(usage_rows):
        hours[row["ts_utc"][11:13]].append(row)
    usual = {hour: _cost(rows) / len(rows) for hour, rows in hours.items()}
    hour = max(usual, key=lambda each: usual[each])
    async with loaded(shared) as ledger:
        for question in ("average cost by hour", "cost per call by hour of the day"):
            told = await ask(ledger, question)
            assert f"the average cost per call is highest at {hour}:00 (**${usual[hour]:,.2f}**)" in told.text, question
            cells = {each["part"]: each["cost_per_call"] for each in told.sheet("part", "cost_per_call")}
            assert all(abs(cells[f"{each}:00"] - float(usual[each])) < 1e-9 for each in usual)
        answer = (await ask(ledger, "average calls per hour")).answer
        assert (answer.answered, answer.reason) == (False, "not_supported")


async def test_an_average_by_weekday_is_of_a_day(shared: Path, usage_rows: list[Row]) -> None:
    days: defaultdict[str, list[Row]] = defaultdict(list)
    for row in usage_rows:
        days[f"{dt.date.fromisoformat(row['ts_utc'][:10]):%A}"].append(row)
    usual = {name: _cost(rows) / len({row["ts_utc"][:10] for row in rows}) for name, rows in days.items()}
    name = max(usual, key=lambda each: usual[each])
    async with loaded(shared) as ledger:
        told = await ask(ledger, "average spend per weekday")
        assert f"the average spend of a day is highest on {name} (**${usual[name]:,.2f}**)" in told.text


async def test_tokens_of_a_session_are_tokens(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, "average tokens per session")
        (sessions,) = told.sheet("sessions", "tokens_per_session")
        total = sum(int(row["total_tokens"]) for row in usage_rows)
        assert abs(sessions["tokens_per_session"] - total / sessions["sessions"]) < 1e-6
        assert f"**{total / sessions['sessions']:,.2f} tokens** on average" in told.text
        assert "cost" not in told.text.split("\n", 1)[0]


async def test_the_cheapest_per_call_cost_something(shared: Path, usage_rows: list[Row]) -> None:
    models: defaultdict[str, list[Row]] = defaultdict(list)
    for row in _plausible(usage_rows):
        models[row["model"]].append(row)
    usual = {model: _cost(rows) / len(rows) for model, rows in models.items() if _cost(rows)}
    cheapest = min(usual, key=lambda each: usual[each])
    async with loaded(shared) as ledger:
        told = await ask(ledger, "cheapest model per call")
        assert f"`{cheapest}` has the least cost per call, of those that cost anything" in told.text


async def test_rows_without_a_value_of_a_column(shared: Path, usage_rows: list[Row]) -> None:
    lacking = [row for row in usage_rows if not row["user_id"]]
    async with loaded(shared) as ledger:
        for question in ("how many rows without user", "how many calls have no user", "calls without a user_id"):
            assert f"**{len(lacking)} calls** where `user_id` is empty" in (await ask(ledger, question)).text, question
        told = await ask(ledger, "spend without model o3")
        assert f"**${_cost([row for row in usage_rows if row['model'] != 'o3']):,.2f}**" in told.text


async def test_a_column_of_several_words_may_follow_its_value(shared: Path, usage_rows: list[Row]) -> None:
    weak = [row for row in usage_rows if row["weak_model"] == "gpt-4o-mini"]
    async with loaded(shared) as ledger:
        told = await ask(ledger, "spend with gpt-4o-mini as the weak model")
        assert f"`weak_model` is `gpt-4o-mini` is **${_cost(weak):,.2f}**" in told.text
        answer = (await ask(ledger, "what if we use gpt-4o as weak model")).answer
        assert (answer.answered, answer.reason) == (False, "not_supported")


async def test_what_leaders_spent_is_drawn_as_nobody_elses(shared: Path) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, "most expensive model each month of 2025")
        assert told.sheet("place_name", "name", "spend_without_implausible")
        assert all("place_name" not in item.columns or chart_of(item) is None for item in told.answer.evidence)
