"""How fast the frames of an HTTP/2 connection are passed on (RFC 9113). Sans-IO.

Hypercorn takes every frame that comes, at once and however many there are, and one of 16 MiB into memory before it
finds that too long: a client that sends nothing but settings would stop everybody else. So each frame's head is looked
at before, and who sends more of them than a client has reason to is read more slowly.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from chatcore.limits import TokenBucket
from chatcore.transports.http_head import HTTP2_PREFACE, BadRequest

FRAMES_PER_SECOND: Final = 200
FRAMES_AT_ONCE: Final = 400
"""A page with all its parts is some forty, a body of a megabyte 64, and a request is reset with one."""

COSTS: Final[Mapping[int, int]] = MappingProxyType({0x1: 2, 0x2: 20})
"""As how many a frame counts: a request, and a priority, for which Hypercorn goes through all that there are."""

FRAMES_IN_TURN: Final = 16
"""Frames after which others have their turn: a read may hold seven thousand, and a request that is taken back
costs more than any other frame."""

FRAME_BYTES: Final = 16_384
"""The longest: what is announced, as nothing else is (section 4.2)."""

FRAME_HEAD_BYTES: Final = 9


@attrs.define
class FramePace:
    """Measures one connection's frames, from its preface on."""

    _budget: TokenBucket = attrs.field(factory=lambda: TokenBucket(FRAMES_PER_SECOND, FRAMES_AT_ONCE))
    _owed: int = 0
    """What the frame before counts as, before the next is passed on."""
    _head: bytes = b""
    _payload_left: int = len(HTTP2_PREFACE)

    def measure(self, data: bytes, now: float) -> tuple[int, float]:
        """How much of what came may be passed on now.

        Args:
            data: what came, and what was not to be passed on before.
            now: monotonic seconds.

        Returns:
            how many of its bytes, and if that is none, how many seconds to wait before it is asked again.

        Raises:
            BadRequest: a frame is too long.
        """
        at = frames = 0
        while at < len(data) and frames < FRAMES_IN_TURN:
            if self._payload_left == 0:
                if (wait := self._pay(now)) > 0:
                    return at, 0.0 if at else wait
                at += self._take_head(data[at : at + FRAME_HEAD_BYTES - len(self._head)])
                frames += 1
            taken = min(self._payload_left, len(data) - at)
            self._payload_left -= taken
            at += taken
        return at, 0.0

    def _pay(self, now: float) -> float:
        while self._owed > 0:
            if (wait := self._budget.take(now)) > 0:
                return wait
            self._owed -= 1
        return 0.0

    def _take_head(self, piece: bytes) -> int:
        """Take what there is of a frame's head; how much that was."""
        self._head += piece
        if len(self._head) == FRAME_HEAD_BYTES:
            self._payload_left, self._owed = int.from_bytes(self._head[:3]), COSTS.get(self._head[3], 1)
            self._head = b""
            if self._payload_left > FRAME_BYTES:
                raise BadRequest(400, "A frame of HTTP/2 is too long")
        return len(piece)
