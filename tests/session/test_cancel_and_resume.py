"""Cancelling from anywhere, and resuming: replay, then live, without a gap and without a repetition."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcore.protocol import messages as m
from chatcore.protocol.run import first_seq
from chatcore.testing import Script, ScriptedServices, in_virtual_time, run_in_virtual_time
from chatcore.testing.agents import Say, ScriptedAgent, Step, Think, UseTool, Wait
from scenes import Line, application, staged, two_services

pytestmark = pytest.mark.usefixtures("threads_in_place")


def quick() -> ScriptedServices:
    services = ScriptedServices()
    services.add("database", Script(seconds=0.1))
    return services


# --- cancel ---------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_run_is_cancelled_from_another_connection_of_its_user() -> None:
    async with staged(application(quick(), ScriptedAgent([Say("One "), Wait()]))) as stage:
        line, other = await stage.line(), await stage.line()
        await line.next(m.Ready)
        accepted = await line.ask("hello")
        await line.next(m.AgentDelta)
        await other.send(m.CancelRun(run_id=accepted.run_id))
        end = await line.end(accepted.run_id)

    assert isinstance(end, m.AgentCancelled)
    assert end.reason


@in_virtual_time
async def test_another_user_cannot_cancel_it() -> None:
    async with staged(application(quick(), ScriptedAgent([Wait(3), Say("Done.")]))) as stage:
        line, stranger = await stage.line(), await stage.line("bob")
        await line.next(m.Ready)
        await stranger.next(m.Ready)
        accepted = await line.ask("hello")
        await line.next(m.AgentStarted)
        await stranger.send(m.CancelRun(run_id=accepted.run_id))
        error = await stranger.next(m.Error)
        end = await line.end(accepted.run_id)

    assert error.error_code == "RUN_NOT_FOUND"
    assert isinstance(end, m.AgentCompleted)


@in_virtual_time
async def test_a_run_that_waits_for_its_turn_or_for_the_services_can_be_cancelled() -> None:
    agent = ScriptedAgent([Wait(3), Say("Done.")])
    async with staged(application(two_services(), agent)) as stage:
        line = await stage.line()
        await line.next(m.Initializing)
        first = await line.ask("one", "m1")
        second = await line.ask("two", "m2", thread_id=first.thread_id)
        other_thread = await line.ask("three", "m3")
        for accepted in (second, other_thread):
            await line.send(m.CancelRun(run_id=accepted.run_id))
        ends = [await line.end(accepted.run_id) for accepted in (first, second, other_thread)]

    assert [type(end) for end in ends] == [m.AgentCompleted, m.AgentCancelled, m.AgentCancelled]
    assert [message.content for message in agent.messages] == ["one"]


@in_virtual_time
async def test_cancelling_what_has_ended_changes_nothing() -> None:
    async with staged(application(quick(), ScriptedAgent([Say("Done.")]))) as stage:
        line = await stage.line()
        accepted = await line.ask("hello")
        await line.end(accepted.run_id)
        told = len(line.frames)
        await line.send(m.CancelRun(run_id=accepted.run_id))
        await line.send(m.Ping())
        await line.next(m.Pong)
        assert len(line.frames) == told + 1
        assert (await stage.server.keeper.current.run("ann", accepted.run_id)).state == "completed"


# --- resume ---------------------------------------------------------------------------------------------------------

STORY: list[Step] = [
    Think("Hm"),
    Say("One "),
    Wait(0.2),
    Say("two "),
    UseTool("find", summary="3"),
    Wait(0.2),
    Say("three."),
]


@settings(max_examples=30, deadline=None)
@given(
    joins_at=st.floats(0, 1),
    after=st.integers(0, 9),
    seed=st.integers(0, 999),
    again_at=st.none() | st.floats(0.01, 0.5),
)
def test_a_resume_at_any_time_from_anywhere_has_no_gap_and_no_repetition(
    joins_at: float, after: int, seed: int, again_at: float | None
) -> None:
    run_in_virtual_time(lambda: _resume(joins_at, after, again_at), seed=seed)


async def _resume(joins_at: float, after: int, again_at: float | None) -> None:
    async with staged(application(quick(), ScriptedAgent(STORY))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        accepted = await line.ask("hello")
        await trio.sleep(joins_at)
        other = await stage.line(replays=True)
        await other.next(m.Ready)
        last_seq = max((event.seq for event in line.of(m.RunEvent)), default=0)
        after = min(after, last_seq)
        await other.send(m.Resume(thread_id=accepted.thread_id, after_seq=after))
        if again_at is not None:  # the same once more, while it is live already
            await trio.sleep(again_at)
            await other.send(m.Resume(thread_id=accepted.thread_id, after_seq=after))
            await other.next(m.Resumed, other.frames.index(await other.next(m.Resumed)) + 1)
        await line.end(accepted.run_id)
        await trio.sleep(1)

    begun = [at for at, frame in enumerate(other.frames) if isinstance(frame, m.Resumed)]
    _judge_replay(line, other, other.frames[begun[-1] :], after)
    if len(begun) > 1:
        first = [frame for frame in other.frames[begun[0] : begun[1]] if isinstance(frame, m.RunEvent)]
        check_ranges(first, after, first[-1].seq if first else after)


def check_ranges(told: Sequence[m.RunEvent], after: int, last: int) -> None:
    """No gap and no repetition, merged deltas included."""
    for event in told:
        assert first_seq(event) == after + 1  # type: ignore[arg-type]
        after = event.seq
    assert after == last


def spelled(events: Sequence[m.RunEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, m.AgentDelta))


def others_than_deltas(events: Sequence[m.RunEvent]) -> list[m.RunEvent]:
    return [event for event in events if not isinstance(event, m.AgentDelta)]


def _judge_replay(line: Line, other: Line, frames: list[m.AnyServerFrame], after: int) -> None:
    resumed = frames[0]
    assert isinstance(resumed, m.Resumed)
    assert resumed.complete
    assert resumed.from_seq == after + 1
    told = [frame for frame in frames if isinstance(frame, m.RunEvent)]
    expected = [event for event in line.of(m.RunEvent) if event.seq > after]
    check_ranges(told, after, expected[-1].seq if expected else after)
    assert spelled(told) == spelled(expected)
    assert others_than_deltas(told) == others_than_deltas(expected), "the very same events"
    assert resumed.to_seq <= expected[-1].seq if expected else True


@in_virtual_time
async def test_a_thread_that_another_user_owns_is_not_found() -> None:
    async with staged(application(quick(), ScriptedAgent([Say("Secret.")]))) as stage:
        line, stranger = await stage.line(), await stage.line("bob")
        accepted = await line.ask("hello")
        await line.end(accepted.run_id)
        await stranger.next(m.Ready)
        await stranger.send(m.Resume(thread_id=accepted.thread_id))
        error = await stranger.next(m.Error)
        await stranger.send(m.UserMessage(message_id="x", content="let me in", thread_id=accepted.thread_id))
        second = await stranger.next(m.Error, stranger.frames.index(error) + 1)

    assert [error.error_code, second.error_code] == ["THREAD_NOT_FOUND"] * 2
    assert "Secret" not in str(stranger.frames)


@pytest.mark.parametrize("wrong", ["epoch", "position"])
@in_virtual_time
async def test_what_cannot_be_continued_is_said_and_shown_as_it_is_now(wrong: str) -> None:
    async with staged(application(quick(), ScriptedAgent([Say("Done.")]))) as stage:
        line = await stage.line()
        accepted = await line.ask("hello")
        end = await line.end(accepted.run_id)
        other = await stage.line(replays=True)
        await other.next(m.Ready)
        asked = {"epoch": "another"} if wrong == "epoch" else {"after_seq": end.seq + 1, "epoch": end.epoch}
        await other.send(m.Resume(thread_id=accepted.thread_id, **asked))
        resumed = await other.next(m.Resumed)
        snapshot = await other.next(m.ThreadSnapshot)
        await line.ask("and now?", "m2", thread_id=accepted.thread_id)
        await other.next(m.AgentCompleted)

    assert (resumed.complete, resumed.epoch) == (False, end.epoch)
    assert (snapshot.seq, snapshot.epoch) == (end.seq, end.epoch)
    assert [(message.role, message.content, message.status) for message in snapshot.messages] == [
        ("user", "hello", "completed"),
        ("agent", "Done.", "completed"),
    ]
    live = [event.seq for event in other.of(m.RunEvent)]
    assert live == list(range(end.seq + 1, end.seq + 1 + len(live))), "it goes on right after what the snapshot shows"


@in_virtual_time
async def test_a_resume_that_comes_before_ready_is_served_after_it() -> None:
    async with staged(application(two_services(), ScriptedAgent([Say("Done.")]))) as stage:
        line = await stage.line(replays=True)
        await line.next(m.Initializing)
        accepted = await line.ask("hello")
        await line.send(m.Resume(thread_id=accepted.thread_id))
        await line.send(m.Resume(thread_id="unknown"))
        await line.next(m.Error)
        await line.end(accepted.run_id)

    kinds = line.kinds
    assert kinds.index("message_accepted") < kinds.index("ready") < kinds.index("resumed") < kinds.index("error")


@in_virtual_time
async def test_a_history_longer_than_the_outbox_comes_whole_at_the_readers_pace() -> None:
    """Sixteen times what may wait unread: who reads is not cut for what the server has to say."""
    long = [step for _ in range(40) for step in (Say("word " * 60), UseTool("find", summary="s" * 300))]
    async with staged(application(quick(), ScriptedAgent(long)), max_message_bytes=1000) as stage:
        line = await stage.line()
        accepted = await line.ask("hello")
        end = await line.end(accepted.run_id)
        other = await stage.line(replays=True, unread=0)
        await other.next(m.Ready)
        await other.send(m.Resume(thread_id=accepted.thread_id))
        assert (await other.end(accepted.run_id)).seq == end.seq
        assert other.closed is None

    assert [event.seq for event in other.of(m.RunEvent)] == list(range(1, end.seq + 1))


@in_virtual_time
async def test_several_connections_of_a_user_watch_the_same_run() -> None:
    async with staged(application(quick(), ScriptedAgent(STORY))) as stage:
        line, other = await stage.line(), await stage.line(replays=True)
        await line.next(m.Ready)
        await other.next(m.Ready)
        accepted = await line.ask("hello")
        await other.send(m.Resume(thread_id=accepted.thread_id))
        await line.end(accepted.run_id)
        await other.end(accepted.run_id)

    assert line.of(m.RunEvent) == other.of(m.RunEvent)
