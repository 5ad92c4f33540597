"""The AsyncAPI document says what the code sends: every frame, and every value of every frame."""

from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from struct_values import values_of

from chatcore.errors import CATALOGUE, CloseCode, ErrorCode
from chatcore.protocol import messages
from chatcore.protocol.asyncapi import CLIENT_FRAMES, SERVER_FRAMES, asyncapi, tag_of

FRAMES = (*CLIENT_FRAMES, *SERVER_FRAMES)
DOCUMENT = asyncapi()


def validator(frame: type[msgspec.Struct]) -> Any:
    """Validates against the payload that the document gives for ``frame``."""
    payload = DOCUMENT["components"]["messages"][tag_of(frame)]["payload"]
    return jsonschema.Draft202012Validator(payload | {"components": DOCUMENT["components"]})


def leaves(kind: type) -> set[type]:
    """The classes under ``kind`` that nothing derives from."""
    below: list[type] = kind.__subclasses__()
    return set().union(*map(leaves, below)) if below else {kind}


def resolve(reference: str) -> Any:
    """What a reference within the document points at."""
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(value: Any) -> list[str]:
    """Every ``$ref`` in ``value``."""
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for part in value.values() for found in references(part)]
    return [found for part in value for found in references(part)] if isinstance(value, list) else []


def test_every_frame_class_is_in_it() -> None:
    classes = leaves(messages.ClientFrame) | leaves(messages.SystemMessage) | leaves(messages.ServerFrame)
    assert {message["title"] for message in DOCUMENT["components"]["messages"].values()} == {
        kind.__name__ for kind in classes
    }


def test_each_direction_names_its_own_frames() -> None:
    def named(operation: str) -> list[str]:
        return [message["$ref"].rpartition("/")[2] for message in DOCUMENT["operations"][operation]["messages"]]

    assert named("hear") == [tag_of(frame) for frame in CLIENT_FRAMES]
    assert named("say") == [tag_of(frame) for frame in SERVER_FRAMES]
    assert DOCUMENT["operations"]["hear"]["action"] == "receive"
    assert DOCUMENT["operations"]["say"]["action"] == "send"


def test_every_reference_points_at_something() -> None:
    for reference in references(DOCUMENT):
        assert resolve(reference)


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_each_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


@pytest.mark.parametrize("frame", FRAMES, ids=tag_of)
def test_each_frame_is_described(frame: type[msgspec.Struct]) -> None:
    message = DOCUMENT["components"]["messages"][tag_of(frame)]
    assert message["summary"]
    assert "``" not in message["description"]
    assert ":meth:" not in message["description"]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("frame", FRAMES, ids=tag_of)
def test_what_is_encoded_is_allowed(frame: type[msgspec.Struct], data: st.DataObject) -> None:
    value = data.draw(values_of(frame))
    validator(frame).validate(msgspec.json.decode(msgspec.json.encode(value)))


@pytest.mark.parametrize("frame", SERVER_FRAMES, ids=tag_of)
def test_a_server_frame_without_one_of_its_fields_is_refused(frame: type[msgspec.Struct]) -> None:
    required = DOCUMENT["components"]["schemas"][frame.__name__]["required"]
    unset = {field.encode_name for field in msgspec.structs.fields(frame) if field.default is msgspec.UNSET}
    assert set(required) == {"type", *frame.__struct_encode_fields__, frame.__struct_config__.tag_field} - unset
    assert not validator(frame).is_valid({})


def test_a_frame_is_not_taken_for_another() -> None:
    pong = messages.Pong(timestamp=1.0, user_id="ada", nonce=None)
    data = msgspec.to_builtins(pong)
    assert validator(messages.Pong).is_valid(data)
    assert not any(validator(frame).is_valid(data) for frame in FRAMES if frame is not messages.Pong)


def test_an_unknown_error_code_is_refused() -> None:
    error = messages.Error(
        timestamp=1.0,
        user_id="ada",
        error_code="NO_SUCH_CODE",
        message="",
        retryable=False,
        retry_after_seconds=None,
        message_id=None,
    )
    assert not validator(messages.Error).is_valid(msgspec.to_builtins(error))


def test_codes_are_those_of_the_catalogue() -> None:
    assert set(DOCUMENT["x-error-codes"]) == set(map(str, ErrorCode))
    assert set(DOCUMENT["x-close-codes"]) == {str(int(code)) for code in CloseCode}
    for code, meaning in CATALOGUE.items():
        told = DOCUMENT["x-error-codes"][str(code)]
        assert (told["message"], told["retryable"]) == (meaning.message, meaning.retryable)
        if meaning.close is not None:
            assert str(code) in DOCUMENT["x-close-codes"][str(int(meaning.close))]["after"]


def test_it_is_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(DOCUMENT)) == DOCUMENT
