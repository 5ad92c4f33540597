"""Questions whose every part counts: what is left out, a bound on sums, the calls of a model, a week that is none."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from .facts import Call, Facts, clean, grouped, largest, spend
from .question import Golden


def _model(call: Call) -> str:
    return call.model


def _beyond(calls: list[Call], key: Callable[[Call], str], amount: Decimal) -> int:
    """How many groups cost more than an amount, the implausible call left out."""
    return sum(spend(clean(group)) > amount for name, group in grouped(calls, key).items() if name)


def _more_often(calls: list[Call], key: Callable[[Call], str], count: int) -> int:
    return sum(len(group) > count for name, group in grouped(calls, key).items() if name)


def _on_gpt_4o(facts: Facts, calls: list[Call]) -> Decimal:
    """What calls would cost on gpt-4o of openai by the list."""
    (into,), (out,) = (facts.price("gpt-4o", f"{side}_usd_per_mtok", "openai") for side in ("input", "output"))
    return sum((call.sent * into + call.received * out for call in calls), Decimal(0)) / 1_000_000


def _without(calls: list[Call], *others: list[Call]) -> list[Call]:
    left_out = {id(call) for group in others for call in group}
    return [call for call in calls if id(call) not in left_out]


WHOLE = (
    Golden(
        kind="left out",
        asked="top 5 models by spend excluding gpt-4o and o3",
        also=(
            "top 5 models by cost without gpt-4o and o3",
            "5 most expensive models other than gpt-4o and o3",
            "which 5 models cost the most except gpt-4o and o3",
        ),
        numbers=lambda f: [
            amount for _, amount in largest([c for c in f.calls if c.model not in ("gpt-4o", "o3")], _model, 5)
        ],
    ),
    Golden(
        kind="left out",
        asked="top 3 models excluding anthropic in 2025",
        also=("top 3 models in 2025 apart from anthropic", "2025: top 3 models not made by anthropic"),
        numbers=lambda f: [
            amount for _, amount in largest(_without(f.where(year="2025"), f.made_by("anthropic")), _model, 3)
        ],
    ),
    Golden(
        kind="left out",
        asked="How many calls did not go to openai?",
        also=(
            "how many calls did we not send to openai",
            "calls not made with openai models",
            "number of non-openai calls",
        ),
        numbers=lambda f: [len(_without(f.calls, f.made_by("openai")))],
    ),
    Golden(
        kind="left out",
        asked="spend in may 2025, excluding weekends",
        also=("may 2025 spend without weekends", "what did we spend in may 2025 except on weekends"),
        numbers=lambda f: [spend(c for c in clean(f.where(month="2025-05")) if c.at.weekday() < 5)],
    ),
    Golden(
        kind="left out",
        asked="total tokens excluding free calls",
        also=("spend by user excluding the top user", "forecast excluding may 2025"),
        refused="not_supported",
    ),
    Golden(
        kind="left out",
        asked="spend in 2025 without May",
        also=("spend in 2025 excluding may", "2025 cost apart from may", "what did we spend in 2025, not counting May"),
        numbers=lambda f: [spend(_without(f.where(year="2025"), f.where(month="2025-05")))],
    ),
    Golden(
        kind="left out",
        asked="how many calls in 2025 except march and april",
        also=("calls in 2025 without march to april", "number of calls in 2025 excluding april and march"),
        numbers=lambda f: [len(_without(f.where(year="2025"), f.where(month="2025-03"), f.where(month="2025-04")))],
    ),
    Golden(
        kind="left out",
        after=("spend by model in 2025",),
        asked="and without may?",
        also=("excluding may", "but not in may"),
        numbers=lambda f: [
            amount for _, amount in largest(_without(f.where(year="2025"), f.where(month="2025-05")), _model, 3)
        ],
    ),
    Golden(
        kind="bound on calls",
        asked="calls between $0.50 and $1",
        also=("calls from $0.5 to $1", "how many calls cost between 50 and 100 cents", "calls of $0.50-$1.00"),
        numbers=lambda f: [
            sum(Decimal("0.5") <= c.cost <= 1 for c in f.calls),
            spend(c for c in f.calls if Decimal("0.5") <= c.cost <= 1),
        ],
    ),
    Golden(
        kind="bound on calls",
        asked="calls with 1000 to 5000 tokens in 2025",
        also=("how many calls in 2025 had between 1000 and 5000 tokens", "2025 calls with 1k-5k tokens"),
        numbers=lambda f: [sum(1000 <= c.tokens <= 5000 for c in f.where(year="2025"))],
    ),
    Golden(
        kind="bound on sums",
        asked="which models cost between $1 and $5",
        also=("models with spend of $1 to $5", "models that cost us over $1 and under $5"),
        numbers=lambda f: [sum(1 <= spend(clean(g)) <= 5 for g in grouped(f.calls, _model).values())],
    ),
    Golden(
        kind="comparison",
        asked="Compare spend of claude and gemini from 2025-05-01 to 2025-05-31",
        also=("compare claude and gemini spend in may 2025", "claude vs gemini between may 1 and may 31 2025"),
        numbers=lambda f: [
            spend(clean(c for c in f.where(month="2025-05") if c.has(name))) for name in ("claude", "gemini")
        ],
    ),
    Golden(
        kind="comparison",
        asked="compare claude and gemini in may and june 2025",
        also=("claude vs gemini, may 2025 vs june 2025",),
        refused="ambiguous",
    ),
    Golden(
        kind="two tables",
        asked="total cost and number of errors",
        also=("how much did we spend and how many errors were there", "errors and spend in may 2025"),
        refused="not_supported",
    ),
    Golden(
        kind="rates",
        asked="cost per 1k output tokens",
        also=("what do we pay per million output tokens?", "our cost per 1000 input tokens"),
        refused="no_such_column",
    ),
    Golden(
        kind="left out",
        asked="which models did we not use in 2026",
        also=(
            "which users never used o3",
            "how many models haven't we used in 2025",
            "which users did not use claude?",
        ),
        refused="not_supported|no_such_column",
    ),
    Golden(
        kind="left out",
        asked="how many tokens did bob use",
        also=("how many calls has alice made", "how many tokens did marge use in may 2025"),
        refused="no_rows|no_such_column|not_supported",
    ),
    Golden(
        kind="left out",
        asked="who is the CEO of openai",
        also=("write me a poem about tokens", "which models are deprecated", "how many rate limit errors were there"),
        refused="not_supported",
    ),
    Golden(
        kind="left out",
        asked="what if we dropped claude entirely",
        also=("what if we hadn't used o3", "what if we stopped using gemini"),
        refused="not_supported|no_such_column",
    ),
    Golden(
        kind="left out",
        asked="top 5 spend",
        also=(
            "which weeks were unusual",
            "cheapest model with 200k context",
            "how can we save 30%",
        ),
        refused="not_supported",
    ),
    Golden(
        kind="by dimension",
        asked="most expensive claude model in 2025",
        also=(
            "which claude model cost the most in 2025",
            "top claude model by spend 2025",
            "costliest claude model of 2025",
        ),
        names=lambda f: [
            largest([c for c in f.where(year="2025") if c.has("claude")], _model)[0][0],
        ],
        numbers=lambda f: [largest([c for c in f.where(year="2025") if c.has("claude")], _model)[0][1]],
    ),
    Golden(
        kind="by dimension",
        asked="top 3 claude models",
        also=("3 most expensive claude models", "the three dearest claude models"),
        numbers=lambda f: [amount for _, amount in largest(f.having("claude"), _model, 3)],
    ),
    Golden(
        kind="bound on sums",
        asked="Which models cost more than $5?",
        also=(
            "models with spend over $5",
            "how many models cost above 5 dollars",
            "models that cost us more than $5 in total",
        ),
        numbers=lambda f: [_beyond(f.calls, _model, Decimal(5))],
    ),
    Golden(
        kind="bound on sums",
        asked="which users spent over $0.05",
        also=("users who spent more than $0.05", "how many users cost more than $0.05"),
        numbers=lambda f: [_beyond(f.calls, lambda c: c.user, Decimal("0.05"))],
    ),
    Golden(
        kind="bound on sums",
        asked="models with more than 100 calls",
        also=("which models were used more than 100 times", "how many models had over 100 requests"),
        numbers=lambda f: [_more_often(f.calls, _model, 100)],
    ),
    Golden(
        kind="bound on sums",
        asked="which model did we use only once",
        also=("models used exactly once", "how many models were used just once?"),
        numbers=lambda f: [sum(len(calls) == 1 for calls in grouped(f.calls, _model).values())],
    ),
    Golden(
        kind="bound on sums",
        asked="models with more than a million tokens in 2025",
        also=("which models used over 1m tokens in 2025", "models above 1 million tokens in 2025"),
        numbers=lambda f: [
            sum(sum(c.tokens for c in g) > 1_000_000 for g in grouped(f.where(year="2025"), _model).values())
        ],
    ),
    Golden(
        kind="bound on calls",
        asked="How many calls have more than 20k input tokens?",
        also=("calls with more than 20,000 prompt tokens", "number of calls over 20k tokens in"),
        numbers=lambda f: [
            sum(c.sent > 20_000 for c in f.calls),
            spend(clean(c for c in f.calls if c.sent > 20_000)),
        ],
    ),
    Golden(
        kind="bound on calls",
        asked="calls over 3000 output tokens in 2025",
        also=("how many calls in 2025 had more than 3k completion tokens",),
        numbers=lambda f: [
            sum(c.received > 3000 for c in f.where(year="2025")),
            spend(clean(c for c in f.where(year="2025") if c.received > 3000)),
        ],
    ),
    Golden(
        kind="bound on calls",
        asked="what share of spend comes from calls over 50k tokens",
        also=("share of spend above 50k tokens", "how much of the spend is calls above 50,000 tokens"),
        numbers=lambda f: [100 * spend(clean(c for c in f.calls if c.tokens > 50_000)) / spend(clean(f.calls))],
    ),
    Golden(
        kind="on another model",
        asked="what would the o3 calls have cost on gpt-4o in may 2025",
        also=(
            "what would calls on o3 in may 2025 have cost on gpt-4o",
            "what would our may 2025 o3 usage have cost on gpt-4o?",
            "reprice the o3 calls of may 2025 on gpt-4o",
        ),
        numbers=lambda f: [_on_gpt_4o(f, f.where(month="2025-05", model="o3"))],
    ),
    Golden(
        kind="on another model",
        asked="what would the calls from february 2025 except o1 have cost on gpt-4o",
        also=("what would all calls in february 2025 without o1 have cost with gpt-4o",),
        numbers=lambda f: [_on_gpt_4o(f, [c for c in f.where(month="2025-02") if c.model != "o1"])],
    ),
    Golden(
        kind="on another model",
        asked="what would our ask calls have cost on gpt-4o",
        also=("what would our ask mode calls cost on gpt-4o?",),
        numbers=lambda f: [_on_gpt_4o(f, f.where(mode="ask"))],
    ),
    Golden(
        kind="on another model",
        asked="how much would we save using deepseek for ask mode",
        also=("what if calls above 10k tokens in may 2025 used gpt-4.1-mini", "swap o1 for sonnet in ask mode"),
        refused="ambiguous|not_supported",
    ),
    Golden(
        kind="no such time",
        asked="spend in 2025-W60",
        also=(
            "2025-W60",
            "how much did we spend in week 54 of 2025",
            "spend in 2025-13",
            "spend in q5 2025",
            "spend in 13/2025",
        ),
        refused="out_of_range",
    ),
    Golden(
        kind="other tongues",
        asked="kosten pro Monat",
        also=(
            "wie viel haben wir im Mai 2025 ausgegeben",
            "combien avons-nous dépensé en mai 2025",
            "coût par modèle",
            "¿Cuánto gastamos en mayo de 2025?",
            "quanto abbiamo speso a maggio 2025",
            "2025年5月我们花了多少钱",
            "сколько мы потратили в мае 2025",
            "hoeveel hebben wij uitgegeven",
        ),
        refused="not_supported",
    ),
    Golden(
        kind="other money",
        asked="how many euros did we spend in june 2025",
        also=(
            "spend in EUR in 2025",
            "how much in british pounds",
            "total in yen",
            "what did we spend in £ in may 2025?",
        ),
        refused="not_supported",
    ),
    Golden(
        kind="judgement",
        asked="is o3 really worth it?",
        also=(
            "was gpt-5 worth it in 2025",
            "is claude sonnet worth the money?",
            "which model should we use",
            "score of o3",
        ),
        refused="not_supported|ambiguous",
    ),
    Golden(
        kind="comparison",
        asked="growth of spend from q1 to q2 2025",
        also=("growth in cost between q1 and q2 2025",),
        numbers=lambda f: [
            spend(clean(f.where(quarter="2025Q1"))),
            spend(clean(f.where(quarter="2025Q2"))),
        ],
    ),
    Golden(
        kind="counts",
        asked="how many tokens did we burn in 2024",
        also=("how many tokens did we pay for in 2024",),
        numbers=lambda f: [sum(c.tokens for c in f.where(year="2024"))],
    ),
    Golden(
        kind="coverage",
        asked="when did we first use o3",
        also=("when was o3 first used", "first time we used o3", "when did we last use o3"),
        names=lambda f: [min(c.day for c in f.where(model="o3")), max(c.day for c in f.where(model="o3"))],
    ),
    Golden(
        kind="by dimension",
        asked="split spend by openai, anthropic and google",
        also=("breakdown of spend: openai, anthropic and google",),
        numbers=lambda f: [spend(clean(f.made_by(maker))) for maker in ("openai", "anthropic", "google")],
    ),
    Golden(
        kind="follow-up",
        after=("what did we spend in may 2025",),
        asked="who spent it?",
        also=("and who spent that?", "by user"),
        numbers=lambda f: [amount for _, amount in largest(f.where(month="2025-05"), lambda c: c.user, 1)],
    ),
    Golden(
        kind="follow-up",
        after=("what did we spend in may 2025",),
        asked="excluding the weird one",
        also=("without the outlier", "and without the wrong row?"),
        numbers=lambda f: [spend(clean(f.where(month="2025-05")))],
    ),
    Golden(
        kind="follow-up",
        after=("compare april and may 2025",),
        asked="by model",
        also=("and by model?", "split that by model"),
        numbers=lambda f: [
            spend(clean(f.where(month="2025-04"))),
            spend(clean(f.where(month="2025-05"))),
            spend(f.where(month="2025-05", model="o3")) - spend(f.where(month="2025-04", model="o3")),
        ],
    ),
    Golden(
        kind="follow-up",
        after=("daily spend in march 2025",),
        asked="what was the peak?",
        also=("which was the highest?", "when was the peak"),
        numbers=lambda f: [max(spend(calls) for calls in grouped(f.where(month="2025-03"), lambda c: c.day).values())],
    ),
)
