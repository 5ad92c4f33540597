"""All that is particular to SQLite: its URL, its PRAGMAs, how it begins a transaction, and what its faults mean."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from chatcore.errors import ANOTHER_SERVER, ConfigurationError, StorageUnavailable

LEAST_VERSION: Final = (3, 35)
"""The first that has RETURNING, of 2021."""

PRAGMAS: Final = (
    "busy_timeout = 5000",  # milliseconds another process may hold the lock; first, as the next needs the lock
    "journal_mode = WAL",  # readers and the writer do not wait for one another
    "synchronous = FULL",  # a commit returns when it is on the disk
    "foreign_keys = ON",  # off unless set, on every connection
    "secure_delete = ON",  # what is deleted is overwritten, not only unlinked
)

COMPACT_BYTES: Final = 32 * 1024 * 1024
"""The largest database that is written anew while it is served: all writes wait, under a second on an ordinary disk."""

MARK_DELETED: Final = text("PRAGMA user_version = 1")
"""Remembers that copies of what was deleted may be left. It is in the file's header, and part of a transaction."""

_UNMARK_DELETED: Final = "PRAGMA user_version = 0"

PATIENCE_MS: Final = 100
"""How long erasing waits for readers, while everything that writes waits for it."""

_PASSING_ERRNO: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Why a file may fail to open today and not tomorrow."""

_LASTING: Final = {  # SQLite's result codes, https://www.sqlite.org/rescode.html
    1: "holds tables that are not chatcore's",  # SQLITE_ERROR: a migration met them
    8: "cannot be written",  # SQLITE_READONLY, of the folder too
    11: "is damaged",  # SQLITE_CORRUPT
    26: "is not an SQLite database",  # SQLITE_NOTADB
}


def require_version() -> None:
    """Refuse a library of SQLite that is too old.

    Raises:
        ConfigurationError: names the version that is there.
    """
    if sqlite3.sqlite_version_info < LEAST_VERSION:
        problem = f"needs SQLite {'.'.join(map(str, LEAST_VERSION))} or newer, and Python has {sqlite3.sqlite_version}"
        raise ConfigurationError("database_url", problem)


def require_writable(path: Path) -> None:
    """Create the file, for its owner alone, unless it is there.

    Raises:
        ConfigurationError: it cannot be written, and trying again would not help.
        StorageUnavailable: it cannot be written now.
    """
    os.close(_open_file(path))


def take_lock(path: Path) -> int:
    """Take the lock that one server at a time has on the file; the descriptor that holds it until it is closed.

    It is on a file of its own beside it, as closing any descriptor of the database would drop SQLite's locks. The
    kernel lets go of it with the process, however that ends.

    Raises:
        ConfigurationError: the file of the lock cannot be written, and trying again would not help.
        StorageUnavailable: another server has it, or it cannot be had now.
    """
    path = path.resolve()  # links to one database lead to one lock
    descriptor = _open_file(path.with_name(f"{path.name}.lock"))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        refusal = StorageUnavailable()
        refusal.add_note(ANOTHER_SERVER if error.errno == errno.EWOULDBLOCK else type(error).__name__)
        raise refusal from None
    return descriptor


def _open_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise passing(error) or ConfigurationError(
            "database_url", f"{path} cannot be written ({error.strerror})", "name a file in a folder that can be"
        ) from None


def passing(error: OSError) -> StorageUnavailable | None:
    """What a file that fails to open means where it may open tomorrow, else None."""
    return StorageUnavailable() if error.errno in _PASSING_ERRNO else None


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Tell what an error means while ``path`` is being opened.

    Raises:
        ConfigurationError: the file is wrong, and trying again would not help.
        StorageUnavailable: it cannot be used now.
    """
    try:
        yield
    except DBAPIError as error:
        problem = _LASTING.get(_result_code(error))
        if problem is None:
            raise unavailable(error) from None
        raise ConfigurationError("database_url", f"{path} {problem}") from None
    except OSError as error:  # migrations are files, too
        raise unavailable(error) from None


def unavailable(error: Exception) -> StorageUnavailable:
    """The refusal that a driver's error becomes. Its note is SQLite's name of the fault, never the driver's text."""
    refusal = StorageUnavailable()
    fault = error.orig if isinstance(error, DBAPIError) else error
    refusal.add_note(getattr(fault, "sqlite_errorname", type(fault).__name__))
    return refusal


def create_sqlite_engine(path: Path, *, connections: int, writes: bool) -> Engine:
    """An engine for ``path``; it opens nothing yet.

    Args:
        path: the file.
        connections: how many it keeps open at most.
        writes: whether it writes. Then a transaction takes the write lock when it begins, so that what it reads first
            still holds when it writes; without it, SQLite refuses every write.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        paramstyle="named",  # parameters are mappings on every database
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,  # what users wrote is in them
        connect_args={"isolation_level": None, "check_same_thread": False},  # we begin transactions; threads take turns
    )
    event.listen(engine, "connect", partial(_configure, writes=writes))
    event.listen(engine, "begin", _begin_immediate if writes else _begin)
    return engine


def erase_deleted(connection: Any, *, compact_bytes: float) -> bool:
    """Erase from the files what was deleted; false where a reader was in the way of it.

    ``secure_delete`` has overwritten it in its place. Two others are left: old pages in the write-ahead log, until it
    is emptied, and copies in pages that rows were once moved out of, which only a database written anew is free of.
    The mark of :data:`MARK_DELETED` is taken away when both are done.

    Args:
        connection: the driver's (PEP 249), that writes, outside any transaction.
        compact_bytes: the largest database that is written anew.
    """
    cursor = connection.cursor()
    compacts = _number(cursor, "page_count") * _number(cursor, "page_size") <= compact_bytes
    if compacts:
        cursor.execute("VACUUM")
    emptied = _empty_log(cursor)
    if compacts and emptied:
        cursor.execute(_UNMARK_DELETED)
    return emptied


def is_marked(connection: Any) -> bool:
    """Whether copies of what was deleted may be left in the files.

    Args:
        connection: the driver's (PEP 249).
    """
    return _number(connection.cursor(), "user_version") != 0


def _empty_log(cursor: DBAPICursor) -> bool:
    """Empty the write-ahead log; false where a reader was in the way of it."""
    patience = _number(cursor, "busy_timeout")
    cursor.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
    try:
        return _number(cursor, "wal_checkpoint(TRUNCATE)") == 0
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {patience}")


def _number(cursor: DBAPICursor, pragma: str) -> int:
    cursor.execute(f"PRAGMA {pragma}")
    row = cursor.fetchone()
    return int(row[0]) if row is not None else 0


def _configure(connection: Any, _record: Any, *, writes: bool) -> None:
    for pragma in PRAGMAS if writes else (*PRAGMAS, "query_only = ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("lower", 1, str.casefold, deterministic=True)  # SQLite's own knows ASCII only


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _result_code(error: DBAPIError) -> int:
    """SQLite's primary result code, 0 where the error is Python's own; the upper bytes only refine it."""
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF
