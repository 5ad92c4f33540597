"""An amount that a figure is above or below, or two that it is between: in words, in SQL and in an answer."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from chatcore.agents.analyst.scoping import AMOUNT, amount_in
from chatcore.agents.analyst.sql import Condition

Sign = Literal[">", ">=", "<", "<=", "="]

SIGNS: dict[str, Sign] = {
    "at least": ">=", "at most": "<=", "under": "<", "below": "<", "less than": "<", "fewer than": "<",
    "over": ">", "above": ">", "more than": ">", "exceeding": ">", "greater than": ">", "exceeded": ">",
}  # fmt: skip
_WORDS = {">": "more than", ">=": "at least", "<": "less than", "<=": "at most", "=": "exactly"}
_BEYOND = "|".join(SIGNS)


def _named(group: str) -> str:
    return AMOUNT.replace("(?P<amount>", f"(?P<{group}>")


def bounds(unit: str) -> str:
    """A regular expression of an amount with a sign, of two with a sign each, or of two that something is between.

    Args:
        unit: what may follow each amount, without groups of its own name.
    """
    between = rf"(?:between |from )?{_named('low')}{unit}(?: (?:and|to|through) | ?[-–—] ?){_named('high')}"
    also = rf"(?:{unit} (?:and|but)(?: (?:also|have|cost|costing|with))* (?P<also>{_BEYOND}) {_named('upper')})?"
    return rf"(?:(?P<sign>{_BEYOND}) {AMOUNT}{also}|{between})"


class Bounds(msgspec.Struct, frozen=True):
    """The options: an amount, on which side of it a figure has to be, and the amount that it is below, if one is."""

    amount: float
    sign: Sign = ">"
    upper: float | None = None
    upper_sign: Literal["<", "<="] = "<="

    def condition(self, measured: str) -> Condition:
        """Where an SQL expression is within them."""
        below = f" AND {measured} {self.upper_sign} $upper" if self.upper is not None else ""
        return Condition(f"({measured} {self.sign} $amount{below})", self.parameters)

    @property
    def parameters(self) -> dict[str, Any]:
        """What :meth:`condition` binds."""
        return {"amount": self.amount, **({"upper": self.upper} if self.upper is not None else {})}

    @property
    def asked(self) -> str:
        """SQL for the amounts as columns, for an answer to show."""
        return "$amount AS amount_asked" + (", $upper AS upper_asked" if self.upper is not None else "")

    def words(self, amount: str, upper: str) -> str:
        """As it follows ``cost`` or ``have``, of amounts as they are shown."""
        if self.upper is None:
            return f"{_WORDS[self.sign]} {amount}"
        if (self.sign, self.upper_sign) == (">=", "<="):
            return f"between {amount} and {upper}"
        return f"{_WORDS[self.sign]} {amount} and {_WORDS[self.upper_sign]} {upper}"


def bounds_of(found: re.Match[str]) -> dict[str, Any] | None:
    """The options that a match of :func:`bounds`, followed by a group ``unit``, has; None where it bounds nothing."""
    amount, upper, low, high = (_amount(found, group) for group in ("amount", "upper", "low", "high"))
    if low is not None and high is not None:
        return {"amount": low, "sign": ">=", "upper": high} if low <= high else None
    if amount is None or upper is None:
        return None if amount is None else {"amount": amount, "sign": SIGNS[found["sign"]]}
    (low, above), (high, below) = sorted([(amount, SIGNS[found["sign"]]), (upper, SIGNS[found["also"]])])
    if not (above.startswith(">") and below.startswith("<")):
        return None
    return {"amount": low, "sign": above, "upper": high, "upper_sign": below}


def _amount(found: re.Match[str], group: str) -> float | None:
    amount, in_cents = amount_in(found, group), (found["unit"] or "").strip().startswith("cent")
    return amount / _CENTS if amount is not None and in_cents else amount


_CENTS = 100
