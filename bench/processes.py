"""Server processes under measurement: started, watched through ``/proc``, and ended by their pid whatever happens."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

ROOT = Path(__file__).parents[1]
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

START_SECONDS = 30.0
"""How long a server may take to print its address."""

QUIET_SECONDS, QUIET_CPU_SECONDS, QUIET_WITHIN_SECONDS = 0.5, 0.02, 15.0
"""A server is quiet when it used less CPU than this in so much time: what it imports in the background is done."""

END_SECONDS = 15.0
"""How long a server may take to end by itself: chatcore's drain budget is 10 s."""

_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


@attrs.frozen
class Server:
    """A running server.

    Args:
        pid: of its only process.
        port: on the loopback.
        folder: its own, for its files.
    """

    pid: int
    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """What the process has used, in user and kernel mode, to 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def memory_bytes(self, what: str = "VmRSS") -> int:
        """Its resident memory; ``VmHWM`` is the most it had."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what))

    def moments(self, what: str) -> list[float]:
        """When its starts were ``ready`` or ``failed``, by the machine's monotonic clock."""
        path = self.folder / "moments"
        lines = path.read_text().splitlines() if path.exists() else []
        return [float(line.split()[1]) for line in lines if line.split()[0] == what]


@asynccontextmanager
async def serving(command: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Server]:
    """A server for as long as the block lasts, quiet at its beginning.

    Args:
        command: that starts it; it prints its address.
        environment: beside this process's own.
    """
    with tempfile.TemporaryDirectory(prefix="chatcore-bench-") as name:
        folder = Path(name)
        own = {
            "PYTHONPATH": python_path(),
            "BENCH_MOMENTS": str(folder / "moments"),
            "CHATCORE_DATABASE_URL": f"sqlite:///{folder / 'bench.db'}",
        }
        with (folder / "log").open("wb") as log:
            process = await trio.lowlevel.open_process(
                list(command), env={**os.environ, **own, **environment}, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT
            )
            try:
                server = Server(process.pid, await _port(process, folder / "log"), folder)
                await quiet(server)
                yield server
            finally:
                await _end(process)


async def _port(process: trio.Process, log: Path) -> int:
    with trio.move_on_after(START_SECONDS):
        while process.returncode is None:
            found = _ADDRESS.search(_text(log))
            if found is not None:
                return int(found[1])
            await trio.sleep(0.02)
    raise RuntimeError(f"the server did not start:\n{_text(log)[-2000:]}")


def _text(log: Path) -> str:
    return log.read_text(errors="replace")


async def quiet(server: Server) -> None:
    """Return when the server has nothing to do."""
    with trio.move_on_after(QUIET_WITHIN_SECONDS):
        while True:
            before = server.cpu_seconds()
            await trio.sleep(QUIET_SECONDS)
            if server.cpu_seconds() - before < QUIET_CPU_SECONDS:
                return


async def _end(process: trio.Process) -> None:
    with trio.CancelScope(shield=True):
        if process.returncode is None:
            process.terminate()
            with trio.move_on_after(END_SECONDS):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def clients_of(server: Server, count: int, seconds: float) -> AsyncIterator[dict[str, Any]]:
    """Let clients loose on a server, in a process of their own; they stay connected for as long as the block lasts.

    Yields:
        what :func:`bench.clients.run` told.
    """
    command = [sys.executable, "-m", "bench.clients", str(server.port), str(count), str(seconds)]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert process.stdout is not None
        told = bytearray()
        async for data in process.stdout:
            told += data
            if told.endswith(b"\n"):
                break
        yield json.loads(told)
    finally:
        await _end(process)


def python_path() -> str:
    """Where servers find the applications of this folder, and the code under measurement where the caller names it."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def chatcore(*arguments: str) -> list[str]:
    """The command of ``chatcore serve`` in this environment, on a free port."""
    start = "import sys; from chatcore.cli import main; main(sys.argv[1:])"
    return [sys.executable, "-c", start, "serve", *arguments, "--bind", "127.0.0.1:0"]


def peer(python: str) -> list[str]:
    """The command of the ordinary design in the environment of ``python``, set as its own documentation advises."""
    options = "--host 127.0.0.1 --port 0 --loop uvloop --http httptools --no-access-log --backlog 4096"
    return [python, "-m", "uvicorn", "bench.peer:app", *options.split()]


def allow_many_files() -> None:
    """Each client is a file here, and one in the server."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
