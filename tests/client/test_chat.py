"""The client against a server in memory, on a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgspec
import pytest
import trio
from client_peer import Connection, Server, deltas, frame, snapshot_of
from trio.testing import MockClock, wait_all_tasks_blocked

from chatcore.backoff import Backoff
from chatcore.client import (
    Chat,
    ClientClosed,
    ConnectionLost,
    ConnectionRefused,
    ConversationEnded,
    HistoryLost,
    ProtocolViolated,
    ReaderTooSlow,
    Refused,
    Run,
    Unreachable,
    connect,
)
from chatcore.client.chat import BUFFERED_FRAMES
from chatcore.client.ledger import RESUMES_ASKED
from chatcore.errors import CloseCode, ErrorCode, InvalidMessage, RequestRefused
from chatcore.protocol.messages import (
    AgentCancelled,
    AgentCompleted,
    AgentDelta,
    AgentStarted,
    AgentThinking,
    AnyRunEvent,
    AnyServerFrame,
    CancelRun,
    Draining,
    Error,
    InitializationProgress,
    Initializing,
    MessageAccepted,
    Ready,
    Recovering,
    Resume,
    Resumed,
    ToolCompleted,
    ToolExecuting,
    UserMessage,
)

READY = frame(Ready)
DONE = frame(AgentCompleted, seq=9)


@pytest.fixture
def server() -> Server:
    return Server()


@asynccontextmanager
async def talk(server: Server, **options: Any) -> AsyncIterator[Chat]:
    """A chat without jitter unless given: its waits are those the server asked for."""
    options = {"random": lambda: 0.0, "dial": server.dial} | options
    with trio.fail_after(3600):
        async with connect("http://127.0.0.1:8000", **options) as chat:
            yield chat


async def listed(run: Run) -> list[AnyRunEvent]:
    return [event async for event in run]


async def sent(chat: Chat, connection: Connection, content: str = "hello", **accepted: Any) -> Run:
    """A message that was sent and acknowledged."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(acknowledge, connection, accepted)
        return await chat.send(content, thread_id=accepted.get("thread_id"))
    raise AssertionError


async def acknowledge(connection: Connection, accepted: dict[str, Any]) -> None:
    message = await connection.expect(UserMessage)
    connection.send(frame(MessageAccepted, message_id=message.message_id, **accepted))


@contextmanager
def raised(kind: type[Exception], bag: list[Exception]) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    bag.append(caught.value)


# --- asking ---------------------------------------------------------------------------------------------------------


async def test_a_question_and_its_events(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        assert (run.run_id, run.thread_id) == ("r1", "t1")
        events: list[AnyServerFrame] = [frame(AgentStarted, seq=1), *deltas("a", "b", seq=2), DONE]
        connection.send(*events, frame(AgentThinking, seq=10, run_id="other"))
        assert await listed(run) == events
        assert await listed(run) == []


async def test_a_message_is_acknowledged_before_ready_and_runs_after_it(
    autojump_clock: MockClock, server: Server
) -> None:
    async with talk(server) as chat:
        connection = await server.accept(frame(Initializing))
        run = await sent(chat, connection, state="waiting_for_services")
        connection.send(frame(InitializationProgress), READY, frame(AgentStarted, seq=1), DONE)
        assert len(await listed(run)) == 2


async def test_what_a_message_carries(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: chat.send("hello", "t7", "orders", message_id="mine"))
        connection = await server.accept(READY)
        message = await connection.expect(UserMessage)
        assert message == UserMessage(message_id="mine", content="hello", thread_id="t7", agent="orders")
        nursery.cancel_scope.cancel()


async def test_ids_are_new_for_each_message(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat, trio.open_nursery() as nursery:
        connection = await server.accept(READY)
        for _ in range(3):
            nursery.start_soon(chat.send, "hello")
        assert len({(await connection.expect(UserMessage)).message_id for _ in range(3)}) == 3
        nursery.cancel_scope.cancel()


async def test_iterating_the_chat_gives_every_frame(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(frame(Initializing), READY)
        run = await sent(chat, connection)
        connection.send(frame(AgentStarted, seq=1), DONE)
        seen = [await anext(chat) for _ in range(5)]
        assert [type(f) for f in seen] == [Initializing, Ready, MessageAccepted, AgentStarted, AgentCompleted]
        assert len(await listed(run)) == 2


async def test_a_refused_message_raises_from_send_alone(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat, trio.open_nursery() as nursery:
        connection = await server.accept(READY)

        async def refuse() -> None:
            message = await connection.expect(UserMessage)
            connection.send(
                frame(
                    Error,
                    error_code="TOO_MANY_PENDING",
                    message="words",
                    retry_after_seconds=2.0,
                    message_id=message.message_id,
                )
            )

        nursery.start_soon(refuse)
        with pytest.raises(Refused, match="words") as caught:
            await chat.send("hello")
        assert caught.value.error_code is ErrorCode.TOO_MANY_PENDING
        assert caught.value.retry_after_seconds == 2.0
        assert (await sent(chat, connection)).run_id == "r1"


@pytest.mark.parametrize("content", ["", "  ", "a\0b", "\ud800"])
async def test_what_the_protocol_does_not_allow_is_not_sent(
    autojump_clock: MockClock, server: Server, content: str
) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        with pytest.raises(InvalidMessage, match="content"):
            await chat.send(content)
        await wait_all_tasks_blocked()
        assert connection.unread() == 0


async def test_a_message_larger_than_the_server_takes_does_not_cost_the_connection(
    autojump_clock: MockClock, server: Server
) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        await anext(chat)
        with pytest.raises(RequestRefused) as caught:
            await chat.send("x" * 1000)
        assert caught.value.error_code is ErrorCode.MESSAGE_TOO_LARGE
        await wait_all_tasks_blocked()
        assert connection.unread() == 0


async def test_cancel_asks_for_the_end(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        await chat.cancel(run.run_id)
        assert (await connection.expect(CancelRun)).run_id == "r1"
        connection.send(frame(AgentStarted, seq=1), frame(AgentCancelled, seq=2))
        assert isinstance((await listed(run))[-1], AgentCancelled)


# --- connecting again -----------------------------------------------------------------------------------------------


async def test_a_lost_connection_is_resumed_and_each_event_seen_once(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        connection.send(frame(AgentStarted, seq=1), *deltas("Hel", "lo", seq=2))
        connection.close()
        connection = await server.accept(READY)
        assert await connection.expect(Resume) == Resume(thread_id="t1", after_seq=3, epoch="e1")
        connection.send(
            frame(Resumed, from_seq=4, to_seq=5),
            frame(AgentDelta, text="Hello, wor", offset=0, first_seq=2, seq=5),
            frame(AgentDelta, text="ld", offset=10, seq=6),
            frame(AgentCompleted, seq=7),
        )
        events = await listed(run)
        assert [e.text for e in events if isinstance(e, AgentDelta)] == ["Hel", "lo", ", wor", "ld"]
        assert [e.seq for e in events] == [1, 2, 3, 5, 6, 7]


async def test_resume_waits_for_ready(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        await sent(chat, connection)
        connection.close()
        connection = await server.accept(frame(Initializing))
        await wait_all_tasks_blocked()
        assert connection.unread() == 0
        connection.send(READY)
        assert (await connection.expect(Resume)).after_seq == 0


async def test_live_events_before_the_replay_are_left_to_the_replay(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        connection.send(frame(AgentStarted, seq=1))
        connection.close()
        connection = await server.accept(READY, frame(AgentThinking, seq=3, text="later"))
        await connection.expect(Resume)
        connection.send(
            frame(Resumed, from_seq=2, to_seq=3),
            frame(AgentThinking, seq=2, text="sooner"),
            frame(AgentThinking, seq=3, text="later"),
            DONE,
        )
        assert [event.seq for event in await listed(run)] == [1, 2, 3, 9]


async def test_threads_whose_runs_have_ended_are_not_resumed(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        connection.send(frame(AgentStarted, seq=1), DONE)
        await listed(run)
        connection.close()
        connection = await server.accept(READY)
        await wait_all_tasks_blocked()
        assert connection.unread() == 0


async def test_an_unacknowledged_message_is_sent_again_under_its_id(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat, trio.open_nursery() as nursery:
        connection = await server.accept(READY)
        runs: list[Run] = []

        async def ask() -> None:
            runs.append(await chat.send("hello"))

        nursery.start_soon(ask)
        first = await connection.expect(UserMessage)
        connection.close()
        connection = await server.accept(READY)
        assert await connection.expect(UserMessage) == first
        connection.send(frame(MessageAccepted, message_id=first.message_id, duplicate=True, state="ended"))
        assert await connection.expect(Resume) == Resume(thread_id="t1", after_seq=0, epoch=None)
        connection.send(frame(Resumed, to_seq=2), frame(AgentStarted, seq=1), frame(AgentCompleted, seq=2))
        await wait_all_tasks_blocked()
        assert [event.seq for event in await listed(runs[0])] == [1, 2]


async def test_a_run_whose_acknowledgement_was_lost_misses_nothing_that_the_chat_has_seen(
    autojump_clock: MockClock, server: Server
) -> None:
    """Its first events passed by while nobody knew them for its own."""
    async with talk(server) as chat, trio.open_nursery() as nursery:
        connection = await server.accept(READY)
        first = await sent(chat, connection, thread_id="t1", run_id="r0")
        connection.send(*[frame(AgentThinking, seq=n, run_id="r0") for n in range(1, 6)])
        await wait_all_tasks_blocked()
        runs: list[Run] = []

        async def ask() -> None:
            runs.append(await chat.send("again", "t1"))

        nursery.start_soon(ask)
        message = await connection.expect(UserMessage)
        connection.send(frame(AgentCompleted, seq=6, run_id="r0"), frame(AgentStarted, seq=7))
        await wait_all_tasks_blocked()
        connection.close()
        connection = await server.accept(READY)
        assert await connection.expect(UserMessage) == message
        connection.send(frame(MessageAccepted, message_id=message.message_id, duplicate=True))
        assert await connection.expect(Resume) == Resume(thread_id="t1", after_seq=5, epoch="e1")
        replay: list[AnyServerFrame] = [frame(AgentCompleted, seq=6, run_id="r0"), frame(AgentStarted, seq=7), DONE]
        connection.send(frame(Resumed, from_seq=6, to_seq=9), *replay)
        await wait_all_tasks_blocked()
        assert [event.seq for event in await listed(runs[0])] == [7, 9]
        assert [event.seq for event in await listed(first)] == [1, 2, 3, 4, 5, 6]
        seen = [await anext(chat) for _ in range(13)]
        assert [f.seq for f in seen if isinstance(f, (AgentStarted, AgentThinking, AgentCompleted))] == [
            *range(1, 8),
            9,
        ]


async def test_a_message_of_an_id_of_ones_own_replays_its_thread(autojump_clock: MockClock, server: Server) -> None:
    """The run may be older than anything that was seen."""
    async with talk(server) as chat, trio.open_nursery() as nursery:
        connection = await server.accept(READY, frame(AgentThinking, seq=50, run_id="r0"))
        await wait_all_tasks_blocked()
        runs: list[Run] = []

        async def ask() -> None:
            runs.append(await chat.send("hello", "t1", message_id="mine"))

        nursery.start_soon(ask)
        await connection.expect(UserMessage)
        connection.send(frame(MessageAccepted, message_id="mine", duplicate=True, state="ended"))
        assert (await connection.expect(Resume)).after_seq == 0
        connection.send(frame(Resumed, to_seq=50), frame(AgentStarted, seq=1), DONE)
        await wait_all_tasks_blocked()
        assert [event.seq for event in await listed(runs[0])] == [1, 9]


async def test_a_question_that_was_given_up_is_not_sent_again(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        with trio.move_on_after(1):
            await chat.send("hello")
        connection.close()
        connection = await server.accept(READY)
        await wait_all_tasks_blocked()
        assert connection.unread() == 0


async def test_cancelling_is_asked_again_while_the_end_is_awaited(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        await sent(chat, connection)
        await chat.cancel("r1")
        await chat.cancel("unknown")
        await connection.expect(CancelRun)
        await connection.expect(CancelRun)
        connection.close()
        connection = await server.accept(READY)
        assert (await connection.expect(CancelRun)).run_id == "r1"
        await connection.expect(Resume)
        connection.send(frame(Resumed), frame(AgentCancelled, seq=2))
        await wait_all_tasks_blocked()
        connection.close()
        connection = await server.accept(READY)
        await wait_all_tasks_blocked()
        assert connection.unread() == 0


# --- when -----------------------------------------------------------------------------------------------------------


def gaps(server: Server) -> list[float]:
    return [round(b - a, 3) for a, b in zip(server.dialled, server.dialled[1:], strict=False)]


async def test_waits_grow_until_ready(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server, random=lambda: 0.5):
        for _ in range(4):
            (await server.accept()).close()
        (await server.accept(READY)).close()
        await server.accept()
    assert gaps(server) == [0.25, 0.5, 1.0, 2.0, 0.25]


@pytest.mark.parametrize(
    ("frames", "code", "asked"),
    [
        ([frame(Error, error_code="SERVICES_UNAVAILABLE", retry_after_seconds=7.0)], 1013, 7.0),
        ([frame(Error, error_code="SERVICE_INIT_FAILED", retry_after_seconds=4.0)], 1011, 4.0),
        ([READY, frame(Draining, reconnect_after_seconds=3.0)], 1012, 3.0),
        ([frame(Initializing)], 4413, 0.0),
    ],
)
async def test_what_the_server_asks_for_is_the_least_wait(
    autojump_clock: MockClock, server: Server, frames: list[AnyServerFrame], code: int, asked: float
) -> None:
    async with talk(server, random=lambda: 0.5):
        (await server.accept(*frames)).close(code)
        await server.accept()
    assert gaps(server) == [asked + 0.25]


async def test_retry_after_of_a_refused_handshake(autojump_clock: MockClock, server: Server) -> None:
    server.refusals.append(ConnectionLost("HTTP status 503", status=503, retry_after_seconds=5.0))
    async with talk(server):
        await server.accept()
    assert gaps(server) == [5.0]


async def test_who_wants_to_know_is_told_of_each_lost_connection(autojump_clock: MockClock, server: Server) -> None:
    told: list[tuple[str, float]] = []
    async with talk(server, on_disconnect=lambda lost, seconds: told.append((lost.reason, seconds))):
        (await server.accept(frame(Draining))).close(1012, "going away")
        (await server.accept()).close()
        await server.accept()
    assert told == [("going away", 3.0), ("", 0.0)]


async def test_a_server_that_vanished_is_noticed(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server):
        (await server.accept(READY)).vanish()
        await server.accept()
    assert gaps(server) == [40.0]


async def test_a_quiet_server_that_answers_is_kept(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        await trio.sleep(1000)
        assert (await sent(chat, connection)).run_id == "r1"
    assert len(server.dialled) == 1


# --- the end --------------------------------------------------------------------------------------------------------


async def test_a_refusal_is_told_to_everyone(autojump_clock: MockClock, server: Server) -> None:
    error = frame(Error, error_code="TOKEN_EXPIRED", message="The token has expired", retryable=False)
    told: list[Exception] = []

    async def telling(act: Callable[[], Any]) -> None:
        with raised(ConnectionRefused, told):
            await act()

    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        connection.send(frame(AgentStarted, seq=1))
        seen = [await anext(chat) for _ in range(3)]
        assert len(seen) == 3
        await anext(run)
        async with trio.open_nursery() as nursery:
            for act in (run.__anext__, lambda: chat.send("x"), lambda: chat.resume("t2")):
                nursery.start_soon(telling, act)
            await wait_all_tasks_blocked()
            connection.send(error)
            connection.close(4401, "expired")
        assert await anext(chat) == error
        await telling(chat.__anext__)
        await telling(run.__anext__)
        await telling(lambda: chat.send("x"))
        await telling(lambda: chat.cancel("r1"))
        await telling(lambda: chat.resume("t1"))
    assert len({id(e) for e in told}) == len(told) == 8
    for refused in told:
        assert isinstance(refused, ConnectionRefused)
        assert (refused.code, refused.reason, refused.error) == (4401, "expired", error)
    assert len(server.dialled) == 1


async def test_an_abusive_client_is_told_why(autojump_clock: MockClock, server: Server) -> None:
    flood = frame(Error, error_code="RATE_LIMITED", message="Too many messages")
    async with talk(server) as chat:
        (await server.accept(READY, flood)).close(1008)
        with pytest.raises(ConnectionRefused, match="Too many messages"):
            await chat.send("x")


async def test_a_refused_handshake(autojump_clock: MockClock, server: Server) -> None:
    server.refusals.append(ConnectionLost("HTTP status 403", status=403))
    with pytest.raises(ConnectionRefused, match="HTTP status 403"):
        async with talk(server):
            raise AssertionError
    assert len(server.dialled) == 1


async def test_nobody_there(autojump_clock: MockClock, server: Server) -> None:
    server.refusals.extend([ConnectionLost("no connection")] * 100)
    with pytest.raises(Unreachable, match=r"no connection for 10\.0 s: no connection"):
        async with talk(server, random=lambda: 0.5):
            raise AssertionError
    assert gaps(server) == [0.25, 0.5, 1.0, 2.0, 4.0, 2.25]


async def test_a_wait_longer_than_patience_is_not_begun(autojump_clock: MockClock, server: Server) -> None:
    server.refusals.append(ConnectionLost("HTTP status 503", status=503, retry_after_seconds=60.0))
    with pytest.raises(Unreachable):
        async with talk(server):
            raise AssertionError
    assert len(server.dialled) == 1


async def test_a_server_that_never_becomes_ready_is_given_up(autojump_clock: MockClock, server: Server) -> None:
    async def fail() -> None:
        while True:
            connection = await server.accept(
                frame(Initializing), frame(Error, error_code="SERVICE_INIT_TIMEOUT", retry_after_seconds=10.0)
            )
            connection.close(1013)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        async with talk(server, give_up_after_seconds=35.0) as chat:
            with pytest.raises(Unreachable) as caught:
                await chat.send("x")
        nursery.cancel_scope.cancel()
    assert caught.value.error is not None
    assert caught.value.error.error_code == "SERVICE_INIT_TIMEOUT"
    assert gaps(server) == [10.0, 10.0, 10.0]


async def test_it_goes_on_for_ever_unless_told_otherwise(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server, backoff=Backoff(30.0, 1.0, 30.0), random=lambda: 0.9) as chat:
        (await server.accept(READY)).close()
        server.refusals.extend([ConnectionLost("down")] * 100)
        connection = await server.accept(READY)
        assert (await sent(chat, connection)).run_id == "r1"
    assert len(server.dialled) == 102


@pytest.mark.parametrize(
    "data",
    [
        "{",
        b"",
        '{"type":"news"}',
        '{"type":"pong","timestamp":0,"user_id":"u","nonce":null}',  # before the first frame
    ],
)
async def test_a_server_that_does_not_speak_the_protocol(
    autojump_clock: MockClock, server: Server, data: str | bytes
) -> None:
    async with talk(server) as chat:
        connection = await server.accept()
        connection.send_raw(data)
        with pytest.raises(ProtocolViolated):
            await chat.send("x")
        assert connection.closed_with is CloseCode.PROTOCOL_ERROR
    assert len(server.dialled) == 1


async def test_an_event_before_ready_is_a_violation(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        await server.accept(frame(Initializing), frame(AgentStarted, seq=1))
        await anext(chat)
        with pytest.raises(ProtocolViolated, match="run event is not allowed in state waiting"):
            await anext(chat)


# --- the block ------------------------------------------------------------------------------------------------------


async def test_an_error_in_the_block_comes_out_as_it_is(autojump_clock: MockClock, server: Server) -> None:
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught:
        async with talk(server):
            raise error
    assert caught.value is error
    assert error.__context__ is None


async def test_a_group_in_the_block_comes_out_as_it_is(autojump_clock: MockClock, server: Server) -> None:
    group = ExceptionGroup("mine", [ValueError("mine")])
    with pytest.raises(ExceptionGroup) as caught:
        async with talk(server):
            raise group
    assert (caught.value.message, caught.value.exceptions) == (group.message, group.exceptions)


async def test_cancelling_the_block(autojump_clock: MockClock, server: Server) -> None:
    with trio.move_on_after(5) as scope:
        async with talk(server):
            (await server.accept(READY)).close(1012)
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_leaving_the_block_closes_and_tells(autojump_clock: MockClock, server: Server) -> None:
    told: list[Exception] = []

    async def read(run: Run) -> None:
        with raised(ClientClosed, told):
            await listed(run)

    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery, talk(server) as chat:
            connection = await server.accept(READY)
            nursery.start_soon(read, await sent(chat, connection))
            await wait_all_tasks_blocked()
    assert len(told) == 1
    assert connection.closed_with is CloseCode.NORMAL
    for act in (chat.send("x"), chat.cancel("r"), chat.resume("t")):
        with pytest.raises(ClientClosed):
            await act


async def test_no_task_is_left(autojump_clock: MockClock, server: Server) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    async with talk(server) as chat:
        await sent(chat, await server.accept(READY))
    assert trio.lowlevel.current_statistics().tasks_living == before


# --- threads --------------------------------------------------------------------------------------------------------


async def resumed(chat: Chat, connection: Connection, after_seq: int, *replay: AnyServerFrame) -> Resume:
    asked: list[Resume] = []

    async def answer() -> None:
        asked.append(await connection.expect(Resume))
        connection.send(frame(Resumed, from_seq=asked[0].after_seq + 1), *replay)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        assert isinstance(await chat.resume("t1", after_seq), Resumed)
    return asked[0]


async def test_a_thread_is_watched_from_a_position_on(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        asked = await resumed(chat, connection, 4, frame(AgentThinking, seq=5), frame(AgentThinking, seq=6))
        assert asked == Resume(thread_id="t1", after_seq=4, epoch=None)
        seen = [await anext(chat) for _ in range(4)]
        assert [f.seq for f in seen if isinstance(f, AgentThinking)] == [5, 6]
        connection.close()
        connection = await server.accept(READY)
        assert await connection.expect(Resume) == Resume(thread_id="t1", after_seq=6, epoch="e1")


async def test_resuming_further_back_repeats_for_the_chat_and_not_for_a_run(
    autojump_clock: MockClock, server: Server
) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        events: list[AnyServerFrame] = [frame(AgentStarted, seq=1), *deltas("ab", "cd", seq=2)]
        connection.send(*events)
        for _ in range(5):
            await anext(chat)
        asked = await resumed(chat, connection, 1, *events[1:], DONE)
        assert asked == Resume(thread_id="t1", after_seq=1, epoch="e1")
        assert [type(await anext(chat)) for _ in range(4)] == [Resumed, AgentDelta, AgentDelta, AgentCompleted]
        assert [event.seq for event in await listed(run)] == [1, 2, 3, 9]


async def test_a_second_resume_is_not_answered_by_the_first(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat, trio.open_nursery() as nursery:
        connection = await server.accept(READY)
        nursery.start_soon(chat.resume, "t1", 7)
        await connection.expect(Resume)
        nursery.start_soon(chat.resume, "t1", 2)
        assert (await connection.expect(Resume)).after_seq == 2
        connection.send(frame(Resumed, from_seq=8), frame(AgentThinking, seq=8))
        connection.send(frame(Resumed, from_seq=3), *[frame(AgentThinking, seq=n) for n in range(3, 9)])
        seen = [await anext(chat) for _ in range(9)]
        assert [f.seq for f in seen if isinstance(f, AgentThinking)] == [3, 4, 5, 6, 7, 8]


async def test_a_thread_that_there_is_not(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat, trio.open_nursery() as nursery:
        connection = await server.accept(READY)

        async def answer() -> None:
            await connection.expect(Resume)
            connection.send(frame(Error, error_code="THREAD_NOT_FOUND", retryable=False))

        nursery.start_soon(answer)
        with pytest.raises(Refused) as caught:
            await chat.resume("t1")
        assert caught.value.error_code is ErrorCode.THREAD_NOT_FOUND
        connection.close()
        connection = await server.accept(READY)
        await wait_all_tasks_blocked()
        assert connection.unread() == 0


async def test_a_thread_that_is_gone_ends_its_runs(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        connection.close()
        connection = await server.accept(READY)
        await connection.expect(Resume)
        connection.send(frame(Error, error_code="THREAD_NOT_FOUND", retryable=False))
        with pytest.raises(Refused):
            await listed(run)


async def test_a_resume_refused_without_a_name_is_tried_on_a_new_connection(
    autojump_clock: MockClock, server: Server
) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        connection.close()
        connection = await server.accept(READY)
        await connection.expect(Resume)
        connection.send(frame(Error, error_code="RATE_LIMITED", retry_after_seconds=6.0))
        connection = await server.accept(READY)
        await connection.expect(Resume)
        connection.send(frame(Resumed), frame(AgentStarted, seq=1), DONE)
        assert len(await listed(run)) == 2
    assert gaps(server) == [0.0, 6.0]


async def test_many_threads_are_asked_for_a_few_at_a_time(autojump_clock: MockClock, server: Server) -> None:
    """A server queues so many frames and refuses the rest without a name: a client that asked at once never got on."""
    threads = [f"t{n}" for n in range(3 * RESUMES_ASKED)]
    async with talk(server) as chat, trio.open_nursery() as nursery:
        connection = await server.accept(READY)
        for thread_id in threads:
            nursery.start_soon(chat.resume, thread_id)
        for _ in range(2):  # asked for by the caller, then after a cut
            await wait_all_tasks_blocked()
            assert connection.unread() == RESUMES_ASKED
            asked = []
            for _ in threads:
                asked.append((await connection.expect(Resume)).thread_id)
                connection.send(frame(Resumed, thread_id=asked[-1]))
                await wait_all_tasks_blocked()
            assert sorted(asked) == sorted(threads)
            connection.close()
            connection = await server.accept(READY)
    assert len(server.dialled) == 3


@pytest.mark.parametrize("per_second", [3, 5, 7, 11, 100])
async def test_no_more_is_written_than_the_server_has_said_it_takes(
    autojump_clock: MockClock, server: Server, per_second: int
) -> None:
    """What came faster would be refused, and a client with many threads would never get on."""
    threads = 4 * per_second + 3
    limits = msgspec.structs.replace(READY.limits, max_frames_per_second=per_second)
    asked: list[float] = []
    async with talk(server) as chat, trio.open_nursery() as nursery:
        connection = await server.accept(msgspec.structs.replace(READY, limits=limits))
        for n in range(threads):
            nursery.start_soon(chat.resume, f"t{n}")
        for _ in range(threads):
            thread_id = (await connection.expect(Resume)).thread_id
            asked.append(trio.current_time())
            connection.send(frame(Resumed, thread_id=thread_id))
    for second in range(int(asked[-1]) + 1):
        assert sum(at <= second for at in asked) <= per_second * (second + 1), "its burst, and its rate"
    assert asked[-1] < 5, "and no less"


async def test_a_thread_that_there_is_not_makes_room_for_the_next(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat, trio.open_nursery() as nursery:
        connection = await server.accept(READY)

        async def ask(thread_id: str) -> None:
            with pytest.raises(Refused):
                await chat.resume(thread_id)

        for n in range(RESUMES_ASKED + 1):
            nursery.start_soon(ask, f"t{n}")
        for _ in range(RESUMES_ASKED + 1):
            with trio.fail_after(1):
                await connection.expect(Resume)
            await wait_all_tasks_blocked()
            connection.send(frame(Error, error_code="THREAD_NOT_FOUND", retryable=False))


@pytest.mark.parametrize(("thread_id", "after_seq"), [("", 0), ("x" * 129, 0), ("t1", -1)])
async def test_a_resume_that_the_protocol_does_not_allow_is_not_asked(
    autojump_clock: MockClock, server: Server, thread_id: str, after_seq: int
) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        with pytest.raises(InvalidMessage), trio.fail_after(10):
            await chat.resume(thread_id, after_seq)
        await wait_all_tasks_blocked()
        assert connection.unread() == 0


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_a_run_that_ended_in_lost_history_says_how(
    autojump_clock: MockClock, server: Server, status: str
) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        connection.send(frame(AgentStarted, seq=1))
        connection.close()
        connection = await server.accept(READY)
        await connection.expect(Resume)
        connection.send(frame(Resumed, epoch="e2", complete=False), snapshot_of("r1", status))
        await anext(run)
        with pytest.raises(HistoryLost, match=f"the events of run r1 are lost; it is {status}") as caught:
            await anext(run)
        assert caught.value.message is not None
        assert caught.value.message.content == "done"


async def test_a_run_that_the_server_knows_nothing_of(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        connection.close()
        connection = await server.accept(READY)
        await connection.expect(Resume)
        connection.send(frame(Resumed, epoch="e2", complete=False), snapshot_of("other", "completed"))
        with pytest.raises(HistoryLost) as caught:
            await anext(run)
        assert caught.value.message is None
        connection.close()
        connection = await server.accept(READY)
        await wait_all_tasks_blocked()
        assert connection.unread() == 0


async def test_a_run_that_goes_on_after_lost_history_is_followed(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        connection.send(frame(AgentStarted, seq=1), *deltas("Hello", seq=2))
        connection.close()
        connection = await server.accept(READY)
        await connection.expect(Resume)
        connection.send(
            frame(Resumed, epoch="e2", complete=False),
            snapshot_of("r1", "running"),
            frame(AgentThinking, seq=9, epoch="e2"),
            frame(AgentDelta, text="lo", offset=3, seq=10, epoch="e2"),
            frame(AgentCompleted, seq=11, epoch="e2"),
        )
        assert [event.seq for event in await listed(run)] == [1, 2, 10, 11]


async def test_recovering_keeps_the_run(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        connection.send(frame(AgentStarted, seq=1), frame(Recovering), frame(AgentThinking, seq=2), READY, DONE)
        assert len(await listed(run)) == 3


# --- slow readers ---------------------------------------------------------------------------------------------------


async def test_an_unread_run_keeps_all_its_text_and_holds_up_nobody(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        slow = await sent(chat, connection)
        quick = await sent(chat, connection, thread_id="t2", run_id="r2")
        texts = [f"{n} " for n in range(5 * BUFFERED_FRAMES)]
        connection.send(frame(AgentStarted, seq=1), *deltas(*texts, seq=2))
        connection.send(frame(AgentCompleted, seq=2 + len(texts)))
        connection.send(frame(AgentCompleted, seq=1, run_id="r2", thread_id="t2"))
        assert len(await listed(quick)) == 1
        events = await listed(slow)
        assert len(events) <= BUFFERED_FRAMES // 2 + 2
        assert "".join(event.text for event in events if isinstance(event, AgentDelta)) == "".join(texts)
        joined = events[-2]
        assert isinstance(joined, AgentDelta)
        assert (joined.first_seq, joined.seq) == (events[-3].seq + 1, 1 + len(texts))


async def test_a_run_that_falls_behind_further_is_told(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        run = await sent(chat, connection)
        for n in range(BUFFERED_FRAMES):
            connection.send(
                frame(ToolExecuting, seq=2 * n + 1, tool_call_id=f"c{n}"),
                frame(ToolCompleted, seq=2 * n + 2, tool_call_id=f"c{n}"),
            )
        await wait_all_tasks_blocked()
        assert [(await anext(run)).seq for _ in range(BUFFERED_FRAMES)] == list(range(1, BUFFERED_FRAMES + 1))
        with pytest.raises(ReaderTooSlow):
            await anext(run)


async def test_the_chat_keeps_the_newest_frames_until_it_is_read(autojump_clock: MockClock, server: Server) -> None:
    async with talk(server) as chat:
        connection = await server.accept(READY)
        thoughts = [frame(AgentThinking, seq=n) for n in range(1, 2 * BUFFERED_FRAMES)]
        connection.send(*thoughts)
        await wait_all_tasks_blocked()
        seen = [await anext(chat) for _ in range(BUFFERED_FRAMES)]
        assert seen == thoughts[-BUFFERED_FRAMES:]
        connection.send(*[frame(AgentThinking, seq=n) for n in range(5000, 5000 + 2 * BUFFERED_FRAMES)])
        await wait_all_tasks_blocked()
        with pytest.raises(ReaderTooSlow):
            [frame async for frame in chat]


def test_every_end_is_one_that_callers_can_catch_together() -> None:
    assert issubclass(ConnectionRefused, ConversationEnded)
    assert issubclass(Unreachable, ConversationEnded)
    assert issubclass(ProtocolViolated, ConversationEnded)
    assert not issubclass(ConnectionLost, ConversationEnded)
