"""How storage is opened: its schema is brought up to date, and one task writes until all that is queued is written."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio

from chatcore.threads.eraser import Eraser
from chatcore.threads.service import READERS, ThreadService
from chatcore.threads.writer import FLUSH_SECONDS, open_writer

if TYPE_CHECKING:
    from chatcore.threads.database import Database


@asynccontextmanager
async def open_threads(
    database_url: str, *, clock: Callable[[], float] = time.time, alone: bool = False, signing_key: str | None = None
) -> AsyncIterator[ThreadService]:
    """Open storage, bring its schema up to date, and write what is queued when the block ends.

    Args:
        database_url: ``sqlite:///PATH``; the file is made unless it is there.
        clock: tells Unix seconds.
        alone: whether no other may have it open so at the same time, as a server must not: it ends the runs that it
            finds under way.
        signing_key: signs what is written; that of the file beside the database where absent, which is then made.

    Raises:
        ConfigurationError: the URL, the file or the key is wrong, and trying again would not help.
        StorageUnavailable: the file cannot be used now.
    """
    database = await trio.to_thread.run_sync(_open_database, database_url, alone, signing_key)
    try:
        async with open_writer(database.commit) as writer:
            eraser = Eraser(partial(writer.between_commits, database.erase))
            if await trio.to_thread.run_sync(database.unerased):
                eraser.request()
            yield ThreadService(database, writer, trio.CapacityLimiter(READERS), clock, eraser)
    finally:
        with trio.move_on_after(FLUSH_SECONDS, shield=True):
            await trio.to_thread.run_sync(database.close, abandon_on_cancel=True)


def _open_database(database_url: str, alone: bool, signing_key: str | None) -> Database:
    from chatcore.threads.database import open_database

    return open_database(database_url, readers=READERS, alone=alone, signing_key=signing_key)
