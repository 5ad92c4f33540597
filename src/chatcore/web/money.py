"""In which currency a column is, as far as its evidence tells. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

_SIGNS: Final[Mapping[str, str]] = MappingProxyType(
    {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹", "$": "$", "€": "€", "£": "£", "¥": "¥", "₹": "₹"}
)

_MONEY: Final = re.compile(r"(^|_)(cost|price|spend|saving|amount)(_|$)", re.ASCII)
_RATIO: Final = re.compile(r"(percent|share|ratio|rank)$", re.ASCII)


def sign_of(column: str, beside: Sequence[Any] = ()) -> str:
    """The sign of a column's currency, empty where nothing tells it.

    Args:
        column: its name; ``cost_usd`` tells it by itself.
        beside: the cells of a column ``currency`` of the same rows: they tell it of money where all are the same.
    """
    named = column.lower().rpartition("_")[2]
    if named in _SIGNS:
        return _SIGNS[named]
    if not _MONEY.search(column.lower()) or _RATIO.search(column.lower()):
        return ""
    told = {str(cell).strip().lower() for cell in beside}
    return _SIGNS.get(told.pop(), "") if len(told) == 1 else ""
