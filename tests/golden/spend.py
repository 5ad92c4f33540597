"""What was spent, how much was used, and what the rows are worth."""

from __future__ import annotations

from decimal import Decimal
from statistics import median

from .facts import Facts, clean, spend
from .question import Golden


def _million(facts: Facts) -> list[Decimal]:
    calls = clean(facts.calls)
    return [spend(calls) * 1_000_000 / sum(call.tokens for call in calls)]


SPEND = (
    Golden(
        kind="total",
        asked="What did we spend in total?",
        also=(
            "how much have we spent so far",
            "total cost?",
            "so what's the damage overall, money wise?",
            "Could you please tell me how much money we have burned altogether?",
            "waht did we spned in totl",
            "our whole AI bill, how much is it?",
            "how many dollars did all of this cost us",
        ),
        numbers=lambda f: [spend(f.calls), spend(clean(f.calls))],
    ),
    Golden(
        kind="total",
        asked="How much did we spend in May 2025?",
        also=(
            "may 2025 spend",
            "what was the bill for May '25".replace("'25", "2025"),
            "costs in 2025-05 pls",
            "hey, what did the AI stuff cost us in May of 2025?",
            "how much money went out in 5/2025",
            "What did we pay between May 1 and May 31 2025?",
        ),
        numbers=lambda f: [spend(f.where(month="2025-05")), spend(clean(f.where(month="2025-05")))],
    ),
    Golden(
        kind="total",
        asked="What did we spend in March 2025?",
        also=("spend for mar 2025", "cost in march of 2025?", "What were our LLM expenses during March 2025?"),
        numbers=lambda f: [spend(f.where(month="2025-03"))],
    ),
    Golden(
        kind="total",
        asked="What did we spend in 2024?",
        also=("2024 total spend", "how much was the bill for the year 2024", "expenditure in 2024, please"),
        numbers=lambda f: [spend(f.where(year="2024"))],
    ),
    Golden(
        kind="total",
        asked="What did we spend in Q1 2025?",
        also=(
            "spend in the first quarter of 2025",
            "q1 2025 costs",
            "how much did we burn from January to March 2025?",
            "total spend between 2025-01-01 and 2025-03-31",
        ),
        numbers=lambda f: [spend(f.where(quarter="2025Q1"))],
    ),
    Golden(
        kind="total",
        asked="How much have we spent since 2026-01-01?",
        also=("spend since January 2026", "what has it cost so far this year?", "year to date spend"),
        numbers=lambda f: [spend(f.where(year="2026"))],
    ),
    Golden(
        kind="total",
        asked="How much did claude cost us?",
        also=(
            "spend on claude",
            "What did we pay for Claude models overall?",
            "how much money went to cluade",
            "total claude bill?",
        ),
        numbers=lambda f: [spend(f.having("claude"))],
    ),
    Golden(
        kind="total",
        asked="What did we spend on claude in March 2025?",
        also=("claude costs march 2025", "in march 2025, how much was claude?", "Mar 2025 bill for claude"),
        numbers=lambda f: [spend(c for c in f.having("claude") if c.month == "2025-03")],
    ),
    Golden(
        kind="total",
        asked="How much did o3 cost?",
        also=("spend on o3", "what are we paying for o3", "o3 total cost?"),
        numbers=lambda f: [spend(f.where(model="o3"))],
    ),
    Golden(
        kind="total",
        asked="What did we pay openai in 2025?",
        also=("openai spend 2025", "how much went to openai in 2025?", "spend on openai in 2025"),
        numbers=lambda f: [spend(c for c in f.made_by("openai") if c.year == "2025")],
    ),
    Golden(
        kind="total",
        asked="What did we spend on anthropic?",
        also=("spend on anthropic", "total cost of anthropic models"),
        numbers=lambda f: [spend(f.made_by("anthropic"))],
    ),
    Golden(
        kind="total",
        asked="What did we spend on google?",
        also=("spend on google", "how much did google cost us?"),
        numbers=lambda f: [spend(f.made_by("google")), spend(clean(f.made_by("google")))],
    ),
    Golden(
        kind="total",
        asked="What did we spend in the second half of 2025?",
        also=("H2 2025 spend", "costs from July to December 2025", "2nd half of 2025: how much did we spend?"),
        numbers=lambda f: [spend(f.between("2025-07-01", "2025-12-31"))],
    ),
    Golden(
        kind="total",
        asked="What did we spend excluding claude?",
        also=("total spend without claude", "spend other than claude", "cost of everything except claude models"),
        numbers=lambda f: [spend(c for c in clean(f.calls) if not c.has("claude"))],
    ),
    Golden(
        kind="total",
        asked="What did we spend in ask mode?",
        also=("cost of ask mode", "how much did the ask edit format cost?"),
        numbers=lambda f: [spend(clean(f.where(mode="ask")))],
    ),
    Golden(
        kind="total",
        asked="What share of spend went to o3?",
        also=("what percentage of our spend is o3?", "how many percent of the costs came from o3"),
        numbers=lambda f: [spend(f.where(model="o3")) * 100 / spend(clean(f.calls))],
    ),
    Golden(
        kind="total",
        asked="How much did we spend on 2025-05-07?",
        also=("spend on May 7 2025", "what did the 7th of May 2025 cost?"),
        numbers=lambda f: [spend(f.where(day="2025-05-07")), spend(clean(f.where(day="2025-05-07")))],
    ),
    Golden(
        kind="total",
        asked="What did we spend from 10 to 20 March 2025?",
        also=(
            "spend between 10 and 20 march 2025",
            "spend march 10-20 2025",
            "cost from the 10th to the 20th of March 2025",
        ),
        numbers=lambda f: [spend(f.between("2025-03-10", "2025-03-20"))],
    ),
    Golden(
        kind="total",
        asked="spend in 2025-W12",
        also=("what did we spend in week 12 of 2025?",),
        numbers=lambda f: [spend(f.between("2025-03-17", "2025-03-23"))],
    ),
    Golden(
        kind="total",
        asked="What did we spend in the first week of March 2025?",
        also=("first week of march 2025: spend?",),
        numbers=lambda f: [spend(f.between("2025-03-01", "2025-03-07"))],
    ),
    Golden(
        kind="total",
        asked="What did we spend in the first half of March 2025?",
        also=("spend in the first half of march 2025",),
        numbers=lambda f: [spend(f.between("2025-03-01", "2025-03-15"))],
    ),
    Golden(
        kind="total",
        asked="What did we spend with gpt-4o-mini as the weak model?",
        also=("spend on weak model gpt-4o-mini",),
        numbers=lambda f: [spend(f.where(weak_model="gpt-4o-mini"))],
    ),
    Golden(
        kind="total",
        asked="What did we spend without claude or gpt?",
        also=("spend on models without claude and gpt",),
        numbers=lambda f: [spend(c for c in clean(f.calls) if "claude" not in c.model and "gpt" not in c.model)],
    ),
    Golden(
        kind="total",
        asked="total without the broken row",
        also=("total spend excluding the outlier",),
        numbers=lambda f: [spend(clean(f.calls))],
    ),
    Golden(
        kind="counts",
        asked="How many calls cost more than $1?",
        also=("calls over $1", "number of calls above $1", "which calls cost more than $1?"),
        numbers=lambda f: [
            sum(1 for c in f.calls if c.cost > 1),
            spend(c for c in f.calls if c.cost > 1),
            spend(c for c in clean(f.calls) if c.cost > 1),
        ],
    ),
    Golden(
        kind="counts",
        asked="list all requests over 100k tokens",
        also=("how many calls have more than 100,000 tokens?",),
        numbers=lambda f: [
            sum(1 for c in f.calls if c.tokens > 100_000),
            *(c.tokens for c in f.calls if c.tokens > 100_000),
        ],
    ),
    Golden(
        kind="counts",
        asked="How many rows have no user?",
        also=("how many rows without user", "calls without a user"),
        numbers=lambda f: [sum(1 for c in f.calls if not c.user)],
    ),
    Golden(
        kind="counts",
        asked="How many calls did we make?",
        also=(
            "number of requests",
            "how many LLM calls were there in all?",
            "count of calls",
            "how many messges did we send",
        ),
        numbers=lambda f: [len(f.calls)],
    ),
    Golden(
        kind="counts",
        asked="How many calls were there in January 2025?",
        also=("requests in jan 2025", "number of calls for January 2025?", "how often did we call in 2025-01"),
        numbers=lambda f: [len(f.where(month="2025-01"))],
    ),
    Golden(
        kind="counts",
        asked="How many tokens did we use?",
        also=("total tokens", "token usage overall", "how many toks have we gone through altogether?"),
        numbers=lambda f: [sum(c.tokens for c in f.calls)],
    ),
    Golden(
        kind="counts",
        asked="How many output tokens did we get in 2025?",
        also=("completion tokens in 2025", "tokens generated in 2025", "number of output tokens during 2025"),
        numbers=lambda f: [sum(c.received for c in f.where(year="2025"))],
    ),
    Golden(
        kind="counts",
        asked="How many different models did we use?",
        also=("number of distinct models", "how many models are in use?", "count of unique models"),
        numbers=lambda f: [len({c.model for c in f.calls})],
    ),
    Golden(
        kind="counts",
        asked="How many errors were there?",
        also=("number of errors", "how many send errors did we have?", "count the errors please"),
        numbers=lambda f: [len(f.errors)],
    ),
    Golden(
        kind="unit cost",
        asked="What does a call cost on average?",
        also=("average cost per call", "mean cost of a request", "avg price per request?", "typical cost per call"),
        numbers=lambda f: [spend(clean(f.calls)) / len(clean(f.calls))],
    ),
    Golden(
        kind="unit cost",
        asked="What do we pay per million tokens?",
        also=("cost per million tokens", "cost per 1M tokens", "average $ per million tokens?"),
        numbers=_million,
    ),
    Golden(
        kind="unit cost",
        asked="What is the average number of tokens per call?",
        also=("tokens per call", "mean tokens per request", "avg tokens a call"),
        numbers=lambda f: [sum(c.tokens for c in f.calls) / len(f.calls)],
    ),
    Golden(
        kind="unit cost",
        asked="What is the average number of prompt tokens per call in 2025?",
        also=("average prompt tokens per call in 2025",),
        numbers=lambda f: [sum(c.sent for c in f.where(year="2025")) / len(f.where(year="2025"))],
    ),
    Golden(
        kind="distribution",
        asked="What is the median cost of a call?",
        also=("median cost", "median cost per call?"),
        numbers=lambda f: [median(c.cost for c in f.calls)],
    ),
    Golden(
        kind="distribution",
        asked="What is the average prompt length?",
        also=("how long are our prompts on average?", "mean prompt size"),
        numbers=lambda f: [sum(c.sent for c in f.calls) / len(f.calls)],
    ),
    Golden(
        kind="distribution",
        asked="What is the largest number of tokens in one call?",
        also=("most tokens in a single call", "max total_tokens"),
        numbers=lambda f: [max(c.tokens for c in f.calls)],
    ),
    Golden(
        kind="top calls",
        asked="What are the 5 most expensive calls?",
        also=("top 5 calls by cost", "show me the five costliest requests", "which 5 calls cost the most?"),
        numbers=lambda f: sorted((c.cost for c in f.calls), reverse=True)[:5],
    ),
    Golden(
        kind="data quality",
        asked="How good is the data quality?",
        also=("any outliers or implausible rows?", "can I trust this data?", "is anything wrong with the data"),
        numbers=lambda f: [max(c.cost for c in f.calls)],
    ),
    Golden(
        kind="coverage",
        asked="What period does the data cover?",
        also=("how far back does the data go?", "what's the date range of the data?", "from when to when is the data"),
        names=lambda f: ["2024-08-13", "2026-04-25"],
    ),
    Golden(
        kind="other tables",
        asked="How many tokens are in the azure conv trace?",
        also=("total tokens in azure conv", "tokens in the azure conversation trace".replace("conversation", "conv")),
        numbers=lambda f: [sum(sent + got for _, sent, got in f.trace("conv"))],
    ),
    Golden(
        kind="other tables",
        asked="What is the average pass_rate_2?",
        also=("mean pass_rate_2", "average pass rate 2"),
        numbers=lambda f: [sum(Decimal(r["pass_rate_2"]) for r in f.quality) / len(f.quality)],
    ),
)
