"""The AsyncAPI 3.0 document of ``chatcore.v1``, made of the messages, the error catalogue and the close codes. Pure.

``chatcore schema`` and ``/asyncapi.json`` show it. Nothing in it is written twice: a frame that is added to
:mod:`.messages` is in it, with its docstring.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from chatcore.errors import CATALOGUE, CloseCode, ErrorCode
from chatcore.protocol.codec import RULES
from chatcore.protocol.messages import AnyClientFrame, AnyServerFrame
from chatcore.protocol.schemas import plain, reference, schemas_of

CLIENT_FRAMES: Final[tuple[type[msgspec.Struct], ...]] = AnyClientFrame.__args__
SERVER_FRAMES: Final[tuple[type[msgspec.Struct], ...]] = AnyServerFrame.__args__

_CHANNEL: Final = "connection"

_DESCRIPTION: Final = """\
The WebSocket protocol of chatcore: one JSON object per text frame, UTF-8. The subprotocol `chatcore.v1` is confirmed
when offered and not required. Frames whose `type` is `system_message` are told apart by `event`, all others by `type`.
A client ignores fields that it does not know.

`x-error-codes` says of each `error_code` whether the same request can succeed later and which close follows;
`x-close-codes` says of each close code whether to connect again."""


def tag_of(frame: type[msgspec.Struct]) -> str:
    """What a frame is called on the wire: its ``event``, or else its ``type``."""
    return str(frame.__struct_config__.tag)


def asyncapi() -> dict[str, Any]:
    """The document, as JSON values."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "chatcore.v1", "version": "1.0.0", "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {_CHANNEL: _channel()},
        "operations": {
            "hear": _operation("receive", "What a client may send.", CLIENT_FRAMES),
            "say": _operation("send", "What the server sends.", SERVER_FRAMES),
        },
        "components": {
            "messages": {tag_of(frame): _message(frame) for frame in (*CLIENT_FRAMES, *SERVER_FRAMES)},
            "schemas": _schemas(),
        },
        "x-error-codes": {str(code): _error(code) for code in ErrorCode},
        "x-close-codes": {str(int(code)): _close(code) for code in CloseCode},
    }


def _channel() -> dict[str, Any]:
    frames = (*CLIENT_FRAMES, *SERVER_FRAMES)
    return {
        "address": "/ws",
        "description": "One WebSocket connection of one user.",
        "messages": {tag_of(frame): {"$ref": f"#/components/messages/{tag_of(frame)}"} for frame in frames},
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    }


def _operation(action: str, summary: str, frames: Iterable[type[msgspec.Struct]]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{_CHANNEL}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{_CHANNEL}/messages/{tag_of(frame)}"} for frame in frames],
    }


def _message(frame: type[msgspec.Struct]) -> dict[str, Any]:
    description = plain(frame.__doc__ or "")
    return {
        "name": tag_of(frame),
        "title": frame.__name__,
        "summary": description.partition("\n")[0],
        "description": description,
        "payload": reference(frame),
    }


def _schemas() -> dict[str, dict[str, Any]]:
    """Every schema; the fields of a client's frames with the rules they are held against."""
    schemas = schemas_of(received=CLIENT_FRAMES, sent=SERVER_FRAMES)
    for frame in CLIENT_FRAMES:
        fields = schemas[frame.__name__]["properties"]
        for name in frame.__struct_fields__:
            fields[name] = fields[name] | {"description": _rule(name, nullable="anyOf" in fields[name])}
    return schemas


def _rule(name: str, *, nullable: bool) -> str:
    """What a field must be; a rule is for every frame that has the field, and not each takes null in it."""
    expected = RULES[name].expected
    return f"Must be {expected if nullable else expected.partition(', or null')[0]}."


def _error(code: ErrorCode) -> dict[str, Any]:
    meaning = CATALOGUE[code]
    return {
        "message": meaning.message,
        "retryable": meaning.retryable,
        "close": int(meaning.close) if meaning.close is not None else None,
        "http_status": meaning.http_status,
    }


def _close(code: CloseCode) -> dict[str, Any]:
    errors = [str(error) for error in ErrorCode if CATALOGUE[error].close is code]
    return {"name": code.name, "reconnect": code.reconnect, "after": errors}
