"""The ``Idempotency-Key`` of a request: sent again, it does its work once (draft-ietf-httpapi-idempotency-key-header).

A key is the ``message_id`` of the message that it came with. Pure.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from chatcore.errors import InvalidMessage
from chatcore.protocol.codec import MAX_ID_CHARACTERS, RULES

HEADER: Final = "Idempotency-Key"

_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
"""A string of structured fields (RFC 9651), as the draft has it; most clients leave the quotes out."""


REUSED: Final = 422
"""The status of :class:`KeyReused`, as the draft has it."""


@attrs.define
class KeyReused(InvalidMessage):
    """A key came before, with another request."""

    field: str = HEADER
    expected: str = "a new one for another thread, content or agent"


def key_of(header: str | None) -> str | None:
    """The key that a header gives, None where there is no header.

    Raises:
        InvalidMessage: it is no key.
    """
    if header is None:
        return None
    quoted = _QUOTED.fullmatch(header)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else header
    if (header.startswith('"') and not quoted) or not RULES["message_id"].holds(key):
        raise InvalidMessage(HEADER, f"a string of 1 to {MAX_ID_CHARACTERS} characters, in quotes or not")
    return key
