"""What every transport promises, held against each of them: in memory, over ASGI, under Hypercorn, and the listener.

Promises that need a deadline on a write, or pings, are the listener's; a plain Hypercorn does not let an application
keep them (docs/how-to/hypercorn.md), so they are not asked of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio
from transport_adapters import ADAPTERS, PONG_SECONDS, Pair
from trio.testing import wait_all_tasks_blocked

from chatcore.errors import TransportBroken, TransportClosed, TransportRoused
from chatcore.transports import stream
from chatcore.transports.base import Transport, send
from chatcore.transports.memory import MemoryTransport

LIMIT_SECONDS = 60.0
SOON_SECONDS = 20.0
"""For what happens at once, on a machine that does other things too."""

PART = Random(1).randbytes(100_000)
PARTS = 100
"""Ten megabytes, however compressed: more than a connection holds whose client does not read."""

everywhere = pytest.mark.parametrize("adapter", ADAPTERS)
where_writes_end = pytest.mark.parametrize("adapter", ["memory", "listener"])
where_writes_can_be_cancelled = pytest.mark.parametrize("adapter", ["memory", "asgi", "listener"])


@asynccontextmanager
async def pair(adapter: str, *, stalls: bool = False) -> AsyncIterator[Pair]:
    with trio.fail_after(LIMIT_SECONDS):
        async with ADAPTERS[adapter](stalls) as both:
            yield both


async def expect(kind: type[Exception], act: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(kind):
        await act()


async def pour(transport: Transport) -> None:
    """Send more than a client holds that does not read."""
    for _ in range(PARTS):
        await send(transport, PART)


@everywhere
async def test_frames_go_both_ways_in_order(adapter: str) -> None:
    frames: list[str | bytes] = ["one", "Zoë \N{OWL}", "", b"two", b"", b"\0\xff", "Zoë \N{OWL}" * 1000, bytes(9000)]
    async with pair(adapter) as (transport, client):
        for frame in frames:
            await client.send(frame)
            await send(transport, frame)
        assert [await transport.receive() for _ in frames] == frames
        assert [await client.receive() for _ in frames] == frames


@everywhere
async def test_frames_that_are_offered_together_come_one_by_one_after_what_was_offered_before(adapter: str) -> None:
    async with pair(adapter) as (transport, client):
        await send(transport, "zero")
        if not transport.offer(b"one", b"two", b"three"):
            await transport.flush()
        assert [await client.receive() for _ in range(4)] == ["zero", "one", "two", "three"]


@everywhere
async def test_sending_and_receiving_are_checkpoints(adapter: str) -> None:
    async with pair(adapter) as (transport, client):
        await client.send("there")
        for act in (lambda: send(transport, "x"), transport.receive):
            with trio.CancelScope() as cancelled:
                cancelled.cancel()
                await act()
            assert cancelled.cancelled_caught


@everywhere
async def test_who_receives_can_be_roused_and_misses_nothing(adapter: str) -> None:
    async with pair(adapter) as (transport, client), trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(expect, TransportRoused, transport.receive)
            await wait_all_tasks_blocked(0.01)
            transport.rouse()
            await wait_all_tasks_blocked(0.01)
        await client.send("while nobody receives")
        transport.rouse()
        transport.rouse()
        await expect(TransportRoused, transport.receive)
        assert await transport.receive() == "while nobody receives"
        await send(transport, "answer")
        assert await client.receive() == "answer"


@everywhere
async def test_who_leaves_is_seen_by_whoever_receives(adapter: str) -> None:
    async with pair(adapter) as (transport, client), trio.open_nursery() as nursery:
        nursery.start_soon(expect, TransportBroken, transport.receive)
        await wait_all_tasks_blocked(0.01)
        await client.drop()


@everywhere
async def test_what_came_before_someone_left_is_heard_first(adapter: str) -> None:
    async with pair(adapter) as (transport, client):
        await client.send("farewell")
        assert await transport.receive() == "farewell"
        await client.drop()
        for _ in range(2):
            await expect(TransportBroken, transport.receive)


@everywhere
async def test_sends_to_someone_who_left_raise_and_freeze_nothing(adapter: str) -> None:
    """A loop of them that goes on all the same lets others have their turn (guarantees.md, 31)."""
    async with pair(adapter) as (transport, client):
        await client.drop()
        with trio.fail_after(SOON_SECONDS):
            await expect(TransportBroken, transport.receive)
        turns = 0
        async with trio.open_nursery() as nursery:

            async def take_turns() -> None:
                nonlocal turns
                while True:
                    await trio.lowlevel.checkpoint()
                    turns += 1

            nursery.start_soon(take_turns)
            for _ in range(100):
                await expect(TransportBroken, lambda: send(transport, "x"))
            nursery.cancel_scope.cancel()
        assert turns >= 50


@everywhere
async def test_who_leaves_without_reading_is_seen_although_a_send_waits_for_them(adapter: str) -> None:
    """Receiving never stops (guarantees.md, 30), and the send does not wait any longer."""
    async with pair(adapter, stalls=True) as (transport, client):
        with trio.fail_after(SOON_SECONDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(expect, TransportBroken, transport.receive)
                nursery.start_soon(expect, TransportBroken, lambda: pour(transport))
                await wait_all_tasks_blocked(0.1)
                await client.drop()


@where_writes_end
async def test_a_client_that_does_not_read_breaks_the_send_in_time(
    adapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "WRITE_SECONDS", 0.3)
    async with pair(adapter, stalls=True) as (transport, _):
        if isinstance(transport, MemoryTransport):
            transport.send_seconds = 0.3
        with trio.fail_after(SOON_SECONDS):
            await expect(TransportBroken, lambda: pour(transport))


@where_writes_can_be_cancelled
async def test_a_send_that_was_cancelled_is_the_last(adapter: str) -> None:
    """Half a frame cannot be taken back, and a gap would be a lie."""
    async with pair(adapter, stalls=True) as (transport, _):
        with trio.move_on_after(0.2) as cut:
            await pour(transport)
        assert cut.cancelled_caught
        for _ in range(2):
            await expect(TransportBroken, lambda: send(transport, "x"))


@everywhere
async def test_what_was_said_comes_before_the_close_with_its_code_and_reason(adapter: str) -> None:
    async with pair(adapter) as (transport, client), trio.open_nursery() as nursery:
        await send(transport, "last words")
        nursery.start_soon(transport.close, 1012, "Draining")
        assert [await client.receive(), await client.receive()] == ["last words", (1012, "Draining")]


@everywhere
async def test_after_a_close_nothing_more_is_sent_or_heard(adapter: str) -> None:
    async with pair(adapter) as (transport, client):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.close, 1000, "")
            await client.receive()
        await transport.close(1011, "again")
        for act in (transport.receive, transport.flush, lambda: send(transport, "x")):
            await expect(TransportClosed, act)


@everywhere
async def test_a_close_waits_for_nobody_for_long_and_never_raises(adapter: str) -> None:
    async with pair(adapter) as (transport, _):
        with trio.fail_after(SOON_SECONDS):
            await transport.close(1012, "Nobody reads this")
    async with pair(adapter) as (transport, client):
        await client.drop()
        with trio.fail_after(SOON_SECONDS):
            await transport.close(1012, "Nobody is there")


@pytest.mark.parametrize("adapter", ["listener"])
async def test_a_peer_that_vanished_is_noticed_within_ping_interval_and_timeout(adapter: str) -> None:
    async with pair(adapter) as (transport, _):
        began_at = trio.current_time()
        with trio.fail_after(SOON_SECONDS):
            await expect(TransportBroken, transport.receive)
        assert trio.current_time() - began_at >= PONG_SECONDS
