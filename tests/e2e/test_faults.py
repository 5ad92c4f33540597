"""What comes from outside: a killed process, a defect of our own, clients that vanish, flood, or do not read."""

from __future__ import annotations

import contextlib
import json
import signal
import socket as plain
from pathlib import Path

import trio
from e2e_server import Heard, Process, connected, crowd, hear, served

CRASHING = """
import trio
from e2e_app import STAGE, app
import chatcore.server

class Broken(Exception): ...

async def crash(recorder):
    while not (STAGE / "crash").exists():
        await trio.sleep(0.02)
    raise Broken("hunter2")

chatcore.server._measure_lag = crash
"""

HANDSHAKE = (
    b"GET /ws?user_id=%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


async def ask(server: Process, content: str, message_id: str, until: str, **fields: str) -> Heard:
    """Ask as ``u``, and listen until a frame of this kind."""
    heard = Heard()
    async with connected(server, "u") as socket:
        question = {"type": "user_message", "message_id": message_id, "content": content, **fields}
        await socket.send_message(json.dumps(question))
        await hear(socket, heard, until)
    return heard


async def test_after_a_kill_the_run_is_ended_and_what_waited_is_answered(tmp_path: Path) -> None:
    with trio.fail_after(60):
        with served(tmp_path, E2E_STEP_SECONDS="0.05") as server:
            cut = await ask(server, "take 600", "m1", "agent_started")
            thread_id = cut.frames[-1]["thread_id"]
            await ask(server, "hello", "m2", "message_accepted", thread_id=thread_id)
            server.popen.send_signal(signal.SIGKILL)
            await trio.to_thread.run_sync(server.popen.wait)
        with served(tmp_path, E2E_STEP_SECONDS="0.05") as server:
            messages = await until_ended(server, thread_id, 2)
            again = await ask(server, "take 600", "m1", "message_accepted")

    assert [(message["role"], message["status"]) for message in messages] == [
        ("user", "failed"),
        ("user", "completed"),
        ("agent", "failed"),
        ("agent", "completed"),
    ]
    assert messages[-1]["content"] == "You asked: 5 characters."
    accepted = again.frames[-1]
    assert (accepted["duplicate"], accepted["state"]) == (True, "ended"), "known still, and not run again"


async def until_ended(server: Process, thread_id: str, runs: int) -> list[dict[str, str]]:
    while True:
        path = f"/api/threads/{thread_id}/messages?user_id=u"
        messages = (await trio.to_thread.run_sync(server.get, path))[1]["messages"]
        if [message["role"] for message in messages].count("agent") >= runs:
            return list(messages)
        await trio.sleep(0.05)


async def test_a_defect_of_the_server_ends_the_process_with_an_error(tmp_path: Path) -> None:
    """A port that answers with nothing behind it would be a lie (guarantees.md, 38)."""
    (tmp_path / "crashing.py").write_text(CRASHING, encoding="utf-8")
    with trio.fail_after(60), served(tmp_path, "crashing:app", E2E_STEP_SECONDS="0.05") as server:
        (heard,) = await crowd(server, 1)
        assert heard.kinds[-1] == "ready"
        (server.stage / "crash").touch()
        assert await trio.to_thread.run_sync(lambda: server.popen.wait(30)) == 1
        assert "ended by a defect" in server.log
        assert "Broken" in server.log
        assert "hunter2" not in server.log
        exits = [line for line in server.happened if line.startswith("exit")]
        assert len(exits) == 5, "its services were stopped all the same"


async def test_clients_that_vanish_leave_nothing_behind(tmp_path: Path) -> None:
    """Their sockets are closed at once, and not when the next ping is due."""
    with trio.fail_after(60), served(tmp_path, E2E_STEP_SECONDS="0.05") as server:
        await crowd(server, 1)
        await trio.sleep(0.5)
        before = server.open_files
        host, port = server.address.removeprefix("http://").split(":")
        vanishing = [plain.create_connection((host, int(port))) for _ in range(50)]
        for number, socket in enumerate(vanishing):
            socket.sendall(HANDSHAKE % f"v{number}".encode())
        with contextlib.suppress(TimeoutError):
            await until_files(server, lambda files: files >= before + 50)
        for socket in vanishing:
            socket.setsockopt(plain.SOL_SOCKET, plain.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, as a crash would
            socket.close()
        await until_files(server, lambda files: files <= before)


async def until_files(server: Process, accept: object) -> None:
    assert callable(accept)
    with trio.fail_after(10):
        while True:
            if accept(server.open_files):
                return
            await trio.sleep(0.02)


async def test_the_door_says_why_it_stays_shut(tmp_path: Path) -> None:
    settings = {"CHATCORE_ADMISSION": "refuse", "CHATCORE_ALLOWED_ORIGINS": "https://good.example"}
    with trio.fail_after(60), served(tmp_path, E2E_STEP_SECONDS="0.05", **settings) as server:
        status, headers, body = await knock(server, "/ws")
        assert (status, json.loads(body)["error_code"]) == (503, "SERVICES_UNAVAILABLE")
        assert int(headers["retry-after"]) >= 1
        await until_ready(server)  # who was refused has had them started
        for path, origin, answer in (
            ("/ws", None, 101),
            ("/ws", "https://good.example", 101),
            ("/ws", server.address, 101),
            ("/ws", "https://evil.example", 403),
            ("/ws", "null", 403),
            ("/ws?user_id=", None, 400),
            ("/elsewhere", None, 404),
        ):
            assert (await knock(server, path, origin))[0] == answer, (path, origin)
        for name, answer in (("localhost", 101), ("good.example", 101), ("evil.example", 403), ("0.0.0.0:8000", 403)):
            assert (await knock(server, "/ws", host=name))[0] == answer, name


async def until_ready(server: Process) -> None:
    while True:
        if (await trio.to_thread.run_sync(server.get, "/health/ready"))[0] == 200:
            return
        await trio.sleep(0.05)


async def knock(
    server: Process, path: str, origin: str | None = None, *, host: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that a WebSocket handshake is answered with."""
    address = server.address.removeprefix("http://")
    more = f"Origin: {origin}\r\n" if origin is not None else ""
    request = (
        HANDSHAKE.decode()
        .replace("/ws?user_id=%s", path)
        .replace("Host: localhost\r\n", f"Host: {host or address}\r\n{more}")
    )
    async with await trio.open_tcp_stream("127.0.0.1", int(address.partition(":")[2])) as stream:
        await stream.send_all(request.encode())
        answer = b""
        while not answer.startswith(b"HTTP/1.1 101") and (part := await stream.receive_some(65536)):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body
