"""The client against a real server that fails in every way there is: over HTTP, through the SDK."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

import pytest
import trio
from llm_scenes import KEY, client_of

from chatcore.agents.llm import client as module
from chatcore.agents.llm.client import LanguageModel
from chatcore.agents.llm.failures import ModelUnavailable
from chatcore.agents.llm.reply import MAX_REPLY_CHARACTERS, Call, ReplyBuilder, Usage
from chatcore.settings import Settings
from chatcore.testing.language_models import (
    Break,
    CallTool,
    Count,
    Finish,
    ModelRequest,
    Pause,
    Raw,
    Refuse,
    ScriptedModelServer,
    Speak,
    Turn,
    serving_model,
)

ASKED = [{"role": "user", "content": "hello"}]
FUNCTIONS = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
SHORT_SILENCE = 1.0


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait before another try is chance; here it is none."""
    monkeypatch.setattr("chatcore.agents.llm.client.random.random", lambda: 0.0)


async def failure_of(script: Sequence[Turn], silence: float = 5.0) -> tuple[ModelUnavailable, ScriptedModelServer]:
    with trio.fail_after(30):
        async with serving_model(script) as server, client_of(server, silence) as model:
            with pytest.raises(ModelUnavailable) as failed:
                await model.reply(ASKED, FUNCTIONS)
            await server.until(lambda server: server.busy == 0)
    return failed.value, server


async def test_who_leaves_in_the_middle_of_a_request_is_let_go() -> None:
    async with serving_model() as server:
        url = urlsplit(server.url)
        async with await trio.open_tcp_stream(str(url.hostname), int(url.port or 0)) as stream:
            await stream.send_all(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n{")
            await stream.send_eof()
            with trio.fail_after(30):
                assert await stream.receive_some(1) == b""
    assert server.requests == []


async def test_a_reply_is_streamed_with_its_tools_and_tokens() -> None:
    turn: Turn = [Speak("Let me look."), CallTool("find", {"x": "é"}), CallTool("count", index=1), Count(100, 20)]
    async with serving_model([turn, [Speak("12")]]) as server, client_of(server) as model:
        reply = await model.reply(ASKED, FUNCTIONS)
        last = await model.reply(ASKED, FUNCTIONS, may_call=False)

    assert reply.text == "Let me look."
    assert reply.calls == (Call("call_0", "find", '{"x": "\\u00e9"}'), Call("call_1", "count", "{}"))
    assert (reply.finish, reply.usage) == ("tool_calls", Usage(100, 20))
    assert (last.text, last.calls, last.usage) == ("12", (), None)
    first, second = server.requests
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.body["stream_options"] == {"include_usage": True}
    assert (first.body["model"], first.body["messages"], first.body["tools"]) == ("scripted-1", ASKED, FUNCTIONS)
    assert (first.body["tool_choice"], second.body["tool_choice"]) == ("auto", "none")


async def test_a_limit_of_the_server_is_seen() -> None:
    async with serving_model([[CallTool("find", '{"x": "cu'), Finish("length")]]) as server, client_of(server) as model:
        reply = await model.reply(ASKED, FUNCTIONS)
    assert reply.cut
    assert reply.calls[0].arguments == '{"x": "cu'


# --- before anything has come back, another try is made -------------------------------------------------------------

PASSING: list[tuple[str, Turn]] = [
    ("429", Refuse(429)),
    ("500", Refuse(500)),
    ("503", Refuse(503)),
    ("reset", [Break(reset=True)]),
    ("an end without a word", [Break()]),
    ("an error as its first event", [Raw(b'data: {"error": {"message": "overloaded"}}\n\n')]),
    ("no stream at all", Refuse(200, body='{"choices": []}')),
]


@pytest.mark.parametrize("turn", [turn for _, turn in PASSING], ids=[name for name, _ in PASSING])
async def test_what_may_pass_is_tried_again(turn: Turn) -> None:
    with trio.fail_after(30):
        async with serving_model([turn, turn, [Speak("Here.")]]) as server, client_of(server) as model:
            assert (await model.reply(ASKED, FUNCTIONS)).text == "Here."
    assert len(server.requests) == 3


async def test_it_is_not_tried_for_ever() -> None:
    error, server = await failure_of([Refuse(503)] * 5)
    assert (error.error_code, error.retryable, error.status) == ("MODEL_UNAVAILABLE", True, 503)
    assert len(server.requests) == 3


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with serving_model() as server:
        pass
    async with client_of(server) as model:
        with pytest.raises(ModelUnavailable) as failed:
            await model.reply(ASKED, FUNCTIONS)
    assert failed.value.retryable


async def test_retry_after_is_honoured() -> None:
    script: list[Turn] = [Refuse(429, {"Retry-After": "0.3"}), [Speak("Here.")]]
    async with serving_model(script) as server, client_of(server) as model:
        began_at = trio.current_time()
        assert (await model.reply(ASKED, FUNCTIONS)).text == "Here."
    assert trio.current_time() - began_at >= 0.3


async def test_a_server_that_asks_for_long_is_not_waited_for() -> None:
    error, server = await failure_of([Refuse(429, {"Retry-After": "3600"})])
    assert error.retryable
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_stays_refused_is_not_tried_again(status: int) -> None:
    error, server = await failure_of([Refuse(status, body='{"error": {"message": "' + KEY + '"}}')])
    assert (error.error_code, error.retryable, error.status) == ("MODEL_UNAVAILABLE", False, status)
    assert len(server.requests) == 1
    assert KEY not in repr(error) + repr(error.__notes__) + repr(error.__cause__)


# --- once something has come back, none is ---------------------------------------------------------------------------

BROKEN: list[tuple[str, Turn]] = [
    ("reset", [Speak("You spent "), Break(reset=True)]),
    ("end", [Speak("You spent "), Break()]),
    ("nonsense", [Speak("You spent "), Raw(b"data: {nonsense\n\n"), Pause()]),
    ("another shape", [Speak("You spent "), Raw(b'data: {"choices": "none"}\n\n'), Pause()]),
    ("an error", [Speak("You spent "), Raw(b'data: {"error": {"message": "out of memory"}}\n\n')]),
    ("calls broken off", [CallTool("find", '{"x"'), Break()]),
]


@pytest.mark.parametrize("turn", [turn for _, turn in BROKEN], ids=[name for name, _ in BROKEN])
async def test_a_stream_that_breaks_off_is_not_begun_again(turn: Turn) -> None:
    error, server = await failure_of([turn, [Speak("again")]])
    assert (error.error_code, error.retryable) == ("MODEL_UNAVAILABLE", True)
    assert len(server.requests) == 1


@pytest.mark.parametrize("words", ["", "You spent "], ids=["from the beginning", "in the middle"])
async def test_silence_ends_it_and_frees_the_server(words: str) -> None:
    error, server = await failure_of([[Speak(words), Pause()], [Speak("again")]], silence=SHORT_SILENCE)
    assert error.retryable
    assert "silent" in error.__notes__[0]
    assert (len(server.requests), server.abandoned) == (1, 1)


async def test_comments_are_silence() -> None:
    class Murmur:
        async def perform(self, stream: object) -> None:
            while True:
                await Raw(b": still here\n\n").perform(stream)  # type: ignore[arg-type]
                await trio.sleep(SHORT_SILENCE / 10)

    error, server = await failure_of([[Murmur()]], silence=SHORT_SILENCE)
    assert "silent" in error.__notes__[0]
    assert server.abandoned == 1


async def test_each_event_gives_the_server_more_time_and_the_last_one_little() -> None:
    async with serving_model() as server, client_of(server, 60.0) as model:
        builder, listening = ReplyBuilder(), trio.CancelScope(deadline=0.0)
        model._take(b'data: {"choices": []}\n\n', builder, listening)
        assert listening.deadline == pytest.approx(trio.current_time() + 60, abs=30)
        heard_at = listening.deadline
        model._take(b": still here\n\n", builder, listening)
        assert listening.deadline == heard_at
        model._take(b"data: [DONE]\n\n", builder, listening)
        assert listening.deadline < heard_at - 20


async def test_a_model_that_goes_on_for_ever_is_cut_and_its_server_freed() -> None:
    class Ramble:
        async def perform(self, stream: object) -> None:
            while True:
                await Raw(b'data: {"choices": [{"delta": {"content": "' + b"x" * 1000 + b'"}}]}\n\n').perform(stream)  # type: ignore[arg-type]

    with trio.fail_after(30):
        async with serving_model([[Ramble()]]) as server, client_of(server) as model:
            reply = await model.reply(ASKED, FUNCTIONS)
            await server.until(lambda server: server.busy == 0)
    assert reply.cut
    assert len(reply.text) < MAX_REPLY_CHARACTERS + 2000
    assert server.abandoned == 1


async def test_cancelling_frees_the_server() -> None:
    with trio.fail_after(30):
        async with serving_model([[Speak("You "), Pause()], [Speak("Here.")]]) as server, client_of(server) as model:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(model.reply, ASKED, FUNCTIONS)
                await server.until(lambda server: server.busy == 1)
                nursery.cancel_scope.cancel()
            await server.until(lambda server: server.busy == 0)
            assert server.abandoned == 1
            assert (await model.reply(ASKED, FUNCTIONS)).text == "Here.", "and the client still works"


async def test_many_at_once() -> None:
    def echo(request: ModelRequest) -> Turn:
        return [Speak(request.messages[0]["content"])]

    async def one(model: LanguageModel, words: str) -> None:
        assert (await model.reply([{"role": "user", "content": words}], [])).text == words

    async with serving_model(rest=echo) as server, client_of(server) as model, trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(one, model, f"question {number}")
    assert len(server.requests) == 20
    assert "tools" not in server.requests[0].body


# --- secrets ----------------------------------------------------------------------------------------------------------


async def test_the_key_is_in_no_log_and_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving_model([Refuse(500), [Speak("Here.")], Refuse(401)]) as server, client_of(server) as model:
        await model.reply(ASKED, FUNCTIONS)
        with pytest.raises(ModelUnavailable) as failed:
            await model.reply(ASKED, FUNCTIONS)
        assert KEY in server.requests[0].headers["authorization"]
        assert KEY not in repr(model) + repr(failed.value)
    assert caplog.records, "the SDK does log"
    assert KEY not in caplog.text


async def test_nothing_of_the_environment_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "sk-of-somebody-else")
    async with serving_model([[Speak("Here.")]]) as server:
        settings = Settings(llm_base_url=server.url, llm_model="scripted-1")
        async with module.open_language_model(settings) as model:
            await model.reply(ASKED, FUNCTIONS)
    assert "sk-of-somebody-else" not in repr(server.requests[0])
