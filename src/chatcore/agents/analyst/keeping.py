"""What was found out once and is asked for again: kept up to a weight, what nobody has used longest given up first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

T = TypeVar("T")


@attrs.define(eq=False)
class Kept(Generic[T]):
    """Values by a text that says wholly what they are.

    Args:
        most: what they may weigh together.
        weigh: what one weighs; each is 1 unless given, so that ``most`` is how many there may be.
    """

    most: int
    weigh: Callable[[T], int] = attrs.field(default=lambda _: 1)
    _values: dict[str, tuple[T, int]] = attrs.field(factory=dict)
    """By when they were last used, with their weights."""
    _weight: int = 0

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> T:
        self._values[key] = found = self._values.pop(key)
        return found[0]

    def get(self, key: str) -> T | None:
        """The value, None where it is not kept."""
        return self[key] if key in self._values else None

    def keep(self, key: str, value: T) -> T:
        """Keep a value, unless it weighs more than all may; it is returned."""
        weight = self.weigh(value)
        if weight <= self.most:
            self._weight += weight - self._values.pop(key, (value, 0))[1]
            self._values[key] = value, weight
        while self._weight > self.most:
            _, given_up = self._values.pop(next(iter(self._values)))
            self._weight -= given_up
        return value

    def find(self, key: str, make: Callable[[], T]) -> T:
        """The value, made where it is not kept."""
        return self[key] if key in self._values else self.keep(key, make())
