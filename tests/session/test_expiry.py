"""A token's end is the end of the connections it opened, in whatever state they are (guarantees.md, 49)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from chatcore.errors import CloseCode, ErrorCode
from chatcore.protocol import messages as m
from chatcore.protocol.connection import State
from chatcore.services import Phase
from chatcore.testing import Script, ScriptedServices, in_virtual_time
from chatcore.testing.agents import Say, ScriptedAgent, Wait
from chatcore.testing.servers import FrameClient
from chatcore.transports.memory import Closed
from scenes import Stage, application, staged, two_services

pytestmark = pytest.mark.usefixtures("threads_in_place")

EXPIRED = Closed(int(CloseCode.TOKEN_EXPIRED), "The token has expired")


@asynccontextmanager
async def expiring(stage: Stage, seconds: float, user_id: str = "ann", **options: Any) -> AsyncIterator[FrameClient]:
    async with stage.local.open(user_id, expires_at=time.time() + seconds, **options) as peer:
        yield peer


async def read_to_the_end(peer: FrameClient) -> list[m.AnyServerFrame]:
    frames: list[m.AnyServerFrame] = []
    try:
        while True:
            frames.append(await peer.receive())
    except trio.EndOfChannel:
        return frames


def check_told(peer: FrameClient, frames: list[m.AnyServerFrame]) -> None:
    last = frames[-1]
    assert isinstance(last, m.Error)
    assert (last.error_code, last.retryable) == (str(ErrorCode.TOKEN_EXPIRED), False)
    assert peer.closed == EXPIRED
    assert peer.conversation.state is State.REFUSED


@in_virtual_time
async def test_while_the_services_start() -> None:
    async with staged(application(two_services(seconds=60.0)), init_timeout_seconds=200) as stage:
        begin = trio.current_time()
        other = await stage.line("bob")
        async with expiring(stage, 10.0) as peer:
            frames = await read_to_the_end(peer)
        assert 9.9 < trio.current_time() - begin < 10.2, "at its end, neither earlier nor later"
        assert isinstance(frames[0], m.Initializing)
        check_told(peer, frames)
        await other.next(m.Ready)


@in_virtual_time
async def test_before_the_first_frame() -> None:
    """A token that ends between the door and the session."""
    async with staged(application(two_services())) as stage, expiring(stage, -1.0) as peer:
        check_told(peer, await read_to_the_end(peer))


@in_virtual_time
async def test_once_ready_and_the_run_goes_on() -> None:
    agent = ScriptedAgent([Wait(30.0), Say("done")])
    async with staged(application(two_services(), agent)) as stage:
        async with expiring(stage, 20.0) as peer:
            await peer.until(m.Ready)
            await peer.send(m.UserMessage(message_id="m1", content="hello"))
            accepted = await peer.until(m.MessageAccepted)
            check_told(peer, await read_to_the_end(peer))
        again = await stage.line(replays=True)
        await again.send(m.Resume(thread_id=accepted.thread_id, after_seq=0))
        assert isinstance(await again.end(accepted.run_id), m.AgentCompleted)


@in_virtual_time
async def test_while_a_service_is_being_restarted() -> None:
    services = ScriptedServices()
    services.add("database", Script(dies_after=5.0), Script(seconds=60.0), phase=Phase.DATABASE)
    async with staged(application(services), init_timeout_seconds=200) as stage, expiring(stage, 20.0) as peer:
        await peer.until(m.Recovering)
        check_told(peer, await read_to_the_end(peer))


@in_virtual_time
async def test_a_client_that_does_not_read_is_let_go_all_the_same() -> None:
    async with staged(application(two_services())) as stage, expiring(stage, 10.0, unread=0) as peer:
        await trio.sleep(30.0)
        assert peer.closed == EXPIRED
        assert len(stage.server.connections) == 0


@in_virtual_time
async def test_a_drain_comes_first_where_it_does() -> None:
    async with staged(application(two_services())) as stage, expiring(stage, 10.0) as peer:
        await peer.until(m.Ready)
        await stage.server.connections.drain(1.0)
        frames = await read_to_the_end(peer)
        await trio.sleep(30.0)
    assert isinstance(frames[-1], m.Draining)
    assert peer.closed == Closed(int(CloseCode.SERVICE_RESTART), "Draining")


@in_virtual_time
async def test_one_connection_too_many_is_told_so_and_no_more() -> None:
    async with staged(application(two_services()), max_connections_per_user=1) as stage:
        await (await stage.line()).next(m.Initializing)
        async with expiring(stage, 10.0) as peer:
            frames = await read_to_the_end(peer)
            await trio.sleep(30.0)
        assert [type(frame) for frame in frames] == [m.Error]
        assert peer.closed is not None
        assert peer.closed.code == CloseCode.POLICY_VIOLATION
