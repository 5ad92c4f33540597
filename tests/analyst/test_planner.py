"""From words to intents, and to refusals that say what is missing and what would work."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcore.agents.analyst.catalogue import Catalogue, Column, Origin, Table
from chatcore.agents.analyst.columns import Candidate, recognise
from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Intent, Measure, Refusal

MODELS = ("claude-3-5-sonnet-20241022", "anthropic/claude-3-7-sonnet-20250219", "gpt-4o", "openrouter/openai/gpt-4o",
          "o3", "gemini/gemini-2.5-pro", "None")  # fmt: skip
MONTHS = tuple(
    f"{year}-{month:02}"
    for year, months in ((2024, (8, 10, 11, 12)), (2025, range(1, 7)), (2026, (2, 3, 4)))
    for month in months
)


def table(name: str, columns: dict[str, str], values: dict[str, tuple[str, ...]] | None = None, **more: Any) -> Table:
    candidates = [Candidate(column, kind) for column, kind in columns.items()]
    meanings = recognise(candidates)
    made = tuple(
        Column(name=c.name, type=c.type, meaning=meanings[c.name], distinct=9, values=(values or {}).get(c.name, ()))
        for c in candidates
    )
    return Table(name=name, file=f"{name}.csv", rows=100, columns=made, **more)


USAGE = table(
    "llm_usage",
    {
        "ts_utc": "TIMESTAMP", "user_id": "VARCHAR", "model": "VARCHAR", "weak_model": "VARCHAR",
        "edit_format": "VARCHAR", "prompt_tokens": "BIGINT", "completion_tokens": "BIGINT", "total_tokens": "BIGINT",
        "cost_usd": "DOUBLE", "session_cost_usd": "DOUBLE",
    },
    {
        "model": MODELS,
        "weak_model": ("gpt-4o-mini", "gpt-4o"),
        "edit_format": ("diff", "ask", "architect", "help", "whole", "context"),
        "user_id": ("52b5cc12-f16d-45f3-b30c-95ab4ae904ee", "alice"),
    },
    covered_from="2024-08-13 14:40:43", covered_to="2026-04-25 04:20:34", months=MONTHS,
)  # fmt: skip
PRICES = table(
    "model_prices",
    {"provider_id": "VARCHAR", "model_id": "VARCHAR", "input_usd_per_mtok": "DOUBLE", "output_usd_per_mtok": "DOUBLE"},
    {"provider_id": ("openai",), "model_id": ("gpt-4o", "o3")},
)
QUALITY = table(
    "model_quality_cost",
    {
        "date": "DATE", "model": "VARCHAR", "pass_rate_2": "DOUBLE", "seconds_per_case": "DOUBLE",
        "total_cost_usd": "DOUBLE",
    },
    {"model": ("o3 (high)", "gpt-4o")},
    covered_from="2024-12-21", covered_to="2025-10-03", months=("2024-12", "2025-10"),
)  # fmt: skip
ERRORS = table(
    "llm_send_errors",
    {"ts_utc": "TIMESTAMP", "user_id": "VARCHAR", "exception": "VARCHAR"},
    {"exception": ("timeout", "refused")},
    covered_from="2024-11-30 18:15:35", covered_to="2025-05-08 22:41:48", months=("2024-11", "2025-05"),
)  # fmt: skip
TRACES = [
    table(
        f"azure_trace_{name}",
        {"TIMESTAMP": "TIMESTAMP", "ContextTokens": "BIGINT", "GeneratedTokens": "BIGINT"},
        covered_from="2023-11-16 18:17:03", covered_to="2023-11-16 19:14:19", months=("2023-11",),
    )
    for name in ("code", "conv")
]  # fmt: skip
MOONCAKE = table("mooncake_trace", {"timestamp": "BIGINT", "input_length": "BIGINT", "output_length": "BIGINT"})
YEAR: dict[str, Any] = {
    "covered_from": "2025-01-01 00:00:00", "covered_to": "2025-12-31 00:00:00", "months": ("2025-01",),
}  # fmt: skip
ALL = Catalogue(tables=(*TRACES, ERRORS, USAGE, PRICES, QUALITY, MOONCAKE), origin=Origin.ATTACHED, data_version="v1")

QUESTIONS: dict[str, dict[str, object]] = {
    "What did we spend in total?": {"kind": "total", "measure": "cost"},
    "total cost": {"kind": "total", "measure": "cost"},
    "how much money have we burned so far": {"kind": "total", "measure": "cost"},
    "What are our costs?": {"kind": "total", "measure": "cost"},
    "spend without the outlier": {"kind": "total", "measure": "cost"},
    "How much did we spend in May 2025?": {"kind": "total", "periods": ["2025-05"]},
    "spend last month": {"kind": "total", "periods": ["2026-03"]},
    "spend in the last 30 days": {"kind": "total", "periods": ["2026-03-27 to 2026-04-25"]},
    "How much did gpt-4o cost us?": {"kind": "total", "filters": {"model": ["gpt-4o"]}},
    "spend on claude models": {"kind": "total", "filters": {"model": [MODELS[0], MODELS[1]]}},
    "spend on claude 3.7": {"kind": "total", "filters": {"model": [MODELS[1]]}},
    "spend on claude sonnet": {"kind": "total", "filters": {"model": [MODELS[0], MODELS[1]]}},
    "what did we spend on anthropic/claude-3-7-sonnet-20250219?": {"kind": "total", "filters": {"model": [MODELS[1]]}},
    "spend excluding gpt-4o": {"kind": "total", "filters": {"not model": ["gpt-4o"]}},
    "spend in ask mode": {"kind": "total", "filters": {"edit_format": ["ask"]}},
    "spend on model None": {"kind": "total", "filters": {"model": ["None"]}},
    "What did alice spend in 2025?": {"kind": "total", "filters": {"user_id": ["alice"]}, "periods": ["2025"]},
    "what percent of spend went to o3?": {"kind": "total", "filters": {"model": ["o3"]}},
    "what did we spend on the whole?": {"kind": "total", "filters": {}},
    "can you help me: what did we spend": {"kind": "total", "filters": {}},
    "How many calls did we make?": {"kind": "total", "measure": "calls"},
    "how many calls used o3?": {"kind": "total", "measure": "calls", "filters": {"model": ["o3"]}},
    "How many tokens did we use?": {"kind": "total", "measure": "tokens"},
    "how many input tokens in 2025": {"kind": "total", "measure": "input_tokens"},
    "number of completion tokens": {"kind": "total", "measure": "output_tokens"},
    "tokens in the azure conv trace": {"kind": "total", "measure": "tokens", "table": "azure_trace_conv"},
    "how many generated tokens in azure code": {
        "kind": "total",
        "measure": "output_tokens",
        "table": "azure_trace_code",
    },
    "average cost per call": {"kind": "total", "measure": "cost_per_call"},
    "What does a call cost on average?": {"kind": "total", "measure": "cost_per_call"},
    "cost per million tokens": {"kind": "total", "measure": "cost_per_million_tokens"},
    "average tokens per call": {"kind": "total", "measure": "tokens_per_call"},
    "how many errors were there?": {"kind": "total", "measure": "calls", "table": "llm_send_errors"},
    "how many rows are in model_prices": {"kind": "total", "measure": "calls", "table": "model_prices"},
    "Spend by model": {"kind": "by", "by": "model"},
    "spnd by modle": {"kind": "by", "by": "model"},
    "spend per user": {"kind": "by", "by": "user_id"},
    "who spent the most?": {"kind": "by", "by": "user_id"},
    "spend by feature": {"kind": "by", "by": "edit_format"},
    "spend by edit format": {"kind": "by", "by": "edit_format"},
    "spend by weak_model": {"kind": "by", "by": "weak_model"},
    "Which model cost the most?": {"kind": "by", "by": "model", "measure": "cost"},
    "which claude model cost the most?": {"kind": "by", "by": "model", "filters": {"model": [MODELS[0], MODELS[1]]}},
    "top 5 models by spend": {"kind": "by", "by": "model", "limit": 5},
    "top five models by tokens": {"kind": "by", "by": "model", "limit": 5, "measure": "tokens"},
    "most used model": {"kind": "by", "by": "model", "measure": "calls"},
    "which model is the cheapest?": {"kind": "by", "measure": "cost_per_million_tokens", "descending": False},
    "average cost per call by model": {"kind": "by", "by": "model", "measure": "cost_per_call"},
    "breakdown of cost by model for Q2 2025": {"kind": "by", "by": "model", "periods": ["Q2 2025"]},
    "What did each model cost?": {"kind": "by", "by": "model"},
    "spend by user for claude": {"kind": "by", "by": "user_id", "filters": {"model": [MODELS[0], MODELS[1]]}},
    "which errors happened most often": {"kind": "by", "by": "exception", "table": "llm_send_errors"},
    "errors by exception": {"kind": "by", "by": "exception", "table": "llm_send_errors", "measure": "calls"},
    "how many models did we use?": {"kind": "distinct", "by": "model"},
    "how many different users are there": {"kind": "distinct", "by": "user_id"},
    "compare gpt-4o and o3": {"kind": "versus", "by": "model"},
    "is claude more expensive than gemini": {"kind": "versus", "by": "model"},
    "cost of diff versus ask": {"kind": "versus", "by": "edit_format"},
    "What are the 5 most expensive calls?": {"kind": "top_calls", "limit": 5, "measure": "cost"},
    "which 3 calls were the most expensive": {"kind": "top_calls", "limit": 3},
    "largest requests by tokens in March 2025": {"kind": "top_calls", "measure": "tokens", "periods": ["2025-03"]},
    "show the spend trend by month": {"kind": "trend", "grain": "month"},
    "monthly spend": {"kind": "trend", "grain": "month"},
    "monthly spend by model": {"kind": "cross", "grain": "month", "by": "model"},
    "spend per day in May 2025": {"kind": "trend", "grain": "day", "periods": ["2025-05"]},
    "weekly spend in 2025": {"kind": "trend", "grain": "week"},
    "how did spend develop over time?": {"kind": "trend", "grain": "month"},
    "which month was the most expensive?": {"kind": "trend", "grain": "month", "measure": "cost"},
    "busiest day": {"kind": "trend", "grain": "day", "measure": "calls"},
    "spend by month for claude": {"kind": "trend", "filters": {"model": [MODELS[0], MODELS[1]]}},
    "is spend going up?": {"kind": "trend"},
    "did our costs increase in 2025": {"kind": "trend", "periods": ["2025"]},
    "Compare April and May 2025": {"kind": "compare", "periods": ["2025-04", "2025-05"]},
    "2024 vs 2025": {"kind": "compare", "periods": ["2024", "2025"]},
    "April 2025 vs March 2025": {"kind": "compare", "periods": ["2025-03", "2025-04"]},
    "how did spend change from April to May 2025?": {"kind": "compare", "periods": ["2025-04", "2025-05"]},
    "compare last month with the month before": {"kind": "compare", "periods": ["2026-02", "2026-03"]},
    "how did May 2025 compare to the previous month": {"kind": "compare", "periods": ["2025-04", "2025-05"]},
    "compare March 2026 with the year before": {"kind": "compare", "periods": ["2025-03", "2026-03"]},
    "compare tokens in March 2025 to April 2025": {"kind": "compare", "measure": "tokens"},
    "top 5 days by spend": {"kind": "trend", "grain": "day", "limit": 5},
    "spend by date": {"kind": "trend"},
    "what did we spend in the last month of data?": {"kind": "total", "periods": ["2026-04"]},
    "What is the total of session_cost_usd?": {"kind": "statistics", "column": "session_cost_usd"},
    "average prompt_tokens": {"kind": "statistics", "column": "prompt_tokens"},
    "did we spend more in April or in May 2025?": {"kind": "compare", "periods": ["2025-04", "2025-05"]},
    "average daily spend": {"kind": "trend", "grain": "day"},
    "median cost": {"kind": "statistics", "column": "cost_usd"},
    "what is the highest cost": {"kind": "statistics", "column": "cost_usd"},
    "average pass_rate_2": {"kind": "statistics", "column": "pass_rate_2", "table": "model_quality_cost"},
    "average pass rate 2 by model": {"kind": "column_by", "by": "model", "column": "pass_rate_2"},
    "How good is the data quality?": {"kind": "quality"},
    "are there any duplicates?": {"kind": "quality"},
    "are there gaps in the data?": {"kind": "quality"},
    "are any rows missing or implausible?": {"kind": "quality"},
    "any outliers or implausible rows?": {"kind": "implausible"},
    "how many calls were free?": {"kind": "free_calls"},
    "Forecast next month's spend": {"kind": "run_rate"},
    "is anything off with our bill?": {"kind": "quality"},
    "cost per session": {"kind": "sessions"},
    "how many requests failed?": {"kind": "errors", "table": "llm_send_errors"},
    "spend on weekends": {"kind": "clock", "measure": "cost"},
    "why did spend go up in may 2025": {"kind": "drivers", "periods": ["2025-04", "2025-05"]},
    "is the data complete?": {"kind": "quality"},
    "What data is there?": {"kind": "description"},
    "which tables do you have": {"kind": "description"},
    "what period does the data cover?": {"kind": "description"},
    "help": {"kind": "description"},
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_becomes_an_intent(question: str) -> None:
    intent = plan(question, ALL)
    assert isinstance(intent, Intent), intent
    expected = {"table": "llm_usage", **QUESTIONS[question]}
    if expected["kind"] in ("statistics", "column_by") and "pass_rate" in str(expected.get("column")):
        expected["table"] = "model_quality_cost"
    found = {
        **{name: getattr(intent, name) for name in ("kind", "table", "by", "grain", "column", "limit", "descending")},
        "measure": str(intent.measure),
        "periods": [period.words for period in intent.periods],
        "filters": {("not " if each.exclude else "") + each.column: each.values for each in intent.filters},
    }
    assert {name: found[name] for name in expected} == expected


REFUSALS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Spend by team": ("no_such_column", ("team",)),
    "Spend by team and model": ("no_such_column", ("team",)),
    "What did the marketing team spend?": ("no_such_column", ("marketing team",)),
    "How much did marketing spend in May 2025?": ("no_such_column", ("marketing",)),
    "spend on marketing": ("no_such_column", ("marketing",)),
    "spend for customer Acme": ("no_such_column", ("customer",)),
    "What is our average latency?": ("no_such_column", ("latency",)),
    "Which model is the slowest?": ("no_such_column", ("duration",)),
    "how many users failed?": ("no_such_column", ("failed",)),
    "spend by provider": ("no_such_column", ("provider",)),
    "what did we spend in the azure conv trace": ("no_such_column", ("cost",)),
    "tokens in mooncake in 2024": ("no_such_column", ("time",)),
    "spend on gpt-99": ("no_rows", ("gpt-99",)),
    "What did user 42 spend?": ("no_rows", ("42",)),
    "What did we spend in 2023?": ("out_of_range", ("2023",)),
    "spend by model in 2030": ("out_of_range", ("2030",)),
    "compare May 2025 with May 2023": ("out_of_range", ("2023-05",)),
    "spend on feb 30 2025": ("out_of_range", ("feb 30 2025",)),
    "What did we spend in March?": ("ambiguous", ("year",)),
    "tokens in azure": ("ambiguous", ("table",)),
    "cost per call by model and user": ("not_supported", ("model", "user_id")),
    "average cost by model and month": ("not_supported", ("model", "month")),
    "spend by model, user and month": ("not_supported", ("model", "user_id", "month")),
    "spend by total_tokens": ("not_supported", ("a split by a figure",)),
    "spend in Q5 2025": ("out_of_range", ("q5 2025",)),
    "why did we use o3 in may 2025": ("not_supported", ("the reason behind a figure",)),
    "how can we reduce our spend": ("no_such_column", ("list prices",)),
    "odd days by model": ("not_supported", ("odd days by a column",)),
    "busiest hour by model": ("not_supported", ("hours and weekdays by a column",)),
    "free calls in 2024 and in 2025": ("not_supported", ("free calls over several periods at once",)),
    "spend by hour in 2030": ("out_of_range", ("2030",)),
    "cost per session in mooncake": ("no_such_column", ("session",)),
    "spend per hour next month": ("not_supported", ("hours and weekdays",)),
    "spend in early May 2025": ("not_supported", ("a part of a period",)),
    "spend in early 2025": ("not_supported", ("a part of a period",)),
    "compare 2024, 2025 and 2026": ("not_supported", ("a comparison of more than two periods",)),
    "delete all rows": ("not_supported", ("a change to the data",)),
    "Which models are free?": ("not_supported", ("faults by a column",)),
    "what is the weather": ("not_supported", ()),
    "Wie viel haben wir ausgegeben?": ("not_supported", ("a question in English",)),
    "": ("not_supported", ()),
    "???": ("not_supported", ()),
}


@pytest.mark.parametrize("question", REFUSALS)
def test_a_question_that_is_not_answered_says_why(question: str) -> None:
    refusal = plan(question, ALL)
    assert isinstance(refusal, Refusal), refusal
    assert (refusal.reason, refusal.missing) == REFUSALS[question]
    assert refusal.text
    assert refusal.alternatives
    if refusal.reason == "out_of_range":
        assert refusal.covered == USAGE.covered


@pytest.mark.parametrize("question", REFUSALS)
def test_what_a_refusal_offers_is_answered(question: str) -> None:
    refusal = plan(question, ALL)
    assert isinstance(refusal, Refusal)
    for alternative in refusal.alternatives:
        assert isinstance(plan(alternative, ALL), Intent), alternative


def test_two_ledgers_alike_are_ambiguous_until_one_is_named() -> None:
    columns = {"ts": "TIMESTAMP", "model": "VARCHAR", "cost_usd": "DOUBLE"}
    both = Catalogue(
        tables=(table("north", columns, **YEAR), table("south", columns, **YEAR)),
        origin=Origin.ATTACHED,
        data_version="v1",
    )
    refusal = plan("What did we spend in total?", both)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "ambiguous"
    assert len(refusal.alternatives) == 2
    chosen = [plan(alternative, both) for alternative in refusal.alternatives]
    assert [intent.table for intent in chosen if isinstance(intent, Intent)] == ["north", "south"]


@pytest.mark.parametrize("name", ["spend", "costs", "usage", "calls", "tokens", "billing", "llm_calls", "total_cost"])
def test_a_table_may_be_called_like_what_is_asked(name: str) -> None:
    columns = {"ts": "TIMESTAMP", "model": "VARCHAR", "tokens": "BIGINT", "cost_usd": "DOUBLE"}
    prices = table("model_prices", {"model_id": "VARCHAR", "input_usd_per_mtok": "DOUBLE"})
    both = Catalogue(tables=(prices, table(name, columns, **YEAR)), origin=Origin.ATTACHED, data_version="v1")
    for question, kind, measure in (
        ("What did we spend in total?", "total", Measure.COST),
        ("total cost", "total", Measure.COST),
        ("How many calls did we make?", "total", Measure.CALLS),
        ("how many tokens did we use", "total", Measure.TOKENS),
        ("spend by model", "by", Measure.COST),
        (f"what did we spend in {name}?", "total", Measure.COST),
        (f"how many rows does the table {name} have?", "total", Measure.CALLS),
    ):
        intent = plan(question, both)
        assert isinstance(intent, Intent), (question, intent)
        assert (intent.kind, intent.measure, intent.table) == (kind, measure, name), question


def test_numbered_users_are_found() -> None:
    columns = {"ts": "TIMESTAMP", "user_id": "BIGINT", "cost": "DOUBLE"}
    one = Catalogue(tables=(table("t", columns, {"user_id": ("7", "42")}),), origin=Origin.ATTACHED, data_version="v1")
    intent = plan("What did user 42 spend?", one)
    assert isinstance(intent, Intent)
    assert [(each.column, each.values) for each in intent.filters] == [("user_id", ["42"])]
    assert isinstance(plan("What did user 43 spend?", one), Refusal)


EVIL = ("x'; DROP TABLE llm_usage; --", 'a"b', "$values_1", "{0}", "%s")


@pytest.mark.parametrize("value", EVIL)
def test_no_word_of_a_question_or_the_data_gets_into_sql(value: str) -> None:
    columns = {"ts": "TIMESTAMP", "model": "VARCHAR", "cost_usd": "DOUBLE", "tokens": "BIGINT"}
    one = Catalogue(
        tables=(table("t", columns, {"model": (value, "gpt-4o")}, **YEAR),),
        origin=Origin.ATTACHED,
        data_version="v1",
    )
    for question in (
        f"what did we spend on model {value}",
        f"spend by month for {value}",
        f"compare {value} and gpt-4o",
    ):
        intent = plan(question, one)
        if isinstance(intent, Intent):
            for query in KINDS[intent.kind].queries(intent, one):
                assert value not in query.sql.replace("$values_1", "", 1) or value == "$values_1"
                assert set(re.findall(r"\$(\w+)", query.sql)) == set(query.parameters)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_parameter_is_bound_and_every_bound_one_used(question: str) -> None:
    intent = plan(question, ALL)
    assert isinstance(intent, Intent)
    for query in KINDS[intent.kind].queries(intent, ALL):
        assert set(re.findall(r"\$(\w+)", query.sql)) == set(query.parameters)


SPOKEN = """
    what did we spend total by model user team in may 2025 march last month top 5 calls tokens cost claude gpt-4o the
    most compare and trend average per call between since quality none ask o3 42 $1 more than which who how many errors
    azure week days first without free slowest
"""


@settings(deadline=None)
@given(st.lists(st.sampled_from(SPOKEN.split()), max_size=12).map(" ".join))
def test_any_words_are_an_intent_or_a_refusal(question: str) -> None:
    outcome = plan(question, ALL)
    assert isinstance(outcome, Intent | Refusal)
    if isinstance(outcome, Refusal):
        assert outcome.alternatives
    else:
        assert KINDS[outcome.kind].queries(outcome, ALL)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_an_intent_or_a_refusal(question: str) -> None:
    assert isinstance(plan(question, ALL), Intent | Refusal)


def test_measures_are_all_worded() -> None:
    from chatcore.agents.analyst.intents.base import MEASURED

    assert set(MEASURED) == set(Measure)
