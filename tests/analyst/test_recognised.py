"""The kinds that find themselves in a question: in how many ways, over what tables, and what they leave alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chatcore.agents.analyst.catalogue import Catalogue, Origin
from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.reading import read
from chatcore.agents.analyst.request import Intent, Refusal

from .conftest import ask, loaded, write_csv
from .phrasings import PHRASINGS
from .test_planner import ALL, TRACES, table

ASKED = [(kind, question) for kind, questions in PHRASINGS.items() for question in questions]


@pytest.mark.parametrize(("kind", "question"), ASKED)
def test_a_kind_is_recognised_however_it_is_asked(kind: str, question: str) -> None:
    intent = plan(question, ALL)
    assert isinstance(intent, Intent), intent
    assert intent.kind == kind
    for query in KINDS[kind].queries(intent, ALL):
        assert set(re.findall(r"\$(\w+)", query.sql)) == set(query.parameters), query.name


ELSEWHERE = """
    price of gpt-4o
    what does o3 cost per million tokens?
    logged cost against list price
    unpriced calls at list price
    price history of o3
    when did the price of o3 change?
    cheapest model for 1M tokens in and 200k out
    what would last month have cost at today's prices
    what if we switched from o3 to gpt-4o
    how much could we save by batching?
    cap prompts at 8000 tokens
    what would off-peak pricing save?
    is it cheaper at night to call deepseek?
    what is the peak load?
    peak requests per minute in azure code
    what is the run rate?
    are we within a budget of $100 a month?
    which model is on the quality-cost frontier?
    price tiers of gemini 2.5 pro
    what is our latency by hour
    spend by user
    average spend per day
    which days were the most expensive?
    busiest day
    top 10 models
    how many calls did we make?
    spend by month without outliers
    how many tokens per call
    share of spend by model
    change in spend from april to may 2025
    ratio of claude to gpt spend
    is the data complete?
    forecast spend per hour
    why did we use o3?
"""


@pytest.mark.parametrize("question", [line.strip() for line in ELSEWHERE.strip().splitlines()])
def test_other_questions_are_left_alone(question: str) -> None:
    reading = read(question, ALL)
    claimed = [kind for kind in PHRASINGS if KINDS[kind].recognise(reading) is not None]  # type: ignore[misc]
    assert claimed == []


def test_typos_are_read() -> None:
    for question, kind in (("spend by weekdya", "clock"), ("unusal days", "odd_days"), ("cost per sesion", "sessions")):
        intent = plan(question, ALL)
        assert isinstance(intent, Intent), (question, intent)
        assert intent.kind == kind, question


def one(name: str, columns: dict[str, str]) -> Catalogue:
    made = table(
        name, columns, covered_from="2025-01-01 00:00:00", covered_to="2025-03-01 00:00:00", months=("2025-01",)
    )
    return Catalogue(tables=(made,), origin=Origin.ATTACHED, data_version="v1")


@pytest.mark.parametrize(
    ("question", "columns", "missing"),
    [
        ("unusual days", {"model": "VARCHAR", "cost": "DOUBLE"}, "time"),
        ("busiest hour", {"day": "DATE", "cost": "DOUBLE"}, "time of day"),
        ("how many sessions?", {"ts": "TIMESTAMP", "cost": "DOUBLE", "tokens": "BIGINT"}, "session"),
        ("paid calls with empty output", {"ts": "TIMESTAMP", "cost": "DOUBLE"}, "tokens out"),
        ("input/output ratio", {"ts": "TIMESTAMP", "cost": "DOUBLE"}, "tokens in"),
        ("free calls", {"ts": "TIMESTAMP", "tokens": "BIGINT"}, "cost"),
        ("how concentrated is spend?", {"ts": "TIMESTAMP", "tokens": "BIGINT"}, "cost"),
        ("outliers?", {"ts": "TIMESTAMP", "tokens": "BIGINT"}, "cost"),
        ("unit costs", {"ts": "TIMESTAMP", "tokens": "BIGINT"}, "cost"),
        ("coverage", {"model": "VARCHAR", "cost": "DOUBLE"}, "time"),
        ("what drove the change from January to February 2025", {"ts": "TIMESTAMP", "tokens": "BIGINT"}, "cost"),
    ],
)
def test_what_a_table_lacks_is_named(question: str, columns: dict[str, str], missing: str) -> None:
    catalogue = one("usage", columns)
    refusal = plan(question, catalogue)
    assert isinstance(refusal, Refusal), refusal
    assert (refusal.reason, refusal.missing) == ("no_such_column", (missing,))
    for alternative in refusal.alternatives:
        assert isinstance(plan(alternative, catalogue), Intent), alternative


def test_an_intent_of_a_table_that_lacks_what_it_needs_is_refused_without_a_query() -> None:
    """As a language model may put it, which asks for a kind and a table by itself."""
    catalogue = Catalogue(tables=(TRACES[0],), origin=Origin.ATTACHED, data_version="v1")
    for name in (
        "free_calls",
        "empty_outputs",
        "sessions",
        "drivers",
        "unit_cost",
        "concentration",
        "implausible",
        "errors",
    ):
        intent = Intent(kind=name, table=TRACES[0].name)
        assert list(KINDS[name].queries(intent, catalogue)) == []
        refusal = KINDS[name].word(intent, catalogue, {})
        assert isinstance(refusal, Refusal)
        assert refusal.reason == "no_such_column"


async def test_other_names_of_columns_do(tmp_path: Path) -> None:
    """A table of someone else's: every kind answers from columns found by what they mean."""
    header = [
        "createdAt",
        "member",
        "engine",
        "feature",
        "inputTokens",
        "outputTokens",
        "amount_usd",
        "session_id",
        "error",
    ]
    times = [(month, day, hour) for month in (1, 2) for day in range(1, 20) for hour in (3, 9, 22)]
    rows = [
        [
            *(f"2025-{month:02}-{day:02}T{hour:02}:30:00Z", f"u{day % 3}", ("small", "large")[day % 2]),
            *(("chat", "code")[hour % 2], 100 * day, 0 if day == 5 else 10 * day),
            *(0.0 if hour == 3 else day * 0.01 * month, f"s{month}{day}"),
            "TimeoutError: slow" if (day, hour) == (7, 3) else "",
        ]
        for month, day, hour in times
    ]
    async with loaded(write_csv(tmp_path / "billing.csv", header, rows)) as ledger:
        for kind, question in (
            ("coverage", "which days have rows?"),
            ("drivers", "what drove the change from January to February 2025?"),
            ("unit_cost", "unit costs by engine"),
            ("concentration", "how concentrated is spend?"),
            ("distribution", "distribution of cost per call"),
            ("clock", "busiest hour"),
            ("sessions", "how many sessions?"),
            ("token_ratio", "input/output ratio by engine"),
            ("odd_days", "unusual days"),
            ("implausible", "outliers?"),
            ("empty_outputs", "paid calls with empty output"),
            ("free_calls", "free calls by member"),
            ("errors", "error rate"),
        ):
            told = await ask(ledger, question)
            assert told.answer.answered, (question, told.text)
            assert plan(question, ledger.catalogue).kind == kind  # type: ignore[union-attr]
        (sessions,) = (await ask(ledger, "how many sessions?")).sheet("sessions", "calls_per_session")
        assert (sessions["sessions"], sessions["calls_per_session"]) == (38, 3.0)
        (rate,) = (await ask(ledger, "error rate")).sheet("answered", "error_percent", "first")
        assert (rate["errors"], rate["answered"]) == (2, 112)
        (kind_of,) = (await ask(ledger, "errors by kind")).sheet("name", "errors_percent")
        assert kind_of["name"] == "TimeoutError"
        (empty,) = (await ask(ledger, "paid calls with empty output")).sheet("empty_paid_calls", "empty_percent")
        assert empty["empty_paid_calls"] == 4
