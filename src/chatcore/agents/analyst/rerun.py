"""Whether evidence still holds: its query is asked again, in the same locked database, and the rows are compared."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import attrs
import trio

from chatcore.agents.analyst.evidence import MAX_EVIDENCE_ROWS, Query, Rows, digest_of
from chatcore.agents.analyst.ledger import Ledger, QueryRefused
from chatcore.protocol.messages import Evidence

QUERY_SECONDS: Final = 30.0
"""As long as a tool may take; a query that was put into the log to take for ever is stopped then."""


class Standing(StrEnum):
    """What became of one piece of evidence."""

    HOLDS = "holds"
    HOLDS_ON_OTHER_DATA = "holds_on_other_data"
    DATA_CHANGED = "data_changed"
    ROWS_DIFFER = "rows_differ"
    ALTERED = "altered"
    REFUSED = "refused"
    FAILED = "failed"


MEANINGS: Final = {
    Standing.HOLDS: "the same rows come out again",
    Standing.HOLDS_ON_OTHER_DATA: "the data has changed since, and the same rows come out",
    Standing.DATA_CHANGED: "the data has changed since, and other rows come out",
    Standing.ROWS_DIFFER: "other rows come out of the same data",
    Standing.ALTERED: "the rows that it shows are not those that it was made of",
    Standing.REFUSED: "it is not one SELECT, and was not run",
    Standing.FAILED: "it cannot be run on this data",
}


@attrs.frozen
class Rerun:
    """One piece of evidence, asked again.

    Args:
        standing: whether it holds.
        detail: why it failed, empty where it did not.
    """

    standing: Standing
    detail: str = ""

    @property
    def holds(self) -> bool:
        """Whether its numbers may still be relied on."""
        return self.standing in (Standing.HOLDS, Standing.HOLDS_ON_OTHER_DATA)


async def rerun(ledger: Ledger, evidence: Evidence) -> Rerun:
    """Ask a query of the evidence again."""
    import duckdb

    shown = Rows(tuple(evidence.columns), tuple(map(tuple, evidence.rows)))
    if _contradicts_itself(evidence, shown):
        return Rerun(Standing.ALTERED)
    try:
        with trio.fail_after(QUERY_SECONDS):
            rows = await ledger.query(Query(evidence.id, evidence.query, evidence.parameters))
    except QueryRefused:
        return Rerun(Standing.REFUSED)
    except trio.TooSlowError:
        return Rerun(Standing.FAILED, f"it takes longer than {QUERY_SECONDS:g} s")
    except (duckdb.Error, ValueError) as error:
        return Rerun(Standing.FAILED, _FAILURES.get(type(error).__name__, "the database refuses it"))
    return Rerun(_compared(evidence, shown, rows, same_data=evidence.data_version == ledger.catalogue.data_version))


_FAILURES: Final = {
    "CatalogException": "a table of it is not there; its files are named with --data",
    "BinderException": "a column of it is not there",
}


def _contradicts_itself(evidence: Evidence, shown: Rows) -> bool:
    """Whether what is shown cannot be what was found, as far as that is told without the data."""
    if evidence.row_count <= MAX_EVIDENCE_ROWS:
        return len(shown.rows) != evidence.row_count or digest_of(shown) != evidence.sha256
    return len(shown.rows) != MAX_EVIDENCE_ROWS


def _compared(evidence: Evidence, shown: Rows, found: Rows, *, same_data: bool) -> Standing:
    if digest_of(found) != evidence.sha256:
        return Standing.ROWS_DIFFER if same_data else Standing.DATA_CHANGED
    first = Rows(found.columns, found.rows[: len(shown.rows)])
    if (found.columns, len(found.rows), digest_of(first)) != (shown.columns, evidence.row_count, digest_of(shown)):
        return Standing.ALTERED
    return Standing.HOLDS if same_data else Standing.HOLDS_ON_OTHER_DATA
