"""What is usually asked, asked beforehand: the first to ask it then does not wait for the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import trio

from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.running import queries_of
from chatcore.agents.analyst.suggesting import usual_intents

REHEARSAL_SECONDS = 10.0
"""Data that takes long to ask is asked when somebody wants to know, and not beside everybody's own questions."""


@asynccontextmanager
async def rehearsed(ledger: Ledger) -> AsyncIterator[Ledger]:
    """The same ledger; the usual questions are planned, and asked one after another while it is used."""
    intents = await trio.to_thread.run_sync(usual_intents, ledger.catalogue)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rehearse, ledger, intents)
        yield ledger
        nursery.cancel_scope.cancel()


async def rehearse(ledger: Ledger, intents: Sequence[Intent]) -> None:
    """Ask for what these intents ask for, one query after another: whoever asks it later has the rows at once."""
    import duckdb

    with trio.move_on_after(REHEARSAL_SECONDS):
        for query in (query for intent in intents for query in queries_of(intent, ledger)):
            with suppress(duckdb.Error):  # whoever asks it will be told
                await ledger.query(query)
