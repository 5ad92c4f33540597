"""Whose token it is: its signature, then its claims."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import trio

from chatcore.auth.claims import Expected, Identity, TokenFault, TokenRefused, identity_of
from chatcore.auth.documents import is_exposed, reader_of
from chatcore.auth.keyring import KeyRing
from chatcore.observability import Recorder
from chatcore.settings import Settings

if TYPE_CHECKING:
    from joserfc.jwk import Key

    from chatcore.auth.signatures import Signed


class Authenticator(Protocol):
    """Tells who bears a token."""

    async def identify(self, token: str) -> Identity:
        """The bearer.

        Raises:
            TokenRefused: the token lets nobody in.
            RequestRefused: it cannot be checked now; says when to try again.
        """


@attrs.frozen(eq=False)
class JwtAuthenticator:
    """Tokens signed with a shared secret (HS256), or with an issuer's keys (RS256, ES256, Ed25519).

    Args:
        expected: what they must carry.
        secret: the shared one, None where there is none.
        ring: the issuer's keys, None where there are none.
        clock: gives Unix seconds.
    """

    expected: Expected
    secret: Key | None = attrs.field(repr=False)
    ring: KeyRing[Key] | None
    clock: Callable[[], float] = time.time

    async def identify(self, token: str) -> Identity:
        """See :class:`Authenticator`."""
        return identity_of(await self._claims(token), self.expected, self.clock())

    async def _claims(self, token: str) -> Mapping[str, Any]:
        from chatcore.auth.signatures import take_apart

        signed = take_apart(token)
        key = await self._key(signed)
        if key is None:
            raise TokenRefused(TokenFault.UNKNOWN_KEY)
        return signed.claims(key)

    async def _key(self, signed: Signed) -> Key | None:
        from chatcore.auth.signatures import key_for

        if signed.algorithm == "HS256":
            if self.secret is None:
                raise TokenRefused(TokenFault.ALGORITHM)
            return self.secret  # whatever `kid` says: there is one
        if self.ring is None:
            raise TokenRefused(TokenFault.ALGORITHM)

        def choose(keys: Sequence[Key]) -> Key | None:
            return key_for(signed, keys)

        return await self.ring.find(choose)


async def authenticator_of(settings: Settings, recorder: Recorder) -> Authenticator | None:
    """What checks tokens as the settings say; None with ``auth = "none"``.

    The imports take long and are made in a thread. An issuer is asked when the first token comes.

    Args:
        settings: that :func:`chatcore.servable.check_servable` has passed.
        recorder: hears what is not checked.
    """
    if settings.auth == "none":
        return None
    for claim, setting in (("aud", "jwt_audience"), ("iss", "jwt_issuer")):
        if getattr(settings, setting) is None:
            recorder.log("token_claim_not_checked", claim=claim, setting=setting)
    if settings.jwks is not None and is_exposed(settings.jwks):
        recorder.log("keys_over_plain_http", setting="jwks")
    return await trio.to_thread.run_sync(_jwt_authenticator, settings, recorder)


def _jwt_authenticator(settings: Settings, recorder: Recorder) -> Authenticator:
    from chatcore.auth.signatures import public_keys, shared_secret

    return JwtAuthenticator(
        expected=Expected(settings.jwt_audience, settings.jwt_issuer),
        secret=shared_secret(settings.jwt_secret) if settings.jwt_secret is not None else None,
        ring=KeyRing(reader_of(settings.jwks), public_keys, recorder) if settings.jwks is not None else None,
    )
