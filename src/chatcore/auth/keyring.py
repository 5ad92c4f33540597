"""The keys that tokens are checked with, and when to ask the issuer for them again."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import attrs
import trio

from chatcore.errors import ErrorCode, RequestRefused
from chatcore.limits import TokenBucket
from chatcore.observability import Recorder, describe_error

K = TypeVar("K")

REFETCH_SECONDS: Final = 60.0
"""Between two fetches that unknown keys asked for: tokens with invented ones must not become the issuer's load."""

REFRESH_SECONDS: Final = 600.0
"""After which keys are fetched again in any case, so that one that was withdrawn is believed no longer than that."""

RETRY_SECONDS: Final = 5.0
"""Between two fetches while there is no key at all, and so nobody can come in."""

FETCH_SECONDS: Final = 5.0
"""What a fetch may take; the connections that wait for it have given it no longer either."""


@attrs.define
class FetchPlan:
    """When keys may be fetched. Pure: ``now`` is given, in monotonic seconds."""

    _tried_at: float = attrs.field(default=-math.inf, init=False)
    _refetches: TokenBucket = attrs.field(factory=lambda: TokenBucket(1 / REFETCH_SECONDS, 1), init=False)

    def due(self, now: float, *, empty: bool, known: bool) -> bool:
        """Whether to fetch now.

        Args:
            now: monotonic seconds.
            empty: whether there is no key at all.
            known: whether the key that is wanted is there.
        """
        since = now - self._tried_at
        if empty or since >= REFRESH_SECONDS:
            return since >= (RETRY_SECONDS if empty else REFRESH_SECONDS)
        return not known and self._refetches.take(now) == 0

    def tried(self, now: float) -> None:
        """A fetch has ended: counted from there, so that those who waited for it do not each try again."""
        self._tried_at = now

    def retry_after_seconds(self, now: float) -> float:
        """Until a fetch may be tried again where there is no key at all."""
        return max(0.0, self._tried_at + RETRY_SECONDS - now)


@attrs.define(eq=False)
class KeyRing(Generic[K]):
    """Keys that are fetched when they are wanted. Those that are there are kept while newer ones cannot be had.

    Args:
        fetch: reads the document they are in; raises OSError or ValueError where it cannot.
        parse: reads the keys in it; raises ValueError where there are none.
        recorder: hears of fetches.
    """

    _fetch: Callable[[], Awaitable[bytes]]
    _parse: Callable[[bytes], Sequence[K]]
    _recorder: Recorder
    _keys: Sequence[K] = attrs.field(default=(), init=False)
    _plan: FetchPlan = attrs.field(factory=FetchPlan, init=False)
    _lock: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def find(self, choose: Callable[[Sequence[K]], K | None]) -> K | None:
        """The key that is chosen of those there are, fetched again first where that may help.

        Raises:
            RequestRefused: no key could be had yet; says when to try again.
        """
        key = choose(self._keys)
        if key is not None and self._lock.locked():
            return key  # somebody is at it; what is known is good until they are done
        async with self._lock:
            key = choose(self._keys)  # who was here before may have brought it
            if self._plan.due(trio.current_time(), empty=not self._keys, known=key is not None):
                await self._renew()
                key = choose(self._keys)
        if not self._keys:
            after = self._plan.retry_after_seconds(trio.current_time())
            raise RequestRefused(ErrorCode.SERVICES_UNAVAILABLE, retry_after_seconds=after)
        return key

    async def _renew(self) -> None:
        try:
            with trio.fail_after(FETCH_SECONDS):
                self._keys = self._parse(await self._fetch())
        except (OSError, ValueError, trio.TooSlowError) as error:
            self._recorder.log("keys_not_fetched", kept=len(self._keys), **describe_error(error))
        else:
            self._recorder.log("keys_fetched", keys=len(self._keys))
        finally:
            self._plan.tried(trio.current_time())
