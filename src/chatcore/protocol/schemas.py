"""JSON Schemas of the structs of the wire, for the AsyncAPI and OpenAPI documents. Pure."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from chatcore.errors import CATALOGUE, ErrorCode

_TEMPLATE: Final = "#/components/schemas/{name}"
_ERROR_CODE: Final = "ErrorCode"
_ROLE: Final = re.compile(r":\w+:`~?([^`]+)`")
"""What Sphinx calls a role: ``:class:`Run```; a reader of the documents is told the name alone."""


def reference(kind: type[msgspec.Struct]) -> dict[str, str]:
    """A reference to the schema of ``kind`` within one document."""
    return {"$ref": _TEMPLATE.format(name=kind.__name__)}


def schemas_of(
    *, received: Iterable[type[msgspec.Struct]], sent: Iterable[type[msgspec.Struct]]
) -> dict[str, dict[str, Any]]:
    """The schemas of structs and of everything that is in them, by name; :class:`ErrorCode` beside them.

    Args:
        received: what the server takes; a field with a default may be left out.
        sent: what the server sends; it leaves out no field but those that are unset.
    """
    taken = _components(received)
    whole = {name: _always_whole(schema) for name, schema in _components(sent).items()}
    return taken | whole | {_ERROR_CODE: _error_codes()}


def plain(text: str) -> str:
    """A docstring as Markdown: without its indentation and without the marks of Sphinx."""
    return _ROLE.sub(r"`\1`", inspect.cleandoc(text)).replace("``", "`")


def _components(kinds: Iterable[type[msgspec.Struct]]) -> dict[str, dict[str, Any]]:
    _, components = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
    return {name: _described(schema) for name, schema in components.items()}


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its description for readers, and with the catalogue's codes where it names one."""
    properties = dict(schema["properties"])
    if "error_code" in properties:
        properties["error_code"] = {"$ref": _TEMPLATE.format(name=_ERROR_CODE)}
    return schema | {"description": plain(schema.get("description", "")), "properties": properties}


def _always_whole(schema: dict[str, Any]) -> dict[str, Any]:
    present = [name for name, field in schema["properties"].items() if name in schema["required"] or "default" in field]
    properties = {
        name: {key: value for key, value in field.items() if key != "default"}
        for name, field in schema["properties"].items()
    }
    return schema | {"properties": properties, "required": present}


def _error_codes() -> dict[str, Any]:
    codes = [{"const": str(code), "description": CATALOGUE[code].message} for code in ErrorCode]
    return {"title": _ERROR_CODE, "description": plain(ErrorCode.__doc__ or ""), "type": "string", "oneOf": codes}
