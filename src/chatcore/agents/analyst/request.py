"""What a question asks for, in terms of the data: the outcome of the planner, and the input of the intents. Pure."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

import attrs
import msgspec
from msgspec import Meta

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
    INPUT_TOKENS_PER_CALL = "input_tokens_per_call"
    OUTPUT_TOKENS_PER_CALL = "output_tokens_per_call"


Grain: TypeAlias = Literal["day", "week", "month", "quarter", "year"]


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Time that is left out of a period."""

    start: Annotated[str | None, Meta(description="The first day, YYYY-MM-DD; open where absent.")] = None
    end: Annotated[str | None, Meta(description="The day after the last, YYYY-MM-DD; open where absent.")] = None


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time."""

    words: Annotated[str, Meta(description="How an answer calls it, such as 2025-05.")]
    start: Annotated[str | None, Meta(description="The first day, YYYY-MM-DD; open where absent.")] = None
    end: Annotated[str | None, Meta(description="The day after the last, YYYY-MM-DD; open where absent.")] = None
    relative: Annotated[
        bool, Meta(description="Whether it was asked for by words that count from the last day of the data.")
    ] = False
    without: Annotated[tuple[Stretch, ...], Meta(description="What of it is left out.")] = ()

    @property
    def days(self) -> int | None:
        """How long it is; None where it is open or not all of one piece."""
        if self.start is None or self.end is None or self.without:
            return None
        return (dt.date.fromisoformat(self.end) - dt.date.fromisoformat(self.start)).days

    @property
    def year(self) -> str:
        """The year that it begins in, or that what is left out of all the time does; empty where it begins nowhere."""
        return next((day[:4] for day in (self.start, *(each.start for each in self.without)) if day), "")

    @property
    def outline(self) -> str:
        """How it is called, without what is left out of it."""
        return f" {self.words}".split(" without ")[0].strip()


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Only rows with some values of a column, or only those without them."""

    column: Annotated[str, Meta(description="The column's name.")]
    values: Annotated[list[str], Meta(description="The values, spelt as in the rows.")]
    words: Annotated[str, Meta(description="How the question called them.")]
    exclude: Annotated[bool, Meta(description="Whether rows with these values are left out instead.")] = False
    maker: Annotated[str | None, Meta(description="Who makes the models that the values are, where it was named.")] = (
        None
    )


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to find out."""

    kind: Annotated[str, Meta(description="The kind of question, one of those that the tool's description lists.")]
    table: Annotated[str, Meta(description="The table's name.")]
    measure: Annotated[Measure, Meta(description="What is summed, counted or averaged.")] = Measure.COST
    by: Annotated[str | None, Meta(description="The column to group by.")] = None
    grain: Annotated[Grain | None, Meta(description="The steps of a trend.")] = None
    column: Annotated[
        str | None, Meta(description="The column to describe, for kinds that describe a column of numbers.")
    ] = None
    descending: Annotated[bool, Meta(description="Whether the most comes first.")] = True
    limit: Annotated[int | None, Meta(description="How many groups or rows were asked for.")] = None
    periods: Annotated[
        list[Period], Meta(description="The period asked for; two, the earlier first, where periods are compared.")
    ] = []
    filters: Annotated[list[Filter], Meta(description="Only these rows; all filters hold together.")] = []
    options: Annotated[
        dict[str, Any], Meta(description="What only this kind takes, as the tool's description lists it.")
    ] = {}

    @property
    def period(self) -> Period | None:
        """The only period, or the first."""
        return self.periods[0] if self.periods else None

    @property
    def sides(self) -> list[Filter]:
        """The filters of the column that is split by: where names are set side by side, these names."""
        return [each for each in self.filters if each.column == self.by]

    @property
    def beside(self) -> list[Filter]:
        """The other filters."""
        return [each for each in self.filters if each.column != self.by]

    @property
    def bare(self) -> Intent:
        """The same without the words that its periods and names were asked by."""
        periods = [msgspec.structs.replace(each, words="", relative=False) for each in self.periods]
        filters = [msgspec.structs.replace(each, words="") for each in self.filters]
        return msgspec.structs.replace(self, periods=periods, filters=filters)


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
