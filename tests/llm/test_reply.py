"""A reply is put together from whatever pieces its bytes come in, or it is said what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatcore.agents.llm.reply import MAX_CALLS, MAX_LINE_BYTES, MAX_REPLY_CHARACTERS, Call, Reply, ReplyBuilder, Usage


def delta(finish: str | None = None, **fields: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]})


def event(chunk: Any) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def call(arguments: str = "", **fields: Any) -> bytes:
    name = fields.pop("name", None)
    return delta(tool_calls=[fields | {"function": {"name": name, "arguments": arguments}}])


DONE = b"data: [DONE]\n\n"
STREAM = (
    b": connected\n\n"
    + delta(role="assistant", content="Let me ")
    + delta(content="lök.")
    + call(index=0, id="a", name="find")
    + call('{"x":', index=0)
    + call("1}", index=0)
    + call("{}", index=1, id="b", name="count")
    + delta("tool_calls")
    + event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
    + DONE
)
REPLY = Reply("Let me lök.", (Call("a", "find", '{"x":1}'), Call("b", "count", "{}")), "tool_calls", Usage(7, 3))


def built(*parts: bytes) -> ReplyBuilder:
    builder = ReplyBuilder()
    for part in parts:
        builder.feed(part)
    return builder


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_it_is_the_same_however_its_bytes_are_split(size: int) -> None:
    builder = built(*(STREAM[at : at + size] for at in range(0, len(STREAM), size)))
    assert builder.whole
    assert builder.ended
    assert builder.reply() == REPLY


@pytest.mark.parametrize("tokens", [-1, 10**30])
@pytest.mark.parametrize("side", ["prompt_tokens", "completion_tokens"])
def test_a_count_that_is_none_is_not_taken(side: str, tokens: int) -> None:
    counted = {"prompt_tokens": 7, "completion_tokens": 3, side: tokens}
    reply = built(delta(content="Hi"), delta("stop"), event({"choices": [], "usage": counted}), DONE).reply()
    assert (reply.text, reply.usage) == ("Hi", None)


def test_lines_may_end_as_they_do_on_the_web() -> None:
    assert built(STREAM.replace(b"\n", b"\r\n")).reply() == REPLY


def test_only_an_event_is_heard() -> None:
    builder = ReplyBuilder()
    parts = [b": still here\n\n", b"data: {", b'"choices": []}\n\n', DONE, delta(content="after the end")]
    assert [(builder.feed(part), builder.begun, builder.whole) for part in parts] == [
        (False, False, False),
        (False, False, False),
        (True, True, False),
        (True, True, True),
        (False, True, True),
    ]
    assert builder.reply().text == ""


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        pytest.param(
            [call("{}", index=0, id="a", name="f"), call("{}", index=0, id="b", name="g")],
            (Call("a", "f", "{}"), Call("b", "g", "{}")),
            id="every index is 0",
        ),
        pytest.param([call('{"x"', id="a", name="f"), call(":1}")], (Call("a", "f", '{"x":1}'),), id="no index"),
        pytest.param([call("{}", index=0, name="f")], (Call("call-1", "f", "{}"),), id="no id"),
        pytest.param(
            [delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}])],
            (Call("a", "f", '{"x":1}'),),
            id="arguments are an object",
        ),
        pytest.param(
            [call('{"x":', index=0, id="a", name="f"), call("{}", index=1, id="b", name="g"), call("1}", index=0)],
            (Call("a", "f", '{"x":1}'), Call("b", "g", "{}")),
            id="interleaved",
        ),
    ],
)
def test_servers_number_their_calls_as_they_like(pieces: list[bytes], calls: tuple[Call, ...]) -> None:
    assert built(*pieces, DONE).reply().calls == calls


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"data: {nonsense\n\n", id="no JSON"),
        pytest.param(b"data: \xff\xfe\n\n", id="no UTF-8"),
        pytest.param(b'data: {"choices": 3}\n\n', id="another shape"),
        pytest.param(b'data: {"error": ' + b"[" * 100_000 + b"\n\n", id="nested without an end"),
        pytest.param(event({"error": {"message": "postgres://ann:secret@host"}}), id="an error of the server"),
        pytest.param(b"data: " + b"x" * MAX_LINE_BYTES + b"x", id="a line without an end"),
        pytest.param(b"".join(call("{}", index=i, name="f") for i in range(MAX_CALLS + 1)), id="too many calls"),
    ],
)
def test_what_cannot_be_read_is_a_fault_and_ends_it(data: bytes) -> None:
    builder = built(delta(content="Hm"), data, DONE)
    assert builder.fault
    assert "secret" not in builder.fault
    assert builder.ended
    assert not builder.whole


def test_a_stream_that_just_ends_is_not_whole() -> None:
    assert not built(delta(content="You spent")).whole
    assert built(delta("stop", content="You spent")).whole, "some servers leave it at the reason"
    assert built(delta(content="You spent"), DONE).whole, "and some at the mark"


def test_a_model_that_goes_on_for_ever_is_cut() -> None:
    part = delta(content="x" * 1000)
    builder = ReplyBuilder()
    fed = 0
    while not builder.ended:
        builder.feed(part)
        fed += 1
    assert fed <= MAX_REPLY_CHARACTERS // 1000 + 1
    assert builder.reply().cut


def test_a_refusal_is_text() -> None:
    assert built(delta(refusal="I will not."), DONE).reply().text == "I will not."
