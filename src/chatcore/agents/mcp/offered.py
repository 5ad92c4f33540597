"""Which of a server's tools can be offered to a model: what is too much or makes no sense is refused by name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from chatcore.errors import ChatcoreError

if TYPE_CHECKING:
    from mcp_types import Tool as Listed

MAX_TOOLS = 64
"""Of one server: more than a model can choose from."""

MAX_SCHEMA_BYTES = 16 * 1024
"""Of one tool's arguments: several times the longest of the servers in use. It is sent to the model each turn."""

MAX_SCHEMAS_BYTES = 128 * 1024
"""Of all tools of one server: some thirty thousand tokens."""

MAX_SCHEMA_DEPTH = 32

_NAME = re.compile(r"[A-Za-z0-9_-]{1,38}")
"""With the server's name and what joins them: a function's name has 64 characters at most."""


@attrs.define
class ToolRefused(ChatcoreError):
    """A tool of an MCP server is not offered to the model.

    Args:
        server: its name.
        tool: the tool's, as far as it is one.
        problem: what is wrong with it.
    """

    server: str
    tool: str
    problem: str

    def __str__(self) -> str:
        return f"the tool {self.tool!r} of the MCP server {self.server!r} is not offered: {self.problem}"


def sorted_out(server: str, listed: Iterable[Listed]) -> tuple[tuple[Listed, ...], tuple[ToolRefused, ...]]:
    """The tools that are offered, and the others.

    Args:
        server: its name.
        listed: what it says that it has, in its order.
    """
    offered: dict[str, Listed] = {}
    refused: list[ToolRefused] = []
    held = 0
    for tool in listed:
        size = len(msgspec.json.encode(tool.input_schema))
        problem = _fault(tool, size) or _surplus(tool.name, offered, held + size)
        if problem is not None:
            refused.append(ToolRefused(server, tool.name[:64], problem))
            continue
        offered[tool.name] = tool
        held += size
    return tuple(offered.values()), tuple(refused)


def _fault(tool: Listed, size: int) -> str | None:
    """What is wrong with a tool by itself."""
    if not _NAME.fullmatch(tool.name):
        return "a name has 1 to 38 letters, digits, hyphens and underscores"
    if size > MAX_SCHEMA_BYTES:
        return f"its schema is larger than {MAX_SCHEMA_BYTES // 1024} KiB"
    if _is_deeper(tool.input_schema, MAX_SCHEMA_DEPTH):
        return f"its schema is nested deeper than {MAX_SCHEMA_DEPTH}"
    return _misshapen(tool.input_schema)


def _surplus(name: str, offered: Mapping[str, Listed], held: int) -> str | None:
    """What is wrong with it beside those that came before it."""
    if name in offered:
        return "another one has its name"
    if len(offered) >= MAX_TOOLS:
        return f"there are {MAX_TOOLS} before it"
    if held > MAX_SCHEMAS_BYTES:
        return f"the schemas are larger than {MAX_SCHEMAS_BYTES // 1024} KiB together"
    return None


def _misshapen(schema: Mapping[str, Any]) -> str | None:
    """What of a schema is not what JSON Schema has there, as far as it is read here."""
    definitions = schema.get("$defs", {})
    if not isinstance(definitions, dict) or not all(isinstance(each, dict | bool) for each in definitions.values()):
        return "its `$defs` are no schemas"
    if not isinstance(schema.get("properties", {}), dict):
        return "its `properties` are no object"
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(each, str) for each in required):
        return "its `required` is no list of names"
    return None


def _is_deeper(schema: Any, depth: int) -> bool:
    """Whether something is nested deeper than so many levels."""
    level = [schema]
    for _ in range(depth):
        level = [part for each in level for part in _parts(each)]
    return bool(level)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
