"""``run_sql``: the tool by which a model asks what no kind of question asks, in SQL, in the sandbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Annotated

import msgspec

from chatcore.agents.analyst.evidence import Query, evidence_of
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.sandbox.pool import QueryStopped
from chatcore.agents.tools import Tool, ToolError, ToolResult

RUN_SQL = "run_sql"

MAX_SQL_CHARACTERS = 20_000
"""Longer than any question in SQL, and too short for a parser to be choked by."""

MOST_NAMED = 5
MAX_NUMBER_CHARACTERS = 40
"""Of what a query has brought along, as its writer is told."""

SQL_TIMEOUT_SECONDS = 45.0
"""What a query may take, and as long again to wait for those before it."""

_DESCRIPTION = (
    "Runs exactly one SELECT (DuckDB's dialect) over the tables, read-only, and gives its rows. Use it where no kind "
    "of question fits. Nothing else can be reached: no files, no settings, no network. Aggregate in SQL, since every "
    "number of an answer must be a cell of a result; at most 10,000 rows and 256 KiB come out. Numbers "
    "of your own belong into conditions and limits: a query that selects them, computes with them alone or names a "
    "column after them is refused. Say ORDER BY over "
    "columns that tell the rows apart, CAST sums of money AS DECIMAL(38,12), and leave out random() and now(): whoever "
    "checks the answer runs the query again and must get the same rows."
)


class RunSql(msgspec.Struct, frozen=True):
    """What ``run_sql`` takes."""

    sql: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=MAX_SQL_CHARACTERS,
            description='One SELECT in DuckDB\'s dialect, without parameters; names of tables and columns "quoted".',
            examples=['SELECT "model", count(*) AS calls FROM "usage" GROUP BY "model" ORDER BY calls DESC, "model"'],
        ),
    ]


def run_sql_tool(ledger: Ledger) -> Tool[RunSql]:
    """The tool over one ledger."""
    return Tool(RUN_SQL, _DESCRIPTION, RunSql, _run_sql(ledger), SQL_TIMEOUT_SECONDS)


def _run_sql(ledger: Ledger) -> Callable[[RunSql], Awaitable[ToolResult]]:
    numbers = count(1)

    async def run_sql(asked: RunSql) -> ToolResult:
        try:
            rows = await ledger.query_apart(asked.sql)
        except QueryStopped as stopped:
            raise ToolError(RUN_SQL, stopped.problem) from None
        if rows.written:
            raise ToolError(RUN_SQL, _brought_along(rows.written))
        query = Query(RUN_SQL, asked.sql)
        found = evidence_of(f"q{next(numbers)}", RUN_SQL, query, rows, ledger.catalogue.data_version)
        return ToolResult({"rows": found}, f"{len(rows.rows):,} rows", (found,))

    return run_sql


def _brought_along(numbers: Sequence[str]) -> str:
    """Why a result is no evidence: what a query says itself, no row does."""
    named = ", ".join(f"`{each.replace('`', '')[:MAX_NUMBER_CHARACTERS]}`" for each in numbers[:MOST_NAMED])
    return (
        f"the query itself says {named}, and a number that no row has proves nothing: select columns and what is "
        "computed of them, and keep numbers of your own to conditions and limits"
    )
