"""One connection after another, as long as there is sense in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs
import trio

from chatcore.backoff import Backoff
from chatcore.client.errors import (
    ConnectionLost,
    ConnectionRefused,
    ConversationEnded,
    ProtocolViolated,
    Unreachable,
)
from chatcore.client.ledger import Ledger
from chatcore.client.verdict import closing_error, least_wait, may_return
from chatcore.client.wire import Dial, Wire
from chatcore.errors import CloseCode, IllegalFrame, InvalidMessage, TransportError
from chatcore.limits import TokenBucket
from chatcore.protocol.codec import decode_server_frame, encode
from chatcore.protocol.messages import AnyServerFrame, Error, Ready

PING_SECONDS: Final = 20.0
"""How often the server is asked whether it is there: as often as it asks (``ping_seconds``)."""

PONG_SECONDS: Final = 20.0
"""How long it may take to answer (``pong_timeout_seconds``)."""

LEAST_PAUSE_SECONDS: Final = 0.001
"""Adding up times is not exact: what is left of a wait may be too short to move a clock at all."""


@attrs.frozen(kw_only=True)
class Patience:
    """How a client deals with a lost connection.

    Args:
        backoff: the waits between tries, beside what the server asks for.
        random: gives a number in [0, 1), for the jitter.
        connect_timeout_seconds: how long the first connection may take, all tries together.
        give_up_after_seconds: how long it goes on later without becoming ready; None for ever.
        on_disconnect: called with what was lost and the seconds until the next try.
        renews_token: whether each connection is made with a fresh token.
    """

    backoff: Backoff
    random: Callable[[], float]
    connect_timeout_seconds: float
    give_up_after_seconds: float | None
    on_disconnect: Callable[[ConnectionLost, float], None]
    renews_token: bool = False


@attrs.define(eq=False)
class Link:
    """Writes what the ledger wants, hands on what arrives, and connects again when it has to.

    Args:
        dial: opens one connection.
        ledger: what is wanted and seen.
        patience: for how long, and how often.
        connected: called when a connection is open.
        deliver: called with each frame as it came, and with what is new of it or None.
    """

    _dial: Dial
    _ledger: Ledger
    _patience: Patience
    _connected: Callable[[], None]
    _deliver: Callable[[AnyServerFrame, AnyServerFrame | None], None]
    _last: AnyServerFrame | None = attrs.field(default=None, init=False)
    """The last frame of this connection: it says why the connection ends."""
    _greeted: bool = attrs.field(default=False, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _trouble_since: float | None = attrs.field(default=None, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _pace: TokenBucket = attrs.field(factory=lambda: TokenBucket(0, 0), init=False)
    """How fast the server lets this connection write, once it has said so."""

    async def run(self) -> ConversationEnded:
        """Stay connected; return why that came to an end."""
        self._trouble_since = trio.current_time()
        while True:
            lost = await self._connection()
            if not isinstance(lost, ConnectionLost):
                return lost
            outlook = self._outlook(lost, trio.current_time())
            if isinstance(outlook, ConversationEnded):
                return outlook
            self._patience.on_disconnect(lost, outlook)
            await trio.sleep(outlook)

    def wake(self) -> None:
        """There may be something to write."""
        self._changed.set()
        self._changed = trio.Event()

    def _outlook(self, lost: ConnectionLost, now: float) -> float | ConversationEnded:
        """The seconds until the next try, or why there is none."""
        error = closing_error(self._last)
        if not may_return(lost, self._last, renews_token=self._patience.renews_token):
            last = self._last if isinstance(self._last, Error) else None
            return ConnectionRefused(lost.code or lost.status, lost.reason, last)
        self._failures += 1
        since = self._trouble_since = now if self._trouble_since is None else self._trouble_since
        least = least_wait(lost, self._last)
        wait = least + self._patience.backoff.delay(self._failures, self._patience.random)
        limit = self._patience.give_up_after_seconds if self._greeted else self._patience.connect_timeout_seconds
        if limit is None:
            return wait
        left = since + limit - now
        return min(wait, left) if left > least else Unreachable(now - since, lost.reason, error)

    # --- one connection ---------------------------------------------------------------------------------------------

    async def _connection(self) -> ConnectionLost | ConversationEnded:
        self._last = None
        try:
            async with self._dial() as wire:
                self._greet()
                return await self._converse(wire)
        except ConnectionLost as lost:
            return lost

    def _greet(self) -> None:
        if not self._greeted:
            self._greeted, self._trouble_since = True, None
        self._ledger.connected()
        self._connected()

    async def _converse(self, wire: Wire) -> ConnectionLost | ConversationEnded:
        end: ConnectionLost | ConversationEnded = ConnectionLost(f"no sign of life for {PONG_SECONDS:g} s")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, wire)
            nursery.start_soon(self._feel_pulse, wire, nursery.cancel_scope)
            end = await self._read(wire)
            nursery.cancel_scope.cancel()
        return end

    async def _read(self, wire: Wire) -> ConnectionLost | ConversationEnded:
        try:
            while True:
                self._receive(await wire.receive())
        except ConnectionLost as lost:
            return lost
        except (IllegalFrame, InvalidMessage) as error:
            await wire.close(CloseCode.PROTOCOL_ERROR)
            return ProtocolViolated(str(error))

    def _receive(self, data: str | bytes) -> None:
        if not isinstance(data, str):
            raise InvalidMessage("frame", "a text frame")
        frame = decode_server_frame(data)
        shown = self._ledger.receive(frame)
        self._last = frame
        if isinstance(frame, Ready):
            self._failures, self._trouble_since = 0, None
            per_second = frame.limits.max_frames_per_second
            self._pace = TokenBucket(per_second, max(1, per_second))
        self._deliver(frame, shown)
        if isinstance(frame, Error) and self._ledger.left_waiting(frame):
            raise ConnectionLost(frame.message, retry_after_seconds=frame.retry_after_seconds)
        self.wake()  # `ready` and an acknowledgement may make more to write

    async def _write(self, wire: Wire) -> None:
        try:
            while True:
                changed = self._changed
                frame = self._ledger.outgoing()
                if frame is None:
                    await changed.wait()
                else:
                    await self._turn()
                    await wire.send(encode(frame))
        except TransportError:
            return  # the reader has what came before the end, and the end

    async def _turn(self) -> None:
        """Wait until the server takes another frame: what it refuses for coming too fast would have to come again."""
        while (wait := self._pace.take(trio.current_time())) > 0:  # noqa: ASYNC110  only time tells
            await trio.sleep(max(wait, LEAST_PAUSE_SECONDS))

    async def _feel_pulse(self, wire: Wire, connection: trio.CancelScope) -> None:
        """End a connection whose other side has vanished without a word."""
        try:
            while True:
                await trio.sleep(PING_SECONDS)
                with trio.fail_after(PONG_SECONDS):
                    await wire.ping()
        except trio.TooSlowError:
            connection.cancel()
        except TransportError:
            return
