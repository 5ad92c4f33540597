"""One child process: started without anything of its parent's, asked once, and killed."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

import chatcore
from chatcore.agents.analyst.sandbox.limits import Limits, Outcome
from chatcore.agents.analyst.sandbox.worker import HEADER_BYTES

_BOOT = "import sys; sys.path += sys.argv[2:]; import runpy; runpy.run_module({module!r}, run_name='__main__')"
_MODULE = "chatcore.agents.analyst.sandbox.worker"

_FRAMING_BYTES = 64 * 1024
"""What a result may have beside its rows: the names of the columns."""

_READ_BYTES = 64 * 1024

ENDED_BY = {"SIGXCPU": Outcome.PROCESSOR, "SIGKILL": Outcome.MEMORY}
"""Why the kernel ends a child: past its processor time; as what takes most memory on a machine that has none left."""


@attrs.frozen(eq=False)
class Child:
    """A process that has imported DuckDB, or is about to, and waits for its query."""

    process: trio.Process
    _socket: socket.socket
    _stream: trio.SocketStream

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    async def ask(self, sql: str, database: int, limits: Limits) -> dict[str, Any]:
        """What the child makes of a query; or how it ended."""
        query = sql.encode(errors="replace")
        try:
            socket.send_fds(self._socket, [len(query).to_bytes(HEADER_BYTES, "big")], [database])
            await self._stream.send_all(query)
            answer = await self._receive(limits.result_bytes + _FRAMING_BYTES)
        except (OSError, trio.BrokenResourceError):
            answer = b""
        if answer is None:
            return {"outcome": Outcome.BYTES}
        try:
            return dict(json.loads(answer))
        except ValueError:
            return {"outcome": await self._end()}

    async def _receive(self, most: int) -> bytes | None:
        """All that it says until it ends; None where that is too much."""
        received = bytearray()
        while part := await self._stream.receive_some(_READ_BYTES):
            received += part
            if len(received) > most:
                return None
        return bytes(received)

    async def _end(self) -> Outcome:
        """What ended it, as far as its exit code tells."""
        code = await self.process.wait()
        name = signal.Signals(-code).name if code < 0 else ""
        return ENDED_BY.get(name, Outcome.CRASHED)

    async def close(self) -> None:
        """End it, whatever it does, and wait until it is gone."""
        with trio.CancelScope(shield=True):
            if self.alive:
                self.process.kill()
            await self.process.wait()
            self._stream.socket.close()


async def start_child(limits: Limits) -> Child:
    """A child, in a session of its own, without an environment and with one open file: a socket to this process.

    Raises:
        OSError: the machine has no process to give.
    """
    ours, theirs = socket.socketpair()
    with theirs, contextlib.ExitStack() as stack:
        stack.callback(ours.close)
        process = await trio.lowlevel.open_process(
            await trio.to_thread.run_sync(_command, limits),
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
        stack.pop_all()
    return Child(process, ours, trio.SocketStream(trio.socket.from_stdlib_socket(ours)))


def _command(limits: Limits) -> list[str]:
    """Python without its environment and without what a user may have it import, and the two packages it needs."""
    import duckdb

    homes = dict.fromkeys(str(Path(str(package.__file__)).parents[1]) for package in (chatcore, duckdb))
    return [sys.executable, "-I", "-S", "-c", _BOOT.format(module=_MODULE), limits.text(), *homes]


@asynccontextmanager
async def closing(child: Child) -> AsyncIterator[Child]:
    """A child that is gone at the end of the block."""
    try:
        yield child
    finally:
        await child.close()
