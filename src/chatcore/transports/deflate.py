"""permessage-deflate (RFC 7692), bounded. Sans-IO.

Each message is compressed by itself, in both directions: a connection at rest holds no window, and the length of one
message gives nothing of another away, as it would where they share a window (CRIME). What a client offers is read by
the library ``websockets``. Its own inflater is not used: it keeps whatever follows the last block of a message.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

import attrs
from websockets.exceptions import InvalidHeader, NegotiationError, ProtocolError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.headers import build_extension, parse_extension

from chatcore.transports.http_head import BadRequest, Head

WINDOW_BITS: Final = 12
"""4 KiB: a frame of ours is seldom longer. Smaller where the client wants that."""

MEMORY_LEVEL: Final = 5
"""With that window a message is compressed in 35 KB, and faster than with zlib's own 8, which needs 270 KB."""

LEVEL: Final = 2
"""There are texts over which zlib's own 6 takes five times as long, and nothing that is said here gains much by it."""

SHORTEST: Final = 128
LONGEST: Final = 262_144
"""Messages that are compressed, in bytes: less is hardly saved by it, and more would keep everybody else waiting, for
10 ms and longer where its author means harm.
"""

INFLATED_BYTES: Final = 16_384
"""Inflated at once. A message that was compressed counts as one more frame for each so many bytes: else a kilobyte
would cost as much to read as the megabyte that is in it, and frames are what a client's rate is limited by."""

READ_BYTES: Final = 2_048
"""Read at once of what is to be inflated: there are blocks of eleven bytes of which nothing comes, and each takes zlib
microseconds."""

FRUITLESS_TIMES: Final = 16
"""As how many bytes inflated one counts that was read and of which nothing came: it takes zlib far longer, and an
honest compressor sends next to none."""

MOST_COUNTED: Final = 64
"""Frames that one message counts as: one that is as large as any may be fits into what may come at once."""

EMPTY_BLOCK: Final = b"\x00\x00\xff\xff"
"""RFC 7692, section 7.2.1: what ends each message, and is left out."""

MOST_AFTER_LAST_BLOCK: Final = 1 + len(EMPTY_BLOCK)
"""RFC 7692, section 7.2.3.4: a sender may mark a block as the last one, and then has to add one byte."""


NAME: Final = ServerPerMessageDeflateFactory.name

TAKEN: Final = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=WINDOW_BITS,
    client_max_window_bits=WINDOW_BITS,
)
"""What is taken of an offer, whatever else it would allow."""


@attrs.frozen
class Agreement:
    """What both sides do.

    Args:
        answer: the value of the handshake's ``Sec-WebSocket-Extensions``.
        window_bits: of what is sent.
        their_window_bits: of what comes.
    """

    answer: bytes
    window_bits: int
    their_window_bits: int


def agreed(head: Head) -> Agreement | None:
    """The first offer of a handshake that can be taken; None where there is none.

    Raises:
        BadRequest: the offers are malformed.
    """
    given = b", ".join(head.all(b"sec-websocket-extensions")).decode("latin-1")
    try:
        offers = parse_extension(given) if given else []
    except InvalidHeader:
        raise BadRequest(400, "Sec-WebSocket-Extensions is malformed") from None
    for name, parameters in offers:
        if name == NAME:
            try:
                answer, agreed_on = TAKEN.process_request_params(parameters, [])
            except NegotiationError:
                continue
            value = build_extension([(NAME, answer)]).encode()
            return Agreement(value, agreed_on.local_max_window_bits, agreed_on.remote_max_window_bits)
    return None


def deflated(payload: bytes, window_bits: int) -> bytes | None:
    """A message as it is sent compressed; None where that is not worth it."""
    if not SHORTEST <= len(payload) <= LONGEST:
        return None
    compressor = zlib.compressobj(LEVEL, wbits=-window_bits, memLevel=MEMORY_LEVEL)
    made = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return made[: -len(EMPTY_BLOCK)] if len(made) < len(payload) else None


@attrs.define(eq=False)
class Inflater(Extension):
    """Inflates the frames of one connection: the parser is told which they are, and their pieces are taken later.

    Args:
        window_bits: of the other side.
        compressed: whether the frame that was parsed last is of a compressed message.
    """

    window_bits: int
    compressed: bool = attrs.field(default=False, init=False)
    _message: zlib._Decompress | None = attrs.field(default=None, init=False)
    _work: int = attrs.field(default=0, init=False)
    """What is not counted yet, in bytes that were inflated."""

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:  # noqa: ARG002  the pieces are looked at
        """The frame without the mark that it is compressed, which it is still.

        Reserved bits that have no business there are left for the parser to refuse.
        """
        self.compressed = False
        if frame.rsv1 and frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._message = zlib.decompressobj(wbits=-self.window_bits)
        elif self._message is None or frame.rsv1 or frame.opcode is not Opcode.CONT:
            return frame
        self.compressed = True
        return Frame(frame.opcode, frame.data, frame.fin, False, frame.rsv2, frame.rsv3)

    def pieces(self, frame: Frame, size: int) -> Iterator[bytes]:
        """What a compressed frame holds, inflated as it is taken.

        Args:
            frame: as it was parsed.
            size: of a piece, at most; one may be empty, where nothing comes of what was read.

        Raises:
            ProtocolError: it is nothing that was compressed.
        """
        assert self._message is not None  # noqa: S101  it is compressed
        yield from self._read(self._message, memoryview(frame.data), size)
        if frame.fin:
            yield from self._read(self._message, memoryview(EMPTY_BLOCK), size)
            self._message = None

    def _read(self, message: zlib._Decompress, left: memoryview, size: int) -> Iterator[bytes]:
        while True:
            given = left[:READ_BYTES]
            piece = self._inflate(message, given, size)
            read = len(given) - len(message.unconsumed_tail)
            left = left[read:]
            self._work += len(piece) + FRUITLESS_TIMES * max(0, read - len(piece))
            yield piece
            if not left and len(piece) < size:
                return

    def _inflate(self, message: zlib._Decompress, given: memoryview, size: int) -> bytes:
        try:
            piece = message.decompress(given, size)
        except zlib.error:
            raise ProtocolError("not compressed as agreed") from None
        if len(message.unused_data) > MOST_AFTER_LAST_BLOCK:
            raise ProtocolError("something follows the last block")
        return piece

    def frames_more(self, size: int) -> int:
        """As how many frames more what was inflated counts, each of so many bytes; what came since it was asked."""
        frames, self._work = divmod(self._work, size)
        return frames
