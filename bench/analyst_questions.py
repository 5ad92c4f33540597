"""A question of each kind that the analyst answers from the supplied data, and as many more of each as are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from random import Random
from types import MappingProxyType

QUESTIONS: Mapping[str, str] = MappingProxyType(
    {
        "frontier": "Which models are on the quality-cost frontier?",
        "budget": "Are we within a budget of $50 a month?",
        "run_rate": "What was the run rate from 2024-11-18 to 2024-12-14?",
        "peak": "What is our peak load?",
        "prefix_worth": "what would a prefix cache save in the mooncake trace at gpt-4o prices?",
        "prefix_cache": "what would prefix caching save?",
        "cap": "what if no prompt was longer than 16k tokens?",
        "route": "what if we route small prompts to gpt-4o-mini?",
        "batch": "what would batching save?",
        "cache_ceiling": "what if all input was cached?",
        "off_peak": "what if we ran deepseek calls at night?",
        "swap": "can we switch to a cheaper model?",
        "savings_plan": "where can we save?",
        "zero_cost_at_list": "what would the free calls have cost at list price?",
        "logged_against_list": "compare logged cost with list prices",
        "cost_on_models": "what would the azure conv trace cost on gpt-4o",
        "workload_price": "which is cheapest for 10k input and 1k output tokens?",
        "list_cost": "what would our usage cost at list price?",
        "price_ratio": "is o3 more expensive than gpt-4o?",
        "price_history": "which list prices changed?",
        "price_lookup": "What does o3 cost per million tokens?",
        "odd_days": "Which days were odd?",
        "implausible": "Are there any implausible calls?",
        "empty_outputs": "How much did we pay for empty outputs?",
        "free_calls": "How many calls were free?",
        "errors": "What is the error rate?",
        "concentration": "How concentrated is our spend?",
        "clock": "At what time of day do we spend most?",
        "token_ratio": "What is the input/output ratio?",
        "distribution": "What are the percentiles of cost?",
        "drivers": "What drove the increase in spend from April to May 2025?",
        "sessions": "How many sessions were there?",
        "unit_cost": "What are our unit costs?",
        "coverage": "Which months have no data?",
        "total": "What did we spend in total?",
        "by": "Spend by model",
        "versus": "Compare spend of claude and gemini in 2025?",
        "distinct": "How many different models did we use?",
        "top_calls": "What are the 5 most expensive calls?",
        "trend": "Spend by month",
        "cross": "spend by month and model",
        "average_per": "average spend per user per month",
        "leaders": "most expensive model each month",
        "compare": "Compare spend in 2025-04 and 2025-05?",
        "statistics": "What is the median cost of a call?",
        "column_by": "average pass rate 2 by model",
        "quality": "How good is the data quality?",
        "description": "What data is there?",
        "makers": "Spend by provider",
        "threshold": "How many calls cost more than $1?",
        "groups_beyond": "Which models cost more than $5?",
    }
)
"""By the kind; ``tests/analyst/test_every_kind.py`` holds them against the kinds that there are."""

_OTHERS: Mapping[str, str] = MappingProxyType(
    {
        "run_rate": "What was the run rate from {begin} to {end}?",
        "cost_on_models": "what would the azure conv trace cost on {model}",
        "prefix_cache": QUESTIONS["prefix_cache"],
        "prefix_worth": "what would a prefix cache save in the mooncake trace at {model} prices?",
        "price_ratio": "is {model} more expensive than claude-3-5-haiku?",
        "workload_price": "which is cheapest for {number} input and {fewer} output tokens?",
        "price_lookup": "What does {model} cost per million tokens?",
        "drivers": "What drove the change in spend from {month} to {next_month}?",
        "compare": "Compare spend in {month} and {next_month}?",
        "versus": "Compare spend of claude and {maker} in {month}?",
        "threshold": "How many calls cost more than ${amount} {period}?",
        "budget": "Are we within a budget of ${amount} a month {period}?",
    }
)
"""Of the kinds that are asked otherwise than by the question above in a period; the trace with the prefixes has no
times."""

_MODELS = (
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "o3",
    "o1",
    "o4-mini",
    "gemini-2.5-pro",
    "gpt-5",
    "gpt-4",
)
_MONTHS = [f"{year}-{month:02}" for year, months in ((2024, (11, 12)), (2025, range(1, 9))) for month in months]
_FIRST_DAY, _FIRST_DAYS = date(2024, 12, 1), 60
_LAST_DAY, _LAST_DAYS = date(2025, 6, 15), 150
"""Periods begin and end so that each of the tables with a time has rows in them; a run rate needs some on each day."""


def another_question(kind: str, rng: Random) -> str:
    """A question of this kind that hardly anybody has asked before: its period, model or amount is its own."""
    asked = QUESTIONS[kind]
    if kind in _OTHERS:
        return _OTHERS[kind].format(**_values(rng))
    mark = "?" if asked.endswith("?") else ""
    return f"{asked.removesuffix('?')} {_values(rng)['period']}{mark}"


def _values(rng: Random) -> dict[str, str]:
    first, last = (
        day + timedelta(rng.randrange(days)) for day, days in ((_FIRST_DAY, _FIRST_DAYS), (_LAST_DAY, _LAST_DAYS))
    )
    month = rng.randrange(len(_MONTHS) - 1)
    return {
        "period": f"from {first} to {last}",
        "begin": f"2024-11-{rng.randrange(18, 26)}",
        "end": f"2024-12-{rng.randrange(4, 15):02}",
        "month": _MONTHS[month],
        "next_month": _MONTHS[month + 1],
        "model": rng.choice(_MODELS),
        "maker": rng.choice(("gpt", "gemini", "deepseek")),
        "number": str(rng.randrange(2_000, 200_000)),
        "fewer": str(rng.randrange(100, 2_000)),
        "amount": f"{rng.randrange(1, 5_000) / 100:.2f}",
    }
