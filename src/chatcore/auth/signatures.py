"""Whether a token was signed with a key that is trusted: joserfc, held to four algorithms. Does no I/O.

Imported only where ``auth = "jwt"``: what it needs is the extra ``jwt``, and takes a third of a second to import.

A key is chosen by the algorithm's kind, never by the token alone: an HMAC is checked with the shared secret and nothing
else, so a public key can't be made to serve as one; ``none`` has no keys at all.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import attrs
import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import JWKRegistry, Key, OctKey
from joserfc.util import urlsafe_b64decode

from chatcore.auth.claims import TokenFault, TokenRefused

MAX_TOKEN_CHARACTERS: Final = 8192
"""Servers in front of this one take no longer headers either."""

MAX_KEYS: Final = 100
"""Issuers publish a handful."""

LEAST_RSA_BITS: Final = 2048
"""NIST SP 800-131A."""

KINDS: Final[Mapping[str, str]] = MappingProxyType({"HS256": "oct", "RS256": "RSA", "ES256": "EC", "Ed25519": "OKP"})
"""The algorithms that are accepted, with the kind of key that each needs."""

_OTHER_NAMES: Final[Mapping[str, str]] = MappingProxyType({"EdDSA": "Ed25519"})
"""``EdDSA`` is what RFC 9864 calls ``Ed25519``, and what most issuers still write."""

_CURVES: Final = ("P-256", "Ed25519")
_TOKEN_TYPES: Final = frozenset({"jwt", "at+jwt"})
"""A token for another purpose, such as one for a logout, names another type (RFC 8725, section 3.11)."""


class _Algorithms(jws.JWSRegistry):
    """joserfc's algorithms, those of :data:`KINDS` alone."""

    def get_alg(self, name: str) -> JWSAlgModel:
        """The algorithm of this name."""
        return super().get_alg(_OTHER_NAMES.get(name, name))


_REGISTRY: Final = _Algorithms(algorithms=tuple(KINDS), strict_check_header=False)


@attrs.frozen
class Signed:
    """A token taken apart; nothing in it is believed yet.

    Args:
        algorithm: by its name in :data:`KINDS`.
        key_id: of the key that it says it is signed with, None where it does not say.
    """

    algorithm: str
    key_id: str | None
    _parts: jws.CompactSignature = attrs.field(repr=False)

    def fits(self, key: Key) -> bool:
        """Whether this key is of the kind, and has the name, that the token asks for."""
        named = self.key_id is None or key.kid == self.key_id
        return named and key.key_type == KINDS[self.algorithm] and key.get("alg") in (None, self.algorithm)

    def claims(self, key: Key) -> Mapping[str, Any]:
        """The claims, if this key signed them.

        Raises:
            TokenRefused: it did not, or they are no JSON object.
        """
        try:
            right = jws.validate_compact(self._parts, key, registry=_REGISTRY)
        except (JoseError, ValueError):
            right = False
        if not right:
            raise TokenRefused(TokenFault.SIGNATURE)
        try:
            return msgspec.json.decode(self._parts.payload, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise TokenRefused(TokenFault.MALFORMED) from None


def take_apart(token: str) -> Signed:
    """Read a token's header.

    Raises:
        TokenRefused: it is none, or it asks for what is not accepted here.
    """
    if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
        raise TokenRefused(TokenFault.MALFORMED)
    try:
        parts = jws.extract_compact(token.encode(), registry=_REGISTRY)
        header = parts.headers()
        _REGISTRY.check_header(header)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise TokenRefused(TokenFault.MALFORMED) from None
    if "crit" in header or _type_of(header) not in _TOKEN_TYPES:
        raise TokenRefused(TokenFault.MALFORMED)
    algorithm = _OTHER_NAMES.get(header["alg"], header["alg"])
    if algorithm not in KINDS:
        raise TokenRefused(TokenFault.ALGORITHM)
    return Signed(algorithm, header.get("kid"), parts)


def _type_of(header: Mapping[str, Any]) -> str:
    return str(header.get("typ", "JWT")).lower().removeprefix("application/")


def shared_secret(secret: str) -> Key:
    """The key that the text of a secret is.

    Raises:
        ValueError: it is a public key, which everybody has.
    """
    return OctKey.import_key(secret.encode())


def public_keys(document: bytes) -> tuple[Key, ...]:
    """The keys of a JWK set (RFC 7517) that can check tokens; what serves other purposes is left out.

    Raises:
        ValueError: it is no JWK set, or has no such key.
    """
    try:
        entries = msgspec.json.decode(document, type=dict[str, Any]).get("keys")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ValueError("no JWK set") from None
    keys = tuple(_usable(entries if isinstance(entries, list) else ()))
    if not keys:
        raise ValueError("no key that can check a token")
    return keys


def _usable(entries: Iterable[Any]) -> Iterator[Key]:
    for entry in list(entries)[:MAX_KEYS]:
        if isinstance(entry, dict) and _serves(entry):
            try:
                yield JWKRegistry.import_key(_with_own_name(entry))
            except (JoseError, ValueError, TypeError, KeyError):
                continue


def _serves(entry: Mapping[str, Any]) -> bool:
    """Whether a key is for signatures, public, of an accepted kind, and long enough."""
    purposes = entry.get("key_ops")
    if entry.get("use", "sig") != "sig" or (isinstance(purposes, list) and "verify" not in purposes):
        return False
    if entry.get("kty") == "RSA":
        return _bits(entry.get("n")) >= LEAST_RSA_BITS
    return entry.get("kty") in ("EC", "OKP") and entry.get("crv") in _CURVES


def _bits(number: object) -> int:
    try:
        return int.from_bytes(urlsafe_b64decode(str(number).encode())).bit_length()
    except (binascii.Error, ValueError):
        return 0


def _with_own_name(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The public half of a key, its algorithm by the name that :data:`KINDS` has for it."""
    public = {name: entry[name] for name in ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y") if name in entry}
    if "alg" in public:
        public["alg"] = _OTHER_NAMES.get(public["alg"], public["alg"])
    return public


def key_for(signed: Signed, keys: Sequence[Key]) -> Key | None:
    """The one key that a token asks for; None where there is none, or where it does not say which of several."""
    fitting = [key for key in keys if signed.fits(key)]
    return fitting[0] if len(fitting) == 1 else None
