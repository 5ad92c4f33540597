"""``chatcore.testing.proxy``: each fault of the network, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from chatcore.testing.proxy import LoopbackProxy, proxying

SECONDS = 30

Handler = Callable[[trio.SocketStream], Awaitable[None]]


async def echo(stream: trio.SocketStream) -> None:
    async for data in stream:
        await stream.send_all(data)
    await stream.send_eof()


@asynccontextmanager
async def through_proxy(handler: Handler = echo) -> AsyncIterator[LoopbackProxy]:
    """A proxy to a server; a connection that breaks ends its handler."""

    async def handle(stream: trio.SocketStream) -> None:
        try:
            async with stream:
                await handler(stream)
        except trio.BrokenResourceError:
            pass

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, handle, [listener])
            async with proxying("127.0.0.1", listener.socket.getsockname()[1]) as proxy:
                yield proxy
            nursery.cancel_scope.cancel()


async def connected(proxy: LoopbackProxy) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", proxy.port)


async def read_all(stream: trio.SocketStream) -> bytes:
    return b"".join([bytes(data) async for data in stream])


async def silent(stream: trio.SocketStream) -> bool:
    """Whether nothing arrives for a moment."""
    with trio.move_on_after(0.1):
        await stream.receive_some()
        return False
    return True


async def test_bytes_go_both_ways_unchanged_and_so_do_ends() -> None:
    sent = bytes(range(256)) * 20_000
    async with through_proxy() as proxy, await connected(proxy) as stream, trio.open_nursery() as nursery:

        async def send() -> None:
            await stream.send_all(sent)
            await stream.send_eof()

        nursery.start_soon(send)
        assert await read_all(stream) == sent


async def test_a_delay_holds_each_byte_and_costs_no_throughput() -> None:
    async with through_proxy() as proxy, await connected(proxy) as stream:
        proxy.to_client.delay_seconds = 0.2
        began_at = trio.current_time()
        for _ in range(20):
            await stream.send_all(b"x")
            await trio.sleep(0.01)
        await stream.send_eof()
        first = await stream.receive_some()
        assert trio.current_time() - began_at >= 0.2
        assert bytes(first) + await read_all(stream) == b"x" * 20
        assert trio.current_time() - began_at < 20 * 0.2  # a delay a piece, one after the other, would take that long


async def test_a_stall_loses_nothing() -> None:
    async with through_proxy() as proxy, await connected(proxy) as stream:
        proxy.to_client.stalled = True
        await stream.send_all(b"held")
        assert await silent(stream)
        proxy.to_client.stalled = False
        assert await stream.receive_some() == b"held"


async def test_a_stall_is_of_one_direction() -> None:
    heard = trio.Event()

    async def listen(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        heard.set()
        await stream.send_all(b"heard")
        await trio.sleep_forever()

    async with through_proxy(listen) as proxy, await connected(proxy) as stream:
        proxy.to_client.stalled = True
        await stream.send_all(b"hello")
        await heard.wait()
        assert await silent(stream)


async def test_a_stalled_reader_makes_the_writer_wait() -> None:
    async def read_nothing(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with through_proxy(read_nothing) as proxy, await connected(proxy) as stream:
        proxy.to_server.stalled = True
        with trio.move_on_after(0.5) as limit:
            while True:
                await stream.send_all(bytes(1_000_000))
        assert limit.cancelled_caught


@pytest.mark.parametrize("stalled", [False, True])
async def test_a_reset_breaks_both_sides(stalled: bool) -> None:
    broken = trio.Event()

    async def listen(stream: trio.SocketStream) -> None:
        try:
            await stream.send_all(b"hello")
            await stream.receive_some()
        except trio.BrokenResourceError:
            broken.set()

    async with through_proxy(listen) as proxy, await connected(proxy) as stream:
        await stream.receive_some()
        proxy.to_client.stalled = proxy.to_server.stalled = stalled
        proxy.reset()
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        await broken.wait()
        while proxy.connections:
            await trio.testing.wait_all_tasks_blocked()


async def test_a_side_that_is_gone_is_told_to_the_other() -> None:
    async def leave(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        (connection,) = proxy.connections
        connection.reset()

    async with through_proxy(leave) as proxy, await connected(proxy) as stream:
        await stream.send_all(b"hello")
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()


async def test_the_client_reads_an_end_and_is_still_heard() -> None:
    heard: list[bytes] = []
    ended = trio.Event()

    async def listen(stream: trio.SocketStream) -> None:
        await stream.send_all(b"hello")
        heard.append(await read_all(stream))
        ended.set()

    async with through_proxy(listen) as proxy, await connected(proxy) as stream:
        assert await stream.receive_some() == b"hello"
        proxy.connections[0].to_client.end()
        assert await stream.receive_some() == b""
        await stream.send_all(b"still here")
        await stream.send_eof()
        await ended.wait()
    assert heard == [b"still here"]


async def test_the_server_reads_an_end_and_is_still_heard() -> None:
    arrived = trio.Event()

    async def listen(stream: trio.SocketStream) -> None:
        assert await stream.receive_some() == b"hello"
        arrived.set()
        assert await stream.receive_some() == b""
        await stream.send_all(b"still here")
        await stream.send_eof()

    async with through_proxy(listen) as proxy, await connected(proxy) as stream:
        await stream.send_all(b"hello")
        await arrived.wait()
        proxy.connections[0].to_server.end()
        assert await read_all(stream) == b"still here"


async def test_new_connections_can_be_refused_and_old_ones_go_on() -> None:
    async with through_proxy() as proxy, await connected(proxy) as old:
        await old.send_all(b"one")
        assert await old.receive_some() == b"one"
        proxy.refusing = True
        async with await connected(proxy) as new:
            with pytest.raises(trio.BrokenResourceError):
                await new.receive_some()
        await old.send_all(b"two")
        assert await old.receive_some() == b"two"


async def test_a_server_that_is_not_there_resets() -> None:
    (closed,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = closed.socket.getsockname()[1]
    await closed.aclose()
    with trio.fail_after(SECONDS):
        async with proxying("127.0.0.1", port) as proxy, await connected(proxy) as stream:
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()


async def test_what_a_test_raises_comes_out_as_it_was() -> None:
    async def fail() -> None:
        async with proxying("127.0.0.1", 1):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
