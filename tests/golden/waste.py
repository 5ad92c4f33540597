"""What stands out in the bill and what was paid for nothing; how spend and use are spread."""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal
from statistics import median

from .facts import Call, Facts, clean, grouped, spend
from .question import Golden, Number

_CLAUDE = "anthropic/claude-3-7-sonnet-20250219"


def _odd_days(calls: list[Call]) -> int:
    days = [float(spend(day)) for day in grouped(calls, lambda c: c.day).values()]
    middle = median(days)
    spread = median(abs(day - middle) for day in days)
    return sum(1 for day in days if abs(0.6745 * (day - middle) / spread) >= 3.5)


def _empty(facts: Facts) -> list[Call]:
    return [call for call in clean(facts.calls) if call.received == 0 and call.cost > 0]


def _percentile(facts: Facts, percent: int) -> Decimal:
    costs = sorted(call.cost for call in clean(facts.calls))
    return costs[math.ceil(percent * len(costs) / 100) - 1]


def _top_tenth(facts: Facts) -> list[Number]:
    costs = sorted((call.cost for call in clean(facts.calls)), reverse=True)
    return [sum(costs[: math.ceil(len(costs) / 10)]) * 100 / sum(costs)]


def _dearest_hour(facts: Facts) -> tuple[str, Decimal]:
    hours = {hour: spend(calls) for hour, calls in grouped(clean(facts.calls), lambda c: f"{c.at:%H}:00").items()}
    return max(hours.items(), key=lambda each: each[1])


def _hourly(facts: Facts) -> list[Number]:
    """What a call costs at the hour at which it costs most."""
    hours = grouped(clean(facts.calls), lambda c: f"{c.at:%H}").values()
    return [max(spend(calls) / len(calls) for calls in hours)]


WASTE = (
    Golden(
        kind="anomalies",
        asked="Which days were unusual?",
        also=("any odd days in our spend?", "spending spikes?", "were there days with abnormal costs"),
        numbers=lambda f: [_odd_days(f.calls), _odd_days(clean(f.calls))],
        names=lambda f: ["2025-05-07"],
    ),
    Golden(
        kind="anomalies",
        asked="Are there any implausible calls?",
        also=("any suspicious charges?", "which rows have an absurd cost", "are there implausible costs in the data?"),
        numbers=lambda f: [max(c.cost for c in f.calls), spend(f.calls), spend(clean(f.calls))],
        names=lambda f: ["2025-05-07 15:29:32"],
    ),
    Golden(
        kind="anomalies",
        asked="Is anything off with our bill?",
        also=("does our bill look right?", "is something wrong with our costs?", "anything fishy in the data?"),
        numbers=lambda f: [spend(f.calls), spend(clean(f.calls))],
    ),
    Golden(
        kind="waste",
        asked="How much did we pay for calls with empty output?",
        also=(
            "which calls returned nothing?",
            "how much did we waste on empty outputs?",
            "paid calls without any output tokens",
        ),
        numbers=lambda f: [len(_empty(f)), spend(_empty(f))],
    ),
    Golden(
        kind="waste",
        asked="How many calls were free?",
        also=("number of calls with zero cost", "share of free calls?", "how many calls cost nothing"),
        numbers=lambda f: [
            sum(1 for c in f.calls if not c.cost),
            sum(1 for c in f.calls if not c.cost) * 100 / len(f.calls),
        ],
    ),
    Golden(
        kind="waste",
        asked="Which errors happened most often?",
        also=("what errors did we get?", "most common exceptions", "which exceptions did we get, and how often?"),
        numbers=lambda f: [sum(1 for row in f.errors if "CERTIFICATE_VERIFY_FAILED" in row["exception"][:32])],
    ),
    Golden(
        kind="shape",
        asked="What share of the cost comes from the top 10% of calls?",
        also=("how much of our spend is in the top 10 percent of calls?",),
        numbers=_top_tenth,
    ),
    Golden(
        kind="shape",
        asked="At what hour of the day do we spend the most?",
        also=("most expensive hour of the day", "spend by hour of day", "what time of day costs us most?"),
        numbers=lambda f: [_dearest_hour(f)[1]],
        names=lambda f: [_dearest_hour(f)[0]],
    ),
    Golden(
        kind="shape",
        asked="average cost by hour",
        also=("cost per call by hour of the day",),
        numbers=_hourly,
    ),
    Golden(
        kind="shape",
        asked="How much do we spend on weekends?",
        also=("weekend spend", "weekend vs weekday cost"),
        numbers=lambda f: [spend(c for c in clean(f.calls) if c.at.weekday() > 4)],
    ),
    Golden(
        kind="shape",
        asked="Which weekday is the busiest?",
        also=("calls by day of the week", "on which day of the week do we make the most calls?"),
        numbers=lambda f: [Counter(c.at.weekday() for c in f.calls).most_common(1)[0][1]],
        names=lambda f: ["Thursday"],
    ),
    Golden(
        kind="shape",
        asked="What is the ratio of input to output tokens?",
        also=("input/output ratio", "how many input tokens per output token?"),
        numbers=lambda f: [sum(c.sent for c in f.calls) / sum(c.received for c in f.calls)],
    ),
    Golden(
        kind="shape",
        asked="What is the 95th percentile of cost per call?",
        also=("p95 cost per call", "p95 of call cost"),
        numbers=lambda f: [_percentile(f, 95), _percentile(f, 50)],
    ),
)
