"""A server that is ended and started again, on the same database and port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from bench.processes import END_SECONDS, ROOT, START_SECONDS, chatcore, python_path


@attrs.define(eq=False)
class RestartingServer:
    """Made by :func:`restarting`; not running at first.

    Args:
        app: ``MODULE:ATTRIBUTE``.
        folder: where its database and its log are.
        port: on the loopback, always the same.
        settings: for its environment.
        starts: how often it was started.
    """

    app: str
    folder: Path
    port: int
    settings: Mapping[str, str]
    starts: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _log_begins: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        return self.folder / "chat.db"

    @property
    def log(self) -> str:
        """What all its processes have written."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start a process; :meth:`announced` waits for it."""
        self.starts += 1
        self._log_begins = len(self.log)
        command = [*chatcore(self.app)[:-1], f"127.0.0.1:{self.port}"]
        own = {"PYTHONPATH": python_path(), "CHATCORE_DATABASE_URL": f"sqlite:///{self.database}"}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, **own, **self.settings}, stdout=log, stderr=log, cwd=ROOT
            )

    async def announced(self) -> None:
        """Wait until the process has printed its address."""
        with trio.move_on_after(START_SECONDS):
            while self._process is not None and self._process.poll() is None:
                if self.url in self.log[self._log_begins :]:
                    return
                await trio.sleep(0.02)
        raise RuntimeError(f"the server did not start:\n{self.log[-2000:]}")

    async def end(self, how: signal.Signals) -> float:
        """Send a signal and wait for the end of the process; the moment the signal was sent, of ``time.monotonic``."""
        process, self._process = self._process, None
        if process is None:
            return time.monotonic()
        process.send_signal(how)
        at = time.monotonic()
        with trio.move_on_after(END_SECONDS):
            while process.poll() is None:  # noqa: ASYNC110  of a Popen, so that it can be made in a plain function
                await trio.sleep(0.005)
            return at
        process.kill()
        process.wait()
        raise RuntimeError(f"the server did not end:\n{self.log[-2000:]}")


@asynccontextmanager
async def restarting(app: str, **settings: str) -> AsyncIterator[RestartingServer]:
    """A server that can be started, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="chatcore-bench-") as name:
        server = RestartingServer(app, Path(name), _free_port(), settings)
        try:
            yield server
        finally:
            with trio.CancelScope(shield=True):
                await server.end(signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
