"""Queries run for a tool, their rows as evidence."""

from __future__ import annotations

from collections.abc import Sequence

from chatcore.agents.analyst.evidence import Query, evidence_of
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.tools import ToolError
from chatcore.protocol.messages import Evidence


async def run_queries(ledger: Ledger, tool: str, queries: Sequence[Query]) -> dict[str, Evidence]:
    """The evidence of each query by the query's name.

    Raises:
        ToolError: a query failed.
    """
    import duckdb

    found = {}
    for number, query in enumerate(queries, 1):
        try:
            rows = await ledger.query(query)
        except duckdb.Error as error:
            raise ToolError(tool, f"the query {query.name!r} failed") from error
        found[query.name] = evidence_of(f"e{number}", tool, query, rows, ledger.catalogue.data_version)
    return found
