"""A question of each kind that the analyst answers from the supplied data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

QUESTIONS: Mapping[str, str] = MappingProxyType(
    {
        "frontier": "Which models are on the quality-cost frontier?",
        "budget": "Are we within a budget of $50 a month?",
        "run_rate": "What was the run rate from 2024-11-18 to 2024-12-14?",
        "peak": "What is our peak load?",
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
