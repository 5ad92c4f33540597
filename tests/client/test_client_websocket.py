"""The client over sockets: against trio-websocket's server, scripted here, and against servers that are none."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import pytest
import trio
import trio.testing
from client_peer import deltas, frame
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from chatcore.client import Chat, ConnectionRefused, ProtocolViolated, Unreachable, connect, wire
from chatcore.client.wire import FreshToken, dialer
from chatcore.errors import CloseCode
from chatcore.protocol.codec import encode
from chatcore.protocol.messages import (
    AgentCompleted,
    AgentDelta,
    AgentStarted,
    AgentThinking,
    AnyServerFrame,
    Error,
    Initializing,
    MessageAccepted,
    Ready,
    Resumed,
)

READY = frame(Ready)
Handler = Callable[[WebSocketRequest], Awaitable[None]]


@asynccontextmanager
async def serving(*handlers: Handler) -> AsyncIterator[str]:
    """A WebSocket server; each connection has the next of ``handlers``, the last one for all the rest."""
    waiting = list(handlers)

    async def handle(request: WebSocketRequest) -> None:
        await (waiting.pop(0) if len(waiting) > 1 else waiting[0])(request)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(serve_websocket, handle, "127.0.0.1", 0, None)
            yield f"http://127.0.0.1:{server.port}"
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def listening(answer: bytes | None) -> AsyncIterator[str]:
    """A TCP server that says ``answer`` to a request and hangs up; None never says anything."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(65536)
            if answer is None:
                await trio.sleep_forever()
            else:
                await stream.send_all(answer)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, handle, 0)
            port = listeners[0].socket.getsockname()[1]
            yield f"http://127.0.0.1:{port}"
            nursery.cancel_scope.cancel()


def quick(
    url: str,
    *,
    connect_timeout_seconds: float = 10.0,
    user_id: str | None = None,
    token: str | FreshToken | None = None,
) -> AbstractAsyncContextManager[Chat]:
    return connect(url, user_id, token, random=lambda: 0.0, connect_timeout_seconds=connect_timeout_seconds)


async def say(connection: WebSocketConnection, *frames: AnyServerFrame) -> None:
    for said in frames:
        await connection.send_message(encode(said))


async def until_closed(connection: WebSocketConnection) -> int | None:
    """Read until the client has closed; its code."""
    try:
        while True:
            await connection.get_message()
    except ConnectionClosed as closed:
        return closed.reason.code if closed.reason else None


@attrs.define
class Conversing:
    """A server that greets, answers one question, and remembers what it saw."""

    paths: list[str] = attrs.field(factory=list)
    subprotocols: list[tuple[str, ...]] = attrs.field(factory=list)
    closes: list[int | None] = attrs.field(factory=list)
    authorizations: list[str] = attrs.field(factory=list)

    async def __call__(self, request: WebSocketRequest) -> None:
        self.paths.append(request.path)
        self.subprotocols.append(request.proposed_subprotocols)
        given = [value.decode() for name, value in request.headers if name.lower() == b"authorization"]
        self.authorizations.extend(given)
        connection = await request.accept(subprotocol="chatcore.v1")
        await say(connection, frame(Initializing), READY)
        try:
            message = json.loads(await connection.get_message())
            await say(connection, frame(MessageAccepted, message_id=message["message_id"]))
            await say(connection, frame(AgentStarted, seq=1), *deltas("Hé ", "😀", seq=2))
            await say(connection, frame(AgentCompleted, seq=4))
        except ConnectionClosed:
            pass
        self.closes.append(await until_closed(connection))


async def answer_to(chat: Chat) -> str:
    run = await chat.send("hello")
    return "".join([event.text async for event in run if isinstance(event, AgentDelta)])


async def test_a_question_over_a_socket() -> None:
    server = Conversing()
    async with serving(server) as url:
        async with quick(url) as chat:
            assert await answer_to(chat) == "Hé 😀"
        await trio.testing.wait_all_tasks_blocked(0.05)
    assert server.paths == ["/ws"]
    assert server.subprotocols == [("chatcore.v1",)]
    assert server.closes == [CloseCode.NORMAL]


async def test_who_this_is_and_that_a_token_is_in_no_url() -> None:
    server = Conversing()
    async with serving(server) as url, quick(url + "/ws", user_id="Ann & Bob/ä", token="ey.J-0_") as chat:
        await answer_to(chat)
    assert server.paths == ["/ws?user_id=Ann%20%26%20Bob%2F%C3%A4"]
    assert server.subprotocols == [("chatcore.v1",)]
    assert server.authorizations == ["Bearer ey.J-0_"]


async def expire(request: WebSocketRequest) -> None:
    connection = await request.accept(subprotocol="chatcore.v1")
    error = frame(Error, error_code="TOKEN_EXPIRED", message="The token has expired", retryable=False)
    await say(connection, READY, error)
    await connection.aclose(CloseCode.TOKEN_EXPIRED, "The token has expired")


async def unauthorized(request: WebSocketRequest) -> None:
    await request.reject(401)


async def test_an_expired_token_is_final() -> None:
    async with serving(expire, Conversing()) as url, quick(url, token="a.b.c") as chat:
        with pytest.raises(ConnectionRefused) as refused:
            await answer_to(chat)
    assert refused.value.code == CloseCode.TOKEN_EXPIRED


async def test_with_a_fresh_token_an_expired_one_ends_the_connection_and_not_the_chat() -> None:
    given = iter(["old", "new"])

    async def fresh() -> str:
        await trio.lowlevel.checkpoint()
        return next(given)

    server = Conversing()
    async with serving(expire, server) as url, quick(url, token=fresh) as chat:
        assert await answer_to(chat) == "Hé 😀"
    assert server.authorizations == ["Bearer new"]


async def test_a_token_that_is_refused_at_the_door_is_final_however_fresh() -> None:
    async def fresh() -> str:
        await trio.lowlevel.checkpoint()
        return "a.b.c"

    async with serving(unauthorized) as url:
        for token in ("a.b.c", fresh):
            with pytest.raises(ConnectionRefused) as refused:
                async with quick(url, token=token):
                    pass
            assert refused.value.code == 401


async def test_what_gives_no_token_ends_the_block() -> None:
    async def fails() -> str:
        await trio.lowlevel.checkpoint()
        raise PermissionError("signed out")

    async with serving(Conversing()) as url:
        with pytest.raises(PermissionError, match="signed out"):
            async with quick(url, token=fails):
                pass


async def test_a_connection_that_breaks_is_resumed() -> None:
    async def break_off(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await say(connection, READY)
        message = json.loads(await connection.get_message())
        await say(connection, frame(MessageAccepted, message_id=message["message_id"]))
        await say(connection, frame(AgentStarted, seq=1), *deltas("Hel", seq=2))
        await trio.aclose_forcefully(connection._stream)

    async def go_on(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await say(connection, READY)
        asked = json.loads(await connection.get_message())
        assert asked == {"type": "resume", "thread_id": "t1", "after_seq": 2, "epoch": "e1"}
        merged = frame(AgentDelta, text="Hello", offset=0, first_seq=2, seq=3)
        await say(connection, frame(Resumed, from_seq=3, to_seq=3), merged, frame(AgentCompleted, seq=4))
        await until_closed(connection)

    async with serving(break_off, go_on) as url, quick(url) as chat:
        assert await answer_to(chat) == "Hello"


async def test_the_error_before_a_close_is_read_though_writing_fails() -> None:
    async def refuse(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await say(connection, frame(Error, error_code="CONNECTION_LIMIT", message="too many", retryable=False))
        await connection.aclose(1008, "CONNECTION_LIMIT")

    async with serving(refuse) as url, quick(url) as chat:
        with pytest.raises(ConnectionRefused, match="too many") as caught:
            await chat.send("hello")
    assert (caught.value.code, caught.value.reason) == (1008, "CONNECTION_LIMIT")


@pytest.mark.parametrize(("status", "words"), [(401, "HTTP status 401"), (403, "HTTP status 403")])
async def test_a_handshake_that_is_refused(status: int, words: str) -> None:
    async def refuse(request: WebSocketRequest) -> None:
        await request.reject(status, body=b"no")

    async with serving(refuse) as url:
        with pytest.raises(ConnectionRefused, match=words) as caught:
            async with quick(url):
                raise AssertionError
    assert caught.value.code == status


async def test_a_full_server_is_tried_again_when_it_says() -> None:
    async def full(request: WebSocketRequest) -> None:
        times.append(trio.current_time())
        await request.reject(503, extra_headers=[(b"Retry-After", b"1")])

    times: list[float] = []
    async with serving(full, Conversing()) as url, quick(url) as chat:
        assert await answer_to(chat) == "Hé 😀"
        assert trio.current_time() - times[0] >= 1.0


async def test_nobody_listens() -> None:
    with trio.socket.socket() as bound:
        await bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with trio.fail_after(20), pytest.raises(Unreachable, match=f"no connection to 127.0.0.1:{port}"):
            async with quick(f"ws://127.0.0.1:{port}", connect_timeout_seconds=0.2):
                raise AssertionError


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 ", b"220 smtp ready\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>"])
async def test_a_server_that_hangs_up_or_is_none_is_noticed_at_once(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "HANDSHAKE_SECONDS", 600.0)
    async with listening(answer) as url:
        with pytest.raises((Unreachable, ConnectionRefused)):
            async with quick(url, connect_timeout_seconds=0.3):
                raise AssertionError


async def test_leaving_a_silent_server_takes_no_longer_than_a_polite_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "CLOSING_SECONDS", 0.05)

    async def deaf(request: WebSocketRequest) -> None:
        await request.accept()
        await trio.sleep_forever()

    async with serving(deaf) as url, quick(url):
        pass


async def test_leaving_says_goodbye_and_does_not_wait_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "CLOSING_SECONDS", 600.0)
    server = Conversing()
    async with serving(server) as url:
        async with quick(url):
            pass
        await trio.testing.wait_all_tasks_blocked(0.05)
    assert server.closes == [CloseCode.NORMAL]


async def test_a_cancelled_block_says_goodbye_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "CLOSING_SECONDS", 600.0)
    server = Conversing()
    async with serving(server) as url:
        with trio.CancelScope() as scope:
            async with quick(url):
                scope.cancel()
                await trio.sleep_forever()
        await trio.testing.wait_all_tasks_blocked(0.05)
    assert server.closes == [CloseCode.NORMAL]


async def test_a_binary_frame_of_the_server_is_a_violation() -> None:
    async def binary(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message(b"{}")
        closes.append(await until_closed(connection))

    closes: list[int | None] = []
    async with serving(binary) as url, quick(url) as chat:
        with pytest.raises(ProtocolViolated, match="text frame"):
            await anext(chat)
        await trio.testing.wait_all_tasks_blocked(0.05)
    assert closes == [CloseCode.PROTOCOL_ERROR]


async def test_a_large_frame_comes_through() -> None:
    async def large(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await say(connection, READY, frame(AgentThinking, seq=1, text="x" * 3_000_000))
        await until_closed(connection)

    async with serving(large) as url, quick(url) as chat:
        await anext(chat)
        thought = await anext(chat)
        assert isinstance(thought, AgentThinking)
        assert len(thought.text) == 3_000_000


async def test_a_flood_is_read_though_nobody_reads_the_run() -> None:
    """What arrives is taken from the socket at once, so that pings are answered and the server is not held up."""

    async def flood(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await say(connection, READY)
        message = json.loads(await connection.get_message())
        await say(connection, frame(MessageAccepted, message_id=message["message_id"]))
        await say(connection, *[frame(AgentThinking, seq=n, text="x" * 1000) for n in range(1, 5000)])
        with trio.fail_after(5):
            await connection.ping()
        answered.set()
        await until_closed(connection)

    answered = trio.Event()
    async with serving(flood) as url, quick(url) as chat:
        await chat.send("hello")
        await answered.wait()


async def test_a_dial_that_is_cancelled_leaves_nothing_open() -> None:
    async with listening(None) as url:
        with trio.move_on_after(0.1) as scope:
            async with dialer(url, None, None)():
                raise AssertionError
        assert scope.cancelled_caught
