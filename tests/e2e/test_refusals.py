"""What cannot be served is refused before anything starts, by name, with an exit code that is not 0."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_server import environment

GRAPH = """
from collections.abc import AsyncIterator
from chatcore import Answer, Application, Phase, ServiceGraph

class A: ...
class B: ...
class Agent:
    async def respond(self, message, run): return Answer()

services = ServiceGraph()

{declarations}

@services.provide(phase=Phase.SERVICES)
async def agent() -> AsyncIterator[Agent]:
    open("started", "w").close()
    yield Agent()

app = Application(services, agents={{"agent": Agent}})
"""


def _service(name: str, phase: str, kind: str, needs: str = "") -> str:
    return (
        f"@services.provide(phase=Phase.{phase})\n"
        f"async def {name}({needs}) -> AsyncIterator[{kind}]:\n    open('started', 'w').close()\n    yield {kind}()\n\n"
    )


GRAPHS = {
    "missing": (_service("a", "CACHE", "A", "b: B"), "needs B (parameter 'b'), and no service yields it"),
    "duplicate": (_service("a", "CACHE", "A") + _service("b", "CACHE", "A"), "yields A, which a yields already"),
    "circular": (
        _service("a", "CACHE", "A", "b: B") + _service("b", "CACHE", "B", "a: A"),
        "needs itself",
    ),
    "later phase": (
        _service("a", "DATABASE", "A", "b: B") + _service("b", "CACHE", "B"),
        "starts in phase DATABASE and needs b (parameter 'b'), which starts later, in CACHE",
    ),
}


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command in a folder of its own; it must end by itself."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "chatcore"), *arguments],
        cwd=folder,
        env=environment(folder, **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize("fault", GRAPHS)
def test_a_graph_that_cannot_start(tmp_path: Path, fault: str, command: str) -> None:
    declarations, told = GRAPHS[fault]
    (tmp_path / "shop.py").write_text(GRAPH.format(declarations=declarations), encoding="utf-8")
    done = run(tmp_path, command, "shop:app")
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "started").exists()


DATA = {
    "wrong columns": (b"day,cost\n2025-01-01,1\n2025-01-02,1,2\n", "line 3"),
    "broken quotes": (b'day,cost\n2025-01-01,"1\n2025-01-02,2\n', "quote"),
    "empty": (b"", "empty"),
    "0 rows": (b"day,cost\n", "0 rows"),
    "not UTF-8": (b"day,cost\n2025-01-01,\xff\xfe\n", "UTF-8"),
    "a column twice": (b"day,day\n1,2\n", "day"),
}


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize("fault", DATA)
def test_data_that_cannot_be_read(tmp_path: Path, fault: str, command: str) -> None:
    content, told = DATA[fault]
    (tmp_path / "usage.csv").write_bytes(content)
    done = run(tmp_path, command, "--data", "usage.csv")
    assert done.returncode == 2
    assert "usage.csv" in done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "settings", "told"),
    [
        (("--data", "nowhere.csv"), {}, "nowhere.csv"),
        (("nowhere:app",), {}, "module 'nowhere' cannot be found"),
        (("e2e_app:nothing",), {}, "'e2e_app:nothing' is no chatcore.Application"),
        (("--bind", "0.0.0.0:0"), {}, "only loopback addresses may be served"),
        (("--bind", "8000"), {}, "it must be HOST:PORT"),
        ((), {"CHATCORE_INIT_TIMOUT_SECONDS": "3"}, "did you mean CHATCORE_INIT_TIMEOUT_SECONDS?"),
        ((), {"CHATCORE_AUTH": "jwt"}, "auth"),
        ((), {"CHATCORE_REDIS_URL": "redis://127.0.0.1"}, "redis_url"),
        ((), {"CHATCORE_WORKERS": "4"}, "workers"),
        ((), {"CHATCORE_DATABASE_URL": "sqlite:////nowhere/x.db"}, "database_url"),
        ((), {"CHATCORE_DATABASE_URL": "postgresql://u:hunter2@h/d"}, "database_url"),
        (("--config", "nowhere.toml"), {}, "config"),
        (("--nonsense",), {}, "--nonsense"),
    ],
)
def test_settings_that_cannot_be_served(
    tmp_path: Path, arguments: tuple[str, ...], settings: dict[str, str], told: str
) -> None:
    done = run(tmp_path, "serve", *arguments, **settings)
    assert done.returncode == 2
    assert told in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(tmp_path, "serve", "--bind", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 2
    assert "bind: cannot listen on 127.0.0.1" in done.stderr
