"""Questions of a person who answers for a bill that once were read as another question."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Intent

from .alternatives import check_alternatives
from .conftest import ask, loaded

Row = dict[str, str]
USER = "c42c4e6b-f054-44d7-ae1f-6726cc41da88"


async def test_active_users_are_counted(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared) as ledger:
        users = {row["user_id"] for row in usage_rows if row["user_id"]}
        assert (
            f"There are **{len(users)}** different values of `user_id`"
            in (await ask(ledger, "how many active users")).text
        )


async def test_what_a_user_used_is_split_by_that(shared: Path, usage_rows: list[Row]) -> None:
    calls = sum(r["user_id"] == USER and r["model"] == "o3" for r in usage_rows)
    async with loaded(shared) as ledger:
        told = await ask(ledger, f"models used by user {USER}")
        assert {row["model"]: row["calls"] for row in told.sheet("model", "calls")}["o3"] == calls


@pytest.mark.parametrize(
    ("earlier", "question"),
    [
        ((), "would deepseek be cheaper"),
        (("spend on o3", "and on claude?"), "which one is cheaper per call?"),
        ((), "how much would our may 2025 usage cost today"),
    ],
)
async def test_half_a_comparison_is_no_total(shared: Path, earlier: tuple[str, ...], question: str) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, question, earlier)
        assert (told.answer.answered, told.answer.reason) == (False, "not_supported"), told.text
        await check_alternatives(ledger, told)


async def test_few_calls_that_make_up_most(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question in ("do a few calls make up most of the spend", "do a few models account for most of the spend"):
            found = plan(question, ledger.catalogue)
            assert isinstance(found, Intent)
            assert found.kind == "concentration", question


async def test_months_without_rows_are_named_where_periods_are_compared(shared: Path) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, "spend q1 2025 vs q1 2026")
        assert any("no rows for 2026-01" in each for each in told.answer.insights)


async def test_a_what_if_goes_on_for_some_calls_only(shared: Path) -> None:
    async with loaded(shared) as ledger:
        earlier = ["what if we used gpt-4o-mini for everything", "and for claude only?"]
        found = plan("in 2025?", ledger.catalogue, earlier)
        assert isinstance(found, Intent)
        assert (found.kind, found.options["to"], found.periods[0].words) == ("swap", "gpt-4o-mini", "2025")
        assert {"claude" in value for value in found.filters[0].values} == {True}


async def test_a_whole_question_after_another_tables_is_of_the_same_time(shared: Path, usage_rows: list[Row]) -> None:
    spent = sum(Decimal(r["cost_usd"]) for r in usage_rows if r["ts_utc"].startswith("2025"))
    async with loaded(shared) as ledger:
        told = await ask(ledger, "and how much did we spend?", ["errors by month", "and in 2025?"])
        assert f"The total spend in 2025 is **${spent:,.2f}**" in told.text
        errors = (await ask(ledger, "and how many errors were there?", ["spend in 2025"])).text
        assert " llm send errors** in 2025" in errors


async def test_what_is_left_out_next_is_left_out_too(shared: Path, usage_rows: list[Row]) -> None:
    kept = [r for r in usage_rows if r["model"] != "o3" and "claude" not in r["model"]]
    async with loaded(shared) as ledger:
        told = await ask(ledger, "and excluding claude too?", ["spend by month excluding o3"])
        (totals,) = told.sheet("calls", "spend", "first")
        assert totals["calls"] == len(kept)


async def test_the_tokens_of_prompts_are_those_that_went_in(shared: Path, usage_rows: list[Row]) -> None:
    kept = [r for r in usage_rows if 10_000 <= int(r["prompt_tokens"]) <= 20_000]
    async with loaded(shared) as ledger:
        told = await ask(ledger, "how many prompts were between 10k and 20k tokens long")
        assert told.text.startswith(f"**{len(kept):,} calls** have between 10,000 and 20,000 tokens in"), told.text
