"""A file system that is really full beneath a real server: a small tmpfs, where this machine lets us mount one."""

from __future__ import annotations

import ctypes
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
from e2e_server import Heard, Process, connected, hear, served

SIZE = 4 * 1024 * 1024
PAGE = 4096


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = tmp_path / "disk"
    folder.mkdir()
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={SIZE}".encode()) != 0:
        pytest.skip(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield folder
    finally:
        libc.umount2(str(folder).encode(), 2)  # MNT_DETACH: whatever still has a file open


def fill(folder: Path) -> Path:
    """Take every byte that is left; the file that has them."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(PAGE))
        except OSError:
            return ballast


async def readiness(server: Process) -> int:
    status, _, _ = await trio.to_thread.run_sync(server.get, "/health/ready")
    return status


async def until_readiness(server: Process, status: int) -> None:
    while await readiness(server) != status:
        await trio.sleep(0.1)


def question(message_id: str, content: str) -> str:
    return json.dumps({"type": "user_message", "message_id": message_id, "content": content})


def of(heard: Heard, kind: str) -> list[dict[str, Any]]:
    return [frame for frame, heard_kind in zip(heard.frames, heard.kinds, strict=True) if heard_kind == kind]


async def until(heard: Heard, kind: str, count: int) -> None:
    while len(of(heard, kind)) < count:
        await trio.sleep(0.02)


async def test_a_full_disk_refuses_messages_and_loses_no_run(small_disk: Path, tmp_path: Path) -> None:
    settings = {"CHATCORE_DATABASE_URL": f"sqlite:///{small_disk}/chatcore.db", "E2E_STEP_SECONDS": "0.05"}
    with trio.fail_after(90), served(tmp_path, "e2e_app:app", "--prewarm", **settings) as server:
        heard = Heard()
        async with connected(server, "u") as socket, trio.open_nursery() as nursery:
            nursery.start_soon(hear, socket, heard)
            await until(heard, "ready", 1)
            await socket.send_message(question("under way", "take 3"))
            await until(heard, "agent_started", 1)

            ballast = await trio.to_thread.run_sync(fill, small_disk)
            sent = 0
            while not of(heard, "error"):  # the log has a few pages to go
                await socket.send_message(question(f"m{sent}", "x" * 30_000))
                sent += 1
                while len(of(heard, "message_accepted")) + len(of(heard, "error")) < sent + 1:
                    await trio.sleep(0.02)
            (refusal,) = of(heard, "error")
            assert (refusal["error_code"], refusal["retryable"]) == ("STORAGE_UNAVAILABLE", True)
            assert refusal["message_id"] == f"m{sent - 1}"
            await until_readiness(server, 503)
            while "run_waits_for_storage" not in server.log:
                await trio.sleep(0.05)
            assert of(heard, "agent_completed") == [], "an end that is not durable is not told"
            assert server.get("/health/live")[0] == 200

            ballast.unlink()
            accepted = len(of(heard, "message_accepted"))
            await until(heard, "agent_completed", accepted)
            await until_readiness(server, 200)
            await socket.send_message(question(f"m{sent - 1}", "the same again"))
            await until(heard, "message_accepted", accepted + 1)
            await until(heard, "agent_completed", accepted + 1)
            assert of(heard, "message_accepted")[-1]["duplicate"] is False
            assert heard.closed is None, "the connection stays"
            nursery.cancel_scope.cancel()

        assert "storage_unavailable" in server.log
        assert "SQLITE_FULL" in server.log
        assert str(small_disk) not in server.log
        code, _ = await trio.to_thread.run_sync(server.terminate)
        assert code == 0
    _assert_sound(small_disk / "chatcore.db", {frame["run_id"] for frame in of(heard, "message_accepted")})


def _assert_sound(path: Path, accepted: set[str]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ends = connection.execute("SELECT run_id, count(*) FROM events WHERE type = 'agent_completed' GROUP BY 1")
        assert dict(ends.fetchall()) == dict.fromkeys(accepted, 1)
        assert connection.execute("SELECT count(*) FROM runs WHERE state <> 'completed'").fetchone() == (0,)
