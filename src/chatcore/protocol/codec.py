"""Text to frames and back; what a client sends is checked here, and every fault is told in chatcore's own words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
import msgspec

from chatcore.errors import InvalidMessage
from chatcore.protocol.messages import AnyClientFrame, AnyServerFrame, AnySystemMessage, AnyTypedFrame
from chatcore.protocol.text import is_sendable

MAX_ID_CHARACTERS: Final = 128
"""Room for a UUID with a prefix, and for a digest in hex; ids are keys in storage and labels in logs."""

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly, and one that every database column holds."""

UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What msgspec raises for bytes that are not what was asked for; ``ValueError`` covers bad UTF-8."""

_NOT_AN_OBJECT = "a JSON object in valid Unicode"


@attrs.define
class InvalidFrame(InvalidMessage):
    """A client's frame is not valid.

    Args:
        message_id: the ``message_id`` of the frame where one could be read, so that the error can name it.
    """

    message_id: str | None = None


@attrs.frozen
class _Rule:
    """What a field of a client's frame must be, in words and as a test of a value of the right JSON type."""

    expected: str
    holds: Callable[[Any], bool]


def _is_identifier(value: str) -> bool:
    return 0 < len(value) <= MAX_ID_CHARACTERS and value.isprintable()


def _is_identifier_or_null(value: str | None) -> bool:
    return value is None or _is_identifier(value)


def _is_content(value: str) -> bool:
    return bool(value.strip()) and "\0" not in value and is_sendable(value)


def _is_position(value: int) -> bool:
    return 0 <= value <= MAX_SAFE_INTEGER


def _is_nonce(value: str | float | None) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ID_CHARACTERS and is_sendable(value)
    return value is None or abs(value) <= MAX_SAFE_INTEGER


_ID = f"1 to {MAX_ID_CHARACTERS} printable characters"
_TYPES = tuple(frame.__struct_config__.tag for frame in AnyClientFrame.__args__)
RULES: Mapping[str, _Rule] = MappingProxyType(
    {
        "type": _Rule(f"one of {', '.join(map(str, _TYPES))}", _TYPES.__contains__),
        "message_id": _Rule(_ID, _is_identifier),
        "content": _Rule("text that is not blank, without NUL or lone surrogates", _is_content),
        "thread_id": _Rule(f"{_ID}, or null for a new thread", _is_identifier_or_null),
        "agent": _Rule(f"{_ID}, or null for the default agent", _is_identifier_or_null),
        "run_id": _Rule(_ID, _is_identifier),
        "after_seq": _Rule(f"an integer from 0 to {MAX_SAFE_INTEGER}", _is_position),
        "epoch": _Rule(f"{_ID}, or null", _is_identifier_or_null),
        "nonce": _Rule(
            f"a string of at most {MAX_ID_CHARACTERS} characters, a number up to {MAX_SAFE_INTEGER}, or null", _is_nonce
        ),
    }
)
"""Every field that a client may send. ``tests/protocol/test_codec.py`` holds it against the messages."""

_FIELD = re.compile(r"(?:at `\$\.|missing required field `)(?P<field>\w+)")
"""Where msgspec says which field is wrong; the fields that a client may send do not nest."""


MOST_BYTES = 4
"""Of a character in UTF-8: only what might be too long is measured."""


class _Named(msgspec.Struct):
    """As much of a broken frame as an error can name."""

    message_id: Any = None


_CLIENT_FRAME: msgspec.json.Decoder[AnyClientFrame] = msgspec.json.Decoder(AnyClientFrame)
_NAMED = msgspec.json.Decoder(_Named)


@attrs.frozen
class ClientFrameDecoder:
    """Reads what a client sends.

    Args:
        max_bytes: the largest frame, in bytes of UTF-8.
    """

    max_bytes: int

    def decode(self, data: str | bytes) -> AnyClientFrame:
        """The frame that ``data`` spells.

        Args:
            data: the payload of a text frame as ``str``; ``bytes`` stands for a binary frame, which is never valid.

        Raises:
            InvalidFrame: names the field at fault and what it must be; nothing else is ever raised.
        """
        raw = self._utf8(data)
        try:
            frame = _CLIENT_FRAME.decode(raw)
        except UNREADABLE as error:
            raise _fault(raw, error) from None
        check(frame)
        return frame

    def too_long(self, data: str | bytes) -> bool:
        """Whether ``data`` is text of more than the largest frame. What cannot be encoded counts one byte each."""
        at_most = MOST_BYTES * len(data)
        return isinstance(data, str) and at_most > self.max_bytes < len(data.encode(errors="replace"))

    def _utf8(self, data: str | bytes) -> bytes:
        if not isinstance(data, str):
            raise InvalidFrame("frame", "a text frame")
        try:
            raw = data.encode()
        except UnicodeEncodeError:
            raise InvalidFrame("frame", "valid Unicode text") from None
        if len(raw) > self.max_bytes:
            raise InvalidFrame("frame", f"at most {self.max_bytes} bytes")
        return raw


def check(frame: AnyClientFrame) -> None:
    """Hold every field of ``frame`` against its rule.

    Raises:
        InvalidFrame: names the first field at fault and what it must be.
    """
    for field in frame.__struct_fields__:
        if not RULES[field].holds(getattr(frame, field)):
            raise InvalidFrame(field, RULES[field].expected, _usable(getattr(frame, "message_id", None)))


def faulty_field(error: Exception) -> str | None:
    """The field that msgspec finds missing or of the wrong type, None where it is the whole.

    Args:
        error: one of :data:`UNREADABLE`; of its own words only the name of the field is used.
    """
    found = _FIELD.search(str(error)) if isinstance(error, msgspec.ValidationError) else None
    return found["field"] if found is not None else None


def _fault(raw: bytes, error: Exception) -> InvalidFrame:
    """What is wrong with ``raw``."""
    if isinstance(error, RecursionError):
        return InvalidFrame("frame", "a JSON object that is not nested so deeply")
    field = faulty_field(error)
    if field is None or field not in RULES:
        return InvalidFrame("frame", _NOT_AN_OBJECT)
    return InvalidFrame(field, RULES[field].expected, _message_id(raw))


def _message_id(raw: bytes) -> str | None:
    try:
        return _usable(_NAMED.decode(raw).message_id)
    except UNREADABLE:
        return None


def _usable(message_id: Any) -> str | None:
    return message_id if isinstance(message_id, str) and _is_identifier(message_id) else None


# --- the server's frames --------------------------------------------------------------------------------------------


class _Typed(msgspec.Struct):
    """As much of a server's frame as tells which decoder reads it."""

    type: str


_TYPED = msgspec.json.Decoder(_Typed)
_SYSTEM_MESSAGE: msgspec.json.Decoder[AnySystemMessage] = msgspec.json.Decoder(AnySystemMessage)
_TYPED_FRAME: msgspec.json.Decoder[AnyTypedFrame] = msgspec.json.Decoder(AnyTypedFrame)
_ENCODER = msgspec.json.Encoder()


def encode(frame: AnyClientFrame | AnyServerFrame) -> str:
    """The text of a frame."""
    return _ENCODER.encode(frame).decode()


def encode_utf8(frame: AnyClientFrame | AnyServerFrame) -> bytes:
    """The text of a frame as UTF-8, for a transport that writes bytes."""
    return _ENCODER.encode(frame)


def decode_server_frame(data: str | bytes) -> AnyServerFrame:
    """The frame that a server sent.

    Args:
        data: the text, or its UTF-8.

    Raises:
        InvalidMessage: when it is none of ``chatcore.v1``.
    """
    try:
        if _TYPED.decode(data).type == "system_message":
            return _SYSTEM_MESSAGE.decode(data)
        return _TYPED_FRAME.decode(data)
    except UNREADABLE as error:
        raise InvalidMessage(faulty_field(error) or "frame", "as chatcore.v1 has it") from None
