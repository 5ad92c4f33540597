"""Rate limits, decided without a clock: ``now`` is given, in monotonic seconds. Pure."""

from __future__ import annotations

import attrs


@attrs.define
class TokenBucket:
    """Allows a rate with bursts.

    Args:
        per_second: tokens that come back each second; 0 allows everything.
        burst: tokens it holds when full.
    """

    per_second: float
    burst: float
    _tokens: float = attrs.field(default=0.0, init=False)
    _at: float | None = attrs.field(default=None, init=False)
    """When it was looked into last; it is full before."""

    def take(self, now: float) -> float:
        """Take one token.

        Returns:
            0 where there was one, else the seconds until there is; then nothing was taken.
        """
        wait = self.wait(now)
        if wait == 0.0 and self.per_second > 0:
            self._tokens -= 1.0
        return wait

    def wait(self, now: float) -> float:
        """The seconds until there is a token; 0 where there is one."""
        if self.per_second <= 0:
            return 0.0
        came_back = (now - self._at) * self.per_second if self._at is not None else self.burst
        self._tokens, self._at = min(self.burst, self._tokens + came_back), now
        return (1.0 - self._tokens) / self.per_second if self._tokens < 1.0 else 0.0
