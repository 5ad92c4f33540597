"""What-ifs over the shared data, each call priced again with nothing but the csv module."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Intent
from chatcore.protocol.messages import Recommendation

from .alternatives import check_alternatives
from .conftest import Told, ask, loaded

Row = dict[str, str]

SONNET = "claude-3-5-sonnet-20241022"
FILES = ("llm_usage.csv", "model_prices.csv", "genai_prices.json", "model_quality_cost.csv")


async def test_what_ifs(shared: Path, usage_rows: list[Row], rates: dict[tuple[str, str], Row]) -> None:
    """All of them over one ledger: loading takes longer than any of them."""
    async with loaded(*(shared / name for name in FILES)) as ledger:
        for check in (swap, swap_within_a_period, route, cap, batch, cache_ceiling):
            await check(ledger, usage_rows, rates)
        await off_peak(ledger, usage_rows, shared)
        await left_out(ledger, usage_rows)
        for other in (swap_to_a_dearer_model, swap_by_quality, no_answer, wordings):
            await other(ledger)


@pytest.fixture
def rates(shared: Path) -> dict[tuple[str, str], Row]:
    """The price row of a seller and a model; of several the last."""
    with (shared / "model_prices.csv").open(encoding="utf-8", newline="") as file:
        return {(row["provider_id"], row["model_id"]): row for row in csv.DictReader(file)}


def paid(rows: list[Row], model: str, start: str = "", end: str = "9999") -> list[Row]:
    return [r for r in rows if r["model"] == model and 0 < float(r["cost_usd"]) < 9000 and start <= r["ts_utc"] < end]


def at(row: Row, price: Row, tokens: int | None = None, rate: str = "input_usd_per_mtok") -> float:
    """What a call costs at a price, with so many tokens in its prompt."""
    inside = int(row["prompt_tokens"]) if tokens is None else tokens
    return (inside * float(price[rate]) + int(row["completion_tokens"]) * float(price["output_usd_per_mtok"])) / 1e6


def close(found: object, expected: float) -> bool:
    return isinstance(found, int | float) and abs(float(found) - expected) < 1e-6


def checked(told: Told, before: float, after: float, basis: str, calls: int) -> Recommendation:
    """The answer's one recommendation, its quantities those of the outcome, and as expected."""
    outcome = told.sheet("baseline", "saving_as_logged")[0]
    (recommended,) = told.answer.recommendations
    assert outcome["calls"] == calls
    assert close(outcome["baseline"], before)
    assert close(outcome["projected"], after)
    assert (recommended.baseline, recommended.projected) == (outcome["baseline"], outcome["projected"])
    assert recommended.saving == outcome["saving"]
    assert close(recommended.saving, before - after)
    assert (recommended.unit, recommended.basis) == ("USD", basis)
    assert recommended.assumptions
    return recommended


async def swap(ledger: Ledger, usage_rows: list[Row], rates: dict[tuple[str, str], Row]) -> None:
    told = await ask(ledger, "what if we had used gpt-4o-mini instead of gpt-4o?")
    rows, old, new = paid(usage_rows, "gpt-4o"), rates["openai", "gpt-4o"], rates["openai", "gpt-4o-mini"]
    checked(told, sum(at(r, old) for r in rows), sum(at(r, new) for r in rows), "what_if", len(rows))
    (quality,) = told.sheet("target_score_percent")
    assert (quality["target_score_percent"], quality["replaced_score_percent"]) == (3.6, 23.1)
    assert "-19.50 points" in told.answer.insights[0]


async def swap_within_a_period(ledger: Ledger, usage_rows: list[Row], rates: dict[tuple[str, str], Row]) -> None:
    told = await ask(ledger, f"how much would we have saved with claude 3.5 haiku instead of {SONNET} in 2025-02?")
    rows = paid(usage_rows, SONNET, "2025-02", "2025-03")
    old, new = rates["anthropic", "claude-3-5-sonnet"], rates["anthropic", "claude-3-5-haiku-latest"]
    checked(told, sum(at(r, old) for r in rows), sum(at(r, new) for r in rows), "what_if", len(rows))


async def swap_to_a_dearer_model(ledger: Ledger) -> None:
    told = await ask(ledger, "what if we had used o1 instead of gpt-4o-mini?")
    assert told.answer.recommendations == []
    assert "nothing saved" in told.text


async def swap_by_quality(ledger: Ledger) -> None:
    told = await ask(ledger, "can we switch to a cheaper model?")
    (recommended,) = told.answer.recommendations
    assert 0 < recommended.saving < recommended.baseline
    assert all(row["saving"] > 0 for row in told.sheet("target", "baseline"))


async def route(ledger: Ledger, usage_rows: list[Row], rates: dict[tuple[str, str], Row]) -> None:
    told = await ask(ledger, f"what if {SONNET} prompts below 2,000 tokens were sent to gpt-4o-mini?")
    rows = [row for row in paid(usage_rows, SONNET) if int(row["prompt_tokens"]) < 2000]
    old, new = rates["anthropic", "claude-3-5-sonnet"], rates["openai", "gpt-4o-mini"]
    checked(told, sum(at(r, old) for r in rows), sum(at(r, new) for r in rows), "what_if", len(rows))


async def cap(ledger: Ledger, usage_rows: list[Row], rates: dict[tuple[str, str], Row]) -> None:
    told = await ask(ledger, f"what if {SONNET} prompts were capped at 8k tokens?")
    rows = [row for row in paid(usage_rows, SONNET) if int(row["prompt_tokens"]) > 8000]
    price = rates["anthropic", "claude-3-5-sonnet"]
    checked(told, sum(at(r, price) for r in rows), sum(at(r, price, 8000) for r in rows), "what_if", len(rows))


async def batch(ledger: Ledger, usage_rows: list[Row], rates: dict[tuple[str, str], Row]) -> None:
    rows, price = paid(usage_rows, SONNET), rates["anthropic", "claude-3-5-sonnet"]
    before = sum(at(r, price) for r in rows)
    for words, left in (("batching", 0.5), ("a 40% batch discount", 0.6)):
        told = await ask(ledger, f"what would {words} save on {SONNET}?")
        checked(told, before, before * left, "what_if", len(rows))


async def cache_ceiling(ledger: Ledger, usage_rows: list[Row], rates: dict[tuple[str, str], Row]) -> None:
    told = await ask(ledger, f"how much could prompt caching save on {SONNET}?")
    rows, price = paid(usage_rows, SONNET), rates["anthropic", "claude-3-5-sonnet"]
    after = sum(at(r, price, rate="cache_read_usd_per_mtok") for r in rows)
    checked(told, sum(at(r, price) for r in rows), after, "ceiling", len(rows))


async def off_peak(ledger: Ledger, usage_rows: list[Row], shared: Path) -> None:
    with (shared / "model_prices.csv").open(encoding="utf-8", newline="") as file:
        prices = [r for r in csv.DictReader(file) if (r["provider_id"], r["model_id"]) == ("deepseek", "deepseek-chat")]
    by_window = {bool(row["constraint_start_time"]): row for row in prices}
    window = by_window[True]
    opens, closes = (window[f"constraint_{end}_time"].rstrip("Z") for end in ("start", "end"))

    def list_price(row: Row) -> float:
        return at(row, by_window[opens <= dt.datetime.fromisoformat(row["ts_utc"]).time().isoformat() < closes])

    told = await ask(ledger, "what would moving deepseek/deepseek-chat calls to off-peak hours save?")
    rows = [(list_price(r), min(at(r, p) for p in prices)) for r in paid(usage_rows, "deepseek/deepseek-chat")]
    moved = [(before, after) for before, after in rows if after < before]
    checked(told, sum(b for b, _ in moved), sum(a for _, a in moved), "what_if", len(moved))


async def left_out(ledger: Ledger, usage_rows: list[Row]) -> None:
    told = await ask(ledger, "what would batching save?")
    facts = " ".join(told.answer.insights)
    free = sum(float(row["cost_usd"]) == 0 for row in usage_rows)
    assert f"{free:,} calls logged at nothing" in facts
    assert "1 implausible call" in facts
    assert "`deepseek/REDACTED`" in facts
    assert told.sheet("baseline", "saving_as_logged")[0]["calls"] < len(usage_rows) - free


def reused(calls: list[dict[str, Any]], within: float) -> int:
    """Tokens of leading blocks that a call before had within so many milliseconds."""
    used: dict[int, int] = {}
    cached = 0
    for call in sorted(calls, key=lambda each: int(each["timestamp"])):
        hits, going, now = 0, True, call["timestamp"]
        for block in call["hash_ids"]:
            going = going and now - used.get(block, -1e18) <= within
            hits += going
            used[block] = now
        cached += min(call["input_length"], hits * 512)
    return cached


FAMILIES = (
    (
        "what if we had used deepseek for everything in 2025?",
        "What if we had used deepseek-chat for everything in 2025?",
    ),
    ("if we had used gemini for everything", "If we had used gemini-2.5-pro for everything"),
    ("what would we save with haiku instead of sonnet?", "What would we save with claude-3-haiku instead of sonnet?"),
    ("what if all calls had gone to sonnet?", "What if all calls had gone to claude-sonnet-4-5?"),
    ("had we used llama", ""),
    ("route prompts below 500 tokens to gpt", "Route prompts below 500 tokens to gpt-4o-mini"),
)


async def test_a_name_of_several_models_is_asked_back(shared: Path) -> None:
    """In the question itself, each way of which is answered and keeps what else it said."""
    async with loaded(*(shared / name for name in FILES)) as ledger:
        for question, choice in FAMILIES:
            told = await ask(ledger, question)
            assert (told.answer.answered, told.answer.reason, told.answer.missing) == (False, "ambiguous", ["model"])
            alternatives = told.answer.alternatives or []
            assert choice in (*alternatives, ""), question
            for each in alternatives:
                found = plan(each, ledger.catalogue)
                assert isinstance(found, Intent), each
                assert found.kind in ("swap", "route"), each
            first = await ask(ledger, alternatives[0])
            assert first.answer.answered, alternatives[0]
        one = plan(FAMILIES[0][1], ledger.catalogue)
        assert isinstance(one, Intent)
        assert [period.words for period in one.periods] == ["2025"]


async def test_a_model_is_known_by_the_words_of_its_name(shared: Path) -> None:
    async with loaded(*(shared / name for name in FILES)) as ledger:
        found = plan("what if we had used opus 4.5 for everything", ledger.catalogue)
        assert isinstance(found, Intent)
        assert (found.kind, found.options["to"]) == ("swap", "claude-opus-4-5")


async def test_prefixes(shared: Path) -> None:
    with (shared / "mooncake_conversation_trace.jsonl").open(encoding="utf-8") as file:
        calls = [json.loads(line) for line in file]
    async with loaded(shared / "mooncake_conversation_trace.jsonl") as ledger:
        for words, within in (("", 1e15), (" within 10 minutes", 600_000)):
            told = await ask(ledger, f"what would prefix caching save in the mooncake trace{words}?")
            (recommended,) = told.answer.recommendations
            assert recommended.saving == reused(calls, within)
            assert recommended.baseline == sum(call["input_length"] for call in calls)
            assert (recommended.unit, recommended.basis) == ("prompt tokens", "ceiling")


QUESTIONS = (
    "swap gpt-4o for gpt-4o-mini",
    "where can we save?",
    "what would batching save?",
    "route small prompts to a cheaper model",
    "what would prefix caching save?",
)


async def test_without_prices(shared: Path) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        for question in QUESTIONS:
            told = await ask(ledger, question)
            assert (told.answer.answered, told.answer.reason) == (False, "no_such_column"), question
            assert told.answer.missing in (["list prices"], ["blocks of prompts"])
            await check_alternatives(ledger, told)


async def no_answer(ledger: Ledger) -> None:
    for question, missing in (
        ("what if we had used foo-9 instead of gpt-4o?", ["foo-9"]),
        ("what if we had used gpt-4o-mini instead of bar-7?", ["bar-7"]),
        ("what would moving gpt-4o calls to off-peak hours save?", None),
        ("what if we had used gpt-4o-mini instead of gpt-4o in 2030?", ["2030"]),
    ):
        told = await ask(ledger, question)
        assert not told.answer.answered, question
        assert missing is None or told.answer.missing == missing
        await check_alternatives(ledger, told)


ASKED = {
    "swap": (
        "replace o3 with o4-mini",
        "what would it have cost to use deepseek-chat instead of o1-preview?",
        "if all o3 calls had been gpt-4.1-mini, what would we save?",
        "should we switch from claude 3.7 sonnet to gpt-4.1?",
        "move o1 traffic to o3-mini",
        "suppose we migrated everything to gemini-2.5-flash",
        "is there a cheaper model that is as good?",
    ),
    "route": (
        "what if we route small prompts to gpt-4o-mini?",
        "send prompts under 500 tokens to a cheaper model",
        "what would we save by routing prompts below 2,000 tokens to gpt-4.1-nano?",
        "what if calls with less than 1k tokens used gpt-4o-mini?",
    ),
    "cap": (
        "cap prompts at 10k tokens",
        "what if no prompt was longer than 16k tokens?",
        "what would trimming long prompts save?",
    ),
    "batch": (
        "how much would the batch api save us?",
        "what if we ran everything in batches?",
        "what would bacthing save",
    ),
    "cache_ceiling": (
        "what if all input was cached?",
        "maximum savings from caching",
        "would prompt caching reduce our bill?",
    ),
    "off_peak": ("what if we ran deepseek calls at night?", "could we save by shifting calls to cheaper hours?"),
    "savings_plan": (
        "how can we reduce our bill?",
        "savings plan",
        "recommend savings",
        "how do we cut costs?",
        "where could we save money in 2025-03?",
        "how should we optimize our spend?",
        "how to spend less?",
    ),
}
"""Ordinary wordings by the kind that they ask for."""

NOT_ASKED = (
    "How much did we spend in total?",
    "what is the cheapest model?",
    "what does gpt-4o cost?",
    "what is the price of deepseek-chat off-peak?",
    "how many prompts below 1000 tokens?",
    "compare gpt-4o vs o3",
    "how many cached tokens?",
    "what did we spend on batch jobs?",
)
"""Questions of other families, or of none."""


async def wordings(ledger: Ledger) -> None:
    for kind, questions in ASKED.items():
        for question in questions:
            planned = plan(question, ledger.catalogue)
            assert isinstance(planned, Intent), question
            assert planned.kind == kind, question
    for question in NOT_ASKED:
        planned = plan(question, ledger.catalogue)
        assert not isinstance(planned, Intent) or planned.kind not in ASKED, question
