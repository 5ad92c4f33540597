"""Spend and use by something: models, users, features, time; and one thing beside another."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from .facts import Facts, clean, grouped, largest, spend
from .question import Golden


def _months(facts: Facts, year: str) -> list[Decimal]:
    return [spend(calls) for calls in grouped(clean(facts.where(year=year)), lambda c: c.month).values()]


def _effects(facts: Facts, before: str, after: str) -> list[Decimal]:
    """How a month's spend differs from another's: by how much, for the number of calls, for what a call costs."""
    old, new = clean(facts.where(month=before)), clean(facts.where(month=after))
    old_rate, new_rate = spend(old) / len(old), spend(new) / len(new)
    return [
        spend(new) - spend(old),
        (len(new) - len(old)) * old_rate,
        (new_rate - old_rate) * len(new),
    ]


SPLITS = (
    Golden(
        kind="two splits",
        asked="spend by month and model in 2025",
        also=("2025 cost per model per month", "monthly spend by model in 2025", "top 5 models by month in 2025"),
        numbers=lambda f: [
            spend(f.where(month="2025-03", model="anthropic/claude-3-7-sonnet-20250219")),
            spend(f.where(month="2025-05", model="o3")),
            *_months(f, "2025"),
        ],
    ),
    Golden(
        kind="two splits",
        asked="calls by model and user",
        also=("number of calls by model and by user", "how many calls per model and user"),
        numbers=lambda f: [
            max(Counter((c.model, c.user) for c in f.calls).values()),
            sum(c.model == "o3" for c in f.calls),
        ],
    ),
    Golden(
        kind="drivers",
        asked="What drove the change in spend from April to May 2025?",
        also=(
            "why did spend go up in may 2025?",
            "split the change from april to may 2025 into volume and rate",
            "what explains the rise in cost between April 2025 and May 2025?",
        ),
        numbers=lambda f: _effects(f, "2025-04", "2025-05"),
    ),
    Golden(
        kind="drivers",
        asked="Why did spend fall in April 2025?",
        also=("what drove the drop in spend from March to April 2025", "why did our costs drop in april 2025"),
        numbers=lambda f: _effects(f, "2025-03", "2025-04"),
    ),
    Golden(
        kind="coverage",
        asked="How many days have no data?",
        also=("data coverage by month", "which months have no rows?", "on how many days do we have data"),
        numbers=lambda f: [len({c.day for c in f.calls})],
    ),
    Golden(
        kind="by dimension",
        asked="Spend by model",
        also=(
            "spnd by modle",
            "break down our costs by model",
            "what did each model cost us?",
            "How is the spend split across models?",
            "cost per model please",
            "where does the money go, per model?",
        ),
        numbers=lambda f: [amount for _, amount in largest(clean(f.calls), lambda c: c.model, 5)],
        names=lambda f: [name for name, _ in largest(clean(f.calls), lambda c: c.model, 5)],
    ),
    Golden(
        kind="by dimension",
        asked="Which model cost the most?",
        also=(
            "most expensive model in total?",
            "what's our priciest model",
            "which modell do we spend the most on",
            "what model eats most of our budget".replace("budget", "money"),
        ),
        numbers=lambda f: [largest(clean(f.calls), lambda c: c.model)[0][1]],
        names=lambda f: [largest(clean(f.calls), lambda c: c.model)[0][0]],
    ),
    Golden(
        kind="by dimension",
        asked="Top 3 models by spend in 2025",
        also=(
            "the three most expensive models in 2025",
            "2025: top three models by cost",
            "which 3 models cost the most in 2025?",
        ),
        numbers=lambda f: [amount for _, amount in largest(f.where(year="2025"), lambda c: c.model, 3)],
        names=lambda f: [name for name, _ in largest(f.where(year="2025"), lambda c: c.model, 3)],
    ),
    Golden(
        kind="by dimension",
        asked="Who spent the most?",
        also=("which user spent most?", "top user by cost", "who is our biggest spender", "who burned the most money?"),
        numbers=lambda f: [largest(clean(f.calls), lambda c: c.user)[0][1]],
        names=lambda f: [largest(clean(f.calls), lambda c: c.user)[0][0]],
    ),
    Golden(
        kind="by dimension",
        asked="Who burned the most money last spring?",
        also=("which user spent the most in spring 2025?", "top spender of last spring"),
        numbers=lambda f: [spend(clean(f.between("2025-03-01", "2025-05-31")))],
        names=lambda f: [largest(f.between("2025-03-01", "2025-05-31"), lambda c: c.user)[0][0]],
    ),
    Golden(
        kind="by dimension",
        asked="Spend by edit format",
        also=("cost by edit_format", "which edit format costs the most?", "spend per feature"),
        numbers=lambda f: [amount for _, amount in largest(clean(f.calls), lambda c: c.mode or "-", 3)],
        names=lambda f: [name for name, _ in largest(clean(f.calls), lambda c: c.mode or "-", 3)],
    ),
    Golden(
        kind="by dimension",
        asked="Which model do we use the most?",
        also=("most used model", "most popular model by calls", "what model gets called most often"),
        numbers=lambda f: [Counter(c.model for c in f.calls).most_common(1)[0][1]],
        names=lambda f: [Counter(c.model for c in f.calls).most_common(1)[0][0]],
    ),
    Golden(
        kind="trend",
        asked="Spend by month in 2025",
        also=(
            "monthly spend 2025",
            "how did spend develop in 2025, month by month?",
            "show me what we paid each month of 2025",
            "cost per month for 2025",
        ),
        numbers=lambda f: _months(f, "2025"),
    ),
    Golden(
        kind="trend",
        asked="Which month was the most expensive?",
        also=("what was our costliest month", "in which month did we spend the most?", "priciest month?"),
        numbers=lambda f: [largest(clean(f.calls), lambda c: c.month)[0][1]],
        names=lambda f: [largest(clean(f.calls), lambda c: c.month)[0][0]],
    ),
    Golden(
        kind="trend",
        asked="Which month had the fewest calls?",
        also=("month with the least calls", "quietest month?"),
        numbers=lambda f: [min(Counter(c.month for c in f.calls).values())],
        names=lambda f: ["2025-11"],
    ),
    Golden(
        kind="trend",
        asked="What was our busiest day?",
        also=("day with the most calls", "on which day did we make the most requests?"),
        numbers=lambda f: [Counter(c.day for c in f.calls).most_common(1)[0][1]],
        names=lambda f: [Counter(c.day for c in f.calls).most_common(1)[0][0]],
    ),
    Golden(
        kind="trend",
        asked="Spend per day in June 2025",
        also=("daily spend june 2025", "what did we spend each day in June 2025?", "day by day costs for june 2025"),
        numbers=lambda f: [largest(f.where(month="2025-06"), lambda c: c.day)[0][1]],
    ),
    Golden(
        kind="comparison",
        asked="Compare March and April 2025",
        also=(
            "march vs april 2025",
            "how did spend change from March to April 2025?",
            "did we spend more in march or in april 2025?",
            "difference in cost between March 2025 and April 2025",
            "April 2025 compared to March 2025",
        ),
        numbers=lambda f: [spend(f.where(month="2025-03")), spend(f.where(month="2025-04"))],
    ),
    Golden(
        kind="comparison",
        asked="How did April 2025 compare to the previous month?",
        also=("april 2025 versus the month before", "compare April 2025 with the month before it"),
        numbers=lambda f: [spend(f.where(month="2025-03")), spend(f.where(month="2025-04"))],
    ),
    Golden(
        kind="comparison",
        asked="Compare 2024 and 2025",
        also=("2024 vs 2025", "how does 2025 compare with 2024?", "2025 against 2024"),
        numbers=lambda f: [spend(f.where(year="2024")), spend(clean(f.where(year="2025")))],
    ),
    Golden(
        kind="comparison",
        asked="Compare claude and gpt",
        also=("claude vs gpt", "is claude more expensive than gpt?", "what did we spend on claude versus gpt"),
        numbers=lambda f: [spend(f.having("claude")), spend(f.having("gpt"))],
    ),
    Golden(
        kind="by dimension",
        asked="Which is the second most expensive model?",
        also=("second most expensive model", "what model is the 2nd most expensive?"),
        numbers=lambda f: [
            largest(f.calls, lambda c: c.model, 2)[1][1],
            largest(clean(f.calls), lambda c: c.model, 2)[1][1],
        ],
    ),
    Golden(
        kind="by dimension",
        asked="Spend by provider",
        also=("which provider costs us the most?", "cost per vendor"),
        numbers=lambda f: [spend(clean(f.made_by(maker))) for maker in ("google", "anthropic", "openai")],
    ),
    Golden(
        kind="comparison",
        asked="is spend this year higher than last year by model",
        also=("compare 2025 and 2026 by model",),
        numbers=lambda f: [spend(f.where(year="2026")), spend(f.where(model="o3", year="2025"))],
    ),
)
