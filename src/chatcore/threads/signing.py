"""What is kept can be told from what was put there later: a MAC on each row, chained over the one before it. Pure.

Each event of a thread carries a keyed BLAKE2b (RFC 7693) over its row and the MAC of the event before it. The thread
carries a seal over the MAC of its last event, so that an end which was cut off is missed. Messages carry MACs of their
own: they are held together by the runs that the events name. Decision 12 says what this proves, and against whom.
"""

from __future__ import annotations

import hashlib
import re
from hmac import compare_digest
from typing import Any, Final, Literal, TypeAlias

import attrs
import msgspec

from chatcore.errors import ConfigurationError

LEAST_CHARACTERS: Final = 32
"""Of a key: 128 bits, written in hexadecimal."""

_ID_BYTES: Final = 4
"""Of a key's name before each MAC: enough to tell the few keys of one server apart."""

_MAC_BYTES: Final = 32

Verdict: TypeAlias = Literal["valid", "invalid", "unknown_key"]

Kind: TypeAlias = Literal["event", "message", "thread"]
"""What a MAC is of, so that one cannot stand for another."""


def _derived(secret: bytes) -> bytes:
    """As long as BLAKE2b takes a key."""
    return hashlib.blake2b(secret).digest()


@attrs.frozen
class SigningKey:
    """A secret shared by all that write one database.

    Args:
        secret: 32 characters or more.
    """

    secret: bytes = attrs.field(repr=False, converter=_derived)
    identity: bytes = attrs.field(
        default=attrs.Factory(lambda key: hashlib.blake2b(key.secret, digest_size=_ID_BYTES).digest(), True), init=False
    )


@attrs.frozen(eq=False)
class Signer:
    """Signs with the first of its keys, and knows what any of them has signed.

    Args:
        keys: the newest first.
    """

    keys: tuple[SigningKey, ...]

    def sign(self, kind: Kind, *fields: Any) -> bytes:
        """The MAC of these values: texts, bytes, numbers or None, each as storage gives it back."""
        key = self.keys[0]
        return key.identity + _mac(key, kind, fields)

    def check(self, mac: bytes, kind: Kind, *fields: Any) -> Verdict:
        """Whether ``mac`` was made of these values by one of the keys."""
        known = [key for key in self.keys if key.identity == mac[:_ID_BYTES]]
        if not known:
            return "unknown_key"
        right = any(compare_digest(_mac(key, kind, fields), mac[_ID_BYTES:]) for key in known)
        return "valid" if right else "invalid"


def _mac(key: SigningKey, kind: Kind, fields: tuple[Any, ...]) -> bytes:
    """MessagePack keeps values apart and their types too: no two lists of them have the same bytes."""
    packed = msgspec.msgpack.encode((kind, *fields))
    return hashlib.blake2b(packed, key=key.secret, digest_size=_MAC_BYTES).digest()


def signer_of(*texts: str) -> Signer:
    """The signer with these keys.

    Args:
        texts: of keys, the newest first, with spaces, commas or lines between them where there are several in one.

    Raises:
        ConfigurationError: a key is too short; no key is quoted.
    """
    secrets = [secret for text in texts for secret in re.split(r"[\s,]+", text) if secret]
    if not secrets or any(len(secret) < LEAST_CHARACTERS for secret in secrets):
        remedy = 'make one: python -c "import secrets; print(secrets.token_hex(32))"'
        raise ConfigurationError("signing_key", f"has fewer than {LEAST_CHARACTERS} characters", remedy)
    return Signer(tuple(SigningKey(secret.encode()) for secret in dict.fromkeys(secrets)))
