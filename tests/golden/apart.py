"""Hours of some days, averages over users and months, who leads in each month, sums of lists, stretches alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from statistics import median

from .facts import Call, Facts, clean, grouped, spend
from .question import Golden, Number

_SATURDAY = 5
_MONDAY = 0
_NINE, _FIVE, _SIX = 9, 17, 18


def _hour(call: Call) -> str:
    return f"{call.at:%H}"


def _working(call: Call) -> bool:
    return call.at.weekday() < _SATURDAY


def _most(calls: Iterable[Call], key: Callable[[Call], str]) -> tuple[str, Decimal]:
    """The group that cost most, and what it cost."""
    return max(((name, spend(group)) for name, group in grouped(calls, key).items()), key=lambda each: each[1])


def _dearest(calls: Iterable[Call], count: int) -> list[Call]:
    return sorted(calls, key=lambda call: -call.cost)[:count]


def _average(
    calls: Iterable[Call], key: Callable[[Call], object], amount: Callable[[list[Call]], Number]
) -> list[Number]:
    """The average over the groups of calls with a user, and the median."""
    groups: dict[object, list[Call]] = {}
    for call in calls:
        if call.user:
            groups.setdefault(key(call), []).append(call)
    amounts = [amount(group) for group in groups.values()]
    whole = sum((Decimal(str(each)) for each in amounts), Decimal(0))
    return [whole / len(amounts), median(Decimal(str(each)) for each in amounts)]


def _leaders(facts: Facts, year: str) -> list[Decimal]:
    """What the dearest model of each month cost."""
    months = grouped(clean(facts.where(year=year)), lambda c: c.month)
    return [_most(calls, lambda c: c.model)[1] for calls in months.values()]


def _share(part: Iterable[Call], whole: Iterable[Call]) -> Decimal:
    return 100 * spend(part) / spend(whole)


APART = (
    Golden(
        kind="hours of days",
        asked="At what hour do we spend most on weekdays?",
        also=(
            "which hour costs the most from monday to friday",
            "most expensive hour of the day without weekends?",
            "spend by hour monday to friday",
        ),
        numbers=lambda f: [_most(filter(_working, clean(f.calls)), _hour)[1]],
        names=lambda f: [f"{_most(filter(_working, clean(f.calls)), _hour)[0]}:00"],
    ),
    Golden(
        kind="hours of days",
        asked="Spend by hour on Mondays",
        also=("on mondays, what do we spend by hour?", "monday spend per hour of the day"),
        numbers=lambda f: [_most((c for c in f.calls if c.at.weekday() == _MONDAY), _hour)[1]],
    ),
    Golden(
        kind="hours of days",
        asked="calls by hour on weekdays",
        also=("on weekdays, how many calls by hour?", "hourly calls on week days"),
        numbers=lambda f: [max(len(g) for g in grouped(filter(_working, f.calls), _hour).values())],
    ),
    Golden(
        kind="hours of days",
        asked="How much do we spend between 9am and 5pm?",
        also=("how much between 9am and 5pm", "spend from 9:00 to 17:00", "what do we pay from 9 to 5pm?"),
        numbers=lambda f: [
            spend(c for c in clean(f.calls) if _NINE <= c.at.hour < _FIVE),
            spend(c for c in clean(f.calls) if not _NINE <= c.at.hour < _FIVE),
        ],
    ),
    Golden(
        kind="hours of days",
        asked="How many calls were made outside business hours?",
        also=("calls outside office hours", "off hours calls", "how many calls out of working hours"),
        numbers=lambda f: [sum(not (_working(c) and _NINE <= c.at.hour < _FIVE) for c in f.calls)],
    ),
    Golden(
        kind="hours of days",
        asked="calls after 6pm on weekends",
        also=("how many calls on weekends after 18:00?",),
        numbers=lambda f: [sum(not _working(c) and c.at.hour >= _SIX for c in f.calls)],
    ),
    Golden(
        kind="averages",
        asked="average spend per user per month",
        also=(
            "avg monthly spend per user",
            "what is the mean spend per user and month",
            "average cost per user per month",
        ),
        numbers=lambda f: _average(clean(f.calls), lambda c: (c.user, c.month), spend),
    ),
    Golden(
        kind="averages",
        asked="average calls per user per day",
        also=("on average, how many calls per user per day?", "mean number of calls per user and day"),
        numbers=lambda f: _average(f.calls, lambda c: (c.user, c.day), len),
    ),
    Golden(
        kind="averages",
        asked="average calls per user",
        also=("mean number of calls per user", "how many calls per user on average"),
        numbers=lambda f: _average(f.calls, lambda c: c.user, len),
    ),
    Golden(
        kind="averages",
        asked="how many calls per active day in 2025?",
        also=("average calls per day in 2025", "calls per day on average in 2025"),
        numbers=lambda f: [len(f.where(year="2025")) / len({c.day for c in f.where(year="2025")})],
    ),
    Golden(
        kind="sums of lists",
        asked="what do the five biggest calls add up to?",
        also=("sum of the five most expensive calls", "what did the 5 dearest calls cost together?"),
        numbers=lambda f: [
            spend(_dearest(f.calls, 5)),
            spend(clean(_dearest(f.calls, 5))),
            _share(clean(_dearest(f.calls, 5)), clean(f.calls)),
        ],
    ),
    Golden(
        kind="sums of lists",
        asked="how much did the 10 most expensive calls in March 2025 cost together",
        also=("the ten most expensive calls of march 2025, and what do they add up to?",),
        numbers=lambda f: [
            spend(_dearest(f.where(month="2025-03"), 10)),
            _share(_dearest(f.where(month="2025-03"), 10), f.where(month="2025-03")),
        ],
    ),
    Golden(
        kind="sums of lists",
        asked="which 3 models cost the most in Q1 2025, and how much of the total is that?",
        also=(
            "top 3 models in Q1 2025 and their combined share",
            "what did the three most expensive models of Q1 2025 cost together?",
            "q1 2025: top 3 models by spend, and what share is that",
        ),
        numbers=lambda f: [
            sum(sorted(spend(g) for g in grouped(f.where(quarter="2025Q1"), lambda c: c.model).values())[-3:]),
            100
            * sum(sorted(spend(g) for g in grouped(f.where(quarter="2025Q1"), lambda c: c.model).values())[-3:])
            / spend(f.where(quarter="2025Q1")),
        ],
    ),
    Golden(
        kind="leaders",
        asked="most expensive model each month of 2025",
        also=("which model cost the most in each month of 2025", "top model per month in 2025 by spend"),
        numbers=lambda f: _leaders(f, "2025"),
    ),
    Golden(
        kind="leaders",
        asked="which model did we use most in each month of 2025",
        also=("most used model each month in 2025",),
        numbers=lambda f: [
            max(len(g) for g in grouped(calls, lambda c: c.model).values())
            for calls in grouped(f.where(year="2025"), lambda c: c.month).values()
        ],
    ),
    Golden(
        kind="leaders",
        asked="how many different models did we use each month",
        also=("number of models by month", "how many models were used per month?"),
        numbers=lambda f: [len({c.model for c in f.where(month=m)}) for m in ("2025-03", "2025-05", "2026-04")],
    ),
    Golden(
        kind="stretches alike",
        asked="spend this year so far vs the same time last year",
        also=(
            "how does spend this year compare to the same period last year?",
            "compare spend this year with the same period last year",
        ),
        numbers=lambda f: [
            spend(f.between("2026-01-01", "2026-04-25")),
            spend(f.between("2025-01-01", "2025-04-25")),
        ],
    ),
    Golden(
        kind="stretches alike",
        asked="Q1 2026 compared with the same quarter last year",
        also=("spend in Q1 2026 vs same quarter last year",),
        numbers=lambda f: [spend(f.where(quarter="2026Q1")), spend(f.where(quarter="2025Q1"))],
    ),
    Golden(
        kind="sides",
        asked="Compare spend of the calls in ask mode and in diff mode for claude",
        also=("claude: ask mode vs diff mode spend", "difference between ask and diff spend for claude"),
        numbers=lambda f: [
            spend(c for c in f.having("claude") if c.mode == "ask"),
            spend(c for c in f.having("claude") if c.mode == "diff"),
            spend(c for c in f.having("claude") if c.mode == "diff")
            - spend(c for c in f.having("claude") if c.mode == "ask"),
        ],
    ),
    Golden(
        kind="sides",
        asked="have costs per call gone up between Q4 2024 and Q1 2025?",
        also=("compare the cost per call in Q4 2024 and Q1 2025",),
        numbers=lambda f: [spend(f.where(quarter=q)) / len(f.where(quarter=q)) for q in ("2024Q4", "2025Q1")],
    ),
    Golden(
        kind="ranked in bounds",
        asked="top 5 models by spend with more than 50 calls",
        also=("models with more than 50 calls, ranked by spend, top 5",),
        numbers=lambda f: sorted(
            (spend(clean(g)) for g in grouped(f.calls, lambda c: c.model).values() if len(g) > 50), reverse=True
        )[:5],
    ),
    Golden(
        kind="ranked in bounds",
        asked="what do the two most used models cost together",
        also=("the 2 most used models: what did they cost together?",),
        numbers=lambda f: [
            len(g) for g in sorted(grouped(f.calls, lambda c: c.model).values(), key=len, reverse=True)[:2]
        ],
    ),
    Golden(
        kind="ranked in bounds",
        asked="5 days with the most calls in april 2025",
        also=("which 5 days of april 2025 had the most calls?",),
        numbers=lambda f: sorted(
            (len(g) for g in grouped(f.where(month="2025-04"), lambda c: c.day).values()), reverse=True
        )[:5],
    ),
    Golden(
        kind="words and edges",
        asked="last day with data",
        also=("what is the last day with calls?",),
        names=lambda f: [max(c.day for c in f.calls), min(c.day for c in f.calls)],
        numbers=lambda f: [len({c.day for c in f.calls})],
    ),
    Golden(
        kind="words and edges",
        asked="whats our total AI spend ex the weird 9990 charge",
        also=(
            "total spend leaving out the bogus row",
            "spend w/o the bad record",
            "total cost not counting the wrong row",
        ),
        numbers=lambda f: [spend(f.calls), spend(clean(f.calls))],
    ),
    Golden(
        kind="words and edges",
        asked="pls giv me teh monthly totls for 2025",
        also=("montly totals in 2025 plz",),
        numbers=lambda f: [spend(f.where(month=m)) for m in ("2025-03", "2025-04", "2025-06")],
    ),
    Golden(
        kind="words and edges",
        asked="spend ex openai",
        also=("spend w/o openai", "spend excl. openai"),
        numbers=lambda f: [
            spend(f.calls) - spend(f.made_by("openai")),
            spend(clean(f.calls)) - spend(f.made_by("openai")),
        ],
    ),
    Golden(
        kind="words and edges",
        asked="order models by calls ascending",
        also=("models by number of calls, lowest first",),
        numbers=lambda f: [1, len(f.calls)],
    ),
    Golden(
        kind="words and edges",
        asked="which model is most verbose",
        also=("which model is the most talkative?",),
        numbers=lambda f: [
            max(sum(c.received for c in g) / len(g) for g in grouped(f.calls, lambda c: c.model).values())
        ],
    ),
    Golden(
        kind="left out",
        asked="show me errors and models",
        also=(
            "median cost per call by model",
            "top 3 calls for each model",
            "standard deviation of cost per call",
            "what hapened in june",
            "cost of an average call excluding free calls",
            "what does an average call cost, without free ones",
            "unpriced calls by month",
            "how many sessions cost more than a dollar",
            "how many more calls did diff have than ask",
            "spend and number of users by month",
            "please list all calls on 2025-05-07",
            "which models did we stop using between march and april 2025",
            "any calls where tokens were zero",
            "spend by week starting sunday",
            "spend by hour and weekday",
            "average cost per call per user per month",
        ),
        refused="not_supported",
    ),
)
