"""What the one who answers for the bill asks first: of prices, savings, budgets and load."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from .facts import Call, Facts, clean, grouped, spend
from .question import Golden

_MILLION = 1_000_000
_BLOCK_TOKENS = 512
_FIVE_MINUTES = 300_000
"""Milliseconds."""


def _at(calls: list[Call], sent: str, received: str) -> Decimal:
    """What calls cost at prices per million tokens."""
    return sum((c.sent * Decimal(sent) + c.received * Decimal(received) for c in calls), Decimal(0)) / _MILLION


def _over(facts: Facts, amount: int) -> list[Decimal]:
    spent = (spend(clean(calls)) for calls in grouped(facts.calls, lambda c: c.month).values())
    return [each for each in spent if each > amount]


def _stretches(facts: Facts, trace: str, minutes: int) -> Counter[str]:
    """Calls of each stretch of so many minutes, by when it begins."""
    found: Counter[str] = Counter()
    for moment, _, _ in facts.trace(trace):
        hour, minute = moment[:14], int(moment[14:16])
        found[f"{hour}{minute // minutes * minutes:02}"] += 1
    return found


def _most_output(facts: Facts, trace: str) -> int:
    """Output tokens of the minute that has most."""
    found: Counter[str] = Counter()
    for moment, _, received in facts.trace(trace):
        found[moment[:16]] += received
    return found.most_common(1)[0][1]


def _cached(facts: Facts, within: int | None = None) -> int:
    """Prompt tokens whose blocks a call had before, not longer ago than so many milliseconds."""
    seen: dict[int, int] = {}
    hits = 0
    for chat in facts.chats:
        now, blocks = chat["timestamp"], chat["hash_ids"]
        known = 0
        for block in blocks:
            if block not in seen or (within is not None and now - seen[block] > within):
                break
            known += 1
        hits += min(known * _BLOCK_TOKENS, chat["input_length"])
        seen.update(dict.fromkeys(blocks, now))
    return hits


def _prompts(facts: Facts) -> int:
    return sum(chat["input_length"] for chat in facts.chats)


ASKED_FIRST = (
    Golden(
        kind="price ratio",
        asked="Is claude-opus-4 more expensive than o3?",
        also=(
            "how much more expensive is claude-opus-4 than o3",
            "how many times more expensive is claude-opus-4 than o3?",
        ),
        numbers=lambda _: [Decimal("7.5"), Decimal("9.375"), 650, Decimal("837.5")],
    ),
    Golden(
        kind="price ratio",
        asked="How much cheaper is gpt-4o-mini than gpt-4o?",
        also=("what is the price difference between gpt-4o-mini and gpt-4o", "is gpt-4o-mini cheaper than gpt-4o"),
        numbers=lambda _: [Decimal("0.06"), 94, Decimal("0.15"), Decimal("2.5")],
    ),
    Golden(
        kind="price ratio",
        asked="What is the ratio of output to input price of gemini-2.5-pro?",
        numbers=lambda _: [8, Decimal("1.25"), 10],
    ),
    Golden(
        kind="price ratio",
        after=("Is o3 more expensive than gpt-4o?",),
        asked="by how much?",
        also=("and by how much",),
        numbers=lambda _: [20, Decimal("0.8")],
    ),
    Golden(
        kind="spend, not price",
        asked="Did we spend more on o3 than on gpt-4o?",
        numbers=lambda f: [spend(f.where(model="o3")), spend(f.where(model="gpt-4o"))],
    ),
    Golden(
        kind="prices by the clock",
        asked="How much does deepseek-reasoner charge off-peak?",
        also=("what is deepseek-reasoner's off-peak discount?", "price of deepseek-reasoner at 18:00 UTC"),
        numbers=lambda f: [
            *f.price("deepseek-reasoner", "input_usd_per_mtok", "deepseek"),
            100 * (1 - Decimal("0.135") / Decimal("0.55")),
            100 * (1 - Decimal("0.55") / Decimal("2.19")),
        ],
    ),
    Golden(
        kind="prices by the clock",
        asked="When is deepseek-chat cheaper?",
        also=("what does deepseek-chat cost off-peak", "price of deepseek-chat at 5 pm"),
        numbers=lambda _: [Decimal("0.135"), Decimal("0.55"), 50],
    ),
    Golden(
        kind="tiers",
        asked="Price of gemini-2.5-pro for prompts over 200k",
        also=("what does gemini-2.5-pro cost for prompts over 200k tokens", "gemini-2.5-pro price for long prompts"),
        names=lambda _: ["A prompt of more than 200,000 tokens"],
        numbers=lambda _: [Decimal("2.5"), 15],
    ),
    Golden(
        kind="tiers",
        after=("What does gemini-2.5-pro cost?",),
        asked="and for prompts over 200k?",
        numbers=lambda _: [Decimal("2.5"), 15],
    ),
    Golden(
        kind="prices",
        asked="price of gpt-4o in cents per 1k tokens",
        numbers=lambda _: [Decimal("0.25"), 1],
        names=lambda _: ["0.25 cents"],
    ),
    Golden(
        kind="prices",
        asked="What did o3 cost before the price cut?",
        numbers=lambda _: [10, 40, 2, 8],
    ),
    Golden(
        kind="workload",
        asked="What would 1 million calls of 1000 in and 200 out cost on gpt-4o-mini?",
        numbers=lambda _: [270],
    ),
    Golden(
        kind="on another model",
        asked="What would our usage cost on gpt-4o with batching?",
        numbers=lambda f: [_at(f.calls, "2.5", "10") / 2],
    ),
    Golden(
        kind="on another model",
        asked="What would it cost to run everything on gpt-4o-mini?",
        also=("how much would it cost to run all our calls on gpt-4o-mini",),
        numbers=lambda f: [_at(f.calls, "0.15", "0.6")],
    ),
    Golden(
        kind="on another model",
        asked="What is the cost per request of the azure code trace on gpt-4o-mini?",
        numbers=lambda f: [
            sum(Decimal("0.15") * sent + Decimal("0.6") * got for _, sent, got in f.trace("code"))
            / _MILLION
            / len(f.trace("code"))
        ],
    ),
    Golden(
        kind="on another model",
        asked="Which model would be cheapest for the azure conversation trace?",
        refused="ambiguous",
    ),
    Golden(
        kind="no cost",
        asked="How much of our usage has no cost recorded?",
        numbers=lambda f: [sum(c.cost == 0 for c in f.calls)],
    ),
    Golden(
        kind="no cost",
        asked="Which models in our usage have no price?",
        also=("models without a price", "unpriced models"),
        names=lambda _: ["ollama/REDACTED", "openrouter/REDACTED"],
    ),
    Golden(
        kind="refused",
        asked="What share of the bill is input tokens?",
        also=("how much of our spend goes to output tokens?",),
        refused="no_such_column",
    ),
    Golden(
        kind="budget",
        asked="Are we within a $50 budget for March 2025?",
        also=("is our budget of $50 for March 2025 enough?",),
        numbers=lambda f: [spend(clean(f.where(month="2025-03"))), spend(clean(f.where(month="2025-03"))) - 50],
    ),
    Golden(
        kind="budget",
        asked="Is $20 a month enough?",
        also=("is a budget of $20 per month enough?",),
        numbers=lambda f: [len(_over(f, 20)), *_over(f, 20)],
    ),
    Golden(
        kind="budget",
        asked="What is left of our budget for March 2025?",
        also=("which months were over?",),
        refused="no_such_column",
    ),
    Golden(
        kind="follow-up",
        after=("Are we within a budget of $20 a month?",),
        asked="which months were over?",
        also=("which months went over it?", "how many months were over"),
        numbers=lambda f: _over(f, 20),
    ),
    Golden(
        kind="follow-up",
        after=("What if we batched our calls?",),
        asked="which calls?",
        also=("which ones?", "which calls are affected?"),
        refused="not_supported",
    ),
    Golden(
        kind="follow-up",
        after=("What if we replaced o3 with gemini-2.5-pro?",),
        asked="would quality suffer?",
        also=("what about the quality?",),
        numbers=lambda f: [
            sum((Decimal("1.25") * c.sent + 10 * c.received for c in f.where(model="o3")), Decimal(0)) / _MILLION
        ],
    ),
    Golden(
        kind="savings plan",
        asked="Can we save $100?",
        also=("how can we cut costs by 30%", "how can we halve our bill?"),
        names=lambda _: ["is within reach"],
    ),
    Golden(
        kind="savings plan",
        asked="Can we save $500?",
        also=("how can we cut our bill by 95%",),
        names=lambda _: ["is out of reach"],
    ),
    Golden(
        kind="savings plan",
        asked="If we do everything, how much would we save in total?",
        also=("what are the top savings?", "do the savings overlap?"),
        names=lambda _: ["each call under the one measure that saves most on it"],
    ),
    Golden(
        kind="savings plan",
        asked="How can Bob save money?",
        refused="not_supported",
    ),
    Golden(
        kind="prefix cache",
        asked="What would a prefix cache be worth in money on the mooncake trace at gpt-4o prices?",
        numbers=lambda f: [_cached(f) * Decimal("1.25") / _MILLION, _prompts(f) * Decimal("2.5") / _MILLION],
    ),
    Golden(
        kind="prefix cache",
        asked="What would a prefix cache within 5 minutes save in dollars on mooncake with claude-sonnet-4-5?",
        numbers=lambda f: [_cached(f, _FIVE_MINUTES), _cached(f, _FIVE_MINUTES) * Decimal("2.7") / _MILLION],
    ),
    Golden(
        kind="prefix cache",
        asked="How much money would a prefix cache save on the mooncake trace?",
        refused="ambiguous",
    ),
    Golden(
        kind="prefix cache",
        asked="What share of mooncake prompt tokens are repeated?",
        numbers=lambda f: [_cached(f), 100 * Decimal(_cached(f)) / _prompts(f)],
    ),
    Golden(
        kind="peak",
        asked="Busiest 5 minutes in the azure conversation trace",
        also=("busiest 5-minute window of the azure conv trace",),
        numbers=lambda f: [_stretches(f, "conv", 5).most_common(1)[0][1]],
    ),
    Golden(
        kind="peak",
        asked="Peak output tokens per minute in the azure conv trace",
        numbers=lambda f: [_most_output(f, "conv")],
    ),
)
