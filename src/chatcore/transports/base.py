"""The Transport port: one WebSocket connection, as a session sees it, whatever carries it."""

from __future__ import annotations

from typing import Protocol

import trio


class Stalled(trio.BrokenResourceError):
    """A stream's peer did not read in time."""


class Transport(Protocol):
    """Carries frames both ways.

    * ``receive`` never stops reading the connection: what is not asked for is kept, up to a bound, so that a
      disconnect is seen in every state (guarantees.md, 30).
    * A frame is on its way the moment it is offered, where that takes no waiting. What has to wait is sent by whoever
      flushes, with a deadline; a flush that did not finish is final: the transport is broken (guarantees.md, 29, 31).
    """

    async def receive(self) -> str | bytes:
        """The next frame: text as ``str``, binary as ``bytes``.

        Raises:
            TransportRoused: as :meth:`rouse` says.
            TransportBroken: the other side is gone.
            TransportOverrun: it sent faster than its frames were taken; those that were kept came first.
            TransportViolated: it broke the rules of the transport, which is to be closed with the code given.
            TransportClosed: this side closed it.
        """

    def rouse(self) -> None:
        """Have whoever receives look up: ``receive`` raises :class:`TransportRoused` once, now or the next time.

        That costs nothing as long as it is not used; a cancel scope would have to be made for every client.
        """

    def offer(self, *payloads: bytes, text: bool = True) -> bool:
        """Take frames and send them, together, as far as that takes no waiting.

        Args:
            payloads: of one frame each; of a text frame its UTF-8.
            text: whether they are text frames.

        Returns:
            whether all was sent; else :meth:`flush` sends the rest, and nothing is to be offered before it has.

        Raises:
            TransportBroken: the other side is gone.
            TransportClosed: this side closed it.
        """

    async def flush(self) -> None:
        """Send what was taken and not sent; a checkpoint.

        Raises:
            TransportBroken: the other side is gone.
            TransportStalled: it did not read in time.
            TransportClosed: this side closed it.
        """

    async def close(self, code: int, reason: str) -> None:
        """Close with this code and reason, and wait a moment for the other side's close frame. Never raises."""


async def send(transport: Transport, message: str | bytes) -> None:
    """Send a frame, ``str`` as text and ``bytes`` as binary, and return when it is sent; a checkpoint.

    Raises:
        TransportBroken, TransportStalled, TransportClosed: as :meth:`Transport.offer` and :meth:`Transport.flush`.
    """
    await trio.lowlevel.checkpoint()  # first, so that a loop of sends to a peer that is gone freezes nothing
    payload = message.encode() if isinstance(message, str) else message
    if not transport.offer(payload, text=isinstance(message, str)):
        await transport.flush()
