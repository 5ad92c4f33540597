"""The Transport port: one WebSocket connection, as a session sees it, whatever carries it."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """Carries frames both ways.

    * ``receive`` never stops reading the connection: what is not asked for is kept, up to a bound, so that a
      disconnect is seen in every state (guarantees.md, 30).
    * ``send`` is a checkpoint and has a deadline; a send that did not finish is final: the transport is broken
      (guarantees.md, 29 and 31).
    """

    async def receive(self) -> str | bytes:
        """The next frame: text as ``str``, binary as ``bytes``.

        Raises:
            TransportBroken: the other side is gone.
            TransportOverrun: it sent faster than its frames were taken; those that were kept came first.
            TransportViolated: it broke the rules of the transport, which is to be closed with the code given.
            TransportClosed: this side closed it.
        """

    async def send(self, message: str | bytes) -> None:
        """Send a frame: ``str`` as text, ``bytes`` as binary.

        Raises:
            TransportBroken: the other side is gone or did not read in time.
            TransportClosed: this side closed it.
        """

    async def close(self, code: int, reason: str) -> None:
        """Close with this code and reason, and wait a moment for the other side's close frame. Never raises."""
