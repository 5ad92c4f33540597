"""Questions before a decision: budget, pace, load, quality for money."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from .facts import Facts, clean, grouped, spend
from .question import Golden


def _frontier(facts: Facts) -> list[str]:
    """The models that no other beats in quality without costing more."""
    runs = [
        (float(row["pass_rate_2"]), float(row["total_cost_usd"]), row["model"])
        for row in facts.quality
        if float(row["total_cost_usd"] or 0) > 0
    ]
    return [
        model
        for score, cost, model in runs
        if not any((s >= score and c <= cost) and (s > score or c < cost) for s, c, _ in runs)
    ]


def _peak_of_seconds(facts: Facts, name: str) -> int:
    return Counter(at[:19] for at, _, _ in facts.trace(name)).most_common(1)[0][1]


DECISIONS = (
    Golden(
        kind="budget",
        asked="Are we within a budget of $50 a month?",
        also=("did we stay under $50 per month?", "which months went over a budget of $50 a month?"),
        numbers=lambda f: [spend(f.where(month="2025-03"))],
        names=lambda f: ["2025-03"],
    ),
    Golden(
        kind="budget",
        asked="Did we stay within $100 in 2025-03?",
        also=("were we under $100 in March 2025?",),
        numbers=lambda f: [spend(f.where(month="2025-03"))],
    ),
    Golden(
        kind="run rate",
        asked="What is our run rate?",
        also=(
            "forecast next month's spend",
            "what will we spend next month?",
            "burn rate?",
            "predict the cost of next year",
        ),
        refused="no_rows",
    ),
    Golden(
        kind="peak",
        asked="What is the peak number of requests per second in the azure code trace?",
        also=("busiest second in azure code", "peak load per second of the azure code trace"),
        numbers=lambda f: [_peak_of_seconds(f, "code")],
    ),
    Golden(
        kind="peak",
        asked="What is our peak load?",
        also=("peak requests per minute", "busiest minute?"),
        numbers=lambda f: [Counter(f"{c.at:%Y-%m-%d %H:%M}" for c in f.calls).most_common(1)[0][1]],
    ),
    Golden(
        kind="frontier",
        asked="Which model is the best value for money?",
        also=("quality versus cost frontier", "pareto frontier of quality and cost", "show the quality-cost trade-off"),
        names=_frontier,
    ),
    Golden(
        kind="budget",
        asked="How many months cost more than $20?",
        also=("which months were over $20", "months with spend above $20", "did any month exceed $20?"),
        numbers=lambda f: [
            sum(spend(clean(calls)) > 20 for calls in grouped(f.calls, lambda c: c.month).values()),
            max(spend(clean(calls)) for calls in grouped(f.calls, lambda c: c.month).values()),
        ],
    ),
    Golden(
        kind="budget",
        asked="Which days in 2025 had spend above $10?",
        also=("how many days of 2025 cost more than $10", "days over $10 in 2025"),
        numbers=lambda f: [
            *(
                spend(clean(calls))
                for calls in grouped(f.where(year="2025"), lambda c: c.day).values()
                if spend(clean(calls)) > 10
            )
        ],
    ),
    Golden(
        kind="refused",
        asked="calls over €1",
        refused="not_supported",
    ),
    Golden(
        kind="bound on calls",
        asked="requests under $0.01 by model",
        also=("calls below $0.01 for each model", "number of calls under $0.01 per model"),
        numbers=lambda f: [
            sum(c.cost < Decimal("0.01") for c in f.calls),
            max(len(g) for g in grouped([c for c in f.calls if c.cost < Decimal("0.01")], lambda c: c.model).values()),
        ],
    ),
    Golden(
        kind="distinct",
        asked="How many users are there?",
        also=("number of users", "how many people use this?"),
        numbers=lambda f: [len({c.user for c in f.calls if c.user})],
    ),
    Golden(
        kind="trend",
        asked="Calls by quarter",
        also=("number of calls per quarter", "quarterly calls"),
        numbers=lambda f: [len(calls) for calls in grouped(f.calls, lambda c: c.quarter).values()],
    ),
    Golden(
        kind="trend",
        asked="Tokens by year",
        also=("yearly tokens", "how many tokens per year"),
        numbers=lambda f: [sum(c.tokens for c in calls) for calls in grouped(f.calls, lambda c: c.year).values()],
    ),
    Golden(
        kind="by dimension",
        asked="Average cost per call by model",
        also=("cost per call for each model", "what does a call cost on average, per model?"),
        numbers=lambda f: [
            max(spend(calls) / len(calls) for calls in grouped(clean(f.calls), lambda c: c.model).values())
        ],
    ),
)
