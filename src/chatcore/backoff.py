"""How long to wait before the next try: exponential, with full jitter, so that a crowd does not come back at once."""

from __future__ import annotations

from collections.abc import Callable

import attrs


@attrs.frozen
class Backoff:
    """A full-jitter exponential back-off.

    Args:
        first_seconds: the longest wait after the first failure.
        factor: by how much the longest wait grows with each further failure, at least 1.
        cap_seconds: what the longest wait never exceeds.
    """

    first_seconds: float = attrs.field(validator=attrs.validators.gt(0))
    factor: float = attrs.field(validator=attrs.validators.ge(1))
    cap_seconds: float = attrs.field(validator=attrs.validators.gt(0))

    def ceiling(self, failures: int) -> float:
        """The longest wait, in seconds, after ``failures`` failures in a row; 0 after none."""
        if failures <= 0:
            return 0.0
        try:
            grown = self.first_seconds * self.factor ** (failures - 1)
        except OverflowError:  # a float ends near 1e308, an outage does not
            return self.cap_seconds
        return min(self.cap_seconds, grown)

    def delay(self, failures: int, random: Callable[[], float]) -> float:
        """A wait in seconds, anywhere between none and the ceiling.

        Args:
            failures: how many tries in a row have failed.
            random: gives a number in [0, 1), evenly spread.
        """
        return random() * self.ceiling(failures)
