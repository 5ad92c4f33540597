"""Prices and what-ifs with all that may be said of them: a split, a share, a discount, a unit; and how one goes on."""

from __future__ import annotations

from decimal import Decimal

from .facts import Call, Facts, clean, grouped, spend
from .question import Golden

_CLAUDE = "anthropic/claude-3-7-sonnet-20250219"
_MILLION = 1_000_000
_BATCHED = (f"How much would batching have saved on {_CLAUDE}?",)
_TRACE = ("What would it cost to run the azure conv trace on gpt-4o?",)
_WORKLOAD = ("What do 10k input tokens and 2k output tokens cost on gpt-4o?",)


def _at(calls: list[Call], sent: str, received: str) -> Decimal:
    """What calls cost at prices per million tokens."""
    return sum((c.sent * Decimal(sent) + c.received * Decimal(received) for c in calls), Decimal(0)) / _MILLION


def _paid(facts: Facts, model: str = _CLAUDE) -> list[Call]:
    return [call for call in clean(facts.where(model=model)) if call.cost]


def _months(calls: list[Call]) -> list[list[Call]]:
    return list(grouped(calls, lambda call: call.month).values())


def _larger_of_both(facts: Facts) -> Decimal:
    """Each call in a batch at half its price, or with all its input from the cache: whichever saves more."""
    halves = ((_at([c], "1.5", "7.5"), _at([c], "2.7", "0")) for c in _paid(facts))
    return sum((max(each) for each in halves), Decimal(0))


def _trace_at(facts: Facts, name: str, sent: str, received: str) -> Decimal:
    calls = facts.trace(name)
    return sum((i * Decimal(sent) + o * Decimal(received) for _, i, o in calls), Decimal(0)) / _MILLION


def _cheapest_run(facts: Facts, least: int, most: int) -> list[str]:
    runs = [r for r in facts.quality if float(r["pass_rate_2"]) >= least and 0 < float(r["total_cost_usd"]) < most]
    return [min(runs, key=lambda run: float(run["total_cost_usd"]))["model"]]


ASKED_ON = (
    Golden(
        kind="what-if",
        asked=f"What would batching save by month on {_CLAUDE}?",
        also=(f"batch savings per month for {_CLAUDE}", f"monthly savings if we batch the {_CLAUDE} calls"),
        numbers=lambda f: [_at(month, "1.5", "7.5") for month in _months(_paid(f))],
    ),
    Golden(
        kind="what-if",
        asked="What would we save by swapping o3 for gpt-4o-mini, by month?",
        also=("what if we had used gpt-4o-mini instead of o3, per month",),
        numbers=lambda f: [_at(month, "0.15", "0.6") for month in _months(_paid(f, "o3"))],
    ),
    Golden(
        kind="what-if",
        asked=f"What would batching save on {_CLAUDE} if the discount were 30%?",
        also=(f"batch the {_CLAUDE} calls at 30% off", f"30% off for batching {_CLAUDE}: what is saved?"),
        numbers=lambda f: [_at(_paid(f), "0.9", "4.5")],
    ),
    Golden(
        kind="what-if",
        asked=f"What would caching save on {_CLAUDE} with a hit rate of 60%?",
        also=(f"cache hit rate of 60% on {_CLAUDE}: what would we save?",),
        numbers=lambda f: [_at(_paid(f), "1.62", "0")],
    ),
    Golden(
        kind="what-if",
        asked=f"What would batching and caching save together on {_CLAUDE}?",
        also=(f"if we did batching and caching together on {_CLAUDE}, how much?",),
        numbers=lambda f: [_larger_of_both(f), _at(_paid(f), "1.5", "7.5"), _at(_paid(f), "2.7", "0")],
    ),
    Golden(
        kind="what-if",
        asked="What would we save if no o3 prompt exceeded 20,000 tokens?",
        numbers=lambda f: [
            sum(max(c.sent - 20_000, 0) * (10 if c.day < "2025-06-10" else 2) for c in _paid(f, "o3"))
            / Decimal(_MILLION)
        ],
    ),
    Golden(
        kind="refused",
        asked="What if only half of the calls could be batched?",
        also=("batch 40% of our requests, savings?", "replace some of the claude calls with gpt-4o-mini"),
        refused="not_supported",
    ),
    Golden(kind="refused", asked="Savings plan by month", refused="not_supported"),
    Golden(kind="refused", asked="Are we paying more than list price, by month?", refused="not_supported"),
    Golden(kind="refused", asked="What would the azure conv trace cost on gpt-4o per day?", refused="not_supported"),
    Golden(kind="refused", asked="Cost of 10k input tokens on o3 in May 2025", refused="not_supported"),
    Golden(kind="refused", asked="Peak output tokens per minute in the azure conv trace", refused="not_supported"),
    Golden(kind="refused", asked="Most expensive model per output token", refused="no_such_column"),
    Golden(
        kind="prices",
        asked="Price of gpt-4o per 1k tokens",
        also=("what does gpt-4o cost per thousand tokens?", "list price of gpt-4o per 1,000 tokens"),
        numbers=lambda f: [
            each / 1000
            for column in ("input_usd_per_mtok", "output_usd_per_mtok")
            for each in f.price("gpt-4o", column, "openai")
        ],
    ),
    Golden(
        kind="prices",
        asked="What was the list price of o3 on 9 June 2025 and on 10 June 2025?",
        numbers=lambda f: [10, 40, 2, 8],
        names=lambda f: ["2025-06-10"],
    ),
    Golden(
        kind="prices",
        asked="Who sells gpt-4o?",
        also=("cheapest provider for gpt-4o", "which providers offer gpt-4o and at what price"),
        numbers=lambda f: f.price("gpt-4o", "input_usd_per_mtok", "openai"),
        names=lambda f: ["`openai`", "`openrouter`"],
    ),
    Golden(
        kind="prices",
        asked="Price of o3 on azure",
        also=("o3 pricing on azure",),
        numbers=lambda f: f.price("o3-2025-04-16", "output_usd_per_mtok", "azure"),
        names=lambda f: ["`azure`"],
    ),
    Golden(
        kind="prices",
        asked="What would our o3 calls cost at list price by month?",
        also=("o3 usage at list prices, month by month",),
        numbers=lambda f: [
            sum((_at([c], *(("10", "40") if c.day < "2025-06-10" else ("2", "8"))) for c in month), Decimal(0))
            for month in _months(f.where(model="o3"))
        ],
    ),
    Golden(
        kind="on another model",
        asked="What would Q1 2025 have cost on gpt-4o?",
        also=("what would q1 2025 have cost on gpt-4o at list",),
        numbers=lambda f: [_at(f.where(quarter="2025Q1"), "2.5", "10")],
    ),
    Golden(
        kind="bare trace",
        asked="What would the azure conv trace cost on gpt-4o with a 30% discount?",
        also=("price the azure conv trace with gpt-4o at 30% off",),
        numbers=lambda f: [_trace_at(f, "conv", "1.75", "7")],
    ),
    Golden(
        kind="bare trace",
        asked="Price the azure code trace on gpt-4o in batch mode",
        numbers=lambda f: [_trace_at(f, "code", "1.25", "5")],
    ),
    Golden(
        kind="frontier",
        asked="Which model has a pass rate above 70% and costs less than $10?",
        also=("models that pass over 70% for under $10", "cheapest model with at least 70% pass rate under $10"),
        names=lambda f: _cheapest_run(f, 70, 10),
    ),
    Golden(
        kind="follow-up",
        after=_BATCHED,
        asked="and with a 30% discount?",
        also=("with 30% off?", "what about a 30% discount"),
        numbers=lambda f: [_at(_paid(f), "0.9", "4.5")],
    ),
    Golden(
        kind="follow-up",
        after=_BATCHED,
        asked="and by month?",
        also=("per month", "month by month please"),
        numbers=lambda f: [_at(month, "1.5", "7.5") for month in _months(_paid(f))],
    ),
    Golden(
        kind="follow-up",
        after=_BATCHED,
        asked="and with caching on top?",
        also=("and caching together with that?",),
        numbers=lambda f: [_larger_of_both(f)],
    ),
    Golden(kind="follow-up", after=_BATCHED, asked="why?", also=("but why?",), refused="not_supported"),
    Golden(
        kind="follow-up",
        after=_TRACE,
        asked="and the code trace?",
        also=("what about the code one?",),
        numbers=lambda f: [_trace_at(f, "code", "2.5", "10")],
    ),
    Golden(
        kind="follow-up",
        after=_TRACE,
        asked="and on gpt-4o-mini?",
        numbers=lambda f: [_trace_at(f, "conv", "0.15", "0.6")],
    ),
    Golden(
        kind="follow-up",
        after=_TRACE,
        asked="and in batches?",
        also=("with the batch discount?",),
        numbers=lambda f: [_trace_at(f, "conv", "1.25", "5")],
    ),
    Golden(
        kind="follow-up",
        after=_WORKLOAD,
        asked="and with 5k out?",
        also=("with 5k output tokens?",),
        numbers=lambda f: [Decimal("0.075")],
    ),
    Golden(
        kind="follow-up",
        after=_WORKLOAD,
        asked="for 1000 calls?",
        also=("and for 1,000 calls",),
        numbers=lambda f: [45],
    ),
    Golden(
        kind="follow-up",
        after=("Price of gpt-4o",),
        asked="and cached?",
        numbers=lambda f: f.price("gpt-4o", "cache_read_usd_per_mtok", "openai"),
    ),
    Golden(
        kind="follow-up",
        after=("Are we within $100 in 2025?",),
        asked="and without claude?",
        also=("excluding claude",),
        numbers=lambda f: [spend(c for c in clean(f.where(year="2025")) if not c.has("claude"))],
    ),
)
