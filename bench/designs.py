"""What is compared: chatcore and its peers, how each is started, and in what it takes part."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import attrs

from bench.processes import chatcore

BACKLOG = 4096
"""Of every listener, as the machine allows: with a shorter one, how often a kernel asks again would be measured."""

ALL = frozenset({"stampede", "memory", "echo", "stream", "cold_start"})


@attrs.frozen
class Design:
    """One way to build such a server.

    Args:
        name: on the command line.
        title: in tables.
        takes_part: the workloads that it has a part in.
        packages: of its environment; none: this process's own.
        arguments: of that environment's Python; ``{port}`` is where it is to listen.
        speaks: what its clients do, by :data:`bench.clients.SPEAKING`.
        settings: for its environment.
    """

    name: str
    title: str
    takes_part: frozenset[str]
    packages: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    speaks: str = "websocket"
    settings: Mapping[str, str] = {}

    def command(self, environments: Path | None) -> list[str]:
        """What starts it, where the peers' environments are in a folder."""
        if not self.packages:
            return [*self.arguments]
        return [str(python_of(environments, self)), *self.arguments]


def python_of(environments: Path | None, design: Design) -> Path:
    """The interpreter of a peer.

    Raises:
        FileNotFoundError: its environment was not made.
    """
    if not design.packages:
        return Path(sys.executable)
    python = (environments or Path()) / design.name / "bin" / "python"
    if environments is None or not python.exists():
        raise FileNotFoundError(f"no environment for {design.name}: python -m bench.environments FOLDER makes it")
    return python


def _uvicorn(app: str) -> tuple[str, ...]:
    options = f"--host 127.0.0.1 --port {{port}} --loop uvloop --http httptools --no-access-log --backlog {BACKLOG}"
    return ("-m", "uvicorn", app, *options.split())


UNLIMITED = {"CHATCORE_MAX_FRAMES_PER_SECOND": "1000000", "CHATCORE_MAX_MESSAGES_PER_MINUTE": "1000000"}
"""Limits are counted as ever, and not reached."""

UVICORN = ("uvicorn", "uvloop", "httptools", "websockets")

OURS = Design(
    "chatcore",
    "chatcore",
    ALL | {"failing_start"},
    arguments=tuple(chatcore("bench.app:app")),
    settings=UNLIMITED,
)
REFERENCE = Design(
    "ordinary",
    "ordinary design",
    ALL | {"failing_start"},
    packages=("fastapi", *UVICORN),
    arguments=_uvicorn("bench.peers.ordinary:app"),
)
UNLOGGED = Design(
    "unlogged",
    "chatcore, deltas not durable",
    frozenset({"stream"}),
    arguments=(sys.executable, "-m", "bench.unlogged", "serve", "bench.app:app", "--bind", "127.0.0.1:{port}"),
    settings=UNLIMITED,
)
PEERS = (
    Design("uvicorn", "uvicorn, raw ASGI", ALL, packages=UVICORN, arguments=_uvicorn("bench.peers.raw:app")),
    Design(
        "granian",
        "granian, raw ASGI",
        ALL,
        packages=("granian[uvloop]",),
        arguments=(
            *("-m", "granian", "bench.peers.raw:app", "--interface", "asgi", "--loop", "uvloop", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", "{port}", "--backlog", str(BACKLOG)),
        ),
    ),
    Design(
        "trio-websocket",
        "trio-websocket",
        ALL - {"cold_start"},  # it has no HTTP
        packages=("trio-websocket",),
        arguments=("-m", "bench.peers.trio_chat", "{port}", str(BACKLOG)),
    ),
    Design(
        "quart-trio",
        "Hypercorn, Quart-Trio",
        ALL,
        packages=("hypercorn", "quart-trio"),
        arguments=(
            *("-m", "hypercorn", "--worker-class", "trio", "bench.peers.quart_chat:app"),
            *("--bind", "127.0.0.1:{port}", "--backlog", str(BACKLOG)),
        ),
    ),
    Design(
        "socketio",
        "python-socketio",
        ALL,
        packages=("python-socketio", *UVICORN),
        arguments=_uvicorn("bench.peers.socketio_chat:app"),
        speaks="socketio",
    ),
    Design(
        "lines",
        "raw lines, the floor",
        ALL - {"cold_start"},
        packages=("uvloop",),
        arguments=("-m", "bench.peers.lines", "{port}", str(BACKLOG)),
        speaks="lines",
    ),
)
DESIGNS = {design.name: design for design in (OURS, UNLOGGED, REFERENCE, *PEERS)}
