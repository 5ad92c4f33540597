"""What a verified token says of its bearer, and whether that holds now (protocol.md, 3). Pure.

Signatures are checked before, in :mod:`.signatures`: nothing here trusts a claim that nobody vouches for.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import Any, Final

import attrs

from chatcore.errors import ChatcoreError

LEEWAY_SECONDS: Final = 5.0
"""How far the issuer's clock may be from ours."""

MAX_USER_ID: Final = 128
"""Room for a UUID with a prefix; ids are keys in storage."""

LATEST_DATE: Final = 2.0**53
"""Unix seconds up to which a JSON number is exact, far past any date that is meant."""


class TokenFault(enum.StrEnum):
    """Why a token is refused, in the words that its bearer is told."""

    MALFORMED = "it is no signed token"
    ALGORITHM = "its algorithm is not accepted here"
    UNKNOWN_KEY = "it is signed with a key that is not known here"
    SIGNATURE = "its signature is wrong"
    SUBJECT = f"its subject must be 1 to {MAX_USER_ID} printable characters"
    EXPIRY = "it must say when it expires"
    EXPIRED = "it has expired"
    NOT_BEFORE = "its time has not come yet"
    AUDIENCE = "it is meant for another audience"
    ISSUER = "it comes from another issuer"


@attrs.define
class TokenRefused(ChatcoreError):
    """A token that lets nobody in."""

    fault: TokenFault

    def __str__(self) -> str:
        return self.fault


@attrs.frozen
class Identity:
    """Who asks.

    Args:
        user_id: the user.
        expires_at: Unix seconds at which this ends; infinity where it does not.
    """

    user_id: str
    expires_at: float = math.inf


@attrs.frozen
class Expected:
    """What a token must carry beside its subject and its expiry.

    Args:
        audience: its ``aud``, or one of them; None where any will do.
        issuer: its ``iss``; None where any will do.
    """

    audience: str | None = None
    issuer: str | None = None


def is_user_id(text: object) -> bool:
    """Whether this can be the name of a user."""
    return isinstance(text, str) and text.isprintable() and 0 < len(text) <= MAX_USER_ID


def identity_of(claims: Mapping[str, Any], expected: Expected, now: float) -> Identity:
    """The bearer of a token whose signature is right.

    The leeway is for clocks that differ, at the door: who came in before ``exp`` goes at ``exp``.

    Args:
        claims: the token's payload.
        expected: what it must carry.
        now: Unix seconds.

    Raises:
        TokenRefused: says what is wrong.
    """
    user_id, expires_at = claims.get("sub"), _date(claims, "exp", TokenFault.EXPIRY)
    if expires_at is None:
        raise TokenRefused(TokenFault.EXPIRY)
    if expires_at + LEEWAY_SECONDS <= now:
        raise TokenRefused(TokenFault.EXPIRED)
    if (_date(claims, "nbf", TokenFault.NOT_BEFORE) or 0.0) - LEEWAY_SECONDS > now:
        raise TokenRefused(TokenFault.NOT_BEFORE)
    if expected.audience is not None and expected.audience not in _audiences(claims):
        raise TokenRefused(TokenFault.AUDIENCE)
    if expected.issuer is not None and claims.get("iss") != expected.issuer:
        raise TokenRefused(TokenFault.ISSUER)
    if not isinstance(user_id, str) or not is_user_id(user_id):
        raise TokenRefused(TokenFault.SUBJECT)
    return Identity(user_id, expires_at if now < expires_at else expires_at + LEEWAY_SECONDS)


def _audiences(claims: Mapping[str, Any]) -> list[Any]:
    """The audiences of a token: one, or a list of them (RFC 7519, section 4.1.3)."""
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]


def _date(claims: Mapping[str, Any], name: str, fault: TokenFault) -> float | None:
    """A date of the claims, None where it is absent; one that is no number, or not finite, never holds."""
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LATEST_DATE:
        raise TokenRefused(fault)
    return float(value)
