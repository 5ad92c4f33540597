"""Questions that were once answered with the number of another question: each is computed from the file again."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from .conftest import ask, loaded

Row = dict[str, str]


def _cost(rows: list[Row]) -> Decimal:
    """Of the plausible rows."""
    return sum((Decimal(row["cost_usd"]) for row in rows if Decimal(row["cost_usd"]) < 5000), Decimal(0))


def _no_model(*parts: str) -> Callable[[Row], bool]:
    return lambda row: not any(part in row["model"] for part in parts)


def _no_mode(*modes: str) -> Callable[[Row], bool]:
    return lambda row: row["edit_format"] not in modes


_WITHOUT: dict[str, Callable[[Row], bool]] = {
    "spend on everything but claude": _no_model("claude"),
    "spend without claude or gpt": _no_model("claude", "gpt"),
    "spend on models without claude and gpt": _no_model("claude", "gpt"),
    "spend excluding claude, gemini and gpt": _no_model("claude", "gemini", "gpt"),
    "spend aside from claude": _no_model("claude"),
    "spend on everything but ask mode": _no_mode("ask"),
    "spend not in ask mode": _no_mode("ask"),
    "spend other than diff and ask": _no_mode("diff", "ask"),
    "spend on everything except for the ask and diff modes": _no_mode("diff", "ask"),
    "spend on claude but not haiku": lambda row: "claude" in row["model"] and "haiku" not in row["model"],
}


async def test_what_is_left_out_is_left_out(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared) as ledger:
        for question, kept in _WITHOUT.items():
            told = await ask(ledger, question)
            assert f"**${_cost([row for row in usage_rows if kept(row)]):,.2f}**" in told.text, question


def _percentile(rows: list[Row], column: str, percent: int) -> int:
    ordered = sorted(int(row[column]) for row in rows)
    return ordered[-(-percent * len(ordered) // 100) - 1]


def _average(rows: list[Row], column: str) -> str:
    return f"**{sum(int(row[column]) for row in rows) / len(rows):,.2f}**"


async def test_tokens_in_and_tokens_out_are_not_tokens(shared: Path, usage_rows: list[Row]) -> None:
    of_o3 = [row for row in usage_rows if row["model"] == "o3"]
    of_2025 = [row for row in usage_rows if row["ts_utc"].startswith("2025")]
    most_out = max(int(row["completion_tokens"]) for row in usage_rows)
    most_in = max(int(row["prompt_tokens"]) for row in of_2025)
    async with loaded(shared) as ledger:
        for question, figure in (
            ("average prompt tokens per call in 2025", f"{_average(of_2025, 'prompt_tokens')} tokens in"),
            ("average output tokens per call for o3", f"{_average(of_o3, 'completion_tokens')} tokens out"),
            ("which model has the highest average output tokens?", _average(of_o3, "completion_tokens")),
            ("p99 of prompt tokens", f"`p99` **{_percentile(usage_rows, 'prompt_tokens', 99):,}**"),
            ("p95 of completion tokens for o3", f"`p95` **{_percentile(of_o3, 'completion_tokens', 95):,}**"),
            ("which call had the most output tokens?", f"**{most_out:,} tokens out**"),
            ("highest prompt tokens in a call in 2025", f"**{most_in:,}**"),
        ):
            assert figure in (await ask(ledger, question)).text, question


async def test_what_one_kind_of_tokens_cost_is_not_known(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question in (
            "cost per million input tokens in march 2025",
            "cost per output token for o3",
            "how much did we spend on output tokens?",
            "what did o3 cost per million output tokens before June 10 2025",
        ):
            answer = (await ask(ledger, question)).answer
            assert (answer.answered, answer.reason) == (False, "no_such_column"), question


async def test_names_are_looked_for_where_they_are_said_to_be(shared: Path, usage_rows: list[Row]) -> None:
    by_editor = {row["editor_model"] for row in usage_rows if row["editor_model"]}
    weak = [row for row in usage_rows if row["weak_model"] == "gpt-4o-mini"]
    async with loaded(shared) as ledger:
        told = await ask(ledger, "spend by editor model")
        assert "where" not in told.text
        assert len(told.sheet("editor_model", "spend")) >= min(len(by_editor), 50)
        told = await ask(ledger, "spend on weak model gpt-4o-mini")
        assert f"**${_cost(weak):,.2f}**" in told.text
        for question in ("spend for user bob", "what did we spend on model foo"):
            answer = (await ask(ledger, question)).answer
            assert (answer.answered, answer.reason) == (False, "no_rows"), question


async def test_what_is_asked_of_a_part_of_the_calls(shared: Path, usage_rows: list[Row]) -> None:
    plausible = sorted((float(row["cost_usd"]) for row in usage_rows if float(row["cost_usd"]) < 5000), reverse=True)
    share = 100 * sum(plausible[: -(-len(plausible) // 10)]) / sum(plausible)
    async with loaded(shared) as ledger:
        told = await ask(ledger, "top 10% of calls account for what share of spend")
        assert f"**{share:.1f}%**" in told.text
        told = await ask(ledger, "most expensive call without the implausible one")
        assert f"**${plausible[0]:,.2f}**" in told.text
        told = await ask(ledger, "what was the most expensive day excluding the outlier?")
        assert "2025-03-22" in told.text
        assert "robust z" not in told.text
        told = await ask(ledger, "total without the broken row")
        assert f"**${sum(plausible):,.2f}**" in told.text
        told = await ask(ledger, "how much in march 2025?")
        march = [row for row in usage_rows if row["ts_utc"].startswith("2025-03")]
        assert f"**${_cost(march):,.2f}**" in told.text
        told = await ask(ledger, "how many calls without cost")
        assert f"**{sum(float(row['cost_usd']) == 0 for row in usage_rows):,} calls**" in told.text
        told = await ask(ledger, "which model grew the most between february and march 2025")
        assert "`anthropic/claude-3-7-sonnet-20250219` moved most" in " ".join(told.answer.insights)
        told = await ask(ledger, "when did we spend the most?")
        assert "2025-03" in told.text


async def test_the_cheaper_one_is_cheaper_by_the_token(shared: Path, usage_rows: list[Row]) -> None:
    """By what was paid, where there is no list of prices to say it by."""
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "which is cheaper, gpt-4o or o3?")
        of_one = [row for row in usage_rows if row["model"] == "gpt-4o"]
        rate = _cost(of_one) * 1_000_000 / sum(int(row["total_tokens"]) for row in of_one)
        assert (
            f"`gpt-4o` has the least cost per million tokens, of those that cost anything: **${rate:,.2f}**"
            in told.text
        )


async def test_what_the_rows_do_not_say_is_refused(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question, reason in {
            "is o3 better value than gpt-5": "ambiguous",
            "which is better, o3 or gpt-5?": "ambiguous",
            "o3 vs gpt-5 quality": "ambiguous",
        }.items():
            answer = (await ask(ledger, question)).answer
            assert (answer.answered, answer.reason) == (False, reason), question
            for alternative in answer.alternatives or ():
                assert (await ask(ledger, alternative)).answer.answered, alternative


async def test_a_follow_up_is_about_the_year_before_it(shared: Path) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, "and april?", ["is march 2025 within $100"])
        assert "was spent in 2025-04" in told.text
        answer = (await ask(ledger, "is april within $100")).answer
        assert [each for each in answer.alternatives or () if ".." in each] == []


async def test_a_period_with_months_without_rows_names_them(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question, months in {
            "spend from August 2024 to October 2024": ["2024-09"],
            "spend by month in 2025": ["2025-09", "2025-10"],
            "what did we spend since July 2025?": ["2025-09", "2025-10", "2026-01"],
            "spend in Q2 2025": [],
        }.items():
            told = await ask(ledger, question)
            said = [each for each in told.answer.insights if "no rows" in each]
            assert bool(said) is bool(months), question
            assert all(month in said[0] for month in months), question


async def test_what_a_column_is_like_without_implausible_rows_stands_beside(
    shared: Path, usage_rows: list[Row]
) -> None:
    costs = [Decimal(row["cost_usd"]) for row in usage_rows if row["ts_utc"].startswith("2025-05")]
    plausible = [each for each in costs if each < 5000]
    async with loaded(shared) as ledger:
        told = await ask(ledger, "max cost of a call in may 2025")
        assert (
            f"at most **${max(plausible):,.2f}**, **${sum(plausible) / len(plausible):,.2f}** on average" in told.text
        )
        (totals,) = told.sheet("average", "average_without_implausible")
        assert abs(totals["average_without_implausible"] - float(sum(plausible) / len(plausible))) < 1e-9


async def test_one_move_at_a_time_and_to_one_model(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question, reason in {
            "what if we swapped o1 for gpt-5 and o3 for o4-mini": "not_supported",
            "what if we swapped sonnet for haiku": "ambiguous",
        }.items():
            answer = (await ask(ledger, question)).answer
            assert (answer.answered, answer.reason) == (False, reason), question
            for alternative in answer.alternatives or ():
                assert (await ask(ledger, alternative)).answer.answered, alternative
        told = await ask(ledger, "what if we replaced o1 and o3 with gpt-5-mini")
        assert "80 calls" in told.text


@pytest.mark.parametrize(
    ("before", "question", "whole"),
    [
        ("cap prompts at 8000 tokens", "what about 16000?", "cap prompts at 16000 tokens"),
        ("cap prompts at 8000 tokens", "and 16k?", "cap prompts at 16k tokens"),
        ("is march 2025 within $100", "and $50?", "is march 2025 within $50"),
        ("did we exceed 20 dollars in december 2024", "and 40?", "did we exceed 40 dollars in december 2024"),
        ("what if we moved o3 to gpt-5", "and to gpt-5-mini?", "what if we moved o3 to gpt-5-mini"),
    ],
)
async def test_a_follow_up_with_another_number_or_model(shared: Path, before: str, question: str, whole: str) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, question, [before])
        assert told.answer.answered
        assert told.text == (await ask(ledger, whole)).text


async def test_a_maker_whose_models_do_not_bear_its_name(shared: Path, usage_rows: list[Row]) -> None:
    made = [row for row in usage_rows if re.search(r"(^|/)(gpt-|o\d(-|$)|openai/)", row["model"])]
    in_2025 = [row for row in made if row["ts_utc"].startswith("2025")]
    others = [row for row in usage_rows if row not in made]
    async with loaded(shared) as ledger:
        told = await ask(ledger, "what did openai cost in 2025?")
        assert f"for the models made by `openai` is **${_cost(in_2025):,.2f}**" in told.text
        assert any(each.startswith("`openai` is taken for who makes the models") for each in told.answer.insights)
        assert set(told.answer.evidence[0].parameters["values_1"]) == {row["model"] for row in made}
        assert f"**${_cost(others):,.2f}**" in (await ask(ledger, "spend without openai")).text
        told = await ask(ledger, "what did o3 cost?")
        assert not any("is taken for who makes" in each for each in told.answer.insights)
        told = await ask(ledger, "spend on openrouter")
        sold = [row for row in usage_rows if row["model"].startswith("openrouter/")]
        assert f"`model` contains `openrouter` is **${_cost(sold):,.2f}**" in told.text


async def test_by_provider_is_by_who_makes_the_models(shared: Path, usage_rows: list[Row]) -> None:
    claude = [row for row in usage_rows if re.search("claude|anthropic", row["model"])]
    async with loaded(shared) as ledger:
        told = await ask(ledger, "spend by provider")
        rows = {row["provider"]: row for row in told.sheet("provider", "spend")}
        assert abs(rows["anthropic"]["spend"] - float(_cost(claude))) < 1e-9
        assert sum(row["calls"] for row in rows.values()) == len(usage_rows)
        assert abs(sum(row["spend_without_implausible"] for row in rows.values()) - float(_cost(usage_rows))) < 1e-6
        assert any("has no provider" in each for each in told.answer.insights)
        evidence = told.answer.evidence[0]
        assert evidence.parameters["made_by"][evidence.parameters["made_names"].index("o3")] == "openai"
        told = await ask(ledger, "calls by provider in 2025")
        assert told.answer.evidence[0].query.count("llm_usage")
    async with loaded(shared / "llm_usage.csv") as ledger:
        answer = (await ask(ledger, "spend by provider")).answer
        assert (answer.answered, answer.reason) == (False, "no_such_column")


async def test_an_amount_is_read_whole_and_in_the_money_of_the_costs(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question in ("budget of €50 for march 2025", "is our spend in march 2025 within £100"):
            answer = (await ask(ledger, question)).answer
            assert (answer.answered, answer.reason) == (False, "not_supported"), question
        assert not (await ask(ledger, "are we over 1e3 dollars in 2025")).answer.answered
        assert "**within**" in (await ask(ledger, "are we over 1,000 dollars in 2025")).text
        assert "**Within**" in (await ask(ledger, "is our spend in march 2025 within $100")).text


async def test_a_year_against_the_last_one(shared: Path, usage_rows: list[Row]) -> None:
    years = [_cost([row for row in usage_rows if row["ts_utc"].startswith(year)]) for year in ("2025", "2026")]
    async with loaded(shared) as ledger:
        for question in (
            "spend this year compared to last year",
            "are we spending more than last year",
            "compare this year to last year",
        ):
            told = await ask(ledger, question)
            assert f"from **${years[0]:,.2f}** to **${years[1]:,.2f}**" in told.text, question


async def test_what_some_calls_would_cost_elsewhere_is_not_what_they_cost(shared: Path) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, "what would the diff calls have cost on gpt-4o")
        assert "2,899 calls" in told.text
        assert "at list price" in told.text.lower()
        told = await ask(ledger, "did costs go up in 2025")
        assert told.text.startswith("Spend by month in 2025")
        assert not (await ask(ledger, "how much do you cost")).answer.answered


_NEAREST = {
    "Is there waste in our bill?": ("ambiguous", "Which calls returned nothing?"),
    "Where did we waste money in March 2025?": ("ambiguous", "Which calls returned nothing in 2025-03?"),
    "Which model got more expensive?": ("ambiguous", "Which list prices changed?"),
    "Why is our bill so high?": ("not_supported", "How concentrated is our spend?"),
    "Should we switch from claude to gemini?": ("not_supported", "Compare spend of claude and gemini"),
    "How many tokens did we use per dollar?": ("not_supported", "Cost per million tokens?"),
    "What happened on 7 May 2025?": ("not_supported", "What did we spend on 2025-05-07?"),
    "How many calls failed?": ("no_such_column", "Which calls returned nothing?"),
}


async def test_a_refusal_offers_the_nearest_that_is_answered(shared: Path) -> None:
    async with loaded(shared / "llm_usage.csv", shared / "model_prices.csv") as ledger:
        for question, (reason, nearest) in _NEAREST.items():
            answer = (await ask(ledger, question)).answer
            assert (answer.answered, answer.reason) == (False, reason), question
            assert nearest in (answer.alternatives or ()), question
            for alternative in answer.alternatives or ():
                assert (await ask(ledger, alternative)).answer.answered, alternative


async def test_two_rates_are_told_apart_and_one_value_is_one(shared: Path, usage_rows: list[Row]) -> None:
    months = [[row for row in usage_rows if row["ts_utc"].startswith(month)] for month in ("2024-11", "2024-12")]
    first, second = (f"${_cost(rows) / len(rows):,.3f}" for rows in months)
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "What drove the change in spend from 2024-11 to 2024-12?")
        assert f"is rate: {first} to {second} each" in told.text
        assert ", 1 value of `user_id`" in (await ask(ledger, "spend by user in 2026-03")).text
        assert "There is **1** value of" in (await ask(ledger, "How many distinct users in March 2025?")).text


async def test_a_clause_of_one_question_word_is_not_dropped(shared: Path) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        for question, second in {
            "Who spent the most in March 2025, and on what?": "Spend by model in 2025-03?",
            "Who spent the most in March 2025 and when?": "Spend by month in 2025-03?",
        }.items():
            answer = (await ask(ledger, question)).answer
            assert not answer.answered, question
            assert answer.alternatives == ["Spend by user_id in 2025-03?", second], question
