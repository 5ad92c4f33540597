"""A part of the calls, one measure on top of another: refused, with questions beside it that are answered."""

from __future__ import annotations

from pathlib import Path

from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Refusal

from .conftest import ask, loaded

REFUSED = (
    ("What if only half of the calls could be batched?", ()),
    ("What would caching half of the calls save?", ()),
    ("Cap some of the prompts at 8000 tokens", ()),
    ("What if 30% of the small prompts went to gpt-4o-mini?", ()),
    ("What if we moved half of the o3 calls to gpt-4o?", ()),
    ("What would 20% of our calls off-peak save?", ()),
    ("and batching on top?", ("Cap prompts at 8000 tokens",)),
    ("why?", ("What would batching save in 2025?",)),
    ("Savings plan by month", ()),
    ("Are we paying more than list price, by month?", ()),
    ("What would a prefix cache save in the mooncake trace in dollars?", ()),
    ("Peak output tokens per minute in the azure conv trace", ()),
    ("Cost of 10k input tokens on o3 in May 2025", ()),
)


async def test_it_is_refused_with_what_is_answered(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question, before in REFUSED:
            told = await ask(ledger, question, before)
            assert told.answer.reason == "not_supported", (question, told.text)
            for alternative in told.answer.alternatives or []:
                assert not isinstance(plan(alternative, ledger.catalogue), Refusal), (question, alternative)
