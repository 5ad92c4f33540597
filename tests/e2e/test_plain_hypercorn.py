"""The same application under a plain Hypercorn: told the truth, drained on SIGTERM, and no port without a server."""

from __future__ import annotations

import json
import os
import signal
import socket as plain
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio
from e2e_server import Heard, Process, connected, environment, hear, served

CRASHING = """
import trio
from e2e_app import app as inner
import chatcore.server

class Broken(Exception): ...

async def crash(recorder):
    await trio.sleep(1.0)
    raise Broken("hunter2")

chatcore.server._measure_lag = crash
app = inner
"""


@contextmanager
def hypercorn(folder: Path, application: str) -> Iterator[Process]:
    """``hypercorn --worker-class trio`` on a socket that listens already: whoever connects waits for it there."""
    (folder / "stage").mkdir(exist_ok=True)
    env = environment(folder) | {"PYTHONPATH": os.pathsep.join([str(folder), environment(folder)["PYTHONPATH"]])}
    with (folder / "server.log").open("w", encoding="utf-8") as log, plain.create_server(("127.0.0.1", 0)) as listening:
        port, bind = listening.getsockname()[1], f"fd://{listening.fileno()}"
        popen = subprocess.Popen(
            [str(Path(sys.executable).parent / "hypercorn"), "--worker-class", "trio", "--bind", bind, application],
            cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True,
            pass_fds=[listening.fileno()],
        )  # fmt: skip
    try:
        yield Process(folder, popen, f"http://127.0.0.1:{port}", 0.0)
    finally:
        popen.send_signal(signal.SIGTERM)
        try:
            popen.wait(15)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()


async def test_a_question_and_a_drain(tmp_path: Path) -> None:
    with hypercorn(tmp_path, "e2e_app:app") as server, trio.fail_after(60):
        heard = Heard()
        async with connected(server, "u") as socket:
            question = {"type": "user_message", "message_id": "m1", "content": "hello"}
            await socket.send_message(json.dumps(question))
            await hear(socket, heard, "agent_completed")
            assert heard.kinds[0] == "initializing"
            assert (
                heard.kinds.index("message_accepted") < heard.kinds.index("ready") < heard.kinds.index("agent_started")
            )
            server.popen.send_signal(signal.SIGTERM)
            await hear(socket, heard)
        assert heard.kinds[-1] == "draining"
        assert heard.closed == (1012, "Draining")


async def test_a_crash_of_the_server_ends_the_process(tmp_path: Path) -> None:
    """A port that answers with nothing behind it would be a lie (guarantees.md, 38)."""
    (tmp_path / "crashing.py").write_text(CRASHING, encoding="utf-8")
    with hypercorn(tmp_path, "crashing:app") as server, trio.fail_after(60):
        await trio.to_thread.run_sync(lambda: server.popen.wait(30))  # its exit code is Hypercorn's own, and 0
        assert "the server ended by a defect" in server.log
        assert "hunter2" not in server.log


async def test_a_crash_under_our_own_command_has_an_exit_code(tmp_path: Path) -> None:
    (tmp_path / "crashing.py").write_text(CRASHING, encoding="utf-8")
    with served(tmp_path, "crashing:app") as server, trio.fail_after(60):
        assert await trio.to_thread.run_sync(lambda: server.popen.wait(30)) == 1
        assert "the server ended by a defect" in server.log
        assert "hunter2" not in server.log
