"""An MCP server as a child process, spoken to by lines of JSON over its standard streams.

The SDK has such a transport; this one bounds a line, drops what the server writes to its standard error, and tells
when the process has ended. Imported in a thread, when a server starts: the SDK takes its time.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import trio
from mcp.shared.message import SessionMessage
from mcp_types.jsonrpc import jsonrpc_message_adapter

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""One message of a server. A longer one is passed over, and whoever waits for it runs out of time."""

PARTING_SECONDS = 2.0
"""How long a server may take to end once its input is closed; what the specification calls a reasonable time."""

_PASSED_ON = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")
"""Of the environment; chatcore's own settings and whatever secrets there are stay here."""

_READ_BYTES = 64 * 1024


@asynccontextmanager
async def talking_to(command: Sequence[str], lost: trio.Event) -> AsyncIterator[TransportStreams]:
    """Run a server, and give the two streams of messages that the SDK's session needs.

    Args:
        command: what to run.
        lost: set when the server has ended or said what cannot be read.

    Raises:
        OSError: it cannot be run.
    """
    process = await trio.lowlevel.open_process(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        start_new_session=True,
    )
    heard_in, heard = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    said, said_out = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with heard_in, heard, said, said_out, trio.open_nursery() as nursery:
            nursery.start_soon(_listen, process, heard_in, lost)
            nursery.start_soon(_speak, process, said_out, lost)
            yield heard, said
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)


async def _listen(process: trio.Process, heard: Any, lost: trio.Event) -> None:
    """Pass on what the server says, a message a line, until it ends."""
    try:
        async with heard:
            async for line in _lines(process):
                with suppress(ValueError):  # servers write other things than messages, too
                    await heard.send(SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False)))
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # the session is over
    finally:
        lost.set()


async def _lines(process: trio.Process) -> AsyncIterator[bytes]:
    """The lines of the server's output that are no longer than a message may be."""
    assert process.stdout is not None  # noqa: S101  it was opened with a pipe
    kept, passed_over = bytearray(), False
    while part := await process.stdout.receive_some(_READ_BYTES):
        *lines, rest = part.split(b"\n")
        for line in lines:
            if not passed_over:
                yield bytes(kept + line)
            kept, passed_over = bytearray(), False
        kept += rest
        if passed_over or len(kept) > MAX_MESSAGE_BYTES:
            kept, passed_over = bytearray(), True


async def _speak(process: trio.Process, said: Any, lost: trio.Event) -> None:
    """Write what the session says, a message a line."""
    assert process.stdin is not None  # noqa: S101  it was opened with a pipe
    try:
        async for message in said:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            await process.stdin.send_all(text.encode() + b"\n")
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        lost.set()


async def _end(process: trio.Process) -> None:
    """Let the server end by itself, and kill what it has started where it does not."""
    assert process.stdin is not None  # noqa: S101
    assert process.stdout is not None  # noqa: S101
    await process.stdin.aclose()
    with trio.move_on_after(PARTING_SECONDS):
        await process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own
    await process.wait()
    await process.stdout.aclose()
