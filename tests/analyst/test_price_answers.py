"""Answers about prices, on the shared data, against prices worked out in plain Python."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from chatcore.agents.analyst.evidence import Rows, digest_of
from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.prices import KINDS as PRICES
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.toolbox import tools_for
from chatcore.agents.tools import ToolError
from chatcore.context import UserExecutionContext

from .conftest import RecordedRun, Told, ask, loaded, write_csv
from .listed import Call, PriceList, calls_of

AZURE, AZURE_CODE = "azure_llm_trace_2023_conv.csv", "azure_llm_trace_2023_code.csv"
MOONCAKE = "mooncake_conversation_trace.jsonl"


@pytest.fixture(scope="module")
def prices(shared: Path) -> PriceList:
    return PriceList.of(shared)


@pytest.fixture(scope="module")
def usage(shared: Path) -> list[dict[str, str]]:
    with (shared / "llm_usage.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def calls(usage: list[dict[str, str]], prices: PriceList) -> list[Call]:
    return calls_of(usage, prices)


@pytest.fixture(scope="module")
def tiered_calls(usage: list[dict[str, str]], prices: PriceList) -> list[Call]:
    return calls_of(usage, prices, tiers=True)


@pytest.fixture
async def flat(shared: Path) -> AsyncIterator[Ledger]:
    async with loaded(shared / "llm_usage.csv", shared / "model_prices.csv") as ledger:
        yield ledger


@pytest.fixture
async def both(shared: Path) -> AsyncIterator[Ledger]:
    names = ("llm_usage.csv", "model_prices.csv", "genai_prices.json")
    async with loaded(*(shared / name for name in names)) as ledger:
        yield ledger


@pytest.fixture
async def everything(shared: Path) -> AsyncIterator[Ledger]:
    names = ("llm_usage.csv", "model_prices.csv", "genai_prices.json", AZURE, AZURE_CODE, MOONCAKE)
    async with loaded(*(shared / name for name in names)) as ledger:
        yield ledger


def listed(calls: list[Call]) -> Decimal:
    return sum((call.listed for call in calls if call.listed is not None), Decimal())


def logged(calls: list[Call]) -> Decimal:
    return sum((call.logged for call in calls if call.plausible), Decimal())


def first(told: Told, *columns: str) -> dict[str, Any]:
    return told.sheet(*columns)[0]


def near(value: Decimal | float) -> Any:
    return pytest.approx(float(value), rel=1e-9, abs=1e-9)


# --- past usage -----------------------------------------------------------------------------------------------------


async def test_usage_at_list_price(flat: Ledger, calls: list[Call]) -> None:
    told = await ask(flat, "what would our usage cost at list price?")
    row = first(told, "list_cost", "unpriced_calls")
    priced = [call for call in calls if call.listed is not None]
    assert row["calls"] == len(calls)
    assert row["priced_calls"] == len(priced)
    assert row["unpriced_calls"] == len(calls) - len(priced)
    assert row["list_cost"] == near(listed(calls))
    assert row["logged_cost"] == near(logged(priced))
    assert f"**${listed(calls):,.2f}**, for {len(priced):,} calls" in told.text
    assert f"{len(calls) - len(priced)} calls ({100 * (1 - len(priced) / len(calls)):.1f}% of all)" in told.text
    assert "`openrouter/REDACTED`" in told.text
    assert "`None`" in told.text
    assert any("short prompts only" in insight for insight in told.answer.insights)


async def test_the_models_without_a_price_come_first_where_they_are_asked_for(flat: Ledger) -> None:
    told = await ask(flat, "which of our models have no list price?")
    assert told.text.startswith("Not covered by any price, and not counted: 729 calls")


async def test_each_model_at_list_price(flat: Ledger, calls: list[Call]) -> None:
    told = await ask(flat, "reprice our usage at list price")
    rows = {row["used_model"]: row for row in told.sheet("used_model", "list_cost")[1:]}
    assert set(rows) == {call.model for call in calls}
    for model, row in rows.items():
        mine = [call for call in calls if call.model == model]
        assert row["calls"] == len(mine)
        assert row["list_cost"] == (None if mine[0].listed is None else near(listed(mine))), model


async def test_the_tiers_are_applied_where_they_are_known(both: Ledger, tiered_calls: list[Call]) -> None:
    told = await ask(both, "what would our usage cost at list price?")
    assert first(told, "list_cost")["list_cost"] == near(listed(tiered_calls))
    assert not any("short prompts only" in insight for insight in told.answer.insights)


async def test_the_nested_list_alone_does_as_well(shared: Path, tiered_calls: list[Call]) -> None:
    async with loaded(shared / "llm_usage.csv", shared / "genai_prices.json") as ledger:
        told = await ask(ledger, "what would our usage cost at list price?")
    assert first(told, "list_cost")["list_cost"] == near(listed(tiered_calls))


PARTS: dict[str, Any] = {
    "what would our usage cost at list price in May 2025": lambda c: c.time.strftime("%Y-%m") == "2025-05",
    "reprice our o3 calls at list price": lambda c: c.model == "o3",
    "what would claude-3-5-sonnet-20241022 usage cost at list": lambda c: c.model == "claude-3-5-sonnet-20241022",
    "what would last month cost at list price": lambda c: c.time.strftime("%Y-%m") == "2026-03",
    "list price of our usage in 2025-07": lambda c: c.time.strftime("%Y-%m") == "2025-07",
}


async def test_a_part_of_the_usage_at_list_price(flat: Ledger, calls: list[Call]) -> None:
    for question, is_meant in PARTS.items():
        told = await ask(flat, question)
        mine = [call for call in calls if is_meant(call)]
        assert first(told, "list_cost")["calls"] == len(mine), question
        assert first(told, "list_cost")["list_cost"] == near(listed(mine)), question


async def test_what_was_logged_beside_the_list(flat: Ledger, calls: list[Call]) -> None:
    told = await ask(flat, "compare logged cost against list price")
    mine = [call for call in calls if call.listed is not None and call.plausible]
    row = first(told, "differing_calls")
    assert (row["priced_calls"], row["logged_cost"]) == (len(mine), near(logged(mine)))
    assert row["list_cost"] == near(listed(mine))
    assert row["difference"] == near(logged(mine) - listed(mine))
    reasons = {row["reason"]: row["calls"] for row in told.sheet("reason", "tiered_calls")}
    differing = [call for call in mine if differs(call, Decimal("0.01"))]
    assert row["differing_calls"] == len(differing)
    assert reasons["same"] == len(mine) - len(differing)
    assert reasons["zero"] == sum(call.logged == 0 for call in differing)
    assert "$9,990.01" in told.text


def differs(call: Call, tolerance: Decimal) -> bool:
    assert call.listed is not None
    return abs(call.logged - call.listed) > max(tolerance * call.listed, Decimal("0.0000005"))


async def test_the_price_of_another_date_explains_a_call(flat: Ledger, calls: list[Call], prices: PriceList) -> None:
    told = await ask(flat, "which calls differ from list price by more than 5%")
    mine = [c for c in calls if c.listed is not None and c.plausible and c.logged and differs(c, Decimal("0.05"))]
    other = [call for call in mine if any(abs(call.logged - cost) <= cost / 20 for cost in at_any_price(call, prices))]
    reasons = {row["reason"]: row["calls"] for row in told.sheet("reason", "tiered_calls")}
    assert reasons.get("condition", 0) + reasons.get("short", 0) == len(other) > 0


def at_any_price(call: Call, prices: PriceList) -> Iterator[Decimal]:
    for row in prices.find(call.model):
        inside, outside = (Decimal(row[f"{side}_usd_per_mtok"] or 0) for side in ("input", "output"))
        yield (inside * call.inside + outside * call.outside) / 1_000_000


async def test_free_calls_at_list(flat: Ledger, calls: list[Call]) -> None:
    told = await ask(flat, "what would the free calls have cost at list price?")
    free = [call for call in calls if call.logged == 0]
    row = first(told, "list_cost")
    assert row["calls"] == len(free) == 1103
    assert row["priced_calls"] == sum(call.listed is not None for call in free)
    assert row["list_cost"] == near(listed(free))


# --- other models ---------------------------------------------------------------------------------------------------


async def test_a_trace_on_models(shared: Path) -> None:
    async with loaded(shared / AZURE, shared / MOONCAKE, shared / "model_prices.csv") as ledger:
        azure = await ask(ledger, "what would the azure conv trace cost on gpt-4o")
        mooncake = await ask(ledger, "what would mooncake cost on gpt-4o and o3")
    with (shared / AZURE).open(encoding="utf-8", newline="") as file:
        rows = [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(file)]
    assert first(azure, "input_tokens")["calls"] == len(rows)
    assert first(azure, "list_cost", "model")["list_cost"] == near(cost_of(rows, "2.5", "10"))
    assert f"**${cost_of(rows, '2.5', '10'):,.2f}**" in azure.text
    lines = map(json.loads, (shared / MOONCAKE).read_text(encoding="utf-8").splitlines())
    rows = [(row["input_length"], row["output_length"]) for row in lines]
    found = [(row["model"], row["list_cost"]) for row in mooncake.sheet("model", "list_cost")]
    assert found == [("o3", near(cost_of(rows, "2", "8"))), ("gpt-4o", near(cost_of(rows, "2.5", "10")))]


def cost_of(rows: list[tuple[int, int]], inside: str, outside: str) -> Decimal:
    """What calls with these tokens in and out cost at rates per million."""
    amounts = (Decimal(inside) * i + Decimal(outside) * o for i, o in rows)
    return sum(amounts, Decimal()) / 1_000_000


async def test_usage_on_models(both: Ledger, calls: list[Call]) -> None:
    told = await ask(both, "compare o3 and gpt-4.1-mini for our usage in May 2025")
    mine = [call for call in calls if call.time.strftime("%Y-%m") == "2025-05"]
    found = {row["model"]: row["list_cost"] for row in told.sheet("model", "list_cost")}
    rows = [(call.inside, call.outside) for call in mine]
    assert found["o3"] == near(cost_of(rows, "2", "8"))
    assert found["gpt-4.1-mini"] == near(cost_of(rows, "0.4", "1.6"))


WORKLOADS = {
    "what would 10k input and 1k output tokens cost on o3": "0.028",
    "price of 10,000 input tokens and 2,000 output tokens on gpt-4o": "0.045",
    "how much would 1000 calls with 10k tokens in and 1k out cost on gpt-4o?": "35",
    "what would 300k input tokens and 1k output tokens cost on gemini 2.5 pro": "0.765",  # the tier of long prompts
    "what would 200k input tokens and 1k output tokens cost on gemini 2.5 pro": "0.26",  # not yet
}


async def test_a_workload_on_a_model(both: Ledger) -> None:
    for question, expected in WORKLOADS.items():
        told = await ask(both, question)
        assert [row["workload_cost"] for row in told.sheet("workload_cost")] == [near(Decimal(expected))], question


async def test_the_cheapest_for_a_workload(flat: Ledger, prices: PriceList) -> None:
    told = await ask(flat, "which is cheapest for 10k input and 1k output tokens?")
    costs: dict[tuple[str, str], Decimal] = {}
    for row in prices.rows:  # in the order of the file the later row of a model is the newer
        rates = [row["input_usd_per_mtok"], row["output_usd_per_mtok"]]
        if all(rates) and not row["constraint_start_time"]:
            costs[row["provider_id"], row["model_id"]] = (10 * Decimal(rates[0]) + Decimal(rates[1])) / 1000
    ranked = sorted((cost, *key) for key, cost in costs.items() if cost > 0)
    found = [(row["provider"], row["model"]) for row in told.sheet("workload_cost")]
    assert [row["workload_cost"] for row in told.sheet("workload_cost")] == [near(cost) for cost, *_ in ranked[:10]]
    assert found[0] == ranked[0][1:]
    left_out = len({(row["provider_id"], row["model_id"]) for row in prices.rows}) - len(ranked)
    assert first(told, "left_out")["left_out"] == left_out


# --- lookups --------------------------------------------------------------------------------------------------------

LOOKED_UP = {
    "what does o3 cost": [
        "`o3` of `openai` lists at **$2.00**",
        "**$8.00**",
        "since 2025-06-10",
        "**$10.00**",
        "$0.50",
    ],
    "How much is o3?": ["**$2.00**"],
    "price of gpt-4o output tokens": ["**$10.00** per million output tokens"],
    "list price of o3 on 2025-05-01": ["For 2025-05-01", "**$10.00**", "**$40.00**", "before 2025-06-10"],
    "what was the list price of o3 in May 2025": ["**$10.00**", "**$40.00**"],
    "what is the price of gemini 2.5 pro per million tokens": ["**$1.25**", "more than 200,000: input $2.50"],
    "how much is claude 3.5 sonnet": ["`claude-3-5-sonnet` of `anthropic`", "**$3.00**", "$3.75"],
    "what does deepseek-chat cost": ["**$0.27**", "00:30 to 16:30 UTC", "**$0.135**", "at other times of the day"],
    "cache read price of claude-3-7-sonnet": ["**$0.30** per million input tokens read from the cache"],
    "price of sonnet 4.5 on openrouter": ["`anthropic/claude-sonnet-4.5` of `openrouter`"],
    "list price of gpt-4o vs gpt-4.1": ["$2.50", "$2.00"],
    "input rate of openai/gpt-4o-mini": ["**$0.15**"],
    "when did the price of o3 change": ["on 2025-06-10: input from $10.00 to $2.00 and output from $40.00 to $8.00"],
    "how much per million tokens is deepseek reasoner": ["`deepseek-reasoner` of `deepseek`"],
    "pricing for claude-3-5-haiku on vertex": ["of `google`"],
    "list price of deepseek-chat at 17:00": ["00:30 to 16:30 UTC"],
    "which is cheaper by list, o3 or gpt-4o": ["$2.00", "$2.50"],
    "list the prices of all anthropic models": ["`claude-opus-4-0`", "`claude-3-haiku`"],
    "which prices changed in 2025": ["in 2025", "`o3`"],
    "which list prices changed?": ["`o3` of `openai`", "no longer costs more", "from $2.20 to $3.30"],
}


async def test_a_price_is_looked_up(both: Ledger) -> None:
    for question, parts in LOOKED_UP.items():
        told = await ask(both, question)
        assert told.answer.answered, told.text
        for words in parts:
            assert words in told.text


async def test_every_price_is_found_by_its_own_name(flat: Ledger, prices: PriceList) -> None:
    (book,) = flat.catalogue.price_books
    for row in prices.rows:
        sold_by_maker = row["provider_id"] in ("openai", "anthropic", "google", "mistral")
        if sold_by_maker and row["input_usd_per_mtok"] and not row["model_id"].endswith("-"):
            intent = plan(f"what is the list price of {row['provider_id']}/{row['model_id']}?", flat.catalogue)
            assert isinstance(intent, Intent), (row["model_id"], intent)
            assert intent.kind == "price_lookup"
            assert len(intent.options["models"]) == 1
    assert len(book.rows) == 1442


NOT_ANSWERED = {
    "list price of claude sonnet on 2025-05-01": "ambiguous",
    "price of gpt": "ambiguous",
    "what's the list price?": "ambiguous",
    "what's the cheapest model by list price?": "ambiguous",
    "what would the azure conv trace cost": "ambiguous",
    "what is the price of foo-9": "no_rows",
    "list price of gpt-4o cache write": "no_rows",
    "price history of gpt-4o": "no_rows",
    "which prices changed in 2024": "no_rows",
    "what would our openrouter/REDACTED calls cost at list price": "no_rows",
    "what would our usage cost at list price in 2025-09": "no_rows",
    "what would our usage cost at list price in 2031": "out_of_range",
    "price of o3 in germany": "not_supported",
    "what would we pay at list price per team": "no_such_column",
}


async def test_what_is_not_known_is_not_answered(everything: Ledger) -> None:
    for question, reason in NOT_ANSWERED.items():
        told = await ask(everything, question)
        assert told.answer.reason == reason, told.text
        for alternative in told.answer.alternatives or []:
            assert not isinstance(plan(alternative, everything.catalogue), Refusal), alternative


WITHOUT_PRICES = [
    "list price of o3", "what would our usage cost at list price?", "compare logged cost with list prices",
    "price history of o3", "what would 1k input and 1k output tokens cost", "what would the free calls cost at list",
]  # fmt: skip


async def test_without_prices_it_says_what_to_attach(shared: Path) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        for question in WITHOUT_PRICES:
            told = await ask(ledger, question)
            assert told.answer.reason == "no_such_column", told.text
            assert "--data" in told.text
            for alternative in told.answer.alternatives or []:
                assert not isinstance(plan(alternative, ledger.catalogue), Refusal)


SPEND = [
    "what is the price per call of o3", "how many models are in the price list",
    "what did o3 cost us", "what did o3 cost", "What does o3 cost per month?", "how much is our spend?",
    "cost per million tokens by model", "average price per call", "what did we pay for o3 in May 2025",
    "most expensive calls", "which model is cheapest", "compare o3 and gpt-4o", "What did we spend in total?",
    "how many tokens in azure conv", "spend by model", "o3 cost in May 2025", "total cost of gpt-4o",
]  # fmt: skip


async def test_what_was_spent_is_no_question_for_prices(both: Ledger) -> None:
    for question in SPEND:
        found = plan(question, both.catalogue)
        assert isinstance(found, Refusal) or found.kind not in {kind.name for kind in PRICES}, (question, found)


# --- evidence -------------------------------------------------------------------------------------------------------

SHOWN = (
    "what would our usage cost at list price in May 2025",
    "compare logged cost against list price",
    "what does gemini 2.5 pro cost",
    "what would the azure conv trace cost on deepseek-chat",
    "which is cheapest for 10k input and 1k output tokens",
)


async def test_a_stranger_gets_the_same_rows(everything: Ledger, shared: Path) -> None:
    with duckdb.connect() as plain:
        for name in ("llm_usage", "model_prices", "azure_llm_trace_2023_conv"):
            plain.execute(f"CREATE TABLE {name} AS FROM read_csv('{shared / name}.csv')")
        plain.execute(f"CREATE TABLE genai_prices AS FROM read_json('{shared}/genai_prices.json', maximum_depth = 2)")
        for question in SHOWN:
            for evidence in (await ask(everything, question)).answer.evidence:
                cursor = plain.execute(evidence.query, evidence.parameters)
                rows = Rows.of([name for name, *_ in cursor.description or ()], cursor.fetchall())
                assert list(rows.columns) == evidence.columns
                assert digest_of(rows) == evidence.sha256, (question, evidence.query)


# --- other data -----------------------------------------------------------------------------------------------------


async def test_other_columns_other_units(tmp_path: Path) -> None:
    calls = [[f"2026-01-0{n + 1} 12:00:00", "fast", 1000, 500, 0.01] for n in range(4)]
    usage = write_csv(tmp_path / "ledger.csv", ["when", "engine", "tokens_in", "tokens_out", "charge_eur"], calls)
    listed = [["fast", 0.01, 0.02, ""], ["fast", 0.1, 0.2, "2026-01-03"], ["slow", 1, 1, ""]]
    header = ["engine model", "input price per 1k", "output price per 1k", "effective date"]
    tariff = write_csv(tmp_path / "tariff.csv", header, listed)
    async with loaded(usage, tariff) as ledger:
        told = await ask(ledger, "what would our usage cost at list price?")
        assert first(told, "list_cost")["list_cost"] == near(Decimal("0.44"))  # two days at 0.02, two at 0.20
        lookup = await ask(ledger, "list price of fast")
    assert "**100.00** per million input tokens" in lookup.text
    assert "since 2026-01-03" in lookup.text


async def test_a_window_that_goes_over_midnight(tmp_path: Path) -> None:
    times = ["2026-01-01 23:30:00", "2026-01-02 05:59:59", "2026-01-02 06:00:00"]
    rows = [[time, "night", 1_000_000, 0, 1.0] for time in times]
    usage = write_csv(tmp_path / "usage.csv", ["ts", "model", "input_tokens", "output_tokens", "cost_usd"], rows)
    header = ["model", "input_usd_per_mtok", "output_usd_per_mtok", "start_time", "end_time"]
    listed = [["night", 10, 10, "", ""], ["night", 1, 1, "22:00:00Z", "06:00:00Z"]]
    async with loaded(usage, write_csv(tmp_path / "prices.csv", header, listed)) as ledger:
        told = await ask(ledger, "what would our usage cost at list price?")
    assert first(told, "list_cost")["list_cost"] == near(Decimal(12))


async def test_two_currencies_are_not_compared(tmp_path: Path) -> None:
    header = ["ts", "model", "input_tokens", "output_tokens", "cached_tokens", "cost_eur"]
    usage = write_csv(tmp_path / "usage.csv", header, [["2026-01-01 12:00:00", "m-1", 10, 10, 5, 1.0]])
    listed = write_csv(tmp_path / "prices.csv", ["model", "input_usd_per_mtok", "output_usd_per_mtok"], [["m-1", 1, 1]])
    async with loaded(usage, listed) as ledger:
        refused = await ask(ledger, "compare logged cost against list price")
        told = await ask(ledger, "what would our usage cost at list price?")
    assert refused.answer.reason == "not_supported"
    assert "€" in refused.text
    assert any("`cached_tokens`" in insight for insight in told.answer.insights)


# --- the tool -------------------------------------------------------------------------------------------------------


async def test_the_tool_looks_up_a_price(both: Ledger) -> None:
    run = RecordedRun("", UserExecutionContext(user_id="tester"))
    found = await tools_for(both).call(run, "price_lookup", model="o3", on="2025-05-01")
    assert [(row["input"], row["output"]) for row in found.value["prices"]] == [(10.0, 40.0)]
    assert found.evidence[0].tool == "price_lookup"
    tiered = await tools_for(both).call(run, "price_lookup", model="gemini 2.5 pro", seller="google")
    assert {row["price"] for row in tiered.value["tiers"]} == {2.5, 15.0, 0.25}


async def test_the_tool_says_what_it_does_not_know(both: Ledger) -> None:
    run = RecordedRun("", UserExecutionContext(user_id="tester"))
    unknown: list[dict[str, str]] = [
        {"model": "foo-9"},
        {"model": "claude sonnet"},
        {"model": "o3", "seller": "nobody"},
    ]
    for arguments in unknown:
        with pytest.raises(ToolError):
            await tools_for(both).call(run, "price_lookup", **arguments)


async def test_each_kind_runs_without_the_planner(both: Ledger) -> None:
    usage: dict[str, Any] = {"table": "llm_usage"}
    listed: dict[str, Any] = {"table": "model_prices"}
    models = [{"provider": "openai", "model": "o3"}]
    intents = [
        Intent(kind="list_cost", **usage),
        Intent(kind="zero_cost_at_list", **usage),
        Intent(kind="logged_against_list", options={"tolerance_percent": 5}, **usage),
        Intent(kind="cost_on_models", options={"models": models}, **usage),
        Intent(kind="price_lookup", options={"models": models}, **listed),
        Intent(kind="price_history", options={"models": models}, **listed),
        Intent(kind="workload_price", options={"input_tokens": 1, "output_tokens": 1}, **listed),
    ]
    for intent in intents:
        for query in KINDS[intent.kind].queries(intent, both.catalogue):
            assert len((await both.query(query)).rows) > 0, (intent.kind, query.name)
