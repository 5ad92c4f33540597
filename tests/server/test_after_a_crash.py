"""What a crash leaves is taken up by the next start: each message has one end, and no number is used twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from chatcore.agents.recovery import MOST_ATTEMPTS
from chatcore.protocol import messages as m
from chatcore.protocol.run import RunGrammar, first_seq
from chatcore.testing import in_virtual_time
from chatcore.testing.agents import Say, ScriptedAgent, Step, UseTool, Wait
from chatcore.threads.model import RESERVED_AHEAD
from scenes import Line, Stage, application, staged, two_services

pytestmark = pytest.mark.usefixtures("threads_in_place")

FAR = 5.0
TOLD: list[Step] = [Say("One "), UseTool("find", steps=[Say("two "), Say("three "), Wait(FAR)]), Say("four.")]


class Patient(ScriptedAgent):
    """Its runs may be begun again."""

    restartable = True


def image(stage: Stage, path: Path) -> str:
    """What a crash at this moment would leave on the disk."""
    source = stage.server.settings.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(source)) as before, closing(sqlite3.connect(path)) as after:
        before.backup(after)
    return f"sqlite:///{path}"


@attrs.frozen
class Left:
    """What a client knew, and the disk held, when the server crashed."""

    database_url: str
    accepted: m.MessageAccepted
    queued: m.MessageAccepted
    seen: list[m.RunEvent]


async def crash(path: Path, agent: ScriptedAgent) -> Left:
    """A server that crashes while its agent uses a tool, with another message queued on the thread."""
    async with staged(application(two_services(0), agent)) as stage:
        line = await stage.line()
        accepted = await line.ask("one")
        queued = await line.ask("two", "m2", thread_id=accepted.thread_id)
        await line.next(m.AgentDelta, where=lambda delta: delta.text == "three ")
        return Left(image(stage, path / "crashed.db"), accepted, queued, list(line.events(accepted.run_id)))


async def resume(stage: Stage, left: Left, after: int, epoch: str | None = None) -> Line:
    line = await stage.line(replays=True)
    await line.send(m.Resume(thread_id=left.accepted.thread_id, after_seq=after, epoch=epoch))
    return line


def check_whole(events: list[m.RunEvent], after: int = 0) -> None:
    for event in events:
        assert first_seq(event) == after + 1  # type: ignore[arg-type]
        after = event.seq


@in_virtual_time
async def test_a_restartable_run_is_run_again_under_its_own_id(tmp_path: Path) -> None:
    left = await crash(tmp_path, Patient(TOLD))
    async with staged(application(two_services(0), Patient(TOLD)), database_url=left.database_url) as stage:
        line = await resume(stage, left, 0)
        end = await line.end(left.accepted.run_id)
        await line.end(left.queued.run_id)
        run = await stage.server.keeper.current.run("ann", left.accepted.run_id)

    assert isinstance(end, m.AgentCompleted)
    assert end.answer.text == "One two three four."
    (restarted,) = line.of(m.AgentRestarted)
    assert (restarted.run_id, restarted.attempt, run.attempt) == (left.accepted.run_id, 2, 2)
    events = line.of(m.RunEvent)
    check_whole(events)
    grammar = RunGrammar()
    for event in line.events(left.accepted.run_id):
        grammar.advance(event)  # type: ignore[arg-type]
    assert grammar.ended
    before = [event for event in events if event.seq < restarted.seq]
    assert isinstance(before[-1], m.ToolCompleted), "what was open is closed first"
    assert before[-1].status == "error"


@in_virtual_time
async def test_what_a_client_saw_and_the_crash_lost_is_inside_the_epoch(tmp_path: Path) -> None:
    left = await crash(tmp_path, Patient(TOLD))
    last = left.seen[-1]
    async with staged(application(two_services(0), Patient(TOLD)), database_url=left.database_url) as stage:
        kept = (await (await stage.server.keeper.opened()).thread("ann", left.accepted.thread_id)).last_seq
        line = await resume(stage, left, last.seq, last.epoch)
        await line.end(left.accepted.run_id)

    (resumed,) = line.of(m.Resumed)
    assert resumed.complete
    events = line.events(left.accepted.run_id)
    check_whole(events, last.seq)
    lost = [event.seq for event in left.seen if isinstance(event, m.AgentDelta)][1:]
    assert lost == [4, 5]
    skipped = events[0]
    assert isinstance(skipped, m.AgentDelta)
    assert (skipped.text, skipped.first_seq, skipped.seq) == ("", last.seq + 1, 3 + RESERVED_AHEAD + 1)
    assert kept >= skipped.seq


@in_virtual_time
async def test_any_other_run_ends_as_lost_and_what_waited_is_run(tmp_path: Path) -> None:
    left = await crash(tmp_path, ScriptedAgent(TOLD))
    async with staged(application(two_services(0), ScriptedAgent(TOLD)), database_url=left.database_url) as stage:
        line = await resume(stage, left, 0)
        lost = await line.end(left.accepted.run_id)
        answered = await line.end(left.queued.run_id)
        again = await line.ask("one", "m1", thread_id=left.accepted.thread_id)

    assert isinstance(lost, m.AgentFailed)
    assert (lost.error_code, lost.retryable) == ("SERVICE_LOST", True)
    assert isinstance(answered, m.AgentCompleted)
    assert (again.run_id, again.state, again.duplicate) == (left.accepted.run_id, "ended", True)
    check_whole(line.of(m.RunEvent))


@in_virtual_time
async def test_a_run_that_ends_the_process_each_time_is_given_up(tmp_path: Path) -> None:
    left = await crash(tmp_path, Patient(TOLD))
    with closing(sqlite3.connect(left.database_url.removeprefix("sqlite:///"))) as database, database:
        database.execute("UPDATE runs SET attempt = ? WHERE run_id = ?", (MOST_ATTEMPTS, left.accepted.run_id))
    async with staged(application(two_services(0), Patient(TOLD)), database_url=left.database_url) as stage:
        line = await resume(stage, left, 0)
        lost = await line.end(left.accepted.run_id)
        answered = await line.end(left.queued.run_id)

    assert isinstance(lost, m.AgentFailed)
    assert isinstance(answered, m.AgentCompleted)


@in_virtual_time
async def test_a_restartable_run_survives_drains_and_crashes_alike(tmp_path: Path) -> None:
    """A drain cuts it, a crash comes before it is taken up, and it goes on all the same."""
    url = f"sqlite:///{tmp_path}/kept.db"
    steps: list[Step] = [Say("So "), Wait(30), Say("long.")]
    async with staged(application(two_services(0), Patient(steps)), database_url=url, drain_seconds=2) as stage:
        line = await stage.line()
        accepted = await line.ask("hello")
        await line.next(m.AgentDelta)
    for _ in range(3):
        async with staged(application(two_services(0), Patient(steps)), database_url=url, drain_seconds=2) as stage:
            line = await stage.line(replays=True)
            await line.send(m.Resume(thread_id=accepted.thread_id))
            await line.next(m.Resumed)
    async with staged(application(two_services(0), Patient(steps)), database_url=url) as stage:
        line = await stage.line(replays=True)
        await line.send(m.Resume(thread_id=accepted.thread_id))
        end = await line.end(accepted.run_id)

    assert isinstance(end, m.AgentCompleted)
    assert end.answer.text == "So long."
    attempts = [event.attempt for event in line.of(m.AgentRestarted)]
    assert attempts == sorted(set(attempts)), "each attempt is told once"
    assert attempts
    check_whole(line.of(m.RunEvent))


@pytest.mark.parametrize("agent", [Patient, ScriptedAgent])
@in_virtual_time
async def test_a_cancellation_that_was_answered_outlasts_a_restart(tmp_path: Path, agent: type[ScriptedAgent]) -> None:
    async with staged(application(two_services(0), agent(TOLD))) as stage:
        line = await stage.line()
        accepted = await line.ask("one")
        queued = await line.ask("two", "m2", thread_id=accepted.thread_id)
        await line.next(m.AgentDelta)
        store = stage.server.keeper.current
        for ack in (queued, accepted):  # as a crash leaves it that comes right after the answer
            await store.request_cancel("ann", ack.run_id)
        left = Left(image(stage, tmp_path / "crashed.db"), accepted, queued, [])
    async with staged(application(two_services(0), agent(TOLD)), database_url=left.database_url) as stage:
        line = await resume(stage, left, 0)
        ends = [await line.end(ack.run_id) for ack in (accepted, queued)]

    assert [type(end) for end in ends] == [m.AgentCancelled, m.AgentCancelled]
    check_whole(line.of(m.RunEvent))


@in_virtual_time
async def test_a_run_that_was_cancelled_before_it_is_taken_up_again_ends_so(tmp_path: Path) -> None:
    left = await crash(tmp_path, Patient(TOLD))
    services = two_services(FAR)
    async with staged(application(services, Patient(TOLD)), database_url=left.database_url) as stage:
        line = await stage.line(replays=True)
        await line.send(m.CancelRun(run_id=left.accepted.run_id))
        await line.send(m.Resume(thread_id=left.accepted.thread_id))
        end = await line.end(left.accepted.run_id)

    assert isinstance(end, m.AgentCancelled)
    check_whole(line.of(m.RunEvent))


@in_virtual_time
async def test_what_was_under_way_goes_on_before_what_was_stored_earlier_and_not_begun(tmp_path: Path) -> None:
    """Two messages that arrive at once may be begun in another order than they were stored in."""
    left = await crash(tmp_path, Patient(TOLD))
    with closing(sqlite3.connect(left.database_url.removeprefix("sqlite:///"))) as database, database:
        database.execute("UPDATE runs SET id = 1 + (SELECT max(id) FROM runs) WHERE state = 'running'")
    async with staged(application(two_services(0), Patient(TOLD)), database_url=left.database_url) as stage:
        line = await resume(stage, left, 0)
        ends = [await line.end(accepted.run_id) for accepted in (left.accepted, left.queued)]
    assert all(isinstance(end, m.AgentCompleted) for end in ends)
    assert ends[0].seq < ends[1].seq
    check_whole(line.of(m.RunEvent))
