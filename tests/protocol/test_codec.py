"""Frames to text and back, and what a client is told of a bad one."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatcore.errors import InvalidMessage
from chatcore.protocol.codec import (
    MAX_SAFE_INTEGER,
    RULES,
    ClientFrameDecoder,
    InvalidFrame,
    check,
    decode_server_frame,
    encode,
    encode_utf8,
)
from chatcore.protocol.messages import (
    AgentDelta,
    AnyClientFrame,
    AnyServerFrame,
    AnySystemMessage,
    AnyTypedFrame,
    CancelRun,
    Ping,
    Pong,
    Resume,
    UserMessage,
)

DECODER = ClientFrameDecoder(max_bytes=10_000)


def fault(data: str | bytes) -> InvalidFrame:
    with pytest.raises(InvalidFrame) as caught:
        DECODER.decode(data)
    return caught.value


def text(**fields: Any) -> str:
    return json.dumps(fields)


def message(**fields: Any) -> str:
    return text(**({"type": "user_message", "message_id": "m1", "content": "hello"} | fields))


# --- what is accepted -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "frame"),
    [
        (message(), UserMessage(message_id="m1", content="hello")),
        (message(thread_id=None, agent=None), UserMessage(message_id="m1", content="hello")),
        (message(thread_id="t", agent="a"), UserMessage(message_id="m1", content="hello", thread_id="t", agent="a")),
        (message(content="  \n😀 "), UserMessage(message_id="m1", content="  \n😀 ")),
        (message(unknown=[1, {}]), UserMessage(message_id="m1", content="hello")),
        (text(type="cancel_run", run_id="r"), CancelRun(run_id="r")),
        (text(type="resume", thread_id="t"), Resume(thread_id="t", after_seq=0, epoch=None)),
        (text(type="resume", thread_id="t", after_seq=7, epoch="e"), Resume(thread_id="t", after_seq=7, epoch="e")),
        (text(type="ping"), Ping(nonce=None)),
        (text(type="ping", nonce="n" * 128), Ping(nonce="n" * 128)),
        (text(type="ping", nonce=-1.5), Ping(nonce=-1.5)),
    ],
)
def test_valid_frames(data: str, frame: AnyClientFrame) -> None:
    assert DECODER.decode(data) == frame


IDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=128)
OPTIONAL_IDS = st.none() | IDS
CONTENT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
CLIENT_FRAMES: st.SearchStrategy[AnyClientFrame] = st.one_of(
    st.builds(UserMessage, message_id=IDS, content=CONTENT, thread_id=OPTIONAL_IDS, agent=OPTIONAL_IDS),
    st.builds(CancelRun, run_id=IDS),
    st.builds(Resume, thread_id=IDS, after_seq=st.integers(0, MAX_SAFE_INTEGER), epoch=OPTIONAL_IDS),
    st.builds(Ping, nonce=st.none() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15)),
)


@given(CLIENT_FRAMES)
def test_what_is_valid_comes_through(frame: AnyClientFrame) -> None:
    decoder = ClientFrameDecoder(max_bytes=10**7)
    assert decoder.decode(encode(frame)) == frame
    check(frame)
    assert encode(frame).encode() == encode_utf8(frame)


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ("", "frame"),
        ("hello", "frame"),
        ("{", "frame"),
        ("[]", "frame"),
        ("3", "frame"),
        ("null", "frame"),
        ('"{}"', "frame"),
        ("NaN", "frame"),
        (message() + "x", "frame"),
        ("\ufeff" + message(), "frame"),
        ("{}", "type"),
        (text(type=None), "type"),
        (text(type="hello"), "type"),
        (text(type="agent_completed"), "type"),
        (text(type=["ping"]), "type"),
        (text(type="user_message", message_id="m1"), "content"),
        (text(type="user_message", content="x"), "message_id"),
        (message(content=""), "content"),
        (message(content=" \t\n "), "content"),
        (message(content=None), "content"),
        (message(content=3), "content"),
        (message(content="nul \0"), "content"),
        (message(message_id=""), "message_id"),
        (message(message_id="m" * 129), "message_id"),
        (message(message_id="a\nb"), "message_id"),
        (message(message_id=1), "message_id"),
        (message(thread_id=""), "thread_id"),
        (message(thread_id="\x1b[2J"), "thread_id"),
        (message(agent=""), "agent"),
        (message(agent=["a"]), "agent"),
        (text(type="cancel_run"), "run_id"),
        (text(type="cancel_run", run_id=None), "run_id"),
        (text(type="resume", thread_id=None), "thread_id"),
        (text(type="resume", thread_id="t", after_seq=-1), "after_seq"),
        (text(type="resume", thread_id="t", after_seq=1.5), "after_seq"),
        (text(type="resume", thread_id="t", after_seq=None), "after_seq"),
        (text(type="resume", thread_id="t", after_seq=2**53), "after_seq"),
        (text(type="resume", thread_id="t", after_seq=True), "after_seq"),
        (text(type="resume", thread_id="t", epoch=""), "epoch"),
        (text(type="ping", nonce="n" * 129), "nonce"),
        (text(type="ping", nonce=[]), "nonce"),
        (text(type="ping", nonce=True), "nonce"),
        (text(type="ping", nonce=2**53), "nonce"),
        ('{"type":"ping","nonce":' + "9" * 4500 + "}", "nonce"),
        ('{"type":"ping","nonce":1e999}', "nonce"),
        ('{"type":"resume","thread_id":"t","after_seq":' + "9" * 4500 + "}", "after_seq"),
    ],
)
def test_the_field_at_fault_is_named_in_our_words(data: str, field: str) -> None:
    error = fault(data)
    assert error.field == field
    assert error.expected == (RULES[field].expected if field in RULES else "a JSON object in valid Unicode")
    assert error.public_message == f"The message is not valid: {field} must be {error.expected}"


def test_an_unknown_type_is_told_the_four_there_are() -> None:
    assert fault(text(type="x")).expected == "one of user_message, cancel_run, resume, ping"


def test_a_binary_frame_is_refused_an_empty_one_too() -> None:
    assert fault(b"").expected == "a text frame"
    assert fault(message().encode()).expected == "a text frame"


def test_lone_surrogates_are_refused() -> None:
    assert fault("\ud800").expected == "valid Unicode text"
    assert fault('{"type":"user_message","message_id":"m1","content":"\\ud800"}').field == "frame"
    assert fault('{"type":"user_message","message_id":"m1","content":"\\udc00 x"}').field == "frame"
    assert fault('{"type":"user_message","message_id":"m1","content":"\\ud800\\u0041"}').field == "frame"
    with pytest.raises(InvalidMessage, match="content"):
        check(UserMessage(message_id="m1", content="\ud800"))


def test_the_size_is_counted_in_bytes() -> None:
    decoder = ClientFrameDecoder(max_bytes=len(message(content="").encode()) + 4)
    assert decoder.decode(message(content="abcd"))
    assert decoder.decode('{"type": "user_message", "message_id": "m1", "content": "😀"}')
    with pytest.raises(InvalidFrame, match="at most"):
        decoder.decode('{"type": "user_message", "message_id": "m1", "content": "😀b"}')


def test_deep_nesting_is_a_fault_like_any_other() -> None:
    deep = ClientFrameDecoder(max_bytes=10**6)
    for opening in ("[", '{"a":', '{"type":"ping","x":[', '{"type":"ping","nonce":['):
        with pytest.raises(InvalidFrame):
            deep.decode(opening * 50_000)
        with pytest.raises(InvalidFrame):
            deep.decode('{"type":"ping","x":' + opening * 50_000)


@pytest.mark.parametrize(
    ("data", "message_id"),
    [
        (message(content=""), "m1"),
        (message(content=3), "m1"),
        (text(type="user_message", message_id="m1"), "m1"),
        (text(type="x", message_id="m1"), "m1"),
        (text(message_id="m1"), "m1"),
        (message(message_id=""), None),
        (message(message_id="m" * 129, content=""), None),
        (message(message_id="a\nb", content=""), None),
        (message(message_id=3), None),
        (text(type="ping", nonce=[]), None),
        ("[]", None),
        ("{", None),
    ],
)
def test_the_message_id_is_kept_where_it_can_be_read(data: str, message_id: str | None) -> None:
    assert fault(data).message_id == message_id


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
FIELDS = st.sampled_from([*RULES, "other"])
TYPES = st.sampled_from(["user_message", "cancel_run", "resume", "ping"])


@given(
    st.one_of(
        st.text(st.characters()),
        st.binary(),
        JSON.map(json.dumps),
        JSON.map(lambda value: json.dumps(value, ensure_ascii=False)),
        st.builds(lambda kind, rest: json.dumps(rest | {"type": kind}), TYPES, st.dictionaries(FIELDS, JSON)),
        st.builds(lambda kind, rest: json.dumps({"type": kind} | rest)[:-1], TYPES, st.dictionaries(FIELDS, JSON)),
    )
)
@example('{"type":"ping","nonce":"\\ud800"}')
@example("\x00")
def test_nothing_but_invalid_message_comes_out(data: str | bytes) -> None:
    field, words = "frame", ""
    try:
        frame = DECODER.decode(data)
    except InvalidMessage as error:
        field, words = error.field, error.public_message
    else:
        assert DECODER.decode(encode(frame)) == frame
    assert field in {"frame", *RULES}
    assert words.encode().isascii()


def test_every_field_a_client_may_send_has_a_rule_and_no_rule_is_left_over() -> None:
    fields = {field for frame in get_args(AnyClientFrame) for field in frame.__struct_fields__}
    assert {"type", *fields} == set(RULES)


# --- the server's frames --------------------------------------------------------------------------------------------

SERVER_FRAMES = (*get_args(AnySystemMessage), *get_args(AnyTypedFrame))


@pytest.mark.parametrize("kind", SERVER_FRAMES)
def test_every_server_frame_comes_through(kind: type[AnyServerFrame]) -> None:
    frame = _some(kind)
    assert decode_server_frame(encode(frame)) == frame
    assert decode_server_frame(encode_utf8(frame)) == frame


def test_a_merged_delta_keeps_its_range() -> None:
    delta = _some(AgentDelta)
    assert "first_seq" not in encode(delta)
    merged = msgspec.structs.replace(delta, first_seq=0)
    assert decode_server_frame(encode(merged)) == merged


@pytest.mark.parametrize(
    "data",
    [
        "",
        "[]",
        "{}",
        '{"type":"hello"}',
        '{"type":"system_message"}',
        '{"type":"system_message","event":"hello"}',
        '{"type":"pong"}',
        '{"type":3}',
        "[" * 50_000,
        b"\xff",
        b'{"type":"\xff"}',
        "\ud800",
    ],
)
def test_what_no_server_sends_is_invalid(data: str | bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode_server_frame(data)


@given(st.text(st.characters()) | st.binary() | JSON.map(json.dumps))
def test_nothing_but_invalid_message_comes_out_of_a_servers_frame(data: str | bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode_server_frame(data)


def test_numbers_that_json_cannot_say_become_null() -> None:
    frame = Pong(timestamp=1.0, user_id="u", nonce=float("nan"))
    assert json.loads(encode(frame))["nonce"] is None


def _some(kind: Any) -> Any:
    """An instance of a frame with every required field filled."""
    values = {str: "x", int: 1, float: 1.5, bool: True}
    fields = {}
    for field in msgspec.structs.fields(kind):
        if field.required:
            options = [field.type, *get_args(field.type)]
            fields[field.name] = next((values[o] for o in options if o in values), None)
            if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
                fields[field.name] = _some(field.type)
            elif getattr(field.type, "__origin__", None) in (list, dict):
                fields[field.name] = field.type.__origin__()
            elif type(field.type).__name__ == "_LiteralGenericAlias":
                fields[field.name] = get_args(field.type)[0]
    return kind(**fields)
