"""The database as the service sees it: read transactions, group commits, and migrations. Blocking: for worker threads.

Imported only while storage is opened, because SQLAlchemy and Alembic take long to import.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import attrs
from alembic.command import upgrade
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine
from sqlalchemy.engine.interfaces import DBAPIModule
from sqlalchemy.exc import DBAPIError

from chatcore.addresses import database_path
from chatcore.errors import ConfigurationError, StorageUnavailable
from chatcore.threads.commands import Commands
from chatcore.threads.keys import signer_for
from chatcore.threads.queries import Queries
from chatcore.threads.signing import Signer
from chatcore.threads.sqlite import (
    COMPACT_BYTES,
    create_sqlite_engine,
    erase_deleted,
    is_marked,
    opening,
    require_version,
    require_writable,
    take_lock,
    unavailable,
)
from chatcore.threads.statements import Transaction
from chatcore.threads.writer import Outcome

T = TypeVar("T")

Command: TypeAlias = Callable[[Commands], Any]

MIGRATIONS: Final = Path(__file__).parent / "migrations"


@attrs.frozen(eq=False)
class Database:
    """An open database; made by :func:`open_database`.

    Args:
        signer: signs what is written.
        opened: what is open, in the order in which it was opened.
    """

    _writer: Engine
    _readers: Engine
    _signer: Signer
    _opened: ExitStack

    def read(self, query: Callable[[Queries], T]) -> T:
        """What ``query`` finds in one consistent state of the database.

        Raises:
            StorageUnavailable: it cannot be read now.
        """
        try:
            with self._readers.begin() as connection:
                return query(Queries(connection, self._signer))
        except DBAPIError as error:
            raise unavailable(error) from None

    def commit(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """Run ``commands`` in one transaction and say what came of each.

        One that raises is undone and leaves the others as they are. A fault of storage itself undoes and refuses all:
        SQLite may have rolled the whole transaction back.
        """
        dialect = self._writer.dialect
        try:
            with self._writer.begin() as connection:
                transaction = Transaction(connection.connection.cursor(), dialect)
                written = Commands(transaction, self._signer)
                return [_attempt(transaction, written, command, dialect.loaded_dbapi) for command in commands]
        except (DBAPIError, dialect.loaded_dbapi.Error) as error:
            return [Outcome(error=unavailable(error)) for _ in commands]

    def erase(self, compact_bytes: float = COMPACT_BYTES) -> bool:
        """Erase from the files what was deleted; not while :meth:`commit` is under way.

        A larger database keeps what is left in its pages, and stays :meth:`unerased`.

        Args:
            compact_bytes: the largest database that is written anew, which takes its time.

        Returns:
            whether it did what it may; otherwise trying again helps.
        """
        try:
            with closing(self._writer.raw_connection()) as connection:
                return erase_deleted(connection, compact_bytes=compact_bytes)
        except (DBAPIError, self._writer.dialect.loaded_dbapi.Error):  # a full disk; it is tried again
            return False

    def unerased(self) -> bool:
        """Whether copies of what was deleted may be left in the files, by whichever process.

        Raises:
            StorageUnavailable: it cannot be read now.
        """
        try:
            with closing(self._readers.raw_connection()) as connection:
                return is_marked(connection)
        except (DBAPIError, self._readers.dialect.loaded_dbapi.Error) as error:
            raise unavailable(error) from None

    def close(self) -> None:
        """Close every connection, and let another server have the file."""
        self._opened.close()


def _attempt(transaction: Transaction, commands: Commands, command: Command, driver: DBAPIModule) -> Outcome:
    """Run one command in a savepoint; what it raises is its outcome, unless it is a fault of storage itself."""
    transaction.savepoint("SAVEPOINT")
    try:
        outcome = Outcome(command(commands))
    except (driver.OperationalError, driver.InternalError):
        raise
    except driver.Error as error:  # about this command's rows
        outcome = Outcome(error=unavailable(error))
    except Exception as error:  # handed to whoever asked for it
        outcome = Outcome(error=error)
    if outcome.error is not None:
        transaction.savepoint("ROLLBACK TO SAVEPOINT")
    transaction.savepoint("RELEASE SAVEPOINT")
    return outcome


def open_database(database_url: str, *, readers: int, alone: bool = False, signing_key: str | None = None) -> Database:
    """Open the database and bring its schema up to date.

    Args:
        database_url: ``sqlite:///PATH``.
        readers: how many threads may read at once.
        alone: whether no other may have it open so at the same time.
        signing_key: signs what is written; that of the file beside the database where absent, which is then made.

    Raises:
        ConfigurationError: the URL, the file or the key is wrong.
        StorageUnavailable: the file cannot be used now.
    """
    path = database_path(database_url)
    require_version()
    require_writable(path)
    opened = ExitStack()
    try:
        if alone:
            opened.callback(os.close, take_lock(path))
        writer = create_sqlite_engine(path, connections=1, writes=True)
        opened.callback(writer.dispose)
        _migrate(writer, path)
        reading = create_sqlite_engine(path, connections=readers, writes=False)
        opened.callback(reading.dispose)
        database = Database(writer, reading, signer_for(path, signing_key), opened)
        database.erase(compact_bytes=0)  # the log of a process that was killed; a start does not wait for more
    except BaseException:  # whatever ended it: what was opened is closed
        opened.close()
        raise
    return database


def upgrade_database(database_url: str) -> str | None:
    """Bring the schema up to date, as every start does; the revision it then has. Not beneath a server that runs.

    Raises:
        ConfigurationError: the URL or the file is wrong.
        StorageUnavailable: the file cannot be used now.
    """
    open_database(database_url, readers=1, alone=True).close()
    return current_revision(database_url)


def compact_database(database_url: str) -> None:
    """Write the database anew, without any trace of what was deleted; not beneath a server that runs.

    Raises:
        ConfigurationError: the URL or the file is wrong.
        StorageUnavailable: the file cannot be used now, or there is no room for a second one.
    """
    database = open_database(database_url, readers=1, alone=True)
    try:
        if not database.erase(compact_bytes=math.inf):
            raise StorageUnavailable()
    finally:
        database.close()


def current_revision(database_url: str) -> str | None:
    """The revision of the schema, None where there is none yet; changes nothing.

    Raises:
        ConfigurationError: the URL or the file is wrong.
        StorageUnavailable: the file cannot be used now.
    """
    path = database_path(database_url)
    if not path.exists():
        return None
    engine = create_sqlite_engine(path, connections=1, writes=False)
    try:
        with opening(path), engine.begin() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


_ONE_MIGRATION = threading.Lock()
"""Alembic keeps the migration that it is at in globals: two at once, of two servers in one process, write into each
other's database."""


def head_revision() -> str | None:
    """The revision that this version makes."""
    return ScriptDirectory.from_config(_alembic()).get_current_head()


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _migrate(writer: Engine, path: Path) -> None:
    """Run what migrations are missing, in one transaction under the write lock: one process does, others wait."""
    config = _alembic()
    try:
        with _ONE_MIGRATION, opening(path), writer.begin() as connection:
            config.attributes["connection"] = connection
            upgrade(config, "head")
    except CommandError:
        raise ConfigurationError(
            "database_url", f"{path} has a schema that this version does not know", "a newer chatcore wrote it"
        ) from None
