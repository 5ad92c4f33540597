"""Rules that say which model names a price covers: ``{"or": [{"equals": "o3"}, {"starts_with": "o3-2025"}]}``. Pure.

The rules are data that others wrote: whatever they say, judging a name by them takes little time and no name is
refused by an error. A rule that cannot be judged so covers nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

Rule: TypeAlias = Callable[[str], bool]
"""Whether a name, in lower case, is covered."""

LONGEST_NAME = 200
"""Characters of a name that is judged. The longest model name of the public price lists has about 80."""

LONGEST_PATTERN = 200
"""Characters of a regular expression."""

DEEPEST = 8
"""How far rules may be nested."""

MOST_REPEATS = 2
"""Unbounded repeats in a regular expression: with two, a name of LONGEST_NAME costs some ten thousand steps."""

_REFERENCE = re.compile(r"\\[1-9]|\(\?(?!:)")
_REPEATED_GROUP = re.compile(r"\)[*+?{]")
_FUTURE = re.compile(r"\[\^?\[|--|&&|~~|\|\|")
"""Sets that Python warns of, as they will mean something else."""

_REPEAT = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\d*\}|\{\d{3,}\})")


def parse(text: str | None) -> Rule | None:
    """The rule that a JSON text says; None where it says none that can be judged."""
    try:
        found = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return _rule(found, DEEPEST)


def equals_of(text: str | None) -> frozenset[str]:
    """The names that a rule covers by being equal to them, in lower case."""
    try:
        return frozenset(_equals(json.loads(text), DEEPEST)) if text else frozenset()
    except (ValueError, RecursionError):
        return frozenset()


def _equals(found: Any, depth: int) -> set[str]:
    if not isinstance(found, dict) or not depth:
        return set()
    own = {found["equals"].lower()} if isinstance(found.get("equals"), str) else set()
    parts = found.get("or")
    return own.union(*(_equals(part, depth - 1) for part in parts)) if isinstance(parts, list) else own


def _rule(found: Any, depth: int) -> Rule | None:
    if not isinstance(found, dict) or len(found) != 1 or not depth:
        return None
    ((name, value),) = found.items()
    if name in _JOINED and isinstance(value, list):
        parts = [_rule(part, depth - 1) for part in value]
        return _joined(_JOINED[name], parts)
    return _CLAUSES[name](value.lower() if name != "regex" else value) if _is_clause(name, value) else None


def _is_clause(name: str, value: Any) -> bool:
    return name in _CLAUSES and isinstance(value, str)


def _joined(join: Callable[..., bool], parts: list[Rule | None]) -> Rule | None:
    """All parts must be known where all must hold; where one will do, the known ones are judged."""
    known = [part for part in parts if part is not None]
    if not known or (join is all and len(known) < len(parts)):
        return None
    return lambda name: join(part(name) for part in known)


def _regex(pattern: str) -> Rule | None:
    """A regular expression whose cost is bounded, whatever the name is."""
    if len(pattern) > LONGEST_PATTERN or any(each.search(pattern) for each in _UNSAFE):
        return None
    if len(_REPEAT.findall(pattern)) > MOST_REPEATS:
        return None
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError):
        return None
    return lambda name: compiled.search(name) is not None


_UNSAFE = (_REFERENCE, _REPEATED_GROUP, _FUTURE)
_JOINED: Mapping[str, Callable[..., bool]] = MappingProxyType({"or": any, "and": all})
_CLAUSES: Mapping[str, Callable[[str], Rule | None]] = MappingProxyType(
    {
        "equals": lambda value: lambda name: name == value,
        "starts_with": lambda value: lambda name: name.startswith(value),
        "ends_with": lambda value: lambda name: name.endswith(value),
        "contains": lambda value: lambda name: value in name,
        "regex": _regex,
    }
)
