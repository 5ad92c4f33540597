"""The server's own record as a ledger: what is asked about where no data is attached."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import msgspec
import trio

from chatcore.agents.analyst.catalogue import Origin
from chatcore.agents.analyst.columns import says_time
from chatcore.agents.analyst.connecting import connect, lock
from chatcore.agents.analyst.ledger import Apart, Ledger, describe, open_file, private_directory
from chatcore.agents.analyst.readings import identifier, literal
from chatcore.agents.analyst.sandbox.pool import Sandbox, open_sandbox

if TYPE_CHECKING:
    import duckdb

KEPT_USERS = 4
"""Whose record is kept while it has not changed: a full one is some tens of megabytes, and takes a second to fill."""


class RecordTable(Protocol):
    """A table of the server's own record; :class:`chatcore.threads.model.RecordTable` is one."""

    @property
    def name(self) -> str:
        """The table's name."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns."""

    @property
    def rows(self) -> tuple[tuple[Any, ...], ...]:
        """Its rows, one value a column; times are ISO 8601 in UTC."""


@attrs.define(eq=False)
class Records:
    """The record, fetched for each question, and filled into a database where it is not as it was.

    Args:
        fetch: gives the tables as a user may see them.
        directory: where DuckDB may spill.
        sandbox: runs queries that nobody vouches for.
    """

    fetch: Callable[[str], Awaitable[Sequence[RecordTable]]]
    directory: Path
    sandbox: Sandbox
    _kept: dict[str, _State] = attrs.field(factory=dict, init=False)
    """By user, in the order of keeping."""

    @asynccontextmanager
    async def opened_for(self, user_id: str) -> AsyncIterator[Ledger]:
        """The record as it is now, as far as it is this user's."""
        tables = await self.fetch(user_id)
        version = await trio.to_thread.run_sync(_version_of, tables)
        kept = self._kept.get(user_id)
        known = kept if kept is not None and kept.version == version else None
        async with (known or await self._open(tables, version)).used() as state:
            if state is not known:
                await self._keep(user_id, state)
            yield state.ledger

    async def _open(self, tables: Sequence[RecordTable], version: str) -> _State:
        async with AsyncExitStack() as stack:
            connection = await trio.to_thread.run_sync(_filled, tables, self.directory)
            stack.push_async_callback(_close, connection)
            copy = stack.enter_context(closing(_Copy(tables, self.directory)))
            files = {table.name: "the server's record" for table in tables}
            catalogue = await describe(connection, files, version, Origin.RECORDS, {})
            ledger = Ledger(catalogue, Apart(self.sandbox, copy.opened), connection)
            return _State(version, ledger, stack.pop_all())

    async def _keep(self, user_id: str, state: _State) -> None:
        """Keep a state in place of this user's last one, and of whoever's has been kept longest."""
        given_up = [self._kept.pop(user_id, None)]
        self._kept[user_id] = state.hold()
        if len(self._kept) > KEPT_USERS:
            given_up.append(self._kept.pop(next(iter(self._kept))))
        for each in filter(None, given_up):
            await each.let_go()

    async def aclose(self) -> None:
        """Give up what is kept."""
        while self._kept:
            await self._kept.popitem()[1].let_go()


@attrs.define(eq=False)
class _State:
    """One user's record as it was at one moment. It is closed when nobody holds it any more.

    Args:
        version: tells it from others.
        ledger: over its rows.
    """

    version: str
    ledger: Ledger
    _open: AsyncExitStack
    _holders: int = 0

    def hold(self) -> _State:
        """Keep it open until :meth:`let_go`."""
        self._holders += 1
        return self

    async def let_go(self) -> None:
        """Close it, if nobody else holds it."""
        self._holders -= 1
        if not self._holders:
            with trio.CancelScope(shield=True):
                await self._open.aclose()

    @asynccontextmanager
    async def used(self) -> AsyncIterator[_State]:
        """It stays open within the block."""
        self.hold()
        try:
            yield self
        finally:
            await self.let_go()


async def _close(connection: duckdb.DuckDBPyConnection) -> None:
    with trio.CancelScope(shield=True):
        await trio.to_thread.run_sync(connection.close)


@attrs.define(eq=False)
class _Copy:
    """One user's rows as a file, for a query that runs in another process; written when the first one comes."""

    _tables: Sequence[RecordTable]
    _directory: Path
    _open: ExitStack = attrs.field(factory=ExitStack)
    _one_at_a_time: trio.Lock = attrs.field(factory=trio.Lock)
    _database: int | None = None

    async def opened(self) -> int:
        """The file, open; it has no name any more."""
        async with self._one_at_a_time:
            if self._database is None:
                self._database = await trio.to_thread.run_sync(self._write)
            return self._database

    def _write(self) -> int:
        with TemporaryDirectory(dir=self._directory) as directory:
            file = Path(directory) / "records.duckdb"
            _filled(self._tables, self._directory, str(file)).close()
            return self._open.enter_context(open_file(file))

    def close(self) -> None:
        """Give the file up, and with it the rows."""
        self._open.close()


@asynccontextmanager
async def open_records(fetch: Callable[[str], Awaitable[Sequence[RecordTable]]]) -> AsyncIterator[Records]:
    """The server's own record, to be asked where no data is attached.

    Args:
        fetch: gives the tables that the user of this id may see, as they are now.
    """
    async with private_directory() as directory, open_sandbox() as sandbox:
        await trio.to_thread.run_sync(_import_duckdb)
        async with aclosing(Records(fetch, directory, sandbox)) as records:
            yield records


def _import_duckdb() -> None:
    """Take the time that the import takes now, and not within the first question."""
    import duckdb  # noqa: F401


def _version_of(tables: Sequence[RecordTable]) -> str:
    """Tells one state of the record from another. Blocks; row by row, so that the event loop has turns meanwhile."""
    digest = hashlib.sha256()
    for table in tables:
        digest.update(repr((table.name, table.columns)).encode())
        for row in table.rows:
            digest.update(repr(row).encode())
    return digest.hexdigest()


def _filled(tables: Sequence[RecordTable], directory: Path, file: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """A locked database with these tables, in memory unless a file is named. Blocks."""
    connection = connect(file, str(directory / "spill"), read_only=False)
    for table in tables:
        types = [_type_of(name, [row[i] for row in table.rows]) for i, name in enumerate(table.columns)]
        columns = ", ".join(f"{identifier(name)} {kind}" for name, kind in zip(table.columns, types, strict=True))
        connection.execute(f"CREATE TABLE {identifier(table.name)} ({columns})")
        if table.rows:
            _insert(connection, table, types)
    lock(connection)
    return connection


def _insert(connection: duckdb.DuckDBPyConnection, table: RecordTable, types: Sequence[str]) -> None:
    """All rows in one statement, as one JSON text: what DuckDB takes value by value, it holds the interpreter for."""
    values = {f"c{i}": [row[i] for row in table.rows] for i in range(len(types))}
    shape = json.dumps({f"c{i}": [_plain(kind)] for i, kind in enumerate(types)})
    columns = ", ".join(f"CAST(unnest(r.c{i}) AS {kind})" for i, kind in enumerate(types))
    rows = f"SELECT from_json($rows, {literal(shape)}) AS r"
    connection.execute(
        f"INSERT INTO {identifier(table.name)} SELECT {columns} FROM ({rows})",
        {"rows": msgspec.json.encode(values).decode()},
    )


def _plain(type_name: str) -> str:
    return "VARCHAR" if type_name == "TIMESTAMP" else type_name


def _type_of(name: str, values: Sequence[Any]) -> str:
    """The DuckDB type of a column, by its values and, for times and where it is empty, its name."""
    present = [value for value in values if value is not None]
    if says_time(name) and all(isinstance(value, str) for value in present):
        return "TIMESTAMP"
    if not present:
        return "DOUBLE" if name.endswith("_seconds") else "VARCHAR"
    if all(isinstance(value, bool) for value in present):
        return "BOOLEAN"
    if all(isinstance(value, int) for value in present):
        return "BIGINT"
    return "DOUBLE" if all(isinstance(value, int | float) for value in present) else "VARCHAR"
