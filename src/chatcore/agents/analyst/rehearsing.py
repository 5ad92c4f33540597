"""What is usually asked, asked beforehand: the first to ask it then does not wait for the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count

import trio

from chatcore.agents.analyst.answering import queries_of, questions_after, words_of
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.running import run_queries
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
    """Find out what these intents ask for, one after another: whoever asks it later has the answer at once."""
    with trio.move_on_after(REHEARSAL_SECONDS):
        for intent in intents:
            with suppress(Exception):  # a defect of one kind is for whoever asks it; the data is there all the same
                found = await run_queries(ledger, "rehearse", queries_of(intent, ledger), map("e{}".format, count(1)))
                words_of(intent, ledger, found)
                await questions_after(intent, ledger)
