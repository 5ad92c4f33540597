"""SIGTERM in every state: each client is told, everything is stopped in order, exit 0 within the budget."""

from __future__ import annotations

import json
import signal
import socket as plain
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from e2e_server import ROOT, Heard, Process, connected, hear, served

sys.path.insert(0, str(ROOT))

from bench.attacks import make_keys
from bench.draining import TOLD, drain
from bench.hostile import Target

DRAIN_SECONDS = 6.0
CROWD_DRAIN_SECONDS = 20.0
"""Room for a machine on which a hundred clients take their time too."""

NEEDS = {"clerk": ("cache", "search"), "cache": ("database",), "search": ("database",), "database": ("config",)}


async def _idle(server: Process, heard: Heard) -> None:
    """No client has come."""


async def _initializing(server: Process, heard: Heard) -> None:
    while len(server.happened) < 3:
        await trio.sleep(0.02)


async def _ready(server: Process, heard: Heard) -> None:
    while "ready" not in heard.kinds:
        await trio.sleep(0.02)


async def _recovering(server: Process, heard: Heard) -> None:
    await _ready(server, heard)
    (server.stage / "die").touch()
    while "recovering" not in heard.kinds:
        await trio.sleep(0.02)


@pytest.mark.parametrize("state", [_initializing, _ready, _recovering])
async def test_every_client_is_told_and_everything_is_stopped(
    tmp_path: Path, state: Callable[[Process, Heard], Awaitable[None]]
) -> None:
    with served(tmp_path, CHATCORE_DRAIN_SECONDS=str(DRAIN_SECONDS)) as server, trio.fail_after(40):
        heard = Heard()
        async with connected(server, "u") as socket, trio.open_nursery() as nursery:
            nursery.start_soon(hear, socket, heard)
            await state(server, heard)
            code, took = await trio.to_thread.run_sync(server.terminate)
        assert (code, took < DRAIN_SECONDS) == (0, True)
        assert heard.kinds[-1] == "draining"
        assert heard.frames[-1]["reconnect_after_seconds"] > 0
        assert heard.closed == (1012, "Draining")
        _assert_stopped_in_reverse(server.happened)


def _assert_stopped_in_reverse(happened: list[str]) -> None:
    """At the end everything that was up is left, and each service before those it needs.

    A service whose start was cancelled has no line of its exit: it was the last to be entered, or beside the last.
    """
    entered = [line.removeprefix("enter ") for line in happened if line.startswith("enter")]
    last_entry = max(index for index, line in enumerate(happened) if line.startswith("enter"))
    left = [line.removeprefix("exit ") for line in happened[last_entry + 1 :]]
    order = list(dict.fromkeys(reversed(entered)))  # of services entered twice, the later entry counts
    assert left[-1] == "config"
    for name, needs in NEEDS.items():
        assert all(left.index(name) < left.index(need) for need in needs if name in left)
    assert set(order) - set(left) <= set(order[:2])


async def test_idle(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        code, took = await trio.to_thread.run_sync(server.terminate)
        assert (code, took < 10) == (0, True)
        assert server.happened == []


async def test_unavailable(tmp_path: Path) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "fail-config").touch()
    with served(tmp_path, "e2e_app:app", "--prewarm", E2E_STEP_SECONDS="0.1") as server, trio.fail_after(40):
        while server.get("/health/ready")[1]["state"] != "unavailable":
            await trio.sleep(0.02)
        code, took = await trio.to_thread.run_sync(server.terminate)
        assert (code, took < 10) == (0, True)


async def test_a_run_may_finish_and_one_that_cannot_is_left_for_the_next_start(tmp_path: Path) -> None:
    with served(tmp_path, CHATCORE_DRAIN_SECONDS=str(DRAIN_SECONDS)) as server, trio.fail_after(40):
        heard = Heard()
        async with connected(server, "u") as socket:
            await hear(socket, heard, "ready")
            for number, seconds in enumerate((1, 60)):
                question = {"type": "user_message", "message_id": f"m{number}", "content": f"take {seconds}"}
                await socket.send_message(json.dumps(question))
                await hear(socket, heard, "agent_started")
            code, took = await trio.to_thread.run_sync(server.terminate)
        assert (code, took < DRAIN_SECONDS) == (0, True)
    with served(tmp_path) as server:
        threads = server.get("/api/threads?user_id=u")[1]["threads"]
        answers = {}
        for thread in threads:
            messages = server.get(f"/api/threads/{thread['thread_id']}/messages?user_id=u")[1]["messages"]
            answers[messages[0]["content"]] = messages[-1]["status"]
        assert answers == {"take 1": "completed", "take 60": "failed"}


async def test_of_a_crowd_everyone_is_told_but_those_who_do_not_read(tmp_path: Path) -> None:
    """``python -m bench.draining`` does the same with a thousand."""
    settings, public_key = make_keys(tmp_path)
    settings |= {"CHATCORE_PING_SECONDS": "60", "CHATCORE_DRAIN_SECONDS": str(CROWD_DRAIN_SECONDS)}
    with served(tmp_path, "bench.attack_app:app", **settings) as server:
        target = Target(int(server.address.rpartition(":")[2]), public_key)
        drained = await drain(target, server.popen.pid, 100, 5)
    assert drained.ends == {TOLD: 100}
    assert (drained.exit_code, drained.seconds < CROWD_DRAIN_SECONDS) == (0, True), drained


async def test_a_stalled_client_and_a_second_signal(tmp_path: Path) -> None:
    with served(tmp_path, CHATCORE_DRAIN_SECONDS=str(DRAIN_SECONDS)) as server, trio.fail_after(40):
        host, port = server.address.removeprefix("http://").split(":")
        with plain.create_connection((host, int(port))) as stalled:
            stalled.sendall(
                b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            while "enter clerk" not in server.happened:
                await trio.sleep(0.02)
            server.popen.send_signal(signal.SIGTERM)
            code, took = await trio.to_thread.run_sync(server.terminate)
        assert (code, took < DRAIN_SECONDS) == (0, True)
