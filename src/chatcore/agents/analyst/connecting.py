"""How DuckDB is opened, and how it is locked. Needs nothing but the standard library until it is called."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "1GB"
"""For DuckDB; past it queries spill into the private directory."""

MAX_THREADS = 4
"""More would not make a question faster, and would take the processors from the server."""

PARSED_CHARACTERS = 8_192
"""Of a query that is parsed by itself, so that it need not be parsed again: Python's interpreter is held meanwhile, for
two microseconds a character, and everybody waits. A longer one is parsed where it is run, each time."""

_IS_SINGLE_SELECT = """
SELECT NOT CAST(found -> '$.error' AS BOOLEAN) AND json_array_length(found, '$.statements') = 1
FROM (SELECT CAST(json_serialize_sql($sql) AS JSON) AS found)
"""
"""Only SELECT statements can be serialized."""

_LOCKS = (
    "SET enable_external_access = false",
    "SET python_enable_replacements = false",
    "SET lock_configuration = true",
)


def connect(
    file: str, spill: str, *, read_only: bool, memory: str = MEMORY_LIMIT, threads: int = MAX_THREADS
) -> duckdb.DuckDBPyConnection:
    """A connection with bounded memory and no extension beyond those compiled in. Blocks: it imports DuckDB.

    Args:
        file: the database.
        spill: the directory for what does not fit into memory; empty where nothing may be written.
        read_only: whether nothing can be changed.
        memory: DuckDB's own limit, in its words.
        threads: at most so many.
    """
    import duckdb

    connection = duckdb.connect(
        file,
        read_only=read_only,
        config={
            "memory_limit": memory,
            "threads": min(os.cpu_count() or 1, threads),
            "temp_directory": spill,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
        },
    )
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = true; SET enable_progress_bar_print = false")
    return connection


def lock(connection: duckdb.DuckDBPyConnection) -> None:
    """Switch off everything that reaches outside, for good."""
    for statement in _LOCKS:
        connection.execute(statement)


def single_select(cursor: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement | None:
    """The statement, parsed, where DuckDB's own parser finds exactly one, and it is a SELECT."""
    import duckdb

    statements = cursor.extract_statements(sql)
    selects = [statement.type for statement in statements] == [duckdb.StatementType.SELECT]
    return statements[0] if selects else None


def executable_select(cursor: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement | str | None:
    """The same, but a long one as it is written."""
    if len(sql) <= PARSED_CHARACTERS:
        return single_select(cursor, sql)
    found = cursor.execute(_IS_SINGLE_SELECT, {"sql": sql}).fetchone()
    return sql if found == (True,) else None
