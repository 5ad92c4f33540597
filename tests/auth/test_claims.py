"""What a token says, judged at a given time."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.auth.claims import (
    LEEWAY_SECONDS,
    MAX_USER_ID,
    Expected,
    Identity,
    TokenFault,
    TokenRefused,
    identity_of,
    is_user_id,
)

NOW = 1_800_000_000.0
ANY = Expected()


def fault_of(claims: dict[str, Any], expected: Expected = ANY, now: float = NOW) -> TokenFault | None:
    try:
        identity_of(claims, expected, now)
    except TokenRefused as error:
        return error.fault
    return None


def right(**changed: Any) -> dict[str, Any]:
    return {"sub": "ann", "exp": NOW + 60, **changed}


def test_the_subject_is_the_user_until_the_expiry() -> None:
    assert identity_of(right(), ANY, NOW) == Identity("ann", NOW + 60)


def test_who_was_let_in_by_the_leeway_goes_when_it_ends() -> None:
    assert identity_of(right(exp=NOW - 1), ANY, NOW) == Identity("ann", NOW - 1 + LEEWAY_SECONDS)


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"exp": NOW + 60}, TokenFault.SUBJECT),
        (right(sub=None), TokenFault.SUBJECT),
        (right(sub=7), TokenFault.SUBJECT),
        (right(sub=["ann"]), TokenFault.SUBJECT),
        (right(sub=""), TokenFault.SUBJECT),
        (right(sub="a\nb"), TokenFault.SUBJECT),
        (right(sub="a\x00"), TokenFault.SUBJECT),
        (right(sub="x" * (MAX_USER_ID + 1)), TokenFault.SUBJECT),
        ({"sub": "ann"}, TokenFault.EXPIRY),
        (right(exp=None), TokenFault.EXPIRY),
        (right(exp=str(NOW + 60)), TokenFault.EXPIRY),
        (right(exp=True), TokenFault.EXPIRY),
        (right(exp=math.nan), TokenFault.EXPIRY),
        (right(exp=math.inf), TokenFault.EXPIRY),
        (right(exp=10**400), TokenFault.EXPIRY),
        (right(exp=-1), TokenFault.EXPIRY),
        (right(exp=[NOW + 60]), TokenFault.EXPIRY),
        (right(exp=0), TokenFault.EXPIRED),
        (right(exp=NOW - LEEWAY_SECONDS), TokenFault.EXPIRED),
        (right(exp=NOW - LEEWAY_SECONDS + 0.1), None),
        (right(nbf=NOW + LEEWAY_SECONDS), None),
        (right(nbf=NOW + LEEWAY_SECONDS + 0.1), TokenFault.NOT_BEFORE),
        (right(nbf=None), TokenFault.NOT_BEFORE),
        (right(nbf="soon"), TokenFault.NOT_BEFORE),
        (right(nbf=math.nan), TokenFault.NOT_BEFORE),
        (right(aud="any", iss="any"), None),
    ],
)
def test_what_holds_and_what_does_not(claims: dict[str, Any], fault: TokenFault | None) -> None:
    assert fault_of(claims) is fault


@pytest.mark.parametrize(
    ("audience", "fault"),
    [
        ("chat", None),
        (["other", "chat"], None),
        ("other", TokenFault.AUDIENCE),
        ("chatter", TokenFault.AUDIENCE),
        ("Chat", TokenFault.AUDIENCE),
        ([], TokenFault.AUDIENCE),
        (["c", "h", "a", "t"], TokenFault.AUDIENCE),
        ({"chat": 1}, TokenFault.AUDIENCE),
        ([["chat"]], TokenFault.AUDIENCE),
        (None, TokenFault.AUDIENCE),
    ],
)
def test_the_audience(audience: Any, fault: TokenFault | None) -> None:
    assert fault_of(right(aud=audience), Expected(audience="chat")) is fault
    assert fault_of(right(), Expected(audience="chat")) is TokenFault.AUDIENCE


@pytest.mark.parametrize(
    "issuer", ["https://other.example", "https://issuer.example/", "", None, ["https://issuer.example"]]
)
def test_another_issuer(issuer: Any) -> None:
    expected = Expected(issuer="https://issuer.example")
    assert fault_of(right(iss="https://issuer.example"), expected) is None
    assert fault_of(right(iss=issuer), expected) is TokenFault.ISSUER
    assert fault_of(right(), expected) is TokenFault.ISSUER


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["sub", "exp", "nbf", "aud", "iss", "iat", "other"])
EXPECTED = st.builds(Expected, st.none() | st.just("chat"), st.none() | st.just("issuer"))


@given(st.dictionaries(NAMES, JSON), EXPECTED, st.floats(0, 4e9))
def test_whatever_is_claimed_there_is_one_user_for_a_time_or_a_refusal(
    claims: dict[str, Any], expected: Expected, now: float
) -> None:
    try:
        identity = identity_of(claims, expected, now)
    except TokenRefused:
        return
    assert identity.user_id == claims["sub"]
    assert is_user_id(identity.user_id)
    assert now < identity.expires_at <= max(claims["exp"], now + LEEWAY_SECONDS)
    assert math.isfinite(identity.expires_at)
    assert claims.get("nbf", 0) <= now + LEEWAY_SECONDS
    assert expected.issuer in (None, claims.get("iss"))


@given(st.floats(0, 4e9), st.floats(-100, 100), st.none() | st.floats(-100, 100))
def test_a_token_holds_from_its_begin_to_its_end_and_at_no_other_time(
    now: float, ends_in: float, begins_in: float | None
) -> None:
    dates = {"exp": max(0.0, now + ends_in)}
    if begins_in is not None:
        dates["nbf"] = max(0.0, now + begins_in)
    holds = dates["exp"] + LEEWAY_SECONDS > now >= dates.get("nbf", 0.0) - LEEWAY_SECONDS
    assert (fault_of({"sub": "ann", **dates}, now=now) is None) is holds
