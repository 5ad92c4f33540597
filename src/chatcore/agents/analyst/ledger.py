"""The locked DuckDB that holds the rows, and how it is filled.

It is filled into a file in a private directory, so that memory stays bounded however many rows there are, and opened
again read-only with everything switched off that reaches outside: files, extensions, other databases, settings. On
top of that a query is one SELECT, or it is refused.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio

from chatcore.agents.analyst.blocking import interruptible
from chatcore.agents.analyst.catalogue import Catalogue, Origin
from chatcore.agents.analyst.columns import Candidate
from chatcore.agents.analyst.connecting import connect, executable_select, lock
from chatcore.agents.analyst.evidence import Query, Rows, short_key
from chatcore.agents.analyst.filling import fill
from chatcore.agents.analyst.flights import SingleFlight
from chatcore.agents.analyst.keeping import Kept
from chatcore.agents.analyst.mapping import Meanings
from chatcore.agents.analyst.pricebook.opening import open_books
from chatcore.agents.analyst.profile import profile
from chatcore.agents.analyst.remembering import Remembered
from chatcore.agents.analyst.sample import write_sample
from chatcore.agents.analyst.sandbox.pool import Sandbox, open_sandbox
from chatcore.agents.analyst.sources import Source, find_sources
from chatcore.errors import ChatcoreError

if TYPE_CHECKING:
    import duckdb

CONCURRENT_QUERIES = 4
"""Queries that run side by side; the rest wait, within the time limit of their tool."""

KEPT_BYTES = 16 * 1024 * 1024
"""Of results, as JSON, that are kept: the data does not change, so that a query is run once."""

KEPT_BESIDE_BYTES = 512
"""What keeping one takes besides, however few its rows are."""

KEPT_SQL_CHARACTERS = 512 * 1024
"""Of queries that are kept as they were parsed, which takes some fifty times as much memory: the parser holds the
interpreter, for tens of milliseconds at times, and the same query is asked again with other parameters."""

LOADING = 0.95
"""The part of the progress that loading is; looking at the columns is the rest."""


@attrs.define
class QueryRefused(ChatcoreError):
    """A query was not one SELECT."""

    def __str__(self) -> str:
        return "only a single SELECT is run"


@attrs.frozen(eq=False)
class Apart:
    """Where queries are run that nobody vouches for.

    Args:
        sandbox: runs them, in processes of their own.
        database: the rows again, as an open file: a process that is handed it needs no name of it.
    """

    sandbox: Sandbox
    database: Callable[[], Awaitable[int]]


def _characters(select: duckdb.Statement | str) -> int:
    return len(select if isinstance(select, str) else select.query)


@attrs.define(eq=False)
class Ledger:
    """Loaded data, locked.

    Args:
        catalogue: what is in it.
        apart: where a stranger's queries are run.
    """

    catalogue: Catalogue
    apart: Apart
    _connection: duckdb.DuckDBPyConnection
    remembered: Remembered = attrs.field(factory=Remembered, init=False)
    _slots: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(CONCURRENT_QUERIES), init=False)
    _flights: SingleFlight[Rows] = attrs.field(
        factory=lambda: SingleFlight(Kept(KEPT_BYTES, lambda rows: rows.size + KEPT_BESIDE_BYTES)), init=False
    )
    _parsed: Kept[duckdb.Statement | str] = attrs.field(
        factory=lambda: Kept(KEPT_SQL_CHARACTERS, _characters), init=False
    )

    async def query(self, query: Query) -> Rows:
        """Run a query, once for all who ask it; its rows, as JSON values.

        Raises:
            QueryRefused: it is not one SELECT.
            duckdb.Error: it failed.
        """

        async def execute() -> Rows:
            async with self._slots:
                return await self._select(query.sql, query.parameters)

        return await self._flights.do(query.key, execute)

    async def _select(self, sql: str, parameters: Mapping[str, Any]) -> Rows:
        """Run one SELECT on a cursor of its own, in a worker thread."""
        cursor, key = self._connection.cursor(), short_key(sql)
        known = self._parsed.get(key)

        def work() -> tuple[duckdb.Statement | str, Rows]:
            select = known or executable_select(cursor, sql)
            if select is None:
                raise QueryRefused
            cursor.execute(select, dict(parameters))
            rows = Rows.of([name for name, *_ in cursor.description or ()], cursor.fetchall())
            rows.digest  # noqa: B018  made here, in the thread, and kept with the rows
            return select, rows

        try:
            select, rows = await interruptible(cursor, work)
        finally:
            cursor.close()  # not in the thread: an interrupt that comes as it ends would find it closed
        self._parsed.keep(key, select)
        return rows

    async def query_apart(self, sql: str) -> Rows:
        """Run a query that a stranger or a model has written, in a process of its own; its rows, as JSON values.

        Raises:
            QueryStopped: it is not one SELECT, is wrong, or would use more than it may.
        """
        return await self.apart.sandbox.select(await self.apart.database(), sql)

    @asynccontextmanager
    async def opened_for(self, user_id: str) -> AsyncIterator[Ledger]:  # noqa: ARG002  everyone sees the same data
        """The data as this user may see it."""
        yield self


@asynccontextmanager
async def open_ledger(
    sources: Sequence[Source], progress: Callable[[float, str], None], mapping: Mapping[str, Meanings] | None = None
) -> AsyncIterator[Ledger]:
    """Load files and lock them.

    Args:
        sources: found and validated.
        progress: is told how much is done, from 0 to 1 and never less than before, and what is being done.
        mapping: what columns mean, by the table's name and theirs, where somebody has said so.

    Raises:
        ConfigurationError: a file has a fault that was not in the part that was validated.
    """
    async with (
        private_directory() as directory,
        _loaded(directory, sources, progress, Origin.ATTACHED, mapping or {}) as ledger,
    ):
        yield ledger


@asynccontextmanager
async def open_sample(progress: Callable[[float, str], None]) -> AsyncIterator[Ledger]:
    """The ledger that is generated from a seed; see :func:`open_ledger`."""
    async with private_directory() as directory:
        path = directory / "sample.csv"
        progress(0.0, "generating the sample ledger")
        await trio.to_thread.run_sync(write_sample, path)
        async with _loaded(directory, find_sources([path]), progress, Origin.GENERATED, {}) as ledger:
            yield ledger


@asynccontextmanager
async def private_directory() -> AsyncIterator[Path]:
    """A directory that only this user can look into, removed at the end."""
    directory = Path(await trio.to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="chatcore-analyst-")))
    try:
        yield directory
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(lambda: shutil.rmtree(directory, ignore_errors=True))


@asynccontextmanager
async def _loaded(
    directory: Path,
    sources: Sequence[Source],
    progress: Callable[[float, str], None],
    origin: Origin,
    mapping: Mapping[str, Meanings],
) -> AsyncIterator[Ledger]:
    file = directory / "ledger.duckdb"
    async with _connected(file, directory, read_only=False) as connection:
        filled = await fill(connection, directory, sources, lambda part, words: progress(LOADING * part, words))
        await interruptible(connection, lambda: connection.execute("CHECKPOINT"))
    progress(LOADING, "looking at what the columns hold")

    async def look(connection: duckdb.DuckDBPyConnection) -> Catalogue:
        return await describe(connection, filled.tables, filled.data_version, origin, mapping)

    async with open_filled(file, look) as ledger:
        progress(1.0, "the data is loaded")
        yield ledger


@asynccontextmanager
async def open_filled(
    file: Path, look: Callable[[duckdb.DuckDBPyConnection], Awaitable[Catalogue]]
) -> AsyncIterator[Ledger]:
    """Open a database that holds the rows, and lock it.

    Args:
        file: the database, alone in its directory; its name is taken from it.
        look: says what it holds.
    """
    async with _connected(file, file.parent, read_only=True) as connection, open_sandbox() as sandbox:
        with open_file(file) as database:
            await trio.to_thread.run_sync(_forget_files, file.parent)
            await trio.to_thread.run_sync(lock, connection)
            yield Ledger(await look(connection), Apart(sandbox, _always(database)), connection)


@contextmanager
def open_file(file: Path) -> Iterator[int]:
    """A database's file, open for reading, which it stays when its name is gone."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _always(database: int) -> Callable[[], Awaitable[int]]:
    async def same() -> int:
        await trio.lowlevel.checkpoint()
        return database

    return same


def _forget_files(directory: Path) -> None:
    """Take the names from the files: open ones need none, and a killed process then leaves no rows behind."""
    for file in directory.iterdir():
        with suppress(OSError):
            file.unlink()


async def describe(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, str],
    data_version: str,
    origin: Origin,
    mapping: Mapping[str, Meanings],
) -> Catalogue:
    """What a locked database holds, given the file of each table and what is said of its columns."""
    cursor = connection.cursor()

    def fetch(sql: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        return cursor.execute(sql, dict(parameters)).fetchall()

    def look() -> Catalogue:
        found = tuple(profile(fetch, name, file, mapping.get(name)) for name, file in tables.items())
        books = open_books(fetch, {t.name: [Candidate(c.name, c.type) for c in t.columns] for t in found})
        catalogue = Catalogue(tables=found, origin=origin, data_version=data_version, price_books=books)
        catalogue.vocabulary  # noqa: B018  made here, in the thread, and kept for every question
        catalogue.find_prices()
        return catalogue

    return await interruptible(cursor, look)


@asynccontextmanager
async def _connected(file: Path, directory: Path, *, read_only: bool) -> AsyncIterator[duckdb.DuckDBPyConnection]:
    connection = await trio.to_thread.run_sync(
        lambda: connect(str(file), str(directory / "spill"), read_only=read_only)
    )
    try:
        yield connection
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(connection.close)
