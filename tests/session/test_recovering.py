"""After ready: a lost service is restarted with its dependents only, and everyone who is connected is told so."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from chatcore.agents.base import Agent
from chatcore.application import Application
from chatcore.protocol import messages as m
from chatcore.services import Phase
from chatcore.testing import Script, ScriptedServices, in_virtual_time, run_in_virtual_time
from chatcore.testing.agents import Do, Say, ScriptedAgent, Wait
from scenes import Stage, application, employ, staged

pytestmark = pytest.mark.usefixtures("threads_in_place")


def services_with(cache: Script = Script(), *more: Script) -> ScriptedServices:  # noqa: B008  frozen
    """``database``; ``cache`` which needs it and starts by these scripts; and ``mail``, which nobody needs."""
    services = ScriptedServices()
    services.add("database", phase=Phase.DATABASE, label="order history")
    services.add("cache", cache, *more, needs=("database",), phase=Phase.CACHE, label="the cache")
    services.add("mail", phase=Phase.CACHE)
    return services


def lose(stage: Stage, services: ScriptedServices, name: str) -> None:
    """Let a task of this service crash."""
    stage.server.manager.ready.get(services.kinds[name]).die()


@in_virtual_time
async def test_a_lost_service_is_named_and_ready_follows_with_a_new_generation() -> None:
    services = services_with()
    async with staged(application(services, needs=("cache",))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        lost_at = trio.current_time()
        lose(stage, services, "cache")
        recovering = await line.next(m.Recovering)
        assert trio.current_time() - lost_at < 0.1
        told = len(line.frames)
        again = await line.next(m.Ready, told)
        assert trio.current_time() - lost_at == pytest.approx(1.0, abs=0.2)

    assert (recovering.service, recovering.label) == ("cache", "the cache")
    assert again.generation == 2
    progress = [frame.progress for frame in line.frames[told:] if isinstance(frame, m.InitializationProgress)]
    assert progress == sorted(progress)
    assert progress[0] >= 50, "what stayed up counts"
    assert services.names("entered") == ["database", "cache", "mail", "cache"] or services.names("entered") == [
        "database",
        "mail",
        "cache",
        "cache",
    ], "siblings are untouched"
    restarted = [frame.service for frame in line.frames[told:] if isinstance(frame, m.InitializationProgress)]
    assert "mail" not in restarted
    assert "database" not in restarted


@in_virtual_time
async def test_a_run_that_used_the_lost_service_ends_so_and_its_connection_stays() -> None:
    services = services_with()
    async with staged(application(services, ScriptedAgent([Say("One "), Wait()]), needs=("cache",))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        accepted = await line.ask("hello")
        await trio.sleep(1)
        lose(stage, services, "cache")
        end = await line.end(accepted.run_id)
        await line.next(m.Ready, where=lambda ready: ready.generation == 2)
        assert line.closed is None

    assert isinstance(end, m.AgentFailed)
    assert (end.error_code, end.retryable) == ("SERVICE_LOST", True)
    assert services.names("left").count("cache") == 2


@in_virtual_time
async def test_the_service_is_stopped_only_after_the_run_that_used_it_has_ended() -> None:
    services = services_with()
    ended: list[float] = []

    async def last_words(_: Any) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)
            ended.append(trio.current_time())

    agent = ScriptedAgent([Do(last_words)])
    async with staged(application(services, agent, needs=("cache",))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        await line.ask("hello")
        await trio.sleep(1)
        lose(stage, services, "database")
        await line.next(m.Ready, where=lambda ready: ready.generation == 2)

    assert services.at("cache", "leaving")[0] >= ended[0], "cache was still up, and the run used it"


@in_virtual_time
async def test_what_an_agent_raises_because_its_service_is_gone_is_told_as_the_loss() -> None:
    services = services_with()
    stages: list[Stage] = []

    async def raise_when_lost(_: Any) -> None:
        manager = stages[0].server.manager
        generation = manager.ready
        lose(stages[0], services, "cache")
        with trio.CancelScope(shield=True):
            await trio.sleep(0.1)
            assert manager.ready is not generation
        raise ConnectionError("postgres://ann:secret@host is gone")

    agent = ScriptedAgent([Do(raise_when_lost)])
    async with staged(application(services, agent, needs=("cache",))) as stage:
        stages.append(stage)
        line = await stage.line()
        await line.next(m.Ready)
        end = await line.end((await line.ask("hello")).run_id)

    assert isinstance(end, m.AgentFailed)
    assert end.error_code == "SERVICE_LOST"
    assert "secret" not in str(line.frames)


@in_virtual_time
async def test_a_run_that_does_not_use_the_lost_service_goes_on() -> None:
    class Postman(ScriptedAgent):
        pass

    services = services_with()
    postman: Agent = Postman([Say("Your mail "), Wait(3), Say("is here.")])
    kinds = {
        "clerk": employ(services, ScriptedAgent(), name="clerk", needs=("cache",)),
        "postman": employ(services, postman, name="postman", needs=("mail",)),
    }
    async with staged(Application(services.graph, agents=kinds)) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        accepted = await line.ask("mail?", agent="postman")
        await trio.sleep(0.5)
        lose(stage, services, "cache")
        await line.next(m.Recovering)
        await line.next(m.Ready, where=lambda ready: ready.generation == 2)
        end = await line.end(accepted.run_id)

    assert isinstance(end, m.AgentCompleted)
    assert end.answer.text == "Your mail is here."
    assert end.provenance.generation == 1


@in_virtual_time
async def test_who_arrives_meanwhile_hears_nothing_of_a_run_that_goes_on_before_ready() -> None:
    class Postman(ScriptedAgent):
        pass

    services = services_with(Script(), Script(seconds=9))
    postman: Agent = Postman([Say("Your mail "), Wait(2), Say("is "), Wait(2), Say("here.")])
    kinds = {
        "clerk": employ(services, ScriptedAgent(), name="clerk", needs=("cache",)),
        "postman": employ(services, postman, name="postman", needs=("mail",)),
    }
    async with staged(Application(services.graph, agents=kinds)) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        accepted = await line.ask("mail?", agent="postman")
        await line.next(m.AgentDelta)
        lose(stage, services, "cache")
        await line.next(m.Recovering)
        late = await stage.line(replays=True)
        await late.next(m.Initializing)
        again = await late.ask("mail?", agent="postman")
        await line.end(accepted.run_id)
        assert "agent_delta" not in late.kinds
        await late.next(m.Ready)
        await late.end(accepted.run_id)

    assert (again.duplicate, again.run_id) == (True, accepted.run_id)
    assert late.text(accepted.run_id) == "is here.", "held, and in order"


@in_virtual_time
async def test_messages_sent_meanwhile_wait_and_are_answered() -> None:
    services = services_with()
    async with staged(application(services, ScriptedAgent([Say("Here.")]), needs=("cache",))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        lose(stage, services, "cache")
        await line.next(m.Recovering)
        accepted = await line.ask("still there?")
        assert accepted.state == "waiting_for_services"
        end = await line.end(accepted.run_id)

    assert isinstance(end, m.AgentCompleted)
    assert end.provenance.generation == 2


@in_virtual_time
async def test_a_caller_that_arrives_meanwhile_waits_like_any_other() -> None:
    services = services_with()
    async with staged(application(services, needs=("cache",))) as stage:
        await stage.local.ready()
        lose(stage, services, "cache")
        await trio.sleep(0.1)
        line = await stage.line()
        ready = await line.next(m.Ready)

    assert line.kinds[0] == "initializing"
    assert ready.generation == 2
    assert "recovering" not in line.kinds


@in_virtual_time
async def test_a_failing_restart_is_tried_again_and_told_as_retrying() -> None:
    services = services_with(Script(), Script(fail_at=1), Script())
    async with staged(application(services, needs=("cache",))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        lose(stage, services, "cache")
        await line.next(m.Ready, where=lambda ready: ready.generation == 2)

    told = line.frames[line.kinds.index("recovering") :]
    statuses = [(frame.status, frame.attempt) for frame in told if isinstance(frame, m.InitializationProgress)]
    assert ("retrying", 2) in statuses
    assert ("retrying", 3) in statuses
    assert line.longest_silence(1, line.times[-1] - 0.1) <= 2.0


@in_virtual_time
async def test_restarts_that_keep_failing_end_the_wait_with_one_error() -> None:
    services = services_with(Script(), Script(fail_at=1))
    async with staged(application(services, needs=("cache",))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        lose(stage, services, "cache")
        close = await line.close()

    (error,) = line.of(m.Error)
    assert (error.error_code, close.code) == ("SERVICE_INIT_FAILED", 1011)
    assert services.held == set()


@in_virtual_time
async def test_losses_without_end_are_a_failure_and_not_a_spin() -> None:
    services = services_with(Script(seconds=0.1, dies_after=2.0))
    async with staged(application(services, needs=("cache",))) as stage:
        line = await stage.line()
        close = await line.close()
        assert stage.server.state == "failed"

    assert len(line.of(m.Ready)) == 6, "the first start and five restarts"
    (error,) = line.of(m.Error)
    assert (error.error_code, close.code) == ("SERVICES_UNAVAILABLE", 1013)
    assert error.retry_after_seconds is not None


@pytest.mark.parametrize("seed", range(8))
def test_losses_at_any_time_are_told_legally(seed: int) -> None:
    """The lines hold each frame against the table: a second loss meanwhile, and one right after ready."""

    async def scene() -> None:
        services = services_with(Script(seconds=0.3))
        async with staged(application(services, ScriptedAgent([Wait(0.2), Say("Hm.")]), needs=("cache",))) as stage:
            lines = [await stage.line(f"user {number}") for number in range(3)]
            for name, pause in (("cache", 0.0), ("database", 0.1), ("mail", 0.31), ("cache", 1.0)):
                ready = await stage.local.ready()
                for number, line in enumerate(lines):
                    await line.ask("hello", f"{name} {number}")
                ready.get(services.kinds[name]).die()
                await trio.sleep(pause)
            await stage.local.ready()
            for line in lines:
                for accepted in line.of(m.MessageAccepted):
                    await line.end(accepted.run_id)
        assert services.held == set()

    run_in_virtual_time(scene, seed=seed)
