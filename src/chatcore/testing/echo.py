"""``python -m chatcore.testing.echo --bind HOST:PORT``: an echo server on chatcore's own WebSocket listener.

For conformance tools and load generators: every message comes back as it was, and none is read before the one before it
has been taken, so back-pressure reaches the sender. It serves until it is interrupted.
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import trio
from cyclopts import App, Parameter

from chatcore.errors import TransportError, TransportViolated
from chatcore.logs import LogRecorder, logger_for
from chatcore.settings import Settings
from chatcore.transports.asgi import ACCEPT, Message, Receive, Send, respond
from chatcore.transports.base import Transport, send
from chatcore.transports.listener import http_served
from chatcore.transports.stream import open_listeners

MESSAGE_BYTES = 32 * 1024 * 1024
"""Conformance tools send messages of 16 MiB."""


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    if scope["type"] != "websocket":
        return await respond(send, 426, {"upgrade": "websocket"}, b"")
    await receive()
    accept = scope["extensions"][ACCEPT]
    await accept(subprotocol=None, max_message_bytes=MESSAGE_BYTES, converse=_talk_back)


async def _talk_back(transport: Transport) -> None:
    try:
        while True:
            await send(transport, await transport.receive())
    except TransportViolated as fault:
        await transport.close(fault.code, fault.reason)
    except TransportError:
        return


async def serve_echo(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the address cannot be had.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        listeners = await open_listeners(settings)
        async with http_served(echo, listeners, settings, LogRecorder(logger_for(settings.log_format))):
            sys.stdout.write(f"echoing at ws://{settings.host}:{listeners[0].port}/\n")
            sys.stdout.flush()
            async for _ in signals:
                return


def main(
    *,
    bind: Annotated[str, Parameter(help="HOST:PORT; port 0 takes a free one")] = "127.0.0.1:0",
    compression: Annotated[bool, Parameter(help="Compress for clients that offer it", negative="")] = False,
) -> None:
    """Serve an echo, without limits on how fast its clients are."""
    trio.run(serve_echo, Settings(bind=bind, max_frames_per_second=0, compression=compression))


if __name__ == "__main__":
    App(default_command=main)()
