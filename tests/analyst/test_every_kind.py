"""One question of every kind on the shared data: its evidence holds when asked again, and a changed digit is caught."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import msgspec

from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.rerun import Standing, rerun
from chatcore.agents.authenticity import AnswerGuard
from chatcore.protocol.messages import Evidence

from .conftest import Told, ask, loaded
from .test_mutations import holds_anyway, mutations, quantities

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.analyst_questions import QUESTIONS as MEASURED

QUESTIONS = {
    "cross": "spend by month and model in 2025",
    "average_per": "average spend per user per month",
    "leaders": "most expensive model each month",
    "frontier": "Which models are on the quality-cost frontier?",
    "budget": "are we within $50 in April 2025?",
    "run_rate": "What is our monthly run rate?",
    "peak": "what was our peak load?",
    "prefix_cache": "what would prefix caching save in the mooncake trace?",
    "cap": "what if claude-3-5-sonnet-20241022 prompts were capped at 8k tokens?",
    "route": "what if claude-3-5-sonnet-20241022 prompts below 2,000 tokens were sent to gpt-4o-mini?",
    "batch": "what would batching save?",
    "cache_ceiling": "how much could prompt caching save on claude-3-5-sonnet-20241022?",
    "off_peak": "what would moving deepseek/deepseek-chat calls to off-peak hours save?",
    "swap": "what if we had used gpt-4o-mini instead of gpt-4o?",
    "savings_plan": "make a savings plan",
    "zero_cost_at_list": "what would the free calls have cost at list price?",
    "logged_against_list": "compare logged cost against list price",
    "cost_on_models": "what would the azure conv trace cost on gpt-4o",
    "workload_price": "what would 10k input and 1k output tokens cost on o3",
    "list_cost": "what would our usage cost at list price?",
    "price_history": "when did the price of o3 change",
    "price_lookup": "what does gpt-4o cost?",
    "odd_days": "which days were unusual?",
    "implausible": "any outliers or implausible rows?",
    "empty_outputs": "paid calls with empty output",
    "free_calls": "how many calls were free?",
    "errors": "how many calls failed?",
    "concentration": "how concentrated is our spend?",
    "clock": "spend by hour of the day",
    "token_ratio": "what is the ratio of input to output tokens?",
    "distribution": "how is the cost per call distributed?",
    "total": "What did we spend in May 2025?",
    "by": "Spend by model in 2025",
    "versus": "Compare claude and gpt",
    "distinct": "How many different models did we use?",
    "top_calls": "top calls",
    "trend": "spend by month",
    "compare": "Compare March and April 2025",
    "statistics": "What is the median cost of a call?",
    "column_by": "average pass_rate_2 by model",
    "quality": "data quality",
    "description": "What tables are there?",
    "drivers": "what drove the change in spend between March and April 2025?",
    "sessions": "sessions by cost",
    "unit_cost": "cost per call by month",
    "makers": "spend by provider",
    "threshold": "how many calls cost more than $1?",
    "groups_beyond": "models with more than 100 calls",
    "coverage": "which days have no rows?",
}

MUTATIONS = 5
"""Of each answer; every digit is changed on a small ledger (``test_mutations.py``)."""


def test_the_benchmark_has_a_question_of_every_kind() -> None:
    assert MEASURED.keys() == KINDS.keys()


async def test_every_kind_holds_and_catches(shared: Path) -> None:
    """All over one ledger, because loading it takes longest."""
    assert KINDS.keys() <= QUESTIONS.keys(), "give each kind a question here"
    wrong: list[str] = []
    async with loaded(shared) as ledger:
        for kind in KINDS:
            measured = plan(MEASURED[kind], ledger.catalogue)
            if not isinstance(measured, Intent) or measured.kind != kind:
                wrong.append(f"{kind}: the benchmark's {MEASURED[kind]!r} is taken for {measured}")
            planned = plan(QUESTIONS[kind], ledger.catalogue)
            if not isinstance(planned, Intent) or planned.kind != kind:
                wrong.append(f"{kind}: {QUESTIONS[kind]!r} is taken for {planned}")
                continue
            told = await ask(ledger, QUESTIONS[kind])
            wrong += [
                f"{kind}: {fault}" for fault in [*await not_holding(ledger, told), *not_caught(told, QUESTIONS[kind])]
            ]
    assert wrong == []


async def not_holding(ledger: Ledger, told: Told) -> list[str]:
    """The evidence that, stored and read again, does not come out again."""
    stored = [msgspec.json.decode(msgspec.json.encode(item), type=Evidence) for item in told.answer.evidence]
    found = [(item.id, (await rerun(ledger, item)).standing) for item in stored]
    return [f"{name} {standing}" for name, standing in found if standing is not Standing.HOLDS]


def not_caught(told: Told, question: str) -> list[str]:
    """Changed answers that the supervisor would send, though a quantity of theirs is none of a cell."""
    guard = AnswerGuard(question, lambda: told.run.evidence)
    whole = msgspec.structs.replace(told.answer, text=told.text)
    if (alarm := guard.judge_answer(whole)) is not None:
        return [f"refused as it is: {alarm.found}"]
    asked = [figure.group() for figure in quantities(question)]
    every = list(mutations(told.answer, told.text))
    step = max(len(every) // MUTATIONS, 1)
    faults = []
    for where, mutated in islice(every, 0, None, step):
        if guard.judge_answer(mutated) is None:
            texts = (mutated.text, *mutated.insights)
            figures = [figure for text in texts for figure in quantities(text)]
            bad = [each.group() for each in figures if not holds_anyway(each, told.answer.evidence)]
            faults += [f"{where} {each}" for each in bad if each not in asked]
    return faults
