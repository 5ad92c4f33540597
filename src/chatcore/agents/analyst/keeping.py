"""What was found out once and is asked for again: kept up to a number, the oldest given up first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

T = TypeVar("T")


@attrs.define(eq=False)
class Kept(Generic[T]):
    """Values by a text that says wholly what they are.

    Args:
        most: how many are kept.
    """

    most: int
    _values: dict[str, T] = attrs.field(factory=dict)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> T:
        return self._values[key]

    def keep(self, key: str, value: T) -> T:
        """Keep a value; it is returned."""
        while len(self._values) >= self.most:
            self._values.pop(next(iter(self._values)))
        self._values[key] = value
        return value

    def find(self, key: str, make: Callable[[], T]) -> T:
        """The value, made where it is not kept."""
        return self._values[key] if key in self._values else self.keep(key, make())
