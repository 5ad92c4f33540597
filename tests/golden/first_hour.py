"""What the person responsible for a bill asks first, and how she goes on from there."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from .facts import Call, Facts, clean, grouped, largest, spend
from .question import Golden

_SPLIT = ("Spend by model",)
_CALLS_2025 = ("Calls by model in 2025",)
_DEAREST = ("Show me the 10 most expensive calls",)
_CENT = Decimal("0.000000001")


def _per_call(calls: Sequence[Call]) -> Decimal:
    return spend(calls) / len(calls)


def _beyond(calls: list[Call], least: int) -> list[Decimal]:
    """What each model cost that cost more than so much."""
    return [amount for _, amount in largest(clean(calls), lambda c: c.model, 200) if amount > least]


def _sessions(facts: Facts) -> list[list[Call]]:
    """A session begins where its running total falls, or is no more than the call's own cost."""
    found: list[list[Call]] = []
    for calls in grouped(facts.calls, lambda c: c.user).values():
        before: Decimal | None = None
        for call in sorted(calls, key=lambda c: (c.at, c.session_cost, c.cost)):
            total = call.session_cost
            own = call.cost > 0 and abs(total - call.cost) <= _CENT
            anew = before is None or total < before - _CENT or (before > _CENT and own)
            found += [[]] if anew else []
            found[-1].append(call)
            before = total
    return found


def _dear_sessions(facts: Facts) -> list[Decimal]:
    return [cost for each in _sessions(facts) if (cost := spend(clean(each))) > 1]


def _change(facts: Facts, first: str, second: str) -> list[Decimal]:
    """The change of spend between two months, what of it is volume, and what is rate."""
    one, two = clean(facts.where(month=first)), clean(facts.where(month=second))
    volume = _per_call(one) * (len(two) - len(one))
    change = spend(two) - spend(one)
    return [change, volume, change - volume]


def _kept(facts: Facts) -> list[Call]:
    """The calls of 2025 on models with more than a hundred of them."""
    models = grouped(facts.where(year="2025"), lambda c: c.model)
    return [call for calls in models.values() if len(calls) > 100 for call in calls]


FIRST_HOUR = (
    Golden(
        kind="first hour",
        asked="What is the average cost per call for each model?",
        also=("average cost per call for every model", "avg cost per call of each model"),
        numbers=lambda f: [_per_call(f.where(model=model)) for model in ("o3", "o3-pro", "o1-preview")],
    ),
    Golden(
        kind="first hour",
        asked="Where is the money going?",
        also=("Where does our money go?", "what are we spending money on?", "What's driving our costs?"),
        numbers=lambda f: [amount for _, amount in largest(clean(f.calls), lambda c: c.model, 3)],
    ),
    Golden(
        kind="first hour",
        asked="How much does each user cost?",
        numbers=lambda f: [amount for _, amount in largest(f.calls, lambda c: c.user, 2)],
    ),
    Golden(
        kind="first hour",
        asked="Why was May 2025 so expensive?",
        also=(
            "why was the bill so high in May 2025?",
            "what hapened in may 2025",
            "Is the increase in May 2025 due to more calls or higher cost per call?",
        ),
        numbers=lambda f: _change(f, "2025-04", "2025-05"),
    ),
    Golden(
        kind="first hour",
        asked="Do we use more input or output tokens?",
        also=("inpt vs outpt tokens", "how many input and output tokens did we use?"),
        numbers=lambda f: [sum(c.sent for c in f.calls), sum(c.received for c in f.calls)],
    ),
    Golden(
        kind="first hour",
        asked="Which model writes the most output per input?",
        names=lambda f: [max((c for c in f.calls if len(f.where(model=c.model)) == 1), key=_written).model],
    ),
    Golden(
        kind="first hour",
        asked="Is any month missing?",
        also=("are any months missing?", "first call ever", "when was our last call?"),
        names=lambda f: [min(c.day for c in f.calls), max(c.day for c in f.calls)],
    ),
    Golden(
        kind="first hour",
        asked="Did our cost per call go up?",
        also=("How did cost per call change over time?", "cost per call over time"),
        numbers=lambda f: [_per_call(f.where(month=month)) for month in ("2024-08", "2024-10", "2024-11")],
    ),
    Golden(
        kind="first hour",
        asked="spend in the week of March 10 2025",
        also=("spend in the week of 10 March 2025", "what did we spend in the week starting March 10, 2025?"),
        numbers=lambda f: [spend(f.between("2025-03-10", "2025-03-16"))],
    ),
    Golden(
        kind="first hour",
        asked="spend on claude sonnet in 2025",
        also=("how much for claude sonet in 2025",),
        numbers=lambda f: [spend(c for c in f.having("claude", "sonnet") if c.year == "2025")],
    ),
    Golden(
        kind="first hour",
        asked="How many different models did each user use?",
        also=("how many models per user",),
        numbers=lambda f: sorted(
            (len({c.model for c in calls}) for calls in grouped(f.calls, lambda c: c.user).values()), reverse=True
        )[:3],
    ),
    Golden(
        kind="first hour",
        asked="how many sessions cost more than $1?",
        also=("sessions that cost more than $1", "which sessions cost over $1?"),
        numbers=lambda f: [len(_dear_sessions(f)), sum(_dear_sessions(f))],
    ),
    Golden(
        kind="first hour",
        asked="sessions per month",
        also=("how many sessions each month?", "How many sessions by month?"),
        numbers=lambda f: [
            sum(min(c.month for c in each) == month for each in _sessions(f)) for month in ("2025-01", "2025-03")
        ],
    ),
    Golden(kind="first hour", asked="sessions by user", also=("sessions by model",), refused="not_supported"),
    Golden(
        kind="first hour",
        asked="which models changed?",
        also=("what share of total spend was in 2025?", "april, may and june 2025 side by side"),
        refused="not_supported",
    ),
    Golden(
        kind="going on",
        after=("Spend by model in March 2025",),
        asked="what do they add up to?",
        also=("add them up", "how much is that altogether?"),
        numbers=lambda f: [spend(f.where(month="2025-03"))],
    ),
    Golden(
        kind="going on",
        after=_SPLIT,
        asked="only those above $1",
        also=("just the ones above $1",),
        numbers=lambda f: [len(_beyond(f.calls, 1)), sum(_beyond(f.calls, 1)), *_beyond(f.calls, 1)[:3]],
    ),
    Golden(
        kind="going on",
        after=(*_SPLIT, "only those above $1"),
        asked="what do they add up to?",
        numbers=lambda f: [sum(_beyond(f.calls, 1))],
    ),
    Golden(
        kind="going on",
        after=_CALLS_2025,
        asked="only those with more than 100",
        numbers=lambda f: [len({c.model for c in _kept(f)}), len(_kept(f))],
    ),
    Golden(
        kind="going on",
        after=_DEAREST,
        asked="how much is that altogether?",
        also=("what do they add up to?", "as a table"),
        numbers=lambda f: [sum(sorted((c.cost for c in f.calls), reverse=True)[:10])],
    ),
    Golden(
        kind="going on",
        after=("Which model costs us the most?",),
        asked="and the second?",
        also=("what about the second one?",),
        numbers=lambda f: [largest(f.calls, lambda c: c.model, 2)[1][1]],
    ),
    Golden(
        kind="going on",
        after=("How many different models each month",),
        asked="and users?",
        also=("what about users?",),
        numbers=lambda f: [len({c.user for c in f.where(month=month) if c.user}) for month in ("2024-08", "2024-10")],
    ),
    Golden(
        kind="going on",
        after=("What time of day do we spend the most in March 2025?",),
        asked="and by day of the week?",
        numbers=lambda f: [
            spend(c for c in f.where(month="2025-03") if c.at.isoweekday() == day) for day in range(1, 8)
        ],
    ),
    Golden(
        kind="going on",
        after=("How many sessions in March 2025?",),
        asked="what did they cost?",
        numbers=lambda f: [spend(f.where(month="2025-03"))],
    ),
    Golden(
        kind="going on",
        after=("total tokens in 2025",),
        asked="how many of those were output?",
        also=("only output", "output only"),
        numbers=lambda f: [sum(c.received for c in f.where(year="2025"))],
    ),
    Golden(
        kind="going on",
        after=("average cost per call in 2025",),
        asked="has it gone up?",
        also=("over time",),
        numbers=lambda f: [_per_call(f.where(month=month)) for month in ("2025-01", "2025-03")],
    ),
    Golden(
        kind="going on",
        after=("Compare 2024 and 2025",),
        asked="which models changed?",
        numbers=lambda f: [spend(clean(f.where(year="2025"))) - spend(f.where(year="2024"))],
    ),
    Golden(kind="going on", after=("total cost in 2025",), asked="as a percentage of all", refused="not_supported"),
)


def _written(call: Call) -> float:
    return call.received / call.sent if call.sent else 0.0
