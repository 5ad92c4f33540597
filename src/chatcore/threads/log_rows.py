"""All rows of one thread, byte by byte as they are kept."""

from __future__ import annotations

from typing import Any

import attrs
from sqlalchemy import Connection, Select, Table, bindparam, select

from chatcore.threads.chain import LoggedEvent, LoggedMessage, ThreadLog
from chatcore.threads.schema import events, messages, runs, threads


def _of_thread(table: Table, order: str, *columns: str) -> Select[Any]:
    """A thread's rows of a table."""
    named = [table.c[name] for name in columns]
    return select(*named).where(table.c.thread_id == bindparam("thread")).order_by(table.c[order])


def _names(kind: type[attrs.AttrsInstance]) -> list[str]:
    return [field.name for field in attrs.fields(kind)]


_THREAD = _of_thread(threads, "id", "user_id", "epoch", "last_seq", "seal")
_RUNS = _of_thread(runs, "id", "run_id", "state")
_MESSAGES = _of_thread(messages, "id", *_names(LoggedMessage))
_EVENTS = _of_thread(events, "seq", *_names(LoggedEvent))


def read_log(connection: Connection, thread_id: str) -> ThreadLog | None:
    """The log of a thread, None where there is no such thread."""
    which = {"thread": thread_id}
    thread = connection.execute(_THREAD, which).one_or_none()
    if thread is None:
        return None
    return ThreadLog(
        thread_id=thread_id,
        user_id=thread.user_id,
        epoch=thread.epoch,
        last_seq=thread.last_seq,
        seal=thread.seal,
        events=[LoggedEvent(**row) for row in connection.execute(_EVENTS, which).mappings()],
        messages=[LoggedMessage(**row) for row in connection.execute(_MESSAGES, which).mappings()],
        run_states={row.run_id: row.state for row in connection.execute(_RUNS, which)},
    )
