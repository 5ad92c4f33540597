"""A frame for many connections: encoded once, with what is each one's own put in. Pure."""

from __future__ import annotations

import attrs
import msgspec

from chatcore.protocol.codec import encode_utf8
from chatcore.protocol.messages import AnyServerFrame

OWN = ("user_id", "connection_id")
"""The fields that are a connection's own. A frame is shared with both left empty."""


@attrs.frozen
class Owner:
    """Whose a shared frame becomes.

    Args:
        user_id: as JSON.
        connection_id: as JSON.
    """

    user_id: bytes
    connection_id: bytes

    @classmethod
    def of(cls, user_id: str, connection_id: str | None) -> Owner:
        """The owner with these ids."""
        return cls(msgspec.json.encode(user_id), msgspec.json.encode(connection_id or ""))


@attrs.frozen
class SharedFrame:
    """A frame with its text in pieces, between which ids belong.

    Args:
        frame: with the fields of :data:`OWN` empty.
    """

    frame: AnyServerFrame
    _before: bytes = attrs.field(init=False)
    _between: bytes = attrs.field(init=False)
    _after: bytes | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # Within a text of JSON a quote is escaped, so these are found where they are fields and nowhere else.
        before, rest = encode_utf8(self.frame).split(b'"user_id":""', 1)
        between, found, after = rest.partition(b'"connection_id":""')
        object.__setattr__(self, "_before", before + b'"user_id":')
        object.__setattr__(self, "_between", between + b'"connection_id":' if found else between)
        object.__setattr__(self, "_after", after if found else None)

    def text_for(self, owner: Owner) -> bytes:
        """The UTF-8 that encoding the frame with these ids would give."""
        if self._after is None:
            return b"".join((self._before, owner.user_id, self._between))
        return b"".join((self._before, owner.user_id, self._between, owner.connection_id, self._after))
