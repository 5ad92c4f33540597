"""List prices, and what other models, prices and habits would have cost."""

from __future__ import annotations

from decimal import Decimal

from .facts import Call, Facts, clean
from .question import Golden

_CLAUDE = "anthropic/claude-3-7-sonnet-20250219"
_MILLION = 1_000_000
_BLOCK_TOKENS = 512


def _at(calls: list[Call], sent: str, received: str) -> Decimal:
    """What calls cost at prices per million tokens."""
    return sum((c.sent * Decimal(sent) + c.received * Decimal(received) for c in calls), Decimal(0)) / _MILLION


def _o3_at_list(facts: Facts) -> Decimal:
    calls = facts.where(model="o3")
    dear, cheap = [c for c in calls if c.day < "2025-06-10"], [c for c in calls if c.day >= "2025-06-10"]
    return _at(dear, "10", "40") + _at(cheap, "2", "8")


def _trace_at(facts: Facts, name: str, sent: str, received: str) -> Decimal:
    calls = facts.trace(name)
    tokens = sum(each[1] for each in calls) * Decimal(sent) + sum(each[2] for each in calls) * Decimal(received)
    return tokens / _MILLION


def _prefix_hits(facts: Facts) -> list[int]:
    """Prompt tokens whose blocks were seen before, from the first block on; and all prompt tokens."""
    seen: set[int] = set()
    hits = 0
    for chat in facts.chats:
        blocks = chat["hash_ids"]
        known = next((number for number, block in enumerate(blocks) if block not in seen), len(blocks))
        hits += min(known * _BLOCK_TOKENS, chat["input_length"])
        seen.update(blocks)
    return [hits, sum(chat["input_length"] for chat in facts.chats)]


def _claude(facts: Facts) -> list[Call]:
    return clean(facts.where(model=_CLAUDE))


PRICES = (
    Golden(
        kind="prices",
        asked="What does o3 cost per million tokens?",
        also=("o3 price", "list price of o3", "how much is o3 per million tokens?", "what are the rates for o3"),
        numbers=lambda f: [
            *f.price("o3", "input_usd_per_mtok", "openai"),
            *f.price("o3", "output_usd_per_mtok", "openai"),
        ],
    ),
    Golden(
        kind="prices",
        asked="What is the price of gpt-4o?",
        also=("gpt-4o pricing", "how much does gpt-4o cost per 1M tokens?", "list price for gpt-4o please"),
        numbers=lambda f: [
            *f.price("gpt-4o", "input_usd_per_mtok", "openai"),
            *f.price("gpt-4o", "output_usd_per_mtok", "openai"),
        ],
    ),
    Golden(
        kind="prices",
        asked="Price of claude sonnet 4.5",
        also=("claude-sonnet-4-5 list price", "what does claude sonnet 4.5 cost per million tokens"),
        numbers=lambda f: [
            *f.price("claude-sonnet-4-5", "input_usd_per_mtok", "anthropic"),
            *f.price("claude-sonnet-4-5", "output_usd_per_mtok", "anthropic"),
        ],
    ),
    Golden(
        kind="prices",
        asked="When did the price of o3 change?",
        also=("o3 price history", "how has the o3 price changed?"),
        numbers=lambda f: [10, 2],
        names=lambda f: ["2025-06-10"],
    ),
    Golden(
        kind="prices",
        asked="What would our o3 usage cost at list price?",
        also=("o3 calls at list price", "what is our o3 usage worth at list prices?"),
        numbers=lambda f: [_o3_at_list(f)],
    ),
    Golden(
        kind="prices",
        asked="What is the list price of gpt-99?",
        also=("price of llama-99b-mega", "how much is foobar-7 per million tokens"),
        refused="no_rows",
    ),
)

ON_MODELS = (
    Golden(
        kind="bare trace",
        asked="What would it cost to run the azure conv trace on gpt-4o?",
        also=(
            "price the azure conv trace with gpt-4o",
            "what would the azure conv trace cost on gpt-4o at list price?",
        ),
        numbers=lambda f: [_trace_at(f, "conv", "2.5", "10")],
    ),
    Golden(
        kind="bare trace",
        asked="Price the azure code trace with claude sonnet 4.5",
        also=("what would the azure code trace have cost on claude-sonnet-4-5?",),
        numbers=lambda f: [_trace_at(f, "code", "3", "15")],
    ),
    Golden(
        kind="workload",
        asked="Compare gpt-4o and gpt-4o-mini for 1 million input and 200k output tokens",
        also=(
            "what do 1,000,000 input tokens and 200,000 output tokens cost on gpt-4o and gpt-4o-mini?",
            "gpt-4o vs gpt-4o-mini price for 1M input tokens and 200k output tokens",
        ),
        numbers=lambda f: [Decimal("4.5"), Decimal("0.27")],
    ),
    Golden(
        kind="prefix cache",
        asked="How much would a prefix cache save in the mooncake trace?",
        also=(
            "prefix cache hits in the mooncake trace",
            "share of prompt tokens that a prefix cache would serve in mooncake",
        ),
        numbers=_prefix_hits,
    ),
    Golden(
        kind="what-if",
        asked="What would our o3 calls cost at today's prices?",
        also=(
            "what would our o3 calls have cost at current prices?",
            "our o3 usage if it were at the newest list prices",
        ),
        numbers=lambda f: [_at(f.where(model="o3"), "2", "8")],
    ),
)

WHAT_IFS = (
    Golden(
        kind="what-if",
        asked=f"What if we had used gpt-4o-mini instead of {_CLAUDE}?",
        also=(
            f"what would we save by switching from {_CLAUDE} to gpt-4o-mini",
            f"swap {_CLAUDE} for gpt-4o-mini: how much cheaper?",
        ),
        numbers=lambda f: [
            _at(_claude(f), "3", "15"),
            _at(_claude(f), "0.15", "0.6"),
            _at(_claude(f), "2.85", "14.4"),
        ],
    ),
    Golden(
        kind="what-if",
        asked=f"How much would batching have saved on {_CLAUDE}?",
        also=(f"batch savings for {_CLAUDE}", f"what if all {_CLAUDE} calls had gone through the batch api?"),
        numbers=lambda f: [_at(_claude(f), "1.5", "7.5")],
    ),
    Golden(
        kind="what-if",
        asked=f"What would we save on {_CLAUDE} if prompts were capped at 8000 tokens?",
        also=(f"savings from capping prompts at 8,000 tokens for {_CLAUDE}",),
        numbers=lambda f: [sum(Decimal(max(c.sent - 8000, 0)) for c in _claude(f)) * 3 / _MILLION],
    ),
    Golden(
        kind="what-if",
        asked=f"How much would caching save at most on {_CLAUDE}?",
        also=(f"cache ceiling for {_CLAUDE}", f"what is the most that prompt caching could save on {_CLAUDE}?"),
        numbers=lambda f: [_at(_claude(f), "2.7", "0")],
    ),
)
