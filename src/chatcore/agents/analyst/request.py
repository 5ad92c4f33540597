"""What a question asks for, in terms of the data: the outcome of the planner, and the input of the intents. Pure."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any, Literal, TypeAlias

import attrs
import msgspec

from chatcore.protocol.messages import Covered, RefusalReason


class Measure(StrEnum):
    """What is summed, counted or averaged."""

    COST = "cost"
    CALLS = "calls"
    TOKENS = "tokens"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    COST_PER_CALL = "cost_per_call"
    COST_PER_MILLION_TOKENS = "cost_per_million_tokens"
    TOKENS_PER_CALL = "tokens_per_call"


Grain: TypeAlias = Literal["day", "week", "month", "quarter", "year"]


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time.

    ``words`` is how an answer calls it; ``start`` and ``end`` are ISO dates, ``end`` exclusive; None is open.
    ``relative``: it was asked for by words that count from the last day of the data.
    """

    words: str
    start: str | None = None
    end: str | None = None
    relative: bool = False

    @property
    def days(self) -> int | None:
        """How long it is; None where it is open."""
        if self.start is None or self.end is None:
            return None
        return (dt.date.fromisoformat(self.end) - dt.date.fromisoformat(self.start)).days


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Only rows whose ``column`` is one of ``values``, or none of them where ``exclude``; ``words`` as asked."""

    column: str
    values: list[str]
    words: str
    exclude: bool = False


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to find out.

    ``kind`` names it in the table of intents; ``by`` is the column to group by; ``limit`` how many groups or rows were
    asked for; ``column`` a column of its own kind to describe; ``options`` what only this kind takes, in the shape that
    the kind declares.
    """

    kind: str
    table: str
    measure: Measure = Measure.COST
    by: str | None = None
    grain: Grain | None = None
    column: str | None = None
    descending: bool = True
    limit: int | None = None
    periods: list[Period] = []
    filters: list[Filter] = []
    options: dict[str, Any] = {}

    @property
    def period(self) -> Period | None:
        """The only period, or the first."""
        return self.periods[0] if self.periods else None


@attrs.frozen(kw_only=True)
class Refusal:
    """Why there is no answer, and what would have one.

    Args:
        reason: as on the wire.
        text: says it in a sentence.
        missing: the words of the question that nothing in the data answers to.
        covered: the period of the data, where that is the reason.
        alternatives: questions that are answered.
    """

    reason: RefusalReason
    text: str
    missing: tuple[str, ...] = ()
    covered: Covered | None = None
    alternatives: tuple[str, ...] = ()
