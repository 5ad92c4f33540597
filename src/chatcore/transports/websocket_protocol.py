"""The server's side of RFC 6455 without a socket: the handshake, and from bytes to messages. Sans-IO.

Frames are parsed by the library ``websockets``, which unmasks in C; what they make together is decided here: messages
and their limits, UTF-8 as early as it can be told, and the code with which a fault closes.
"""

from __future__ import annotations

import codecs
import re
from base64 import b64encode
from collections.abc import Generator, Iterator
from hashlib import sha1
from itertools import repeat
from struct import Struct
from typing import Final, TypeAlias

import attrs
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Close, Frame, Opcode

from chatcore.errors import CloseCode, TransportViolated
from chatcore.transports.deflate import INFLATED_BYTES, MOST_COUNTED, Inflater, deflated
from chatcore.transports.http_head import BadRequest, Head

try:
    from websockets.speedups import apply_mask  # in C, where the package was built with it
except ImportError:  # pragma: no cover
    from websockets.utils import apply_mask

FINAL_TEXT, MASKED, SMALL_HEAD, LONGEST_SMALL = 0x81, 0x80, 6, 125
"""RFC 6455, section 5.2: the first byte of a text in one frame, the bit of the second that says it is masked, what
comes before a short payload, and how long that may be."""

_SHORT, _LONG = Struct("!BBH").pack, Struct("!BBQ").pack
"""The head of a frame of 126 bytes and more, and of 65,536 and more."""
COMPRESSED: Final = 0x40
"""RFC 7692, section 6: the bit of a message's first byte that says that it is compressed."""

_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{22}==")
"""16 bytes in Base64."""

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3."""


def accept_key(head: Head) -> bytes:
    """What proves that the handshake was understood (RFC 6455, section 4.2).

    Raises:
        BadRequest: it is no handshake of version 13.
    """
    if head.method != b"GET" or head.version != "1.1" or b"upgrade" not in head.tokens(b"connection"):
        raise BadRequest(400, "A WebSocket is asked for with GET, HTTP/1.1 and Connection: Upgrade")
    if head.all(b"content-length") not in ((), [b"0"]) or head.all(b"transfer-encoding"):
        raise BadRequest(400, "A WebSocket's handshake has no body")
    if head.all(b"sec-websocket-version") != [b"13"]:
        raise BadRequest(426, "Only version 13 of WebSocket is spoken here")
    keys = head.all(b"sec-websocket-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise BadRequest(400, "Sec-WebSocket-Key must be 16 bytes in Base64, once")
    return b64encode(sha1(keys[0] + GUID, usedforsecurity=False).digest())


def switching_protocols(key: bytes, subprotocol: str | None, extensions: bytes = b"") -> bytes:
    """The answer that accepts a handshake."""
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    lines += [b"Sec-WebSocket-Accept: " + key]
    lines += [b"Sec-WebSocket-Protocol: " + subprotocol.encode()] if subprotocol is not None else []
    lines += [b"Sec-WebSocket-Extensions: " + extensions] if extensions else []
    return b"\r\n".join(lines) + b"\r\n\r\n"


def message_frame(payload: bytes, *, text: bool, compressed: bool = False) -> bytes:
    """A whole message in one frame (RFC 6455, section 5.2): made here, as it is made for every word that is sent."""
    first, size = (0x81 if text else 0x82) | (COMPRESSED if compressed else 0), len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return _SHORT(first, 126, size) + payload
    return _LONG(first, 127, size) + payload


def deflated_frame(payload: bytes, *, text: bool, window_bits: int) -> bytes:
    """The same, compressed where that is worth it."""
    made = deflated(payload, window_bits)
    return message_frame(payload if made is None else made, text=text, compressed=made is not None)


def close_frame(code: int, reason: str) -> bytes:
    """The last frame; a reason that is too long for it is left out in part."""
    room = reason.encode()[: 125 - 2].decode(errors="ignore")
    return Frame(Opcode.CLOSE, Close(code, room).serialize()).serialize(mask=False)


def is_close_frame(data: bytes) -> bool:
    """Whether this is a client's close frame and nothing else."""
    return data[:1] == b"\x88" and len(data) > 1 and len(data) == SMALL_HEAD + data[1] - MASKED


def ping_frame(payload: bytes) -> bytes:
    """Asks whether the other side is there."""
    return Frame(Opcode.PING, payload).serialize(mask=False)


def pong_frame(payload: bytes) -> bytes:
    """Says that this side is."""
    return Frame(Opcode.PONG, payload).serialize(mask=False)


@attrs.frozen
class Pinged:
    """The other side asks with this payload whether this one is there."""

    payload: bytes


@attrs.frozen
class Part:
    """Something came that is no message by itself: a pong, a part of a message."""


@attrs.frozen
class Inflating:
    """A frame is being inflated, which counts as one more with this: there is more of it, and then what it is."""


@attrs.frozen
class Farewell:
    """The other side closes. ``code`` is what it is to be answered with."""

    code: int


Incoming: TypeAlias = str | bytes | Pinged | Part | Inflating | Farewell


@attrs.define(eq=False)
class MessageReader:
    """From bytes to messages.

    Args:
        max_message_bytes: of a message, over all its frames, inflated; checked before they are taken into memory.
        inflater: of what is compressed, None where nothing may be.
        left: whether the other side has sent its close frame, a right one or not; nothing comes after it.
    """

    max_message_bytes: int
    inflater: Inflater | None = None
    left: bool = False
    _buffer: bytearray = attrs.field(factory=bytearray)
    _frame: Generator[None, None, Frame] | None = None
    _message: bytearray | None = None
    """What has come of a message in several frames: in one piece, as there may be as many frames as bytes, and more."""
    _decoder: codecs.IncrementalDecoder | None = None
    """Tells of that, if it is text, as early as it can be told, whether it is UTF-8."""
    _over: bool = False

    def feed(self, data: bytes) -> Iterator[Incoming]:
        """What these bytes complete, in order; after a farewell nothing more.

        Raises:
            TransportViolated: with the code to close with; nothing that follows can be read.
        """
        if not self._over:
            self._buffer += data
        while self._buffer and not self._over:
            if (text := self._small()) is not None:
                yield text
            elif (frame := self._next_frame()) is not None:
                if self.inflater is not None and self.inflater.compressed:
                    frame.data = yield from self._inflated(self.inflater, frame)
                yield self._taken(frame)
            else:
                return

    def _small(self) -> str | None:
        """A short text in one frame that is there whole, as nearly all that a chat's client sends is: done at once, for
        less than the library's frames alone cost (``python -m bench.parsing``). Anything else is the library's.
        """
        buffer = self._buffer
        if self._frame is not None or self._message is not None or len(buffer) < SMALL_HEAD or buffer[0] != FINAL_TEXT:
            return None
        size = buffer[1] - MASKED
        end = SMALL_HEAD + size
        if not 0 <= size <= min(LONGEST_SMALL, self.max_message_bytes) or len(buffer) < end:
            return None
        data = apply_mask(buffer[SMALL_HEAD:end], buffer[2:SMALL_HEAD])
        del buffer[:end]
        return self._text(data)

    def _exactly(self, size: int) -> Generator[None, None, bytearray]:
        """So many bytes, when they have come."""
        while len(self._buffer) < size:
            yield
        taken = self._buffer[:size]
        del self._buffer[:size]
        return taken

    def _next_frame(self) -> Frame | None:
        if self._frame is None:
            room = self.max_message_bytes - len(self._message or b"")
            extensions = None if self.inflater is None else [self.inflater]
            self._frame = Frame.parse(self._exactly, mask=True, max_size=max(room, 125), extensions=extensions)
        try:
            next(self._frame)
        except StopIteration as done:
            self._frame = None
            frame: Frame = done.value
            return frame
        except PayloadTooBig:
            raise self._fault(CloseCode.MESSAGE_TOO_BIG, "The message is too large") from None
        except ProtocolError:
            raise self._fault(CloseCode.PROTOCOL_ERROR, "Not a frame of RFC 6455") from None
        return None

    def _inflated(self, inflater: Inflater, frame: Frame) -> Generator[Inflating, None, bytearray]:
        """What a compressed frame holds; between its pieces others may have their turn."""
        data, room = bytearray(), self.max_message_bytes - len(self._message or b"")
        size = max(INFLATED_BYTES, self.max_message_bytes // MOST_COUNTED)
        try:
            for piece in inflater.pieces(frame, size):
                data += piece
                if len(data) > room:
                    raise self._fault(CloseCode.MESSAGE_TOO_BIG, "The message is too large")
                yield from repeat(Inflating(), inflater.frames_more(size))
        except ProtocolError:
            raise self._fault(CloseCode.PROTOCOL_ERROR, "Not a frame of RFC 7692") from None
        return data

    def _taken(self, frame: Frame) -> Incoming:
        if frame.opcode == Opcode.PING:
            return Pinged(bytes(frame.data))
        if frame.opcode == Opcode.PONG:
            return Part()
        if frame.opcode == Opcode.CLOSE:
            return self._farewell(bytes(frame.data))
        return self._of_message(frame)

    def _of_message(self, frame: Frame) -> Incoming:
        if (frame.opcode == Opcode.CONT) != (self._message is not None):
            raise self._fault(CloseCode.PROTOCOL_ERROR, "A message within a message, or none to continue")
        if frame.fin and self._message is None:
            return self._lone(frame)
        if self._message is None:
            self._message = bytearray()
            self._decoder = codecs.getincrementaldecoder("utf-8")() if frame.opcode == Opcode.TEXT else None
        self._message += frame.data
        if len(self._message) > self.max_message_bytes:
            raise self._fault(CloseCode.MESSAGE_TOO_BIG, "The message is too large")
        self._check_text(frame)
        return self._whole(self._message) if frame.fin else Part()

    def _lone(self, frame: Frame) -> str | bytes:
        """A message in one frame, as nearly all are."""
        data = bytes(frame.data)
        return self._text(data) if frame.opcode == Opcode.TEXT else data

    def _text(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise self._fault(CloseCode.INVALID_DATA, "Text must be UTF-8") from None

    def _check_text(self, frame: Frame) -> None:
        if self._decoder is not None:
            try:
                self._decoder.decode(frame.data, frame.fin)
            except UnicodeDecodeError:
                raise self._fault(CloseCode.INVALID_DATA, "Text must be UTF-8") from None

    def _whole(self, message: bytearray) -> str | bytes:
        whole = message.decode() if self._decoder is not None else bytes(message)
        self._message = self._decoder = None
        return whole

    def _farewell(self, payload: bytes) -> Farewell:
        self._over = self.left = True
        try:
            code = int(Close.parse(payload).code)
        except UnicodeDecodeError:
            raise self._fault(CloseCode.INVALID_DATA, "Text must be UTF-8") from None
        except ProtocolError:
            raise self._fault(CloseCode.PROTOCOL_ERROR, "Not a close frame of RFC 6455") from None
        return Farewell(CloseCode.NORMAL if code == NO_CODE else code)

    def _fault(self, code: CloseCode, reason: str) -> TransportViolated:
        self._over = True
        self._buffer.clear()
        self._message = self._decoder = self.inflater = None  # nothing of it is held while the other side takes leave
        return TransportViolated(code, reason)


NO_CODE: Final = 1005
"""What stands for a close frame without a code (RFC 6455, section 7.1.5); it may not be sent."""
