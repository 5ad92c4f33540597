"""What of a query is read from the database itself, or from nowhere, and not from the data. Pure; standard library.

Its numbers would come out as rows, and be evidence: the database's settings, sizes and paths, and a query within a
text, into which nobody can look.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

_SCHEMAS = frozenset({"information_schema", "pg_catalog"})
_PREFIXES = ("duckdb_", "pragma_", "pg_", "has_")
_FUNCTIONS = frozenset({
    "current_catalog", "current_database", "current_role", "current_schema", "current_schemas", "current_setting",
    "current_user", "getvariable", "in_search_path", "json_execute_serialized_sql", "query", "query_table",
    "session_user", "test_all_types", "test_vector_types", "user", "version", "which_secret",
})  # fmt: skip
_TYPE_OF = "pg_typeof"


def read_beside(tree: Any, system_views: Set[str]) -> str | None:
    """The name of the first table or function of a query that is none of the data; None where all is.

    Args:
        tree: of the query, as DuckDB's parser gives it.
        system_views: the names, in lower case, that mean a view of the database's own.
    """
    return next(filter(None, (_beside(part, system_views) for part in _dicts(tree))), None)


def _beside(part: dict[str, Any], system_views: Set[str]) -> str | None:
    function = str(part.get("function_name", "")).lower()
    if function in _FUNCTIONS or (function.startswith(_PREFIXES) and function != _TYPE_OF):
        return function
    if part.get("type") != "BASE_TABLE":
        return None
    table, schema = str(part.get("table_name", "")).lower(), str(part.get("schema_name", "")).lower()
    foreign = schema in _SCHEMAS or str(part.get("catalog_name", "")).lower() == "system"
    return table if foreign or table in system_views else None


def _dicts(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects of a tree."""
    stack: list[Any] = [tree]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            yield part
            stack += part.values()
        elif isinstance(part, list):
            stack += part
