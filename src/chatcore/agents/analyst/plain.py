"""DuckDB's values as JSON values. Needs nothing but the standard library: the sandbox's child uses it, too."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

_LARGEST_INTEGER = 2**63
"""What a client's JSON reader is sure to take for a whole number; beyond it, a HUGEINT becomes a float."""


def plain(value: Any) -> Any:
    """A value as JSON has it: times as ISO 8601, decimals as numbers, lists and structs as what they hold."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) < _LARGEST_INTEGER else float(value)
    if isinstance(value, float | Decimal):
        number = float(value)
        return number if math.isfinite(number) else None
    return _composed(value)


def _composed(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)
