"""Sockets that are watched together: nothing that came is missed, whatever came before or with it."""

from __future__ import annotations

import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from chatcore.transports.readiness import Readiness, readiness_kept
from chatcore.transports.stream import BoundedStream

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll here")


@asynccontextmanager
async def pair(*, before: bytes = b"") -> AsyncIterator[tuple[Readiness, BoundedStream, socket.socket]]:
    """A stream that is watched, and its peer, who has sent something before."""
    with trio.fail_after(30):
        async with readiness_kept() as readiness:
            assert readiness is not None
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.setblocking(False)
                stream = BoundedStream(ours)
                theirs.sendall(before)
                stream.be_watched(readiness)
                yield readiness, stream, theirs
                stream.hang_up()
                assert not readiness._watched


async def test_what_came_before_is_read_and_then_what_comes() -> None:
    async with pair(before=b"early") as (_, stream, peer):
        assert await stream.receive(100) == b"early"
        peer.sendall(b"later")
        assert await stream.receive(100) == b"later"


async def test_last_words_and_the_end_that_came_with_them_are_both_told() -> None:
    async with pair(before=b"last words") as (_, stream, peer):
        peer.shutdown(socket.SHUT_WR)
        assert await stream.receive(100) == b"last words"
        assert [await stream.receive(100) for _ in range(2)] == [b"", b""]


async def test_an_end_that_comes_while_the_last_words_are_read() -> None:
    async with pair(before=b"last words") as (_, stream, peer):
        await wait_all_tasks_blocked()  # it has been told of the words alone
        peer.close()
        assert await stream.receive(100) == b"last words"
        assert await stream.receive(100) == b""


@pytest.mark.parametrize("most", [1, 5, 10, 11])
async def test_what_is_more_than_one_read_is_read_to_its_end(most: int) -> None:
    async with pair(before=b"0123456789") as (_, stream, peer):
        read = b""
        while len(read) < 10:
            read += await stream.receive(most) or b""
        assert read == b"0123456789"
        peer.sendall(b"more")
        assert await stream.receive(4) == b"more"


async def test_a_look_leaves_everything_where_it_is() -> None:
    async with pair(before=b"x") as (_, stream, _):
        assert await stream.receive(1, socket.MSG_PEEK) == b"x"
        assert await stream.receive(1) == b"x"


async def test_a_wait_that_was_cancelled_takes_nothing() -> None:
    async with pair() as (_, stream, peer):
        with trio.move_on_after(0.01) as scope:
            await stream.receive(100)
        assert scope.cancelled_caught
        peer.sendall(b"later")
        await wait_all_tasks_blocked()
        assert await stream.receive(100) == b"later"


async def test_whoever_waits_is_told_that_it_was_closed() -> None:
    async with pair() as (_, stream, _), trio.open_nursery() as nursery:

        async def hear() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await stream.receive(100)

        nursery.start_soon(hear)
        await wait_all_tasks_blocked()
        stream.hang_up()


async def test_a_peer_that_never_pauses_keeps_nobody_from_their_turn() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with pair(before=b"x" * 50) as (_, stream, _), trio.open_nursery() as nursery:
        nursery.start_soon(others)
        for _ in range(50):
            await stream.receive(1)
        nursery.cancel_scope.cancel()
    assert turns >= 49


async def test_a_socket_that_a_child_still_holds_open_is_watched_no_more() -> None:
    async with pair() as (readiness, stream, peer):
        number = stream.socket.fileno()
        with stream.socket.dup():  # what a fork leaves in the child until it has closed it
            stream.hang_up()
            peer.sendall(b"nobody reads this")
            await wait_all_tasks_blocked()
            ours, theirs = socket.socketpair()
            with ours, theirs:
                assert ours.fileno() == number
                ours.setblocking(False)
                other = BoundedStream(ours)
                other.be_watched(readiness)
                await wait_all_tasks_blocked()
                peer.close()
                theirs.sendall(b"for the other")
                assert await other.receive(100) == b"for the other"
                with trio.move_on_after(0.05) as scope:
                    await other.receive(100)
                assert scope.cancelled_caught
                other.hang_up()


async def test_many_are_told_of_what_each_has() -> None:
    with trio.fail_after(30):
        async with readiness_kept() as readiness:
            assert readiness is not None
            pairs = [socket.socketpair() for _ in range(100)]
            streams = [BoundedStream(ours) for ours, _ in pairs]
            got: dict[int, bytes | None] = {}

            async def hear(number: int) -> None:
                got[number] = await streams[number].receive(100)

            for stream in streams:
                stream.socket.setblocking(False)
                stream.be_watched(readiness)
            async with trio.open_nursery() as nursery:
                for number in range(100):
                    nursery.start_soon(hear, number)
                await wait_all_tasks_blocked()
                for number, (_, theirs) in enumerate(pairs):
                    theirs.sendall(b"%d" % number)
            assert got == {number: b"%d" % number for number in range(100)}
            for stream, (_, theirs) in zip(streams, pairs, strict=True):
                stream.hang_up()
                theirs.close()
                stream.be_watched(readiness)  # of one that was hung up on there is nothing to watch


async def test_without_epoll_each_is_waited_for_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll")
    async with readiness_kept() as readiness:
        assert readiness is None


async def test_others_have_turns_between_those_who_are_told() -> None:
    """Each of them may take milliseconds for what it was told of."""
    turns: list[int] = []
    with trio.fail_after(30):
        async with readiness_kept() as readiness:
            assert readiness is not None
            pairs = [socket.socketpair() for _ in range(64)]
            streams = [BoundedStream(ours) for ours, _ in pairs]
            turn = 0

            async def hear(stream: BoundedStream) -> None:
                assert await stream.receive(100) == b"x"
                turns.append(turn)

            async def take_turns() -> None:
                nonlocal turn
                while len(turns) < len(pairs):
                    await trio.lowlevel.checkpoint()
                    turn += 1

            async with trio.open_nursery() as nursery:
                for stream in streams:
                    stream.socket.setblocking(False)
                    stream.be_watched(readiness)
                    nursery.start_soon(hear, stream)
                await wait_all_tasks_blocked()
                for _, theirs in pairs:
                    theirs.sendall(b"x")
                nursery.start_soon(take_turns)
            for stream, (_, theirs) in zip(streams, pairs, strict=True):
                stream.hang_up()
                theirs.close()
        assert turns[-1] - turns[0] >= 2
