"""The whole log of one thread, byte by byte as it is kept, for who checks it. Blocking: for worker threads.

It reads past the service, for the operator and not for a user, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs
from sqlalchemy import Connection, Select, Table, bindparam, select

from chatcore.addresses import database_path
from chatcore.errors import ConfigurationError
from chatcore.threads.chain import LoggedEvent, LoggedMessage, ThreadLog
from chatcore.threads.database import current_revision, head_revision
from chatcore.threads.keys import known_signer
from chatcore.threads.model import RecordTable
from chatcore.threads.records import read_records
from chatcore.threads.schema import events, messages, runs, threads
from chatcore.threads.signing import Signer
from chatcore.threads.sqlite import create_sqlite_engine, opening

T = TypeVar("T")


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


@attrs.frozen
class Archive:
    """A database that is read and not served.

    Args:
        database_url: where it is.
        signing_key: of the settings; what it did not sign, the keys beside the database may have.
    """

    database_url: str = attrs.field(repr=False)
    signing_key: str | None = attrs.field(default=None, repr=False)

    def signer(self) -> Signer | None:
        """Knows what was signed; None where there is no key."""
        return known_signer(database_path(self.database_url), self.signing_key)

    def log(self, thread_id: str) -> ThreadLog | None:
        """The log of a thread, None where there is no such thread.

        Raises:
            ConfigurationError: the database is none that this version reads.
            StorageUnavailable: it cannot be read now.
        """
        return self._read(lambda connection: read_log(connection, thread_id))

    def records(self, user_id: str) -> Sequence[RecordTable]:
        """The server's own record, as a user may see it.

        Raises:
            ConfigurationError, StorageUnavailable: as :meth:`log`.
        """
        return self._read(lambda connection: read_records(connection, user_id))

    def _read(self, query: Callable[[Connection], T]) -> T:
        path = database_path(self.database_url)
        revision = current_revision(self.database_url)
        if revision != head_revision():
            problem = f"has the schema {revision}" if revision else "names no database of chatcore"
            raise ConfigurationError("database_url", problem, "name another, or run `chatcore db upgrade` first")
        engine = create_sqlite_engine(path, connections=1, writes=False)
        try:
            with opening(path), engine.begin() as connection:
                return query(connection)
        finally:
            engine.dispose()


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
