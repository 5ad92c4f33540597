"""Why a what-if has no answer, and questions beside it that have one. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from chatcore.agents.analyst.intents.base import listed
from chatcore.agents.analyst.request import Refusal
from chatcore.agents.analyst.savings.priced import Priced


def partly(part: re.Match[str], kind: str) -> Refusal:
    """Some of the calls, which the rows do not tell from the others."""
    return Refusal(
        reason="not_supported",
        text=f"Which calls “{part[0]}” are is not said, and their costs differ: I work it out for all calls, or for "
        "those of a model, a user or a period.",
        missing=(part[0],),
        alternatives=_ASKED_WHOLE[kind],
    )


_ASKED_WHOLE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "batch": ("What would batching save?", "What would batching save by model?"),
        "cache_ceiling": ("How much would caching save at most?",),
        "cap": ("What would capping prompts save?",),
        "route": ("What if short prompts went to a cheaper model?",),
        "off_peak": ("What would we save by running off-peak?",),
        "savings_plan": ("How can we reduce our bill?",),
        "swap": ("Is there a cheaper model that is as good?",),
    }
)


def one_swap_at_a_time(onto: Sequence[str]) -> Refusal:
    """Some calls to one model and others to another, which is two questions."""
    return Refusal(
        reason="not_supported",
        text=f"I work out a move to one model at a time, not to {listed([f'`{each}`' for each in onto])} at once.",
        missing=("moves to several models at once",),
        alternatives=tuple(f"What if we had used {each} for everything?" for each in onto),
    )


def long_ones_only(amount: str, name: str) -> Refusal:
    """Only calls above a length to another model, which is not worked out."""
    return Refusal(
        reason="not_supported",
        text=f"I work out a move of all calls, or of those below a length, to `{name}`, and not of those above one.",
        missing=(f"a move of calls above {amount} tokens",),
        alternatives=(
            f"What if prompts below {amount} tokens were sent to {name}?",
            f"What if we had used {name} for everything?",
            f"What if prompts were capped at {amount} tokens?",
        ),
    )


def no_quality(priced: Priced) -> Refusal:
    """Nothing says which models are as good as another."""
    return Refusal(
        reason="no_such_column",
        text="No table here says how well models do, so that I cannot say which cheaper one is as good. Name one, and "
        "I set its price against those of the models in use.",
        missing=("quality",),
        alternatives=(f"How can we reduce our bill in {priced.table.name}?", "What would batching save?"),
    )


def no_windows(priced: Priced) -> Refusal:
    """No price depends on the time of the day, or no call has a time."""
    return Refusal(
        reason="no_such_column",
        text=f"Nothing in `{priced.book.columns.table}` and `{priced.table.name}` says that a call was at an hour when "
        "its model has another price.",
        missing=("prices by the time of the day",),
        alternatives=("What would batching save?", "How can we reduce our bill?"),
    )
