"""Frames for many connections: encoded and judged once, with what is each one's own put in. Pure."""

from __future__ import annotations

import attrs
import msgspec

from chatcore.protocol.codec import encode_utf8
from chatcore.protocol.connection import Conversation
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


@attrs.frozen(eq=False)
class Announcement:
    """Frames that are said together.

    Args:
        frames: in the order in which they are said.
    """

    frames: tuple[SharedFrame, ...]
    _after: dict[Conversation, Conversation] = attrs.field(factory=dict, init=False)

    def after(self, before: Conversation) -> Conversation:
        """A conversation in which they have been said: that is found out once for all who are at the same point.

        Raises:
            IllegalFrame: when they may not be said now.
        """
        after = self._after.get(before)
        if after is None:
            after = before
            for shared in self.frames:
                after = after.advance(shared.frame)
            self._after[before] = after
        return after

    def texts_for(self, owner: Owner) -> list[bytes]:
        """The UTF-8 of each."""
        return [shared.text_for(owner) for shared in self.frames]
