"""`chatcore status` against a server that speaks plain HTTP, scripted here."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from chatcore.cli_status import bar, status
from chatcore.errors import ConfigurationError

READINESS: dict[str, Any] = {
    "state": "initializing",
    "progress": 40,
    "attempt": 1,
    "generation": 0,
    "services": [
        {"name": "db", "label": "database", "phase": "database", "state": "ready", "duration_seconds": 2.0},
        {
            "name": "orders",
            "label": "order history",
            "phase": "services",
            "state": "starting",
            "duration_seconds": None,
        },
        {"name": "check", "label": "check", "phase": "validation", "state": "pending", "duration_seconds": None},
    ],
}
TIMES = [(0.0, 2.0), (2.0, None), (None, None)]
STATUS = READINESS | {
    "services": [
        service | {"started_seconds": start, "ended_seconds": end}
        for service, (start, end) in zip(READINESS["services"], TIMES, strict=True)
    ],
    "instance_id": "i1",
    "uptime_seconds": 75.0,
    "eta_seconds": 3.0,
    "attempt_elapsed_seconds": 4.0,
    "connections": {"waiting": 2},
    "runs": {"running": 0, "waiting": 1},
    "history": [],
}
READY = {"state": "ready", "progress": 100, "generation": 3}


@asynccontextmanager
async def serving(answers: dict[str, tuple[int, Any]]) -> AsyncIterator[str]:
    """A server that gives each path its status and JSON (or bytes); without an answer it stays silent."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            request = (await stream.receive_some(65536)).decode()
            requests.append(request)
            code, body = answers.get(request.split(" ")[1], (404, {}))
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            head = f"HTTP/1.1 {code} Some Words\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
            await stream.send_all(head.encode() + data)

    requests: list[str] = []
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, handle, 0)
            yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            nursery.cancel_scope.cancel()
    assert all(request.startswith("GET /") and "\r\nHost: 127.0.0.1:" in request for request in requests)


async def test_a_start_is_drawn_to_scale(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving({"/health/ready": (503, READINESS), "/status.json": (200, STATUS)}) as url:
        assert await status(url, as_json=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "initializing  40 %, about 3.0 s left",
        "attempt 1, generation 0, up 1 min 15 s",
        "connections: 2 waiting",
        "runs: 0 running, 1 waiting",
    ]
    database, orders, check, axis = lines[5:9]
    cells = len(axis) - axis.index("0")
    assert database.startswith("database")
    assert database.count("█") == orders.count("█") == cells // 2  # half of the time each, and one begins
    assert abs(orders.index("█") - database.rindex("█") - 1) <= 1  # where the other ends, to a cell
    assert "█" not in check
    assert database.split()[-3:] == ["2.0", "s", "ready"]
    assert orders.split()[-2:] == ["–", "starting"]
    assert axis.split() == ["0", "4.0", "s"]


async def test_before_anything_has_begun_there_is_nothing_to_draw(capsys: pytest.CaptureFixture[str]) -> None:
    idle = READINESS | {"state": "idle", "progress": 0, "attempt": 0}
    pending = [service | {"state": "pending"} for service in READINESS["services"]]
    async with serving({"/health/ready": (503, idle | {"services": pending})}) as url:
        assert await status(url, as_json=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "idle"
    assert [line.split()[-1] for line in lines[3:]] == ["pending"] * 3


async def test_what_is_wrong_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    reason = {"error_code": "STORAGE_UNAVAILABLE", "message": "The storage cannot be used", "service": "storage"}
    wrong = {"state": "unavailable", "reason": reason}
    async with serving({"/health/ready": (503, READINESS | wrong), "/status.json": (200, STATUS | wrong)}) as url:
        assert await status(url, as_json=False) == 1
    assert capsys.readouterr().out.splitlines()[:3] == [
        "unavailable",
        "storage: The storage cannot be used (STORAGE_UNAVAILABLE)",
        "attempt 1, generation 0, up 1 min 15 s",
    ]


async def test_ready_is_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving({"/health/ready": (200, READINESS | READY), "/status.json": (200, STATUS | READY)}) as url:
        assert await status(url.replace("http", "ws") + "/ws", as_json=False) == 0
    assert capsys.readouterr().out.startswith("ready\nattempt 1, generation 3")


@pytest.mark.parametrize(("code", "exit_code"), [(200, 0), (503, 1)])
async def test_json_is_the_readiness(code: int, exit_code: int, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving({"/health/ready": (code, READINESS)}) as url:
        assert await status(url, as_json=True) == exit_code
    assert json.loads(capsys.readouterr().out) == READINESS


async def test_without_details_the_readiness_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving({"/health/ready": (503, READINESS)}) as url:
        assert await status(url, as_json=False) == 1
    out = capsys.readouterr().out
    assert out.startswith("initializing  40 %\nattempt 1, generation 0\n")
    assert "order history" in out


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({}, "it is no chatcore server"),
        ({"/health/ready": (500, {})}, "it is no chatcore server"),
        ({"/health/ready": (200, b"<html>")}, "did not answer as a chatcore server"),
        ({"/health/ready": (200, [])}, "did not answer as a chatcore server"),
        ({"/health/ready": (200, {"state": "ready"})}, "did not answer as a chatcore server"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
async def test_what_is_no_chatcore_server(
    answers: dict[str, Any], words: str, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(answers) as url:
        assert await status(url, as_json) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("chatcore: 127.0.0.1:")
    assert words in captured.err


async def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    with trio.socket.socket() as bound, trio.fail_after(20):
        await bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert await status(f"http://127.0.0.1:{port}", as_json=False) == 1
    assert capsys.readouterr().err == f"chatcore: 127.0.0.1:{port} cannot be reached\n"


async def test_what_is_no_address() -> None:
    with pytest.raises(ConfigurationError):
        await status("localhost", as_json=False)


async def test_nothing_that_a_terminal_obeys_gets_through(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\x9b31m[red]x"
    service = {"name": evil, "label": evil, "phase": evil, "state": evil, "started_seconds": 0.0}
    body = STATUS | {"state": evil, "services": [service], "runs": {evil: 1}}
    async with serving({"/health/ready": (503, body), "/status.json": (200, body)}) as url:
        await status(url, as_json=False)
        await status(url, as_json=True)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x9b" not in out
    assert "[red]x" in out


# --- the bars -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "drawn"),
    [
        (0, 8, "████████"),
        (0, 4, "████"),
        (4, 8, "    ████"),
        (0, 0.5, "▌"),
        (0, 2.25, "██▎"),
        (0, 0, "▏"),
        (3, 3, "   ▏"),
        (8, 8, "       ▐"),
        (1.5, 3, " ▐█"),
        (1.25, 3, " ██"),
        (2.25, 2.5, "  ▎"),
    ],
)
def test_bars(start: float, end: float, drawn: str) -> None:
    assert bar(start, end, 8, 8) == drawn


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.01, 100), st.integers(1, 60))
def test_a_bar_is_seen_and_fits(start: float, length: float, total: float, cells: int) -> None:
    drawn = bar(start, start + length, max(total, start + length), cells)
    assert 0 < len(drawn) <= cells
    assert drawn.strip()
