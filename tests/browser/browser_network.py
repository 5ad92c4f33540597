"""A network between the browser and a server, in a thread of its own, for tests that have no event loop to give it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import attrs
import trio
from browser_server import Addressed

from chatcore.testing.proxy import LoopbackProxy, proxying


@attrs.frozen
class Network:
    """Leads to a server.

    Args:
        address: where the browser finds it.
    """

    address: str
    _proxy: LoopbackProxy
    _do: Callable[[Callable[[], None]], None]

    def stall(self) -> None:
        """From now on nothing arrives on either side, of any connection; none is told."""
        self._do(lambda: self._flow(stalled=True))

    def flow(self) -> None:
        """What was held up arrives."""
        self._do(lambda: self._flow(stalled=False))

    def reset(self) -> None:
        """Every connection is gone, without a close."""
        self._do(self._proxy.reset)

    def _flow(self, *, stalled: bool) -> None:
        self._proxy.to_client.stalled = self._proxy.to_server.stalled = stalled


@contextmanager
def network_to(served: Addressed) -> Iterator[Network]:
    """A network to a server, while the block lasts."""
    made: list[tuple[LoopbackProxy, trio.lowlevel.TrioToken, trio.CancelScope]] = []
    begun = threading.Event()

    async def run() -> None:
        url = urlsplit(served.address)
        assert url.hostname is not None
        assert url.port is not None
        with trio.CancelScope() as scope:
            async with proxying(url.hostname, url.port) as proxy:
                made.append((proxy, trio.lowlevel.current_trio_token(), scope))
                begun.set()
                await trio.sleep_forever()

    thread = threading.Thread(target=trio.run, args=(run,))
    thread.start()
    assert begun.wait(10)
    proxy, token, scope = made[0]
    try:
        do = lambda act: trio.from_thread.run_sync(act, trio_token=token)  # noqa: E731
        yield Network(f"http://127.0.0.1:{proxy.port}", proxy, do)
    finally:
        trio.from_thread.run_sync(scope.cancel, trio_token=token)
        thread.join()
