"""A database that is read and not served, by its operator. It changes nothing. Blocking: for worker threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs
from sqlalchemy import Connection

from chatcore.addresses import database_path
from chatcore.errors import ConfigurationError
from chatcore.threads.chain import ThreadLog
from chatcore.threads.database import current_revision, head_revision
from chatcore.threads.keys import known_signer
from chatcore.threads.log_rows import read_log
from chatcore.threads.model import RecordTable
from chatcore.threads.records import read_records
from chatcore.threads.signing import Signer
from chatcore.threads.sqlite import create_sqlite_engine, opening

T = TypeVar("T")


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
