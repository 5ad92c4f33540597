"""Server processes under measurement: started, watched through ``/proc``, and ended by their pid whatever happens."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

ROOT = Path(__file__).parents[1]
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

START_SECONDS = 30.0
"""How long a server may take to accept a connection."""

QUIET_SECONDS, QUIET_CPU_SECONDS, QUIET_WITHIN_SECONDS = 0.5, 0.02, 15.0
"""A server is quiet when it used less CPU than this in so much time: what it imports in the background is done."""

END_SECONDS = 15.0
"""How long a server may take to end by itself: chatcore's drain budget is 10 s."""


@attrs.frozen
class Server:
    """A running server.

    Args:
        pid: of its first process.
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
        """What its processes have used, in user and kernel mode, each to 10 ms."""
        return sum(_cpu_ticks(pid) for pid in family(self.pid)) / TICKS_PER_SECOND

    def memory_bytes(self, what: str = "VmRSS") -> int:
        """The resident memory of its first process; ``VmHWM`` is the most it had."""
        return _kilobytes(Path(f"/proc/{self.pid}/status"), what)

    def own_bytes(self) -> int:
        """The memory of its processes, shared pages counted once over all who share them."""
        return sum(_kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in family(self.pid))

    def last_words(self) -> str:
        """The end of what it has written."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def moments(self, what: str) -> list[float]:
        """When its starts were ``ready`` or ``failed``, by the machine's monotonic clock."""
        path = self.folder / "moments"
        lines = path.read_text().splitlines() if path.exists() else []
        return [float(line.split()[1]) for line in lines if line.split()[0] == what]


def family(pid: int) -> list[int]:
    """A process and those that came of it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            children.setdefault(int(_stat(path)[1]), []).append(int(path.parent.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def others_cpu_seconds() -> float:
    """What every process of the machine has used that is not of this one's family; its growth matters."""
    fields = [int(ticks) for ticks in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle - sum(_cpu_ticks(pid) for pid in family(os.getpid()))) / TICKS_PER_SECOND


def _stat(path: Path) -> list[str]:
    """What follows the name of the command."""
    return path.read_text().rpartition(")")[2].split()


def _cpu_ticks(pid: int) -> int:
    """Of a process, and of its children that have ended."""
    try:
        return sum(int(ticks) for ticks in _stat(Path(f"/proc/{pid}/stat"))[11:15])
    except OSError:
        return 0


def _kilobytes(path: Path, what: str) -> int:
    return 1024 * next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(f"{what}:"))


@attrs.frozen
class Cores:
    """Which cores measure, and which are measured; None: any.

    Args:
        server: of the server.
        load: of the load generator and of this process.
    """

    server: set[int] | None = None
    load: set[int] | None = None

    @classmethod
    def apart(cls) -> Cores:
        """One core each, where there are two; this process moves to its own."""
        available = sorted(os.sched_getaffinity(0))
        if len(available) < 2:
            return cls()
        os.sched_setaffinity(0, {available[1]})
        return cls({available[0]}, {available[1]})


ANYWHERE = Cores()


@asynccontextmanager
async def serving(
    command: Sequence[str], environment: Mapping[str, str], cores: Cores = ANYWHERE
) -> AsyncIterator[Server]:
    """A server for as long as the block lasts, quiet at its beginning.

    Args:
        command: that starts it; ``{port}`` in it is where it is to listen.
        environment: beside this process's own.
        cores: for it to run on.
    """
    async with started(command, environment, cores) as (process, server):
        await _listening(process, server)
        await quiet(server)
        yield server


@asynccontextmanager
async def started(
    command: Sequence[str], environment: Mapping[str, str], cores: Cores = ANYWHERE
) -> AsyncIterator[tuple[trio.Process, Server]]:
    """A server's process for as long as the block lasts, which may not listen yet."""
    with tempfile.TemporaryDirectory(prefix="chatcore-bench-") as name:
        folder, port = Path(name), free_port()
        own = {
            "PYTHONPATH": python_path(),
            "BENCH_MOMENTS": str(folder / "moments"),
            "CHATCORE_DATABASE_URL": f"sqlite:///{folder / 'bench.db'}",
        }
        with (folder / "log").open("wb") as log:
            process = await trio.lowlevel.open_process(
                [part.replace("{port}", str(port)) for part in command],
                env={**os.environ, **own, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                preexec_fn=partial(os.sched_setaffinity, 0, cores.server) if cores.server else None,
            )
            try:
                yield process, Server(process.pid, port, folder)
            finally:
                await _end(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _listening(process: trio.Process, server: Server) -> None:
    with trio.move_on_after(START_SECONDS):
        while process.returncode is None:
            with suppress(OSError):
                await (await trio.open_tcp_stream("127.0.0.1", server.port)).aclose()
                return
            await trio.sleep(0.02)
    raise RuntimeError(f"the server did not start:\n{server.last_words()}")


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
            _kill_all(family(process.pid))
            await process.wait()


def _kill_all(pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, 9)


@attrs.define(eq=False)
class Generator:
    """A load generator at work. Made by :func:`generating`."""

    _process: trio.Process
    _rest: bytes = b""
    _begun: bool = False

    async def reached(self) -> dict[str, Any]:
        """Let it go on to its next point; what it tells there."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        if self._begun:
            await stdin.send_all(b"\n")
        self._begun = True
        while b"\n" not in self._rest:
            data = await stdout.receive_some()
            if not data:
                raise RuntimeError("the load generator ended")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        return told


@asynccontextmanager
async def generating(
    job: str, server: Server, speaks: str, cores: Cores = ANYWHERE, **numbers: float
) -> AsyncIterator[Generator]:
    """Let clients loose on a server, in a process of their own; they stay connected for as long as the block lasts.

    Args:
        job: of :data:`bench.generator.JOBS`.
        server: to connect to.
        speaks: what the clients do.
        cores: for it to run on.
        numbers: what else the job asks for.
    """
    given = json.dumps({"port": server.port, "speaks": speaks, **numbers})
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "bench.generator", job, given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        preexec_fn=partial(os.sched_setaffinity, 0, cores.load) if cores.load else None,
    )
    try:
        yield Generator(process)
    finally:
        await _end(process)


def python_path() -> str:
    """Where servers find the applications of this folder, and the code under measurement where the caller names it."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def chatcore(*arguments: str) -> list[str]:
    """The command of ``chatcore serve`` in this environment."""
    start = "import sys; from chatcore.cli import main; main(sys.argv[1:])"
    return [sys.executable, "-c", start, "serve", *arguments, "--bind", "127.0.0.1:{port}"]


def allow_many_files() -> None:
    """Each client is a file here, and one in the server."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
