"""How connections end: drained in every state, gone without a word, over a limit, abusive, or not reading."""

from __future__ import annotations

import json
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import attrs
import msgspec
import pytest
import trio
import trio.testing

from chatcore.context import UserExecutionContext
from chatcore.errors import ContextRequired
from chatcore.observability import Recorder
from chatcore.protocol import messages as m
from chatcore.protocol.codec import decode_server_frame, encode
from chatcore.services import Phase
from chatcore.session.session import open_session
from chatcore.session.voice import STALLED_SECONDS
from chatcore.testing import Script, ScriptedServices, in_virtual_time, memory_pair
from chatcore.testing.agents import Say, ScriptedAgent, Step, UseTool, Wait
from chatcore.transports.memory import MemoryClient
from scenes import Line, Stage, application, staged, two_services

pytestmark = pytest.mark.usefixtures("threads_in_place")

Reach = Callable[[Stage, Line], Awaitable[object]]


async def _initializing(_: Stage, line: Line) -> None:
    await line.next(m.Initializing)
    await trio.sleep(0.5)


async def _ready(_: Stage, line: Line) -> None:
    await line.next(m.Ready)


async def _running(_: Stage, line: Line) -> None:
    await line.next(m.Ready)
    await line.ask("hello")
    await line.next(m.AgentStarted)


async def _recovering(stage: Stage, line: Line) -> None:
    ready = await stage.local.ready()
    await line.next(m.Ready)
    database = next(iter(stage.server.manager.plan.by_name.values())).provides
    ready.get(database).die()
    await line.next(m.Recovering)


async def _queued(_: Stage, line: Line) -> None:
    await line.next(m.Initializing)
    await line.ask("hello")


STATES: dict[str, Reach] = {
    "initializing": _initializing,
    "with a message that waits": _queued,
    "ready": _ready,
    "with a run": _running,
    "recovering": _recovering,
}


@pytest.mark.parametrize("state", STATES)
@in_virtual_time
async def test_a_drain_is_told_in_every_state_and_closes_with_1012(state: str) -> None:
    services = two_services()
    agent = ScriptedAgent([Say("One "), Wait(3), Say("two.")])
    async with staged(application(services, agent)) as stage:
        line = await stage.line()
        await STATES[state](stage, line)
        began_at = trio.current_time()
        await stage.server.drain()
        close = await line.close()
        assert trio.current_time() - began_at < stage.server.settings.drain_seconds

    last = line.frames[-1]
    assert isinstance(last, m.Draining)
    assert last.reconnect_after_seconds > 0
    assert close.code == 1012
    assert line.kinds.count("draining") == 1
    assert services.held == set()


@pytest.mark.parametrize("exit_seconds", [0.0, 2.0])
@in_virtual_time
async def test_a_drain_is_told_between_two_attempts_and_during_a_rollback(exit_seconds: float) -> None:
    services = ScriptedServices()
    services.add("database", Script(seconds=0.1, exit_seconds=exit_seconds), phase=Phase.DATABASE)
    services.add("cache", Script(seconds=0.1, fail_at=1), needs=("database",), phase=Phase.CACHE)
    async with staged(application(services)) as stage:
        await (await stage.line()).close()
        line = await stage.line()
        await line.next(m.Initializing)
        assert stage.server.state == "unavailable"
        began_at = trio.current_time()
        await stage.server.drain()
        close = await line.close()
        assert trio.current_time() - began_at < 1

    assert (line.kinds[-1], close.code) == ("draining", 1012)
    assert line.of(m.Error) == []
    assert services.held == set()


@in_virtual_time
async def test_a_drain_lets_a_run_finish_in_its_share_of_the_budget() -> None:
    agent = ScriptedAgent([Say("One "), Wait(3), Say("two.")])
    async with staged(application(two_services(), agent)) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        accepted = await line.ask("hello")
        await line.next(m.AgentDelta)
        await stage.server.drain()
        store = stage.server.keeper.current
        assert (await store.run("ann", accepted.run_id)).state == "completed"


@pytest.mark.parametrize("unread", [0, 1, 4, 6, 7])
@in_virtual_time
async def test_a_server_that_is_cancelled_says_nothing_more_where_a_frame_is_missing(unread: int) -> None:
    """The one that a slow client has not taken is its last, whatever it reads from then on."""
    agent = ScriptedAgent([Say("One "), Say("two "), Say("three "), Wait(9)])
    heard: list[type[Any]] = []
    async with staged(application(two_services(0), agent)) as stage, trio.open_nursery() as clients:
        await stage.local.ready()
        transport, client = memory_pair(unread=unread)
        context = UserExecutionContext(user_id="ann", connection_id="slow")
        async with trio.open_nursery() as sessions:
            sessions.start_soon(open_session(context, transport, stage.server.session_parts).run)
            await client.send(encode(m.UserMessage(message_id="m", content="count")))
            await trio.sleep(1)
            clients.start_soon(_hear, client, heard)
            sessions.cancel_scope.cancel()

    whole = [m.Ready, m.MessageAccepted, m.AgentStarted, *[m.AgentDelta] * 3, m.Draining]
    assert heard == whole[: len(heard)]
    assert len(heard) >= unread


async def _hear(client: MemoryClient, heard: list[type[Any]]) -> None:
    with suppress(trio.EndOfChannel):
        while True:
            heard.append(type(decode_server_frame(await client.receive())))


@in_virtual_time
async def test_a_connection_that_was_on_its_way_in_is_drained_too() -> None:
    async with staged(application(two_services())) as stage:
        await stage.local.ready()
        await stage.server.drain()
        transport, client = memory_pair()
        context = UserExecutionContext(user_id="late", connection_id="c1")
        await open_session(context, transport, stage.server.session_parts).run()

    frame = json.loads(await client.receive())
    assert (frame["event"], transport.closed and transport.closed.code) == ("draining", 1012)


@pytest.mark.parametrize("state", STATES)
@in_virtual_time
async def test_a_client_that_is_gone_is_noticed_at_once_in_every_state(state: str) -> None:
    async with staged(application(two_services(), ScriptedAgent([Say("One "), Wait(3), Say("two.")]))) as stage:
        line = await stage.line()
        await STATES[state](stage, line)
        assert len(stage.server.connections) == 1
        line.peer.drop()
        await trio.sleep(0.05)
        assert len(stage.server.connections) == 0
        assert stage.server.connections.user("ann").connections == 0
        assert stage.server.bridge._watches == {}, "it watches nothing any more"


@in_virtual_time
async def test_a_run_goes_on_when_its_client_is_gone() -> None:
    async with staged(application(two_services(), ScriptedAgent([Wait(3), Say("Done.")]))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        accepted = await line.ask("hello")
        line.peer.drop()
        await trio.sleep(10)
        run = await stage.server.keeper.current.run("ann", accepted.run_id)

    assert run.state == "completed"


# --- limits ---------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_fourth_connection_of_a_user_is_refused_and_costs_the_others_nothing() -> None:
    async with staged(application(two_services())) as stage:
        lines = [await stage.line() for _ in range(3)]
        for line in lines:
            await line.next(m.Initializing)
        refused = await stage.line()
        close = await refused.close()
        (error,) = refused.frames
        assert isinstance(error, m.Error)
        assert (error.error_code, close.code) == ("CONNECTION_LIMIT", 1008)
        for line in [*lines, await stage.line("bob")]:
            await line.next(m.Ready)
        lines[0].peer.drop()
        await trio.sleep(0.1)
        await (await stage.line()).next(m.Ready)


@in_virtual_time
async def test_a_refused_connection_that_lingers_does_not_keep_the_next_one_out() -> None:
    async with staged(application(two_services(0)), max_connections_per_user=1) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        await stage.silent(unread=0)
        await trio.sleep(0.1)
        line.peer.drop()
        await trio.sleep(0.1)
        assert isinstance(await (await stage.line()).next(m.Ready), m.Ready)


@in_virtual_time
async def test_a_flood_is_told_that_it_is_one_and_then_closed() -> None:
    async with staged(application(two_services(0))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        for number in range(1000):
            await line.peer.client.send(encode(m.Ping(nonce=number)))
        close = await line.close()

    assert len(line.of(m.Pong)) <= 400, "the burst"
    errors = line.of(m.Error)
    assert line.frames[-1] is errors[-1], "whatever else it had coming"
    assert {error.error_code for error in errors} == {"RATE_LIMITED"}
    assert all(error.retry_after_seconds is not None for error in errors)
    assert close.code == 1008


@in_virtual_time
async def test_frames_within_the_rate_are_all_answered() -> None:
    async with staged(application(two_services(0))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        for number in range(1000):
            await line.send(m.Ping(nonce=number))
            await trio.sleep(0.01)
        assert [pong.nonce for pong in line.of(m.Pong)] == list(range(1000))
        assert line.closed is None


INVALID: dict[str, tuple[str | bytes, str, str | None]] = {
    "binary": (b"\x00\x01", "frame", None),
    "empty binary": (b"", "frame", None),
    "empty": ("", "frame", None),
    "no JSON": ("{", "frame", None),
    "no object": ("[1]", "frame", None),
    "null": ("null", "frame", None),
    "no type": ('{"message_id":"m"}', "type", "m"),
    "unknown type": ('{"type":"nonsense","message_id":"m"}', "type", "m"),
    "a server's type": ('{"type":"pong","nonce":1}', "type", None),
    "no content": ('{"type":"user_message","message_id":"m"}', "content", "m"),
    "content of another kind": ('{"type":"user_message","message_id":"m","content":7}', "content", "m"),
    "blank content": ('{"type":"user_message","message_id":"m","content":" \\n"}', "content", "m"),
    "empty message_id": ('{"type":"user_message","message_id":"","content":"x"}', "message_id", None),
    "long message_id": (encode(m.UserMessage(message_id="m" * 129, content="x")), "message_id", None),
    "negative position": ('{"type":"resume","thread_id":"t","after_seq":-1}', "after_seq", None),
    "lone surrogate": ('{"type":"user_message","message_id":"m","content":"\\ud800"}', "frame", None),
    "deep": ("[" * 100_000, "frame", None),
}


@in_virtual_time
async def test_invalid_frames_are_refused_in_words_and_the_connection_stays() -> None:
    async with staged(application(two_services(0))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        for name, (frame, field, message_id) in INVALID.items():
            before = len(line.frames)
            await line.peer.client.send(frame)
            error = await line.next(m.Error, before)
            assert (error.error_code, error.retryable) == ("INVALID_MESSAGE", False), name
            assert f"{field} must be" in error.message or name == "lone surrogate", name
            assert error.message_id == message_id, name
        await line.send(m.Ping(nonce="still here"))
        assert (await line.next(m.Pong)).nonce == "still here"


@in_virtual_time
async def test_a_client_that_sends_nothing_else_is_closed() -> None:
    async with staged(application(two_services(0))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        for number in range(100):
            await line.peer.client.send("{")
            while len(line.of(m.Error)) <= number:
                await line.next(m.Error, len(line.frames))
        close = await line.close()

    assert len(line.of(m.Error)) == 100
    assert close.code == 1008


@in_virtual_time
async def test_a_frame_that_is_too_large_closes_with_1009() -> None:
    async with staged(application(two_services(0)), max_message_bytes=1000) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        await line.send(m.UserMessage(message_id="m", content="é" * 600))
        close = await line.close()

    assert close.code == 1009
    assert line.of(m.Error) == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (m.UserMessage(message_id="m", content="x", thread_id="unknown"), "THREAD_NOT_FOUND"),
        (m.UserMessage(message_id="m", content="x", agent="unknown"), "AGENT_NOT_FOUND"),
        (m.CancelRun(run_id="unknown"), "RUN_NOT_FOUND"),
        (m.Resume(thread_id="unknown"), "THREAD_NOT_FOUND"),
    ],
)
@in_virtual_time
async def test_what_is_not_there_is_refused_and_the_connection_stays(frame: m.AnyClientFrame, code: str) -> None:
    async with staged(application(two_services(0))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        await line.send(frame)
        error = await line.next(m.Error)
        await line.send(m.Ping())
        await line.next(m.Pong)

    assert (error.error_code, error.message_id) == (code, getattr(frame, "message_id", None))


# --- slow clients ---------------------------------------------------------------------------------------------------


@attrs.define
class Counting(Recorder):
    """Counts connections that were cut, and how connections ended."""

    slow: int = 0
    outcomes: list[str] = attrs.field(factory=list)

    def slow_consumer(self) -> None:
        self.slow += 1

    def connection_ended(self, outcome: str) -> None:
        self.outcomes.append(outcome)


@in_virtual_time
async def test_a_client_that_stops_reading_is_cut_and_costs_others_nothing() -> None:
    recorder = Counting()
    talk: list[Step] = [step for _ in range(50) for step in (Say("word " * 20), Wait(0.1))]
    app = application(two_services(0), ScriptedAgent(talk))
    async with staged(app, recorder=recorder, max_message_bytes=2000) as stage:
        silent = await stage.silent(unread=3)
        line = await stage.line()
        await line.next(m.Ready)
        await silent.send(m.UserMessage(message_id="m", content="x"))
        await trio.sleep(0.05)
        (thread,) = (await stage.server.keeper.current.threads("ann")).items
        line.runs = None
        await line.send(m.Resume(thread_id=thread.thread_id))
        await line.next(m.AgentCompleted)
        assert trio.current_time() == pytest.approx(5.1, abs=0.2)
        delivered = [at for at, frame in zip(line.times, line.frames, strict=True) if isinstance(frame, m.AgentDelta)]
        assert len(delivered) == 50
        assert max(after - before for before, after in pairwise(delivered)) < 0.15
        await trio.sleep(STALLED_SECONDS)
        assert silent.closed is not None
        assert silent.closed.code == 4413

    assert recorder.slow == 1
    assert "4413" in recorder.outcomes


@in_virtual_time
async def test_progress_is_conflated_for_a_client_that_does_not_read() -> None:
    """It never has more than one frame waiting, so it holds nothing however long the start takes."""
    services = ScriptedServices()
    services.add("database", Script(seconds=9, steps=500), phase=Phase.DATABASE)
    async with staged(application(services)) as stage:
        silent = await stage.silent(unread=0)
        reader = await stage.line()
        await trio.sleep(8)
        first = await silent.receive()
        second = await silent.receive()
        await reader.next(m.Ready)

    assert isinstance(first, m.Initializing)
    assert isinstance(second, m.InitializationProgress)
    assert second.elapsed_seconds >= 8, "what lay between was not kept for it"


@in_virtual_time
async def test_a_send_that_is_never_taken_ends_the_connection() -> None:
    recorder = Counting()
    async with staged(application(two_services(0)), recorder=recorder) as stage:
        await stage.silent(unread=0)
        await trio.sleep(15)
        assert len(stage.server.connections) == 0

    assert recorder.outcomes == ["4413"]
    assert recorder.slow == 1


# --- faults of our own ----------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_defect_ends_one_connection_with_1011_and_tells_nothing_of_itself() -> None:
    async def broken() -> Any:
        raise RuntimeError("postgres://ann:secret@host")

    async with staged(application(two_services(0))) as stage:
        line = await stage.line()
        transport, client = memory_pair()
        parts = attrs.evolve(stage.server.session_parts, store=broken)
        session = open_session(UserExecutionContext(user_id="bob", connection_id="c"), transport, parts)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.run)
            await client.send(encode(m.Resume(thread_id="t")))
        read = []
        with suppress(trio.EndOfChannel):
            while True:
                read.append(await client.receive())
        assert line.closed is None
        assert read

    assert transport.closed is not None
    assert transport.closed.code == 1011
    assert "secret" not in str(read)
    assert "secret" not in transport.closed.reason


@in_virtual_time
async def test_a_session_belongs_to_a_context() -> None:
    async with staged(application(two_services(0))) as stage:
        transport, _ = memory_pair()
        with pytest.raises(ContextRequired, match="Voice"):
            open_session("ann", transport, stage.server.session_parts)  # type: ignore[arg-type]  # on purpose


@in_virtual_time
async def test_every_frame_carries_its_time_and_user() -> None:
    agent = ScriptedAgent([UseTool("find", summary="1"), Say("x")])
    async with staged(application(two_services(0.1), agent)) as stage:
        line = await stage.line()
        await line.end((await line.ask("hello")).run_id)

    for frame in line.frames:
        told = msgspec.to_builtins(frame)
        assert told["user_id"] == "ann"
        assert told["timestamp"] > 1.6e9


@in_virtual_time
async def test_one_that_comes_in_while_the_server_drains_is_told_at_once() -> None:
    async with staged(application(two_services())) as stage:
        await stage.server.connections.drain(1.0)
        transport, client = memory_pair(unread=0)
        context = UserExecutionContext(user_id="bob", connection_id="c")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(open_session(context, transport, stage.server.session_parts).run)
            told = decode_server_frame(await client.receive())
        assert trio.current_time() == 0
        assert len(stage.server.connections) == 0
    assert isinstance(told, m.Draining)
    assert transport.closed is not None
    assert transport.closed.code == 1012


class Heavy(str):
    """A message of which one can see whether anybody holds it still."""


@in_virtual_time
async def test_nothing_of_what_a_client_said_is_held_while_it_is_quiet() -> None:
    async with staged(application(two_services())) as stage:
        peer = await stage.silent(unread=100)
        message = Heavy(json.dumps({"type": "ping", "nonce": "n" * 900_000}))
        held = weakref.ref(message)
        await peer.client.send(message)
        del message
        await peer.until(m.Error)
        await trio.testing.wait_all_tasks_blocked()
        assert held() is None
