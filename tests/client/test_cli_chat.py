"""`chatcore chat` against trio-websocket's server, scripted here."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from client_peer import deltas, frame, snapshot_of
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from chatcore import cli_chat
from chatcore.cli_chat import Lines, chat, token_from
from chatcore.errors import ConfigurationError
from chatcore.protocol.codec import encode
from chatcore.protocol.messages import (
    AgentCancelled,
    AgentCompleted,
    AgentDelta,
    AgentFailed,
    AgentRestarted,
    AgentStarted,
    Answer,
    AnyServerFrame,
    Error,
    Evidence,
    InitializationProgress,
    Initializing,
    MessageAccepted,
    Ready,
    Resumed,
    ToolCompleted,
    ToolExecuting,
)

READY = frame(Ready)
STARTED = frame(AgentStarted, seq=1)
THREAD = "thread t1; go on with --thread, check it with chatcore verify"
Capture = pytest.CaptureFixture[str]
Session = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection = connection

    async def say(self, *frames: AnyServerFrame) -> None:
        for said in frames:
            await self.connection.send_message(encode(said))

    async def hear(self) -> Any:
        return json.loads(await self.connection.get_message())

    async def accept(self, *frames: AnyServerFrame, **fields: Any) -> Any:
        """Take a message and go on with ``frames``."""
        message = await self.hear()
        await self.say(frame(MessageAccepted, message_id=message["message_id"], **fields), *frames)
        return message


async def shown() -> None:
    """Return when the client has dealt with all that was said."""
    await trio.testing.wait_all_tasks_blocked(0.05)


@asynccontextmanager
async def serving(*sessions: Session) -> AsyncIterator[str]:
    """A server whose connections have one of ``sessions`` each, and then are kept until the client leaves."""
    waiting = list(sessions)

    async def handle(request: WebSocketRequest) -> None:
        peer = Peer(await request.accept())
        try:
            await waiting.pop(0)(peer)
            while True:
                await peer.connection.get_message()
        except ConnectionClosed:
            pass

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(serve_websocket, handle, "127.0.0.1", 0, None)
            yield f"ws://127.0.0.1:{server.port}/ws"
            nursery.cancel_scope.cancel()


def completed(text: str, seq: int = 9, **fields: Any) -> AgentCompleted:
    return frame(AgentCompleted, answer=Answer(text=text, **fields), seq=seq)


# --- one question ---------------------------------------------------------------------------------------------------


async def test_the_answer_is_alone_on_standard_output(capsys: Capture) -> None:
    async def session(peer: Peer) -> None:
        await peer.say(frame(Initializing), frame(InitializationProgress))
        asked.append(await peer.accept(state="waiting_for_services"))
        await peer.say(READY, STARTED, frame(ToolExecuting, seq=2), frame(ToolCompleted, seq=3))
        await peer.say(*deltas("You have ", "**2** orders.", seq=4), completed("You have **2** orders."))

    asked: list[Any] = []
    async with serving(session) as url:
        assert await chat(url, "t1", "How many?", "ann") == 0
    captured = capsys.readouterr()
    assert captured.out == "You have **2** orders.\n"
    assert captured.err.splitlines() == [
        "the services are starting: 0 %",
        "order history: starting; 10 % after 1.0 s, about 2.0 s left",
        "ready",
        "→ find",
        "✓ find: 2 (0.1 s)",
        "a · planner · 0 tool calls · 0 queries · 1.0 s",
    ]
    assert (asked[0]["content"], asked[0]["thread_id"]) == ("How many?", "t1")


async def test_a_new_thread_is_named_after_its_answer(capsys: Capture) -> None:
    async def session(peer: Peer) -> None:
        await peer.say(READY)
        await peer.accept(STARTED, completed("two"))

    async with serving(session) as url:
        assert await chat(url, None, "How many?", None) == 0
    captured = capsys.readouterr()
    assert captured.out == "two\n"
    assert captured.err.splitlines()[-1] == THREAD


async def test_a_restart_leaves_nothing_on_standard_output(capsys: Capture) -> None:
    async def session(peer: Peer) -> None:
        await peer.say(READY)
        await peer.accept(STARTED, *deltas("wrong", seq=2), frame(AgentRestarted, seq=3), *deltas("right", seq=4))
        await peer.say(completed("right"))

    async with serving(session) as url:
        assert await chat(url, None, "x", None) == 0
    assert capsys.readouterr().out == "right\n"


async def test_no_answer_is_an_answer_that_says_why(capsys: Capture) -> None:
    async def session(peer: Peer) -> None:
        await peer.say(READY)
        refusal = completed("Nothing for June.", answered=False, reason="no_rows", alternatives=["And May?"])
        await peer.accept(STARTED, refusal)

    async with serving(session) as url:
        assert await chat(url, None, "x", None) == 0
    captured = capsys.readouterr()
    assert captured.out == "Nothing for June.\n"
    assert captured.err.splitlines()[:2] == [
        "not answered: there is no data for that, which is not zero",
        "you could ask: And May?",
    ]


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (
            frame(AgentFailed, seq=2, error_code="RUN_TIMEOUT", message="Too slow"),
            "chatcore: Too slow (RUN_TIMEOUT); the same question may succeed later",
        ),
        (
            frame(AgentFailed, seq=2, error_code="INAUTHENTIC_RESPONSE", message="Withheld", retryable=False),
            "chatcore: Withheld (INAUTHENTIC_RESPONSE)",
        ),
        (frame(AgentCancelled, seq=2, reason="by another tab"), "chatcore: cancelled: by another tab"),
    ],
)
async def test_other_ends_are_failures(end: AnyServerFrame, words: str, capsys: Capture) -> None:
    async def session(peer: Peer) -> None:
        await peer.say(READY)
        await peer.accept(STARTED, end)

    async with serving(session) as url:
        assert await chat(url, None, "x", None) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err.splitlines()) == ("", [words, THREAD])


async def test_a_refused_message(capsys: Capture) -> None:
    async def session(peer: Peer) -> None:
        await peer.say(READY)
        message = await peer.hear()
        await peer.say(
            frame(Error, error_code="THREAD_NOT_FOUND", message="No thread", message_id=message["message_id"])
        )

    async with serving(session) as url:
        assert await chat(url, "t9", "x", None) == 1
    assert capsys.readouterr().err == "chatcore: No thread\n"


async def test_a_refused_connection(capsys: Capture) -> None:
    async def session(peer: Peer) -> None:
        await peer.say(frame(Error, error_code="SERVICE_INIT_FAILED", message="Bad configuration", retryable=False))
        await peer.connection.aclose(1011)

    async with serving(session) as url:
        assert await chat(url, None, "x", None) == 1
    words = "the server refused the connection: Bad configuration (SERVICE_INIT_FAILED)"
    assert capsys.readouterr().err == f"chatcore: {words}\n"


async def test_nobody_there(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_chat, "CONNECT_SECONDS", 0.2)
    with trio.socket.socket() as bound, trio.fail_after(20):
        await bound.bind(("127.0.0.1", 0))
        assert await chat(f"http://127.0.0.1:{bound.getsockname()[1]}", None, "x", None) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "trying again in" in lines[0]
    assert lines[-1].startswith("chatcore: no connection for")


async def test_a_token_is_read_from_its_file_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    fresh = token_from(file)
    assert await fresh() == "one"
    file.write_text("  two  ")
    assert await fresh() == "two"
    file.unlink()
    with pytest.raises(ConfigurationError, match="token_file"):
        await fresh()


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_file_without_a_token_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    for file in (tmp_path / "token", tmp_path / "nowhere"):
        with pytest.raises(ConfigurationError, match=f"token_file: {file}"):
            token_from(file)


async def test_what_is_no_address() -> None:
    with pytest.raises(ConfigurationError):
        await chat("localhost", None, "x", None)


async def test_a_lost_connection_is_told_and_the_answer_comes_all_the_same(capsys: Capture) -> None:
    async def breaks(peer: Peer) -> None:
        await peer.say(READY)
        await peer.accept(STARTED, *deltas("Hel", seq=2))
        await trio.aclose_forcefully(peer.connection._stream)

    async def goes_on(peer: Peer) -> None:
        await peer.say(READY)
        assert (await peer.hear())["after_seq"] == 2
        await peer.say(frame(Resumed), frame(AgentDelta, text="lo", offset=3, seq=3), completed("Hello"))

    async with serving(breaks, goes_on) as url:
        assert await chat(url, None, "x", None) == 0
    captured = capsys.readouterr()
    assert captured.out == "Hello\n"
    assert "trying again in" in captured.err


@pytest.mark.parametrize(("status", "code", "out"), [("completed", 0, "done\n"), ("failed", 1, "")])
async def test_an_answer_whose_events_are_lost(status: str, code: int, out: str, capsys: Capture) -> None:
    async def breaks(peer: Peer) -> None:
        await peer.say(READY)
        await peer.accept(STARTED)
        await trio.aclose_forcefully(peer.connection._stream)

    async def forgot(peer: Peer) -> None:
        await peer.say(READY)
        await peer.hear()
        await peer.say(frame(Resumed, epoch="e2", complete=False), snapshot_of("r1", status))

    async with serving(breaks, forgot) as url:
        assert await chat(url, None, "x", None) == code
    captured = capsys.readouterr()
    assert captured.out == out
    assert f"the events of run r1 are lost; it is {status}" in captured.err


# --- Ctrl-C ---------------------------------------------------------------------------------------------------------


async def test_ctrl_c_cancels_the_run(capsys: Capture) -> None:
    async def session(peer: Peer) -> None:
        await peer.say(READY)
        await peer.accept(STARTED)
        await shown()
        signal.raise_signal(signal.SIGINT)
        assert await peer.hear() == {"type": "cancel_run", "run_id": "r1"}
        await peer.say(frame(AgentCancelled, seq=2, reason="asked"))

    async with serving(session) as url:
        assert await chat(url, None, "x", None) == 1
    told = capsys.readouterr().err.splitlines()
    assert told == ["cancelling; again to leave at once", "chatcore: cancelled: asked", THREAD]


async def test_ctrl_c_again_leaves_at_once(capsys: Capture) -> None:
    async def session(peer: Peer) -> None:
        await peer.say(READY)
        await peer.accept(STARTED)
        await shown()
        signal.raise_signal(signal.SIGINT)
        await peer.hear()
        signal.raise_signal(signal.SIGINT)

    async with serving(session) as url:
        assert await chat(url, None, "x", None) == 130
    assert capsys.readouterr().out == ""


async def test_ctrl_c_while_nothing_runs_leaves() -> None:
    async def session(peer: Peer) -> None:
        await peer.say(frame(Initializing))
        await peer.hear()
        signal.raise_signal(signal.SIGINT)

    async with serving(session) as url:
        assert await chat(url, None, "x", None) == 130


# --- a conversation -------------------------------------------------------------------------------------------------


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Types into standard input; nothing ends it."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb", buffering=0) as keyboard:
        monkeypatch.setattr("sys.stdin", stdin)

        def write(text: str) -> None:
            if text:
                keyboard.write(text.encode())
            else:
                keyboard.close()

        yield write


async def test_a_conversation(typed: Callable[[str], None], capsys: Capture) -> None:
    evidence = Evidence(
        id="e",
        tool="sql",
        query="SELECT 1",
        parameters={},
        columns=["n"],
        rows=[[41]],
        row_count=1,
        sha256="f" * 64,
        data_version="v1",
    )

    async def session(peer: Peer) -> None:
        await peer.say(READY)
        asked.append(await peer.accept(STARTED, completed("**two**", evidence=[evidence])))
        asked.append(await peer.accept(run_id="r2"))
        await peer.say(frame(AgentFailed, seq=11, run_id="r2", message="Failed"))
        message = await peer.hear()
        asked.append(message)
        await peer.say(frame(Error, error_code="RATE_LIMITED", message="Slow down", message_id=message["message_id"]))
        typed("")

    asked: list[Any] = []
    typed("/evidence\nfirst\n\n/evidence\n/what\nsecond\nthird\n")
    async with serving(session) as url:
        assert await chat(url, None, None, None) == 0
    assert [(message["content"], message["thread_id"]) for message in asked] == [
        ("first", None),
        ("second", "t1"),
        ("third", "t1"),
    ]
    captured = capsys.readouterr()
    assert "two" in captured.out
    assert "41" in captured.out
    assert "there is no evidence to show" in captured.err
    assert "chatcore: Failed (AGENT_FAILED)" in captured.err
    assert "chatcore: Slow down" in captured.err
    assert captured.err.count(THREAD) == 1
    assert captured.err.count("Ctrl-D") == 2


async def test_ctrl_c_at_the_prompt_leaves_though_nothing_is_typed(typed: Callable[[str], None]) -> None:
    async def session(peer: Peer) -> None:
        await peer.say(READY)
        await shown()
        signal.raise_signal(signal.SIGINT)

    async with serving(session) as url:
        assert await chat(url, None, None, None) == 130
    typed("")  # lets the thread go that still waits for a line


async def test_a_refusal_ends_a_conversation(typed: Callable[[str], None], capsys: Capture) -> None:
    async def session(peer: Peer) -> None:
        await peer.say(READY)
        await peer.hear()
        await peer.say(frame(Error, error_code="TOKEN_EXPIRED", message="Expired", retryable=False))
        await peer.connection.aclose(4401)

    typed("hello\n")
    async with serving(session) as url:
        assert await chat(url, None, None, None) == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith("Expired (TOKEN_EXPIRED)")


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\n", ["a"]),
        (b"a\nb", ["a", "b"]),
        (b"\n\nz\n", ["", "", "z"]),
        ("é\n".encode(), ["é"]),
        (b"\xff\n", ["\ufffd"]),
    ],
)
def test_lines(data: bytes, lines: list[str]) -> None:
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    source = Lines(reading)
    assert list(iter(source.read, None)) == lines
    assert source.read() is None
    os.close(reading)
