"""A question that fits several tables is asked back with each one's name; one that has a wrong day is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.ledger import open_ledger
from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.sources import find_sources

from .conftest import write_csv

HALVES = ("trace_code", "trace_conv")


@asynccontextmanager
async def catalogue(folder: Path) -> AsyncIterator[Catalogue]:
    """Two tables alike without a cost, and one with it."""
    tokens = [[f"2025-05-{day:02} 10:00:00", 100 * day, 10] for day in range(1, 29)]
    for name in HALVES:
        write_csv(folder / f"{name}.csv", ("at", "context_tokens", "generated_tokens"), tokens)
    paid = [[at, f"shop-{day % 2}", asked, made, 0.5] for day, (at, asked, made) in enumerate(tokens)]
    write_csv(folder / "shop.csv", ("at", "model", "input_tokens", "output_tokens", "cost_usd"), paid)
    async with open_ledger(find_sources([folder]), lambda *_: None) as ledger:
        yield ledger.catalogue


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many calls in the trace by day?", "trend"),
        ("How many calls on trace?", "total"),
        ("What is the peak load in trace?", "peak"),
        ("Input/output ratio of the trace", "token_ratio"),
    ],
)
async def test_the_question_is_asked_back_with_each_name_in_its_place(tmp_path: Path, question: str, kind: str) -> None:
    async with catalogue(tmp_path) as known:
        refused = plan(question, known)
        assert isinstance(refused, Refusal)
        assert refused.reason == "ambiguous"
        assert [each.rstrip("?") for each in refused.alternatives] == [
            question.rstrip("?").replace("trace", name) for name in HALVES
        ]
        for alternative, name in zip(refused.alternatives, HALVES, strict=True):
            planned = plan(alternative, known)
            assert isinstance(planned, Intent)
            assert (planned.kind, planned.table) == (kind, name)


@pytest.mark.parametrize("question", ["What did we spend on trace?", "What is our run rate in trace?"])
async def test_it_is_not_asked_which_of_two_where_neither_has_an_answer(tmp_path: Path, question: str) -> None:
    async with catalogue(tmp_path) as known:
        refused = plan(question, known)
        assert isinstance(refused, Refusal)
        assert (refused.reason, refused.missing) == ("no_such_column", ("cost",))
        assert all(isinstance(plan(each, known), Intent) for each in refused.alternatives)


async def test_a_table_that_is_named_twice_is_one_table(tmp_path: Path) -> None:
    async with catalogue(tmp_path) as known:
        planned = plan("What did we spend on shop-0 and shop-1?", known)
        assert isinstance(planned, Intent)
        assert (planned.table, planned.filters[0].values) == ("shop", ["shop-0", "shop-1"])


@pytest.mark.parametrize(
    "asked", ["Forecast for {day}", "What is our run rate for {day}?", "Projected spend on {day}?"]
)
async def test_a_day_that_there_is_not_is_refused_of_the_future_too(tmp_path: Path, asked: str) -> None:
    async with catalogue(tmp_path) as known:
        refused = plan(asked.format(day="31 November 2025"), known)
        assert isinstance(refused, Refusal)
        assert (refused.reason, refused.missing) == ("out_of_range", ("31 november 2025",))
