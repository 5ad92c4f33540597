"""Messages that come before ``ready`` are acknowledged at once, held within bounds, and run in order after it."""

from __future__ import annotations

import pytest
import trio

from chatcore.agents.supervisor import RunPolicy
from chatcore.protocol import messages as m
from chatcore.protocol.run import ENDS
from chatcore.testing import Script, ScriptedServices, in_virtual_time, run_in_virtual_time
from chatcore.testing.agents import Say, ScriptedAgent, Think, Wait
from scenes import Line, Stage, application, staged, two_services

pytestmark = pytest.mark.usefixtures("threads_in_place")


@in_virtual_time
async def test_they_are_acknowledged_at_once_and_run_in_order_after_ready() -> None:
    agent = ScriptedAgent([Think("Looking"), Say("Done.")])
    async with staged(application(two_services(), agent)) as stage:
        line = await stage.line()
        await line.next(m.Initializing)
        asked_at = trio.current_time()
        first = await line.ask("one", "m1")
        second = await line.ask("two", "m2", thread_id=first.thread_id)
        assert trio.current_time() == asked_at
        assert [first.state, second.state] == ["waiting_for_services"] * 2
        await line.end(second.run_id)

    kinds = line.kinds
    assert kinds.index("ready") < kinds.index("agent_started")
    assert [event.run_id for event in line.of(m.AgentStarted)] == [first.run_id, second.run_id]
    assert [message.content for message in agent.messages] == ["one", "two"]
    ended_at = next(at for at, event in enumerate(line.frames) if isinstance(event, ENDS))
    started_at = line.frames.index(line.of(m.AgentStarted)[1])
    assert ended_at < started_at, "messages of one thread run one at a time"


@pytest.mark.parametrize("seed", range(10))
def test_no_agent_frame_comes_before_ready_in_any_order_of_tasks(seed: int) -> None:
    """Runs begin the moment the generation is there; whichever task is first, the client hears ``ready`` first."""

    async def scene() -> None:
        services = ScriptedServices()
        services.add("database", Script(seconds=0.5))
        async with staged(application(services, ScriptedAgent([Say("Hello "), Say("there.")]))) as stage:
            lines = [await stage.line() for _ in range(3)]
            for number, line in enumerate(lines):
                await line.next(m.Initializing)
                await line.ask("hi", f"m{number}")
            for number, line in enumerate(lines):
                accepted = line.of(m.MessageAccepted)[0]
                await line.end(accepted.run_id)
                kinds = [kind for kind in line.kinds if kind == "ready" or kind.startswith("agent")]
                assert kinds[0] == "ready", number
                assert line.text(accepted.run_id) == "Hello there."

    run_in_virtual_time(scene, seed=seed)


@in_virtual_time
async def test_they_wait_through_failed_attempts_although_their_connection_cannot() -> None:
    services = ScriptedServices()
    services.add("database", Script(fail_at=1), Script())
    async with staged(application(services, ScriptedAgent([Say("Yes.")]))) as stage:
        line = await stage.line()
        await line.next(m.Initializing)
        accepted = await line.ask("anybody there?")
        await line.close()
        again = await stage.line(replays=True)
        await again.send(m.Resume(thread_id=accepted.thread_id))
        end = await again.end(accepted.run_id)

    assert isinstance(end, m.AgentCompleted)
    assert end.answer.text == "Yes."


async def _fill(stage: Stage, line: Line, contents: list[str]) -> list[m.MessageAccepted | m.Error]:
    """What each of these messages is answered with."""
    answers: list[m.MessageAccepted | m.Error] = []
    for number, content in enumerate(contents):
        before = len(line.frames)
        await line.send(m.UserMessage(message_id=f"m{number}", content=content))
        answer = await line.next(m.ServerFrame, before, lambda frame: isinstance(frame, m.MessageAccepted | m.Error))
        answers.append(answer)  # type: ignore[arg-type]  # as asked for
    return answers


@in_virtual_time
async def test_too_many_are_refused_by_count_and_the_others_are_answered() -> None:
    most = RunPolicy().max_pending_messages
    async with staged(application(two_services(9), ScriptedAgent([Say("Yes.")])), max_messages_per_minute=0) as stage:
        line = await stage.line()
        answers = await _fill(stage, line, ["hello"] * (most + 2))
        refused = [answer for answer in answers if isinstance(answer, m.Error)]
        assert [(error.error_code, error.message_id) for error in refused] == [
            ("TOO_MANY_PENDING", f"m{most}"),
            ("TOO_MANY_PENDING", f"m{most + 1}"),
        ]
        assert all(error.retryable and error.retry_after_seconds for error in refused)
        other = await stage.line("bob")
        assert (await other.ask("mine")).state == "waiting_for_services", "another user's room is not touched"
        for answer in answers[:most]:
            assert isinstance(answer, m.MessageAccepted)
            await line.end(answer.run_id)


@in_virtual_time
async def test_too_many_are_refused_by_bytes() -> None:
    content = "x" * 900_000
    async with staged(application(two_services(9), ScriptedAgent([Say("Yes.")]))) as stage:
        line = await stage.line()
        answers = await _fill(stage, line, [content] * 5)

    assert [isinstance(answer, m.Error) for answer in answers] == [False] * 4 + [True]
    assert answers[-1].error_code == "TOO_MANY_PENDING"  # type: ignore[union-attr]  # an error, as just seen


@in_virtual_time
async def test_one_that_is_known_is_acknowledged_although_there_is_no_room() -> None:
    most = RunPolicy().max_pending_messages
    async with staged(application(two_services(9)), max_messages_per_minute=0) as stage:
        line = await stage.line()
        answers = await _fill(stage, line, ["hello"] * most)
        again = await line.ask("hello", "m0")

    assert again.duplicate
    assert again.run_id == answers[0].run_id  # type: ignore[union-attr]  # an acknowledgement


@in_virtual_time
async def test_the_same_message_id_starts_one_run_whatever_the_connection() -> None:
    agent = ScriptedAgent([Wait(5), Say("Once.")])
    async with staged(application(two_services(), agent)) as stage:
        line, second, stranger = await stage.line(), await stage.line(), await stage.line("bob")
        first = await line.ask("hello")
        again = await line.ask("hello")
        elsewhere = await second.ask("hello")
        theirs = await stranger.ask("hello")
        await line.next(m.AgentStarted)
        running = await second.ask("hello")
        await line.end(first.run_id)
        ended = await second.ask("hello")

    assert not first.duplicate
    assert [answer.run_id for answer in (again, elsewhere, running, ended)] == [first.run_id] * 4
    assert all(answer.duplicate for answer in (again, elsewhere, running, ended))
    assert [again.state, running.state, ended.state] == ["waiting_for_services", "running", "ended"]
    assert theirs.run_id != first.run_id
    assert not theirs.duplicate
    assert len(agent.messages) == 2, "one for each user"


@in_virtual_time
async def test_messages_of_a_user_are_limited_per_minute_over_all_connections() -> None:
    async with staged(application(two_services(0)), max_messages_per_minute=3) as stage:
        line, second = await stage.line(), await stage.line()
        for number, sender in enumerate((line, second, line)):
            await sender.ask("hello", f"m{number}")
        await second.send(m.UserMessage(message_id="m3", content="hello"))
        error = await second.next(m.Error)
        assert (error.error_code, error.message_id, error.retryable) == ("RATE_LIMITED", "m3", True)
        await trio.sleep(error.retry_after_seconds or 0)
        await second.ask("hello", "m3")
        assert second.closed is None
