"""The child's program: one SELECT over one database, both handed to it, within limits that it cannot raise.

It inherits no environment, no file but the socket to its parent, and no secret. It imports DuckDB, then waits for a
query; so one can be kept warm. A database comes as an open file, so that it needs no name. Whatever becomes of the
parent, the child ends: a thread waits for the socket to close, and the processor time is limited.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chatcore.agents.analyst.connecting import connect, lock, single_select
from chatcore.agents.analyst.plain import plain
from chatcore.agents.analyst.sandbox.beside import read_beside
from chatcore.agents.analyst.sandbox.limits import Limits, Outcome
from chatcore.agents.analyst.sandbox.written import named_numbers, written_numbers

if TYPE_CHECKING:
    import duckdb

NICENESS = 10
"""The server goes first."""

MAX_FILES = 32
"""Open files: its own, the socket and the database."""

HEADER_BYTES = 8
"""The length of the query, big-endian; the database comes with it."""

_BATCH = 256
"""Rows that are fetched at a time, between two looks at how much there is."""

_WORDS_SHOWN = 500
"""Of what DuckDB says about a query that is wrong: the reason and the names that come near."""

_CHANGING_WORDS = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
_CHANGING = _CHANGING_WORDS | {
    "random", "setseed", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "now", "today", "get_current_time",
    "get_current_timestamp", "transaction_timestamp", "txid_current", "current_connection_id", "current_query_id",
    "current_transaction_id", "nextval", "currval",
}  # fmt: skip
"""Functions that depend on more than the rows."""

_ZONED = "TIMESTAMP WITH TIME ZONE"


class _TooMuch(Exception):
    """The result is larger than it may be."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def main(limits: Limits) -> None:
    """Answer one query that comes through the socket that is standard input, and end."""
    import duckdb  # noqa: F401  takes most of the start; done before there is a query

    _limit_at_once()
    with socket.socket(fileno=os.dup(0)) as parent:
        sql, database = _receive(parent)
        threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
        parent.sendall(json.dumps(_answer(sql, database, limits), ensure_ascii=False).encode())
        parent.shutdown(socket.SHUT_WR)
    os._exit(0)  # nothing is to be tidied up, and nothing of DuckDB's may hold this up


def _limit_at_once() -> None:
    """No file may be written, no memory dumped; what is left is set when the query comes."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_FILES, MAX_FILES))


def _limit_query(limits: Limits) -> None:
    """Memory and processor time, counted from now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + limits.cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))  # at the second of them it is killed
    memory = _address_space() + limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _address_space() -> int:
    """How much is taken already, in bytes: code, and room that is reserved and hardly used."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  pathlib is not needed otherwise
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:  # elsewhere than on Linux
        return 1024 * 1024 * 1024


def _receive(parent: socket.socket) -> tuple[str, int]:
    header, files, _, _ = socket.recv_fds(parent, HEADER_BYTES, 1)
    if len(header) < HEADER_BYTES or not files:
        os._exit(0)  # the parent is gone, or has no use for this child
    length, parts = int.from_bytes(header, "big"), bytearray()
    while len(parts) < length:
        part = parent.recv(length - len(parts))
        if not part:
            os._exit(0)
        parts += part
    return parts.decode(), files[0]


def _end_with_parent(parent: socket.socket) -> None:
    parent.recv(1)
    os._exit(1)


def _answer(sql: str, database: int, limits: Limits) -> dict[str, Any]:
    """The rows, or how it failed."""
    import duckdb

    try:
        return _select(sql, database, limits)
    except _TooMuch as error:
        return {"outcome": error.outcome}
    except (MemoryError, duckdb.OutOfMemoryException):
        return {"outcome": Outcome.MEMORY}
    except duckdb.Error as error:
        return {"outcome": Outcome.FAILED, "words": _told(str(error))}
    except RecursionError:
        return {"outcome": Outcome.CRASHED}
    except ValueError:  # DuckDB has values that Python has not, as a date in the year 5,000,000
        return {"outcome": Outcome.FAILED, "words": "a value of the result cannot be shown"}


def _select(sql: str, database: int, limits: Limits) -> dict[str, Any]:
    connection = connect(
        f"/dev/fd/{database}", "", read_only=True, memory=limits.database_memory, threads=limits.threads
    )
    lock(connection)
    _limit_query(limits)
    if single_select(connection, sql) is None:
        return {"outcome": Outcome.REFUSED}
    if not connection.get_table_names(sql):
        return {"outcome": Outcome.NO_TABLE}
    tree = _tree(connection, sql)
    beside = read_beside(tree, _system_views(connection))
    if beside is not None:
        return {"outcome": Outcome.FAILED, "words": f"{beside} is not of the data; select from the tables alone"}
    changing = _changing(tree)
    if changing is not None:
        words = f"{changing} gives other rows when the query is run again, as it will be by whoever checks the answer"
        return {"outcome": Outcome.FAILED, "words": words}
    connection.execute(sql)
    described = connection.description or ()
    zoned = [name for name, kind, *_ in described if str(kind) == _ZONED]
    if zoned:
        return {"outcome": Outcome.FAILED, "words": f"{zoned[0]!r} has a time zone; CAST it AS TIMESTAMP"}
    columns = [name for name, *_ in described]
    rows = list(_rows(connection, limits))
    written = written_numbers(tree) + named_numbers(tree, columns, _columns_of_data(connection))
    return {"columns": columns, "rows": rows, "written": written}


def _tree(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """A query as DuckDB's own parser reads it.

    Raises:
        duckdb.ParserException: it cannot be looked through.
    """
    import duckdb

    ((text,),) = connection.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()
    tree = json.loads(text)
    if tree.get("error"):
        raise duckdb.ParserException("this form of a query is not taken; write a plain SELECT")
    return tree


def _system_views(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The names by which a query reads views of the database's own; a table of the data may have taken one."""
    rows = connection.execute(
        "SELECT lower(view_name) FROM duckdb_views() WHERE internal"
        " EXCEPT SELECT lower(table_name) FROM duckdb_tables() WHERE NOT internal"
    ).fetchall()
    return frozenset(name for (name,) in rows)


def _columns_of_data(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The names of the columns that a query may select by a star."""
    return [
        name for (name,) in connection.execute("SELECT column_name FROM duckdb_columns() WHERE NOT internal").fetchall()
    ]


def _changing(tree: Any) -> str | None:
    """What of a query gives another result each time; None where nothing does."""
    stack: list[Any] = [tree]
    while stack:
        part = stack.pop()
        if isinstance(part, list):
            stack += part
        elif isinstance(part, dict):
            stack += part.values()
            called = str(part.get("function_name", "")).lower()
            names = part.get("column_names") or [""]
            if called in _CHANGING or str(names[-1]).lower() in _CHANGING_WORDS:
                return called or str(names[-1])
            if part.get("sample"):
                return "a sample"
    return None


def _told(message: str) -> str:
    """What DuckDB says of a query that is wrong, without the query itself, and without what Python says after it."""
    return message.partition("\n\nLINE ")[0].partition("Traceback")[0][:_WORDS_SHOWN].strip()


def _rows(cursor: duckdb.DuckDBPyConnection, limits: Limits) -> Iterator[list[Any]]:
    count = size = 0
    while batch := cursor.fetchmany(_BATCH):
        for row in batch:
            if any(isinstance(value, str | bytes | list) and len(value) > limits.result_bytes for value in row):
                raise _TooMuch(Outcome.BYTES)  # before it is made larger still
            values = [plain(value) for value in row]
            count, size = count + 1, size + len(json.dumps(values, ensure_ascii=False).encode())
            if count > limits.rows:
                raise _TooMuch(Outcome.ROWS)
            if size > limits.result_bytes:
                raise _TooMuch(Outcome.BYTES)
            yield values


if __name__ == "__main__":
    main(Limits(**json.loads(sys.argv[1])))
