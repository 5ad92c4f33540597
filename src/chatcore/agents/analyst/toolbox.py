"""The tools that the planner uses, through the registry: each use of one is seen by whoever watches the run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Annotated

import msgspec

from chatcore.agents.analyst.answering import queries_of
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.prices.tool import price_tool
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.running import run_queries
from chatcore.agents.analyst.simulation import DESCRIPTION, SIMULATE_SAVINGS, SimulateSavings, simulate_savings
from chatcore.agents.tools import Tool, ToolError, ToolRegistry, ToolResult

RUN_INTENT = "run_intent"

INTENT_TIMEOUT_SECONDS = 60.0
"""Long enough for a full pass over tens of millions of rows, spilling included."""


class ListTables(msgspec.Struct, frozen=True):
    """What ``list_tables`` takes: nothing."""


class DescribeTable(msgspec.Struct, frozen=True):
    """What ``describe_table`` takes."""

    table: Annotated[str, msgspec.Meta(description="The table's name, as ``list_tables`` gives it.")]


def tools_for(ledger: Ledger) -> ToolRegistry:
    """The tools over one ledger."""
    return ToolRegistry(
        (
            Tool("list_tables", "Lists the tables and what they cover", ListTables, _list_tables(ledger)),
            Tool("describe_table", "Says what each column is taken for", DescribeTable, _describe_table(ledger)),
            Tool(RUN_INTENT, "Runs the queries of an intent", Intent, _run_intent(ledger), INTENT_TIMEOUT_SECONDS),
            Tool(SIMULATE_SAVINGS, DESCRIPTION, SimulateSavings, simulate_savings(ledger), INTENT_TIMEOUT_SECONDS),
            price_tool(ledger),
        )
    )


def _list_tables(ledger: Ledger) -> Callable[[ListTables], Awaitable[ToolResult]]:
    async def list_tables(_: ListTables) -> ToolResult:
        names = [table.name for table in ledger.catalogue.tables]
        return ToolResult(names, ", ".join(names))

    return list_tables


def _describe_table(ledger: Ledger) -> Callable[[DescribeTable], Awaitable[ToolResult]]:
    async def describe_table(asked: DescribeTable) -> ToolResult:
        tables = {table.name: table for table in ledger.catalogue.tables}
        if asked.table not in tables:
            raise ToolError("describe_table", f"there is no table {asked.table!r}")
        columns = tables[asked.table].columns
        known = [column for column in columns if column.meaning is not Meaning.UNKNOWN]
        shown = [f"{each.name}: {each.meaning}" + (" (as the mapping says)" if each.told else "") for each in known]
        return ToolResult({each.name: each.meaning for each in columns}, "; ".join(shown) or "no column is recognised")

    return describe_table


def _run_intent(ledger: Ledger) -> Callable[[Intent], Awaitable[ToolResult]]:
    ids = (f"e{number}" for number in count(1))  # a run may use the tool more than once

    async def run_intent(intent: Intent) -> ToolResult:
        found = await run_queries(ledger, RUN_INTENT, queries_of(intent, ledger), ids)
        return ToolResult(found, f"{', '.join(found)} of {intent.table}", tuple(found.values()))

    return run_intent
