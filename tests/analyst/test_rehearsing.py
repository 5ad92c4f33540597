"""The usual questions are asked beforehand: that costs nobody anything, and changes no answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from chatcore.agents.analyst import rehearsing
from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.rehearsing import rehearse, rehearsed
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.suggesting import usual_intents

from .conftest import ask, loaded, write_csv


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    rows = [(f"2025-0{1 + n % 3}-1{n % 9} 10:00:00", f"model-{n % 4}", n, 2 * n, n / 8) for n in range(60)]
    return write_csv(tmp_path / "usage.csv", ("time", "model", "input_tokens", "output_tokens", "cost_usd"), rows)


QUESTIONS = ("What did we spend in total?", "Spend by model", "Spend by month", "How concentrated is our spend?")


async def test_an_answer_that_was_rehearsed_is_the_same(usage: Path) -> None:
    async with loaded(usage) as fresh:
        expected = [await ask(fresh, question) for question in QUESTIONS]
    async with loaded(usage) as ledger:
        await rehearse(ledger, usual_intents(ledger.catalogue))
        told = [await ask(ledger, question) for question in QUESTIONS]
    assert [(each.text, each.answer) for each in told] == [(each.text, each.answer) for each in expected]


async def test_who_asks_after_a_rehearsal_waits_for_no_query(usage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with loaded(usage) as ledger:
        await rehearse(ledger, usual_intents(ledger.catalogue))
        monkeypatch.setattr(Ledger, "_select", None)  # whoever runs a query now fails
        for question in QUESTIONS:
            assert (await ask(ledger, question)).answer.answered


async def test_a_kind_that_fails_does_not_take_the_data_with_it(usage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise LookupError

    broken = {**KINDS, "total": attrs.evolve(KINDS["total"], queries=fail)}
    monkeypatch.setattr("chatcore.agents.analyst.answering.KINDS", broken)
    async with loaded(usage) as ledger:
        await rehearse(ledger, usual_intents(ledger.catalogue))
        assert (await ask(ledger, "Spend by model")).answer.answered


async def test_a_rehearsal_ends_with_the_data_and_after_its_time(usage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsing, "REHEARSAL_SECONDS", 0.0)
    async with loaded(usage) as ledger, rehearsed(ledger):
        planned = plan(QUESTIONS[0], ledger.catalogue)
        assert isinstance(planned, Intent)
        await trio.testing.wait_all_tasks_blocked()
        assert len(ledger.remembered.words) == 0
    monkeypatch.undo()
    with trio.fail_after(60):
        async with loaded(usage) as ledger, rehearsed(ledger):
            pass
