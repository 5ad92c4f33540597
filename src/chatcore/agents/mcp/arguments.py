"""Arguments held against a tool's JSON schema, as far as names and plain types go; the server checks the rest. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}


def find_fault(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """What is wrong with arguments, in words; None where nothing is that can be told here."""
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    missing = [name for name in schema.get("required", ()) if name not in arguments]
    if missing:
        return f"{missing[0]} is missing"
    unknown = [name for name in arguments if name not in properties]
    if unknown and schema.get("additionalProperties") is False:
        return f"{unknown[0]} is none of its arguments; there are {', '.join(properties) or 'none'}"
    faults = (_type_fault(name, properties.get(name), value) for name, value in arguments.items())
    return next(filter(None, faults), None)


def _type_fault(name: str, shape: Any, value: Any) -> str | None:
    wanted = shape.get("type") if isinstance(shape, dict) else None
    names = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    if not names or any(_is(value, each) for each in names):
        return None
    return f"{name} must be {' or '.join(map(str, names))}"


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool):
        return str(wanted) == "boolean"
    return isinstance(value, _TYPES.get(str(wanted), (object,)))
