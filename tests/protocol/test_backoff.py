"""The waits between tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.backoff import Backoff

BACKOFF = Backoff(first_seconds=0.5, factor=2.0, cap_seconds=30.0)


def test_ceilings_double_up_to_the_cap() -> None:
    assert [BACKOFF.ceiling(n) for n in range(9)] == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_jitter_is_full() -> None:
    assert BACKOFF.delay(3, lambda: 0.0) == 0.0
    assert BACKOFF.delay(3, lambda: 0.25) == 0.5
    assert BACKOFF.delay(3, lambda: 0.999) < 2.0


@given(
    first=st.floats(0.001, 100),
    factor=st.floats(1, 1e6),
    cap=st.floats(0.001, 1e6),
    failures=st.integers(-3, 10**6),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_a_delay_is_bounded_however_long_the_outage(
    first: float, factor: float, cap: float, failures: int, jitter: float
) -> None:
    backoff = Backoff(first, factor, cap)
    assert 0 <= backoff.delay(failures, lambda: jitter) <= backoff.ceiling(failures) <= cap
    assert backoff.ceiling(failures) <= backoff.ceiling(failures + 1)


@pytest.mark.parametrize(("first", "factor", "cap"), [(0, 2, 1), (-1, 2, 1), (1, 0.5, 1), (1, 2, 0)])
def test_nonsense_is_refused(first: float, factor: float, cap: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        Backoff(first, factor, cap)
