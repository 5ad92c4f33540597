"""The first frame is the truth now, and exactly one ``ready`` or one error ends the wait (protocol.md, 1.1)."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcore.errors import CATALOGUE, CloseCode, ConfigurationError, ErrorCode
from chatcore.protocol import messages as m
from chatcore.services import Phase
from chatcore.testing import Script, ScriptedServices, in_virtual_time, run_in_virtual_time
from scenes import Line, Stage, application, staged, two_services

pytestmark = pytest.mark.usefixtures("threads_in_place")


STEPS = ("started", "completed")


def broken(reason: type[Exception] = RuntimeError, seconds: float = 1.0) -> ScriptedServices:
    """Two services, the second of which fails at the end of its start."""
    services = ScriptedServices()
    services.add("database", Script(seconds=seconds), phase=Phase.DATABASE)
    failing = Script(seconds=seconds, fail_at=1, error=lambda: reason("postgres://ann:secret@host", "is wrong"))
    services.add("cache", failing, needs=("database",), phase=Phase.CACHE)
    return services


@in_virtual_time
async def test_the_first_caller_is_told_the_start_from_its_beginning() -> None:
    async with staged(application(two_services())) as stage:
        line = await stage.line()
        ready = await line.next(m.Ready)

    first = line.frames[0]
    assert isinstance(first, m.Initializing)
    assert (first.progress, first.user_id) == (0, "ann")
    assert (first.connection_id, first.instance_id) == (ready.connection_id, ready.instance_id)
    assert line.kinds.count("ready") == 1
    steps = [(frame.service, frame.status) for frame in line.of(m.InitializationProgress) if frame.status in STEPS]
    assert steps == [
        (name, status) for name in ("database", "cache", "agent") for status in ("started", "completed")
    ], "each service's start and completion is told, in order"
    assert [agent.name for agent in ready.agents] == ["agent"]
    assert ready.generation == 1
    assert ready.limits.max_message_bytes == stage.server.settings.max_message_bytes


@in_virtual_time
async def test_progress_names_the_service_in_words_and_says_how_long_it_has_taken() -> None:
    async with staged(application(two_services())) as stage:
        line = await stage.line()
        await line.next(m.Ready)

    completed = next(frame for frame in line.of(m.InitializationProgress) if frame.status == "completed")
    assert (completed.label, completed.phase, completed.attempt) == ("order history", "database", 1)
    assert completed.elapsed_seconds == pytest.approx(1.0, abs=0.01)
    assert completed.progress == 33, "one of three equal weights"
    assert "order history" in completed.message


@in_virtual_time
async def test_a_late_joiner_is_told_what_is_true_now_and_not_what_was() -> None:
    async with staged(application(two_services(seconds=2.0))) as stage:
        await stage.line("first")
        await trio.sleep(3)
        true_now = stage.server.manager.snapshot()
        late = await stage.line("late")
        first = await late.next(m.Initializing)
        assert (first.progress, true_now.progress) == (33, 33)
        current = await late.next(m.InitializationProgress)
        await late.next(m.Ready)

    assert (current.service, current.status, current.progress) == ("cache", "started", 33)
    assert [frame for frame in late.of(m.InitializationProgress) if frame.service == "database"] == []


@in_virtual_time
async def test_a_connection_to_ready_services_gets_ready_alone() -> None:
    async with staged(application(two_services())) as stage:
        await stage.local.ready()
        line = await stage.line()
        await line.next(m.Ready)
        await trio.sleep(60)

    assert line.kinds[:2] == ["ready", "draining"]


@in_virtual_time
async def test_a_failed_start_tells_everyone_at_once_in_words_of_the_catalogue() -> None:
    async with staged(application(broken()), max_connections_per_user=50) as stage:
        lines = [await stage.line() for _ in range(20)]
        closes = [await line.close() for line in lines]

    errors = [line.of(m.Error) for line in lines]
    assert all(len(found) == 1 for found in errors)
    assert {error.error_code for (error,) in errors} == {"SERVICE_INIT_FAILED"}
    assert all(error.retryable and (error.retry_after_seconds or 0) > 0 for (error,) in errors)
    assert {(close.code, close.reason) for close in closes} == {(1011, "Service initialization failed")}
    ended = [line.times[-1] for line in lines]
    assert max(ended) - min(ended) < 0.25
    assert all("secret" not in str(line.frames) and "postgres" not in str(line.frames) for line in lines)


@in_virtual_time
async def test_an_open_breaker_answers_at_once_with_when_to_come_again() -> None:
    async with staged(application(broken())) as stage:
        for _ in range(3):  # each waits for an attempt of its own, the third of which opens the breaker
            await (await stage.line()).close()
        began_at = trio.current_time()
        line = await stage.line()
        close = await line.close()

    assert line.times[0] - began_at < 0.05
    (error,) = line.frames
    assert isinstance(error, m.Error)
    assert (error.error_code, close.code) == ("SERVICES_UNAVAILABLE", CloseCode.TRY_AGAIN_LATER)
    assert error.retry_after_seconds is not None
    assert error.retry_after_seconds > 0


@in_virtual_time
async def test_a_misconfiguration_says_that_trying_again_cannot_help() -> None:
    async with staged(application(broken(ConfigurationError))) as stage:
        first = await stage.line()
        await first.close()
        later = await stage.line()
        close = await later.close()

    for line in (first, later):
        (error,) = line.of(m.Error)
        assert (error.error_code, error.retryable, error.retry_after_seconds) == ("SERVICE_INIT_FAILED", False, None)
        assert "secret" not in str(line.frames)
    assert close.code == CloseCode.SERVER_FAULT
    assert len(later.frames) == 1


@in_virtual_time
async def test_a_slow_start_is_said_to_be_slow_and_ends_at_its_limit() -> None:
    services = ScriptedServices()
    services.add("database", Script(hang_at=0), phase=Phase.DATABASE)
    async with staged(application(services)) as stage:
        began_at = trio.current_time()
        line = await stage.line()
        close = await line.close()

    slow = [
        at - began_at
        for at, frame in zip(line.times, line.frames, strict=True)
        if isinstance(frame, m.InitializationProgress) and frame.status == "slow"
    ]
    assert slow == [pytest.approx(10, abs=0.1), pytest.approx(20, abs=0.1)]
    assert line.times[-1] - began_at == pytest.approx(30, abs=0.1)
    (error,) = line.of(m.Error)
    assert (error.error_code, close.code) == ("SERVICE_INIT_TIMEOUT", CloseCode.TRY_AGAIN_LATER)
    assert line.longest_silence(began_at, line.times[-1]) <= 2.0


@in_virtual_time
async def test_more_waiting_connections_than_there_is_room_for_are_refused() -> None:
    async with staged(application(two_services()), max_waiting=2, max_connections_per_user=9) as stage:
        lines = [await stage.line() for _ in range(3)]
        await trio.sleep(0.1)
        refused = [line for line in lines if line.of(m.Error)]
        assert len(refused) == 1
        close = await refused[0].close()
        assert (refused[0].of(m.Error)[0].error_code, close.code) == ("TOO_MANY_WAITING", 1013)
        for line in lines:
            if line not in refused:
                await line.next(m.Ready)


@in_virtual_time
async def test_the_first_caller_leaving_changes_nothing_for_the_others() -> None:
    services = two_services()
    async with staged(application(services)) as stage:
        first = await stage.line("first")
        others = [await stage.line(f"user {number}") for number in range(10)]
        await trio.sleep(0.2)
        first.peer.drop()
        for line in others:
            await line.next(m.Ready)
            assert line.times[-1] == pytest.approx(2.0, abs=0.2)

    assert sorted(services.names("entered")) == ["cache", "database"]


@in_virtual_time
async def test_a_connection_waits_for_the_next_attempt_while_the_breaker_is_closed() -> None:
    services = ScriptedServices()
    services.add("database", Script(fail_at=1), Script(), phase=Phase.DATABASE)
    async with staged(application(services)) as stage:
        first = await stage.line()
        await first.close()
        second = await stage.line()
        assert isinstance(await second.next(m.Initializing), m.Initializing)
        await second.next(m.Ready)

    assert second.of(m.Error) == []
    assert {frame.attempt for frame in second.of(m.InitializationProgress)} <= {1, 2}


CALLERS = st.lists(st.tuples(st.floats(0, 6), st.floats(0.1, 9)), min_size=1, max_size=4)
SCRIPTS = st.lists(
    st.builds(
        Script,
        seconds=st.floats(0, 2.5),
        steps=st.integers(1, 4),
        fail_at=st.sampled_from([None, None, None, 0, 1]),
        retry_at=st.sampled_from([None, 0]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(scripts=SCRIPTS, callers=CALLERS, seed=st.integers(0, 9999))
def test_whatever_happens_each_caller_hears_a_legal_and_timely_story(
    scripts: list[Script], callers: list[tuple[float, float]], seed: int
) -> None:
    """Legal is what the table allows: the lines hold every frame against it, progress that falls included."""
    run_in_virtual_time(lambda: _story(scripts, callers), seed=seed)


async def _story(scripts: list[Script], callers: list[tuple[float, float]]) -> None:
    services = ScriptedServices()
    for number, script in enumerate(scripts):
        services.add(f"service{number}", script, phase=Phase(1 + number % 3))
    async with staged(application(services), max_connections_per_user=99) as stage, trio.open_nursery() as nursery:
        for joins_at, leaves_at in callers:
            nursery.start_soon(_caller, stage, joins_at, leaves_at)


async def _caller(stage: Stage, joins_at: float, leaves_at: float) -> None:
    await trio.sleep(joins_at)
    truth = stage.server.manager.snapshot()
    began_at = trio.current_time()
    line = await stage.line()
    await trio.sleep(leaves_at)
    line.peer.drop()
    _judge(line, began_at, truth.progress)


def _judge(line: Line, began_at: float, least: int) -> None:
    first, *rest = line.frames
    assert isinstance(first, m.Initializing | m.Ready | m.Error)
    if isinstance(first, m.Initializing):
        assert first.progress >= least or first.progress == 0
    ends = [frame for frame in line.frames if isinstance(frame, m.Ready | m.Error)]
    assert len(ends) <= 1
    for frame in ends:
        assert rest == [] or line.frames[-1] is frame or isinstance(line.frames[-1], m.Draining)
        if isinstance(frame, m.Error):
            assert CATALOGUE[ErrorCode(frame.error_code)].close is not None
    waited_until = line.times[line.frames.index(ends[0])] if ends else trio.current_time()
    assert line.longest_silence(began_at, waited_until) <= 2.0
