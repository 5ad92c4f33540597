"""Queries run for a tool, their rows as evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatcore.agents.analyst.evidence import Query, evidence_of
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.tools import ToolError
from chatcore.protocol.messages import Evidence


async def run_queries(ledger: Ledger, tool: str, queries: Sequence[Query], ids: Iterator[str]) -> dict[str, Evidence]:
    """The evidence of each query by the query's name.

    Args:
        ledger: is asked.
        tool: that asks.
        queries: its questions.
        ids: of the evidence, each used once in a run.

    Raises:
        ToolError: a query failed.
    """
    import duckdb

    found = {}
    for query in queries:
        try:
            rows = await ledger.query(query)
        except duckdb.Error as error:
            raise ToolError(tool, f"the query {query.name!r} failed") from error
        found[query.name] = evidence_of(next(ids), tool, query, rows, ledger.catalogue.data_version)
    return found
