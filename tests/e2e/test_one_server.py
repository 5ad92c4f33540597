"""One server at a time has a database file: a second would end the runs of the first, which lives."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import trio
from e2e_server import Heard, Process, connected, environment, hear, served

TAKEN = "another server has the database file"


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of ``chatcore`` in the folder of a server."""
    program = str(Path(sys.executable).parent / "chatcore")
    return subprocess.run(
        [program, *arguments], cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=30
    )


async def status_of_the_run(server: Process, thread_id: str) -> str:
    path = f"/api/threads/{thread_id}/messages?user_id=u"
    _, page, _ = await trio.to_thread.run_sync(server.get, path)
    return str(page["messages"][0]["status"])


async def readiness(server: Process) -> int:
    status, _, _ = await trio.to_thread.run_sync(server.get, "/health/ready")
    return status


async def test_a_second_server_waits_until_the_first_has_let_go(tmp_path: Path) -> None:
    first_folder, second_folder = tmp_path / "first", tmp_path / "second"
    first_folder.mkdir()
    second_folder.mkdir()
    settings = {"CHATCORE_DATABASE_URL": f"sqlite:///{first_folder}/chatcore.db", "E2E_STEP_SECONDS": "0.05"}
    with trio.fail_after(60), served(first_folder, **settings) as first:
        heard = Heard()
        async with connected(first, "u") as socket:
            question = {"type": "user_message", "message_id": "m", "content": "take 600"}
            await socket.send_message(json.dumps(question))
            await hear(socket, heard, "agent_started")
        thread_id = heard.frames[-1]["thread_id"]
        with served(second_folder, "e2e_app:app", "--prewarm", **settings) as second:
            while TAKEN not in second.log:
                await trio.sleep(0.02)
            assert await readiness(second) == 503
            while "set CHATCORE_DATABASE_URL" not in second.log:
                await trio.sleep(0.02)
            assert await status_of_the_run(first, thread_id) == "running"

            current = await trio.to_thread.run_sync(command, first_folder, "db", "current")
            assert (current.returncode, current.stderr) == (0, "")
            upgrade = await trio.to_thread.run_sync(command, first_folder, "db", "upgrade")
            assert (upgrade.returncode, upgrade.stdout) == (2, "")
            assert upgrade.stderr == f"chatcore: the database cannot be used now ({TAKEN})\n"
            assert (await trio.to_thread.run_sync(command, first_folder, "check", "e2e_app:app")).returncode == 0
            assert await readiness(first) == 200

            first.popen.send_signal(signal.SIGKILL)
            while await readiness(second) != 200:
                await trio.sleep(0.05)
            while await status_of_the_run(second, thread_id) != "failed":
                await trio.sleep(0.05)
            assert "run_ended_after_restart" in second.log
            told = [line for line in second.log.splitlines() if line.startswith(f"chatcore: {TAKEN}")]
            assert len(told) == 1, "once, in plain words, beside the log"
            assert str(tmp_path) not in second.log, "no path"
