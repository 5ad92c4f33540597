"""The real command in a process of its own, and real WebSocket clients."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WITHIN_SECONDS = 30


@attrs.define
class Process:
    """A running server.

    Args:
        folder: its working directory: database, stage and log are in it.
        address: ``http://127.0.0.1:PORT``.
        took_seconds: from the command to its announcement.
    """

    folder: Path
    popen: subprocess.Popen[str]
    address: str
    took_seconds: float

    @property
    def stage(self) -> Path:
        """Where the application looks for what it is told."""
        return self.folder / "stage"

    @property
    def happened(self) -> list[str]:
        """What the services did, in order."""
        log = self.stage / "log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    @property
    def log(self) -> str:
        """What the server wrote to standard error."""
        return (self.folder / "server.log").read_text(encoding="utf-8")

    @property
    def open_files(self) -> int:
        """File descriptors it holds."""
        return len(list(Path(f"/proc/{self.popen.pid}/fd").iterdir()))

    def get(self, path: str) -> tuple[int, Any, dict[str, str]]:
        """The status, the JSON and the headers of a GET."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=WITHIN_SECONDS) as response:
                return response.status, json.loads(response.read()), dict(response.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read()), dict(error.headers)

    def terminate(self) -> tuple[int, float]:
        """Send SIGTERM; the exit code, and how long it took."""
        began = time.monotonic()
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(WITHIN_SECONDS), time.monotonic() - began


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a server: the test's own, its settings, and where its application is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CHATCORE_", "E2E_"))}
    path = os.pathsep.join([str(HERE), str(ROOT), *filter(None, [kept.get("PYTHONPATH")])])
    made = {"PYTHONPATH": path, "E2E_STAGE": str(folder / "stage"), "CHATCORE_BIND": "127.0.0.1:0"}
    return {**kept, **made, **settings}


@contextmanager
def served(folder: Path, *arguments: str, **settings: str) -> Iterator[Process]:
    """``chatcore serve e2e_app:app`` on any free port, until the block ends."""
    (folder / "stage").mkdir(exist_ok=True)
    command = [str(Path(sys.executable).parent / "chatcore"), "serve", *(arguments or ("e2e_app:app",))]
    began = time.monotonic()
    with (folder / "server.log").open("a", encoding="utf-8") as log:
        popen = subprocess.Popen(
            [*command, "--bind", "127.0.0.1:0"],
            cwd=folder,
            env=environment(folder, **settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert popen.stdout is not None
        line = popen.stdout.readline().strip()
        assert line.startswith("chatcore is at "), (folder / "server.log").read_text(encoding="utf-8")
        yield Process(folder, popen, line.removeprefix("chatcore is at "), time.monotonic() - began)
    finally:
        popen.kill()
        popen.communicate()


@attrs.define
class Heard:
    """What one client heard: frames with when they came, and how the connection ended."""

    frames: list[dict[str, Any]] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)
    closed: tuple[int, str | None] | None = None

    @property
    def kinds(self) -> list[str]:
        """The event or type of each frame, in order."""
        return [frame.get("event") or frame["type"] for frame in self.frames]


async def hear(socket: WebSocketConnection, heard: Heard, until: str | None = None) -> None:
    """Listen until a frame of this kind, or the end."""
    try:
        while True:
            frame = json.loads(await socket.get_message())
            heard.frames.append(frame)
            heard.times.append(trio.current_time())
            if heard.kinds[-1] == until:
                return
    except ConnectionClosed as closed:
        if closed.reason is not None:
            heard.closed = (int(closed.reason.code), closed.reason.reason)


@asynccontextmanager
async def connected(server: Process, user_id: str) -> AsyncIterator[WebSocketConnection]:
    """A client's connection. Its socket is closed here: trio-websocket leaves that to a server which closed first."""
    host, _, port = server.address.removeprefix("http://").partition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream, trio.open_nursery() as nursery:
        socket = await wrap_client_stream(nursery, stream, host, f"/ws?user_id={user_id}")
        yield socket
        nursery.cancel_scope.cancel()


async def client(server: Process, user_id: str, heard: Heard, until: str | None = "ready") -> None:
    """One client from beginning to end."""
    async with connected(server, user_id) as socket:
        await hear(socket, heard, until)


async def crowd(server: Process, size: int, until: str | None = "ready", prefix: str = "u") -> list[Heard]:
    """Many clients at once, each a user of its own."""
    everyone = [Heard() for _ in range(size)]
    with trio.fail_after(WITHIN_SECONDS):
        async with trio.open_nursery() as nursery:
            for number, heard in enumerate(everyone):
                nursery.start_soon(client, server, f"{prefix}{number}", heard, until)
    return everyone
