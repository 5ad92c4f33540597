"""Whether a request to a model is made again, and when. Pure.

Only a request of which nothing has come back yet is made again, and tools are used between requests, never within one:
so no side effect is ever repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from chatcore.agents.llm.failures import ModelUnavailable, unavailable
from chatcore.backoff import Backoff

TRIES = 3
"""Of one request; who waits for an answer is better told than kept waiting."""

BACKOFF = Backoff(first_seconds=0.5, factor=2.0, cap_seconds=8.0)

LONGEST_RETRY_AFTER_SECONDS = 30.0
"""A server that asks for more than this is not going to answer this run."""

_PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 that another try may not get."""

_REFUSED = {401: "the key was refused", 403: "the key may not do this"}


def retry_wait(error: ModelUnavailable, tries: int, random: Callable[[], float]) -> float | None:
    """How long to wait before the next try, in seconds; None where there is none.

    Args:
        error: why the last one failed.
        tries: how many were made.
        random: gives a number in [0, 1).
    """
    asked = error.retry_after_seconds or 0.0
    if error.final or not error.retryable or tries >= TRIES or asked > LONGEST_RETRY_AFTER_SECONDS:
        return None
    return max(asked, BACKOFF.delay(tries, random))


def refused(status: int, retry_after: str | None) -> ModelUnavailable:
    """The failure that an HTTP status stands for.

    Args:
        status: 400 and above.
        retry_after: the header of that name.
    """
    passing = status >= 500 or status in _PASSING
    problem = _REFUSED.get(status, "the server is not able to answer" if passing else "the request was refused")
    return unavailable(problem, retryable=passing, status=status, retry_after_seconds=_seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """The header in seconds; a date is not honoured, as the clocks of two machines differ by more than it would say."""
    plain = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,3})?)\s*", retry_after or "")
    return float(plain[1]) if plain else None
