"""The tool that works out a saving: a named what-if, or the plan of all, over the rows that are asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.evidence import Sheet
from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.request import Filter, Intent, Period, Refusal
from chatcore.agents.analyst.running import run_queries
from chatcore.agents.analyst.savings.prefix import find_blocks
from chatcore.agents.analyst.savings.priced import can_be_priced, find_priced
from chatcore.agents.tools import ToolError, ToolResult

SIMULATE_SAVINGS = "simulate_savings"

DESCRIPTION = (
    "Works out what would have been saved, call by call at list prices: savings_plan ranks all measures and counts "
    "nothing twice; swap, route, cap, batch, cache_ceiling, off_peak and prefix_cache are one measure each"
)

WhatIfName: TypeAlias = Literal[
    "savings_plan", "swap", "route", "cap", "batch", "cache_ceiling", "off_peak", "prefix_cache"
]


class SimulateSavings(msgspec.Struct, frozen=True, kw_only=True):
    """What ``simulate_savings`` takes."""

    what_if: Annotated[WhatIfName, Meta(description="The measure, or the plan of all.")] = "savings_plan"
    table: Annotated[str | None, Meta(description="The table of the calls; the likeliest where absent.")] = None
    periods: Annotated[list[Period], Meta(description="Only calls of the first of these; all where empty.")] = []
    filters: Annotated[list[Filter], Meta(description="Only calls that pass all of these.")] = []
    to: Annotated[
        str | None, Meta(description="swap, route: the model for the calls; a cheaper one is found where absent.")
    ] = None
    below: Annotated[
        int | None, Meta(description="route, savings_plan: prompts of fewer tokens than this are small.")
    ] = None
    cap_at: Annotated[int | None, Meta(description="cap, savings_plan: the tokens that a prompt may have.")] = None
    discount_percent: Annotated[
        float | None, Meta(description="batch, savings_plan: off the price of a call that may wait.")
    ] = None
    within_seconds: Annotated[
        float | None, Meta(description="prefix_cache: how long a block of a prompt is remembered.")
    ] = None


def intent_of(asked: SimulateSavings, catalogue: Catalogue) -> Intent:
    """The intent that a simulation is.

    Raises:
        ToolError: a table or a model that is not there, or an option that the what-if does not take.
    """
    table = _table(asked, catalogue)
    priced = find_priced(catalogue, table)
    if isinstance(priced, Refusal) and asked.what_if != "prefix_cache":
        raise ToolError(SIMULATE_SAVINGS, priced.text)
    options = {_RENAMED.get((asked.what_if, name), name): getattr(asked, name) for name in _OPTIONS}
    given = {name: value for name, value in options.items() if value is not None}
    known = KINDS[asked.what_if].options.__struct_fields__
    if not set(given) <= set(known):
        raise ToolError(SIMULATE_SAVINGS, f"{asked.what_if} does not take {', '.join(sorted(set(given) - set(known)))}")
    return Intent(kind=asked.what_if, table=table.name, periods=asked.periods[:1], filters=asked.filters, options=given)


_OPTIONS = ("to", "below", "cap_at", "discount_percent", "within_seconds")
_RENAMED = {("cap", "cap_at"): "at"}


def _table(asked: SimulateSavings, catalogue: Catalogue) -> Table:
    """The table that is named, or the likeliest one that the what-if can be worked out over."""
    able = find_blocks if asked.what_if == "prefix_cache" else can_be_priced
    found = [each for each in ranked(catalogue.tables) if asked.table in (None, each.name)]
    if not found:
        raise ToolError(SIMULATE_SAVINGS, f"there is no table {asked.table!r}")
    return next((table for table in found if able(table)), found[0])


def simulate_savings(ledger: Ledger) -> Callable[[SimulateSavings], Awaitable[ToolResult]]:
    """The tool over one ledger."""
    ids = (f"s{number}" for number in count(1))

    async def simulate(asked: SimulateSavings) -> ToolResult:
        intent = intent_of(asked, ledger.catalogue)
        kind = KINDS[intent.kind]
        found = await run_queries(ledger, SIMULATE_SAVINGS, kind.queries(intent, ledger.catalogue), ids)
        told = kind.word(intent, ledger.catalogue, {name: Sheet(each) for name, each in found.items()})
        value: dict[str, Any] = {"answered": not isinstance(told, Refusal)}
        if isinstance(told, Refusal):
            value |= {"text": told.text, "missing": list(told.missing)}
        else:
            recommendations = [msgspec.to_builtins(each) for each in told.recommendations]
            value |= {"text": "".join(told.parts), "facts": list(told.insights), "recommendations": recommendations}
        return ToolResult(value, f"{asked.what_if} of {intent.table}", tuple(found.values()))

    return simulate
