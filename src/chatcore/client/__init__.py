"""The typed Trio client of ``chatcore.v1``: it reconnects, resumes, and yields each event once.

::

    async with chatcore.client.connect("http://127.0.0.1:8000") as chat:
        run = await chat.send("How many orders do I have?")
        async for event in run:
            ...
"""

from __future__ import annotations

from chatcore.client.chat import Chat, Run, connect
from chatcore.client.errors import (
    ClientClosed,
    ConnectionLost,
    ConnectionRefused,
    ConversationEnded,
    HistoryLost,
    ProtocolViolated,
    ReaderTooSlow,
    Refused,
    Unreachable,
)
from chatcore.client.wire import Address, Dial, Wire

__all__ = [
    "Address",
    "Chat",
    "ClientClosed",
    "ConnectionLost",
    "ConnectionRefused",
    "ConversationEnded",
    "Dial",
    "HistoryLost",
    "ProtocolViolated",
    "ReaderTooSlow",
    "Refused",
    "Run",
    "Unreachable",
    "Wire",
    "connect",
]
