"""Guesses at the door: an address whose tokens and tickets are wrong too often is not listened to for a moment.

Pure; ``now`` is given. Nobody guesses a token or a ticket: this keeps those who try from costing a signature each, and
the table from growing with them.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import attrs

from chatcore.limits import TokenBucket

MOST_ADDRESSES: Final = 10_000
"""Of which wrong ones are remembered; the one that was quiet for longest makes room. About 3 MB."""

MOST_TOKENS: Final = 20_000
"""That were right, and are remembered: as many as there may be connections. About 3 MB."""


@attrs.define(eq=False)
class Guesses:
    """Counts what was wrong, by address.

    Args:
        per_minute: wrong tokens and tickets that an address may show, with as many at once; 0: no limit.
    """

    per_minute: int
    _left: dict[str, TokenBucket] = attrs.field(factory=dict, init=False, repr=False)
    """What addresses may still get wrong; the last one that did is last."""
    _right: dict[bytes, None] = attrs.field(factory=dict, init=False, repr=False)
    """Digests of tokens that were right; the last one is last."""

    def __len__(self) -> int:
        return len(self._left)

    def wait(self, address: str, now: float) -> float:
        """How many seconds an address is not listened to; 0 where it is.

        Args:
            address: as :func:`chatcore.addresses.sender` has it.
            now: monotonic seconds.
        """
        left = self._left.get(address)
        return left.wait(now) if left is not None else 0.0

    def wrong(self, address: str, now: float) -> bool:
        """Count one that was wrong; whether the address is not listened to from here."""
        if self.per_minute == 0:
            return False
        left = self._left.get(address) or TokenBucket(self.per_minute / 60.0, self.per_minute)
        left.take(now)
        _put_last(self._left, address, left, MOST_ADDRESSES)
        return left.wait(now) > 0.0

    def right(self, token: str) -> None:
        """Remember a token that was right."""
        _put_last(self._right, _digest(token), None, MOST_TOKENS)

    def was_right(self, token: str) -> bool:
        """Whether it was when it was shown before: it is looked at again, whoever else guesses at its address."""
        return _digest(token) in self._right


def _put_last(kept: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > most:
        del kept[next(iter(kept))]


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()
