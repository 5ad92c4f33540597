"""``chatcore.testing.servers``: the real server in memory, through the typed client and frame by frame."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from chatcore import Application, InitializationFailed, Phase, ServiceGraph
from chatcore.client import ClientClosed, ConnectionLost
from chatcore.errors import CloseCode
from chatcore.protocol import messages as m
from chatcore.testing.agents import Say, ScriptedAgent, Think, Wait, graph_of
from chatcore.testing.servers import serving

SECONDS = 30
"""Real ones: storage works in threads. Far more than any of these takes."""


def application(*steps: Think | Say | Wait, agent: ScriptedAgent | None = None) -> Application:
    agent = agent or ScriptedAgent(steps)
    return Application(graph_of(agent), agents={"scripted": type(agent)})


def slow_application(gate: trio.Event) -> Application:
    """One whose only service is up when the gate opens."""
    services = ServiceGraph()

    @services.provide(phase=Phase.SERVICES, label="slow agent")
    async def slow_agent() -> AsyncIterator[ScriptedAgent]:
        await gate.wait()
        yield ScriptedAgent([Say("At last.")])

    return Application(services, agents={"slow": ScriptedAgent})


def failing_application() -> Application:
    services = ServiceGraph()

    @services.provide(phase=Phase.SERVICES)
    async def broken_agent() -> AsyncIterator[ScriptedAgent]:
        if services.services:
            raise RuntimeError("postgres://ann:hunter2@db.internal")
        yield ScriptedAgent()

    return Application(services, agents={"broken": ScriptedAgent})


# --- through the client ---------------------------------------------------------------------------------------------


async def test_a_question_is_answered_from_a_cold_start() -> None:
    with trio.fail_after(SECONDS):
        async with serving(application(Think("Looking"), Say("Two."))) as server, server.connect("ann") as chat:
            run = await chat.send("How many?")
            events = [event async for event in run]
    assert [type(event) for event in events] == [m.AgentStarted, m.AgentThinking, m.AgentDelta, m.AgentCompleted]
    assert {event.user_id for event in events} == {"ann"}


async def test_a_lost_connection_is_made_again_and_nothing_is_lost() -> None:
    agent = ScriptedAgent([Say("One "), Wait(0.1), Say("two.")])
    lost: list[ConnectionLost] = []
    with trio.fail_after(SECONDS):
        async with (
            serving(application(agent=agent)) as server,
            server.connect("ann", on_disconnect=lambda loss, _: lost.append(loss), random=lambda: 0.0) as chat,
        ):
            run = await chat.send("How many?")
            events = [await anext(run)]
            for connection in tuple(server.server.connections._open):
                connection.voice.end(CloseCode.SERVER_FAULT, "planted")  # type: ignore[attr-defined]
            events += [event async for event in run]
    assert "".join(event.text for event in events if isinstance(event, m.AgentDelta)) == "One two."
    assert isinstance(events[-1], m.AgentCompleted)
    assert [(loss.code, loss.reason) for loss in lost] == [(CloseCode.SERVER_FAULT, "planted")]
    assert len(agent.messages) == 1


async def test_the_end_of_the_block_drains() -> None:
    with trio.fail_after(SECONDS):
        async with serving(application(Say("Two."))) as server:
            async with server.open("ann") as connection:
                await connection.until(m.Ready)
                await server.server.drain()
                assert isinstance(await connection.receive(), m.Draining)
                with pytest.raises(trio.EndOfChannel):
                    await connection.receive()
                assert connection.closed is not None
                assert connection.closed.code == CloseCode.SERVICE_RESTART
            with pytest.raises(ConnectionLost) as refusal:
                async with server.open("ann"):
                    pass
            assert refusal.value.status == 503


# --- frame by frame -------------------------------------------------------------------------------------------------


async def test_those_who_wait_are_told_and_what_they_send_meanwhile_is_run() -> None:
    gate = trio.Event()
    with trio.fail_after(SECONDS):
        async with serving(slow_application(gate)) as server, server.open("ann") as connection:
            first = await connection.receive()
            assert isinstance(first, m.Initializing)
            while (await connection.until(m.InitializationProgress)).label != "slow agent":
                pass
            await connection.send(m.UserMessage(message_id="m1", content="How many?"))
            assert (await connection.until(m.MessageAccepted)).state == "waiting_for_services"
            gate.set()
            assert (await connection.until(m.Ready)).generation == 1
            assert (await connection.until(m.AgentCompleted)).answer.text == "At last."


async def test_a_failed_start_is_told_to_everyone_and_to_the_test() -> None:
    with trio.fail_after(SECONDS):
        async with serving(failing_application()) as server, server.open("ann") as ann, server.open("bob") as bob:
            for connection in (ann, bob):
                error = await connection.until(m.Error)
                assert error.error_code == "SERVICE_INIT_FAILED"
                with pytest.raises(trio.EndOfChannel):
                    await connection.receive()
                assert connection.closed is not None
                assert connection.closed.code == CloseCode.SERVER_FAULT
            with pytest.raises(InitializationFailed):
                await server.ready()


async def test_settings_are_the_servers_own() -> None:
    with trio.fail_after(SECONDS):
        async with serving(application(Say("Two.")), max_connections_per_user=1, prewarm=True) as server:
            await server.ready()
            async with server.open("ann") as first:
                assert isinstance(await first.receive(), m.Ready)
                async with server.open("ann") as second, server.open("bob") as other:
                    refused = await second.receive()
                    assert isinstance(refused, m.Error)
                    assert refused.error_code == "CONNECTION_LIMIT"
                    assert isinstance(await other.receive(), m.Ready)
    with pytest.raises(TypeError, match="no_such_setting"):
        async with serving(application(), no_such_setting=1):
            pass


async def test_a_server_that_refuses_while_it_is_not_ready_does_so_here_too() -> None:
    with trio.fail_after(SECONDS):
        async with serving(application(Say("Two.")), admission="refuse") as server:
            with pytest.raises(ConnectionLost) as refusal:
                async with server.open("ann"):
                    pass
            assert refusal.value.status == 503
            await server.ready()
            async with server.open("ann") as connection:
                assert isinstance(await connection.receive(), m.Ready)


async def test_what_is_no_frame_is_refused_by_the_server_not_by_the_test_client() -> None:
    with trio.fail_after(SECONDS):
        async with serving(application(Say("Two."))) as server, server.open("ann") as connection:
            await connection.client.send("no frame")
            assert (await connection.until(m.Error)).error_code == "INVALID_MESSAGE"
            await connection.client.send(b"")
            assert (await connection.until(m.Error)).error_code == "INVALID_MESSAGE"


async def test_a_client_that_vanishes_is_let_go_of() -> None:
    with trio.fail_after(SECONDS):
        async with serving(application(Say("Two."))) as server, server.open("ann") as connection:
            await connection.until(m.Ready)
            connection.drop()
            await server.server.connections.none_left()


async def test_a_run_cannot_be_read_past_the_block_of_its_client() -> None:
    with trio.fail_after(SECONDS):
        async with serving(application(Wait()), drain_seconds=1.0) as server:
            async with server.connect("ann") as chat:
                run = await chat.send("How many?")
                assert isinstance(await anext(run), m.AgentStarted)
            with pytest.raises(ClientClosed):
                await anext(run)


async def test_what_a_test_raises_comes_out_as_it_was() -> None:
    async def fail() -> None:
        async with serving(application(Say("Two."))) as server, server.connect("ann") as chat:
            await chat.send("How many?")
            raise ZeroDivisionError

    with trio.fail_after(SECONDS), pytest.raises(ZeroDivisionError):
        await fail()
