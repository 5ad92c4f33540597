"""Numbers on an axis: where they stand and how they are written. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import attrs

MANY_TIMES: Final = 20.0
"""From here on the small ones would stand in a heap at the axis."""


def figures(value: float) -> str:
    """A number as a label: short, and never in a false precision."""
    size = abs(value)
    if size >= 1e6:
        scale, unit = (1e9, "B") if size >= 1e9 else (1e6, "M")
        return f"{_short(value / scale, 2)}{unit}"
    if size >= 100:
        return f"{value:,.0f}"
    return _short(value, 2 if size >= 1 else min(12, 1 - math.floor(math.log10(size)))) if size else "0"


def _short(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    """Round numbers from at most ``low`` to at least ``high``, about ``most`` of them; ``low`` is below ``high``."""
    rough = (high - low) / max(1, most)
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(step * place for place in range(first, last + 1))


@attrs.frozen
class Axis:
    """Numbers along a line of pixels.

    Args:
        low: the number at the first pixel.
        high: the number at the last one.
        first: pixel; may lie after the last one.
        last: pixel.
        logarithmic: equal distances are equal ratios; then ``low`` is above 0.
    """

    low: float
    high: float
    first: float
    last: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The pixel of a number."""
        low, high = self._turn(self.low), self._turn(self.high)
        return self.first + (self._turn(value) - low) / (high - low) * (self.last - self.first)

    def _turn(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value


def axis_for(values: Sequence[float], first: float, last: float, most: int) -> tuple[Axis, tuple[float, ...]]:
    """An axis from 0, or from below it, that holds every value, and its ticks."""
    low, high = min(0.0, *values), max(0.0, *values)
    marks = ticks(low, high if high > low else low + 1, most)
    return Axis(marks[0], marks[-1], first, last), marks


def spread_axis(values: Sequence[float], first: float, last: float, most: int) -> tuple[Axis, tuple[float, ...]]:
    """The same for positive values; by ratios where the greatest is many times the least."""
    low, high = min(values), max(values)
    if high < low * MANY_TIMES:
        return axis_for(values, first, last, most)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = tuple(10.0**power for power in powers)
    return Axis(low * 0.8, high * 1.25, first, last, logarithmic=True), marks
