"""Tools as the API describes functions. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from chatcore.agents.tools import Tool
from chatcore.protocol.messages import RefusalReason

DECLINE = "decline"
"""The function by which a model says that there is no answer; it is no tool, and ends the run."""


class Decline(msgspec.Struct, frozen=True, kw_only=True):
    """Why a question has no answer.

    ``explanation`` says it in a sentence or two; ``missing`` names what the data lacks.
    """

    reason: RefusalReason
    explanation: str
    missing: list[str] = []


def function_name(tool: str) -> str:
    """What a model calls a tool by: APIs take no full stop, which stands after the name of an MCP server."""
    return tool.replace(".", "__")


def functions_of(tools: Iterable[Tool[Any]]) -> list[dict[str, Any]]:
    """What a model is told it may call: these tools, and that it may decline."""
    described = [_function(function_name(tool.name), tool.description, tool.schema()) for tool in tools]
    words = "Call this instead of answering where the data does not hold the answer. Say what is missing."
    return [*described, _function(DECLINE, words, msgspec.json.schema(Decline))]


def _function(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": _object(schema)},
    }


def _object(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its object at the top, where servers look for it, and the definitions that it refers to."""
    definitions: Mapping[str, Any] = schema.get("$defs", {})
    named = definitions.get(str(schema.get("$ref", "")).rpartition("/")[2])
    top = dict(named if isinstance(named, Mapping) else schema)
    top.pop("$defs", None)
    top.pop("title", None)
    needed = _needed(top, definitions)
    return {**top, "$defs": needed} if needed else top


def _needed(top: Any, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Every definition that ``top`` refers to, directly or through others."""
    found: dict[str, Any] = {}
    parts = deque([top])
    while parts:
        part = parts.popleft()
        if isinstance(part, Mapping):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name in definitions and name not in found:
                found[name] = definitions[name]
                parts.append(found[name])
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)
    return found
