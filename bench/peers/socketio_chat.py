"""python-socketio on uvicorn: each frame is an event named ``frame``."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import socketio  # type: ignore[import-not-found]  # in its environment only

from bench.peers.chat import Frame, Initialization, begin, reply
from bench.peers.raw import app as other

server = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(server, other)
initialization = Initialization(asyncio.Lock, asyncio.sleep)
users: dict[str, str] = {}


async def say(sid: str, frame: Frame) -> None:
    await server.emit("frame", frame, to=sid)


@server.event  # type: ignore[untyped-decorator]
async def connect(sid: str, environ: dict[str, Any], auth: Any = None) -> None:  # noqa: ARG001  the library's
    users[sid] = parse_qs(environ["QUERY_STRING"])["user_id"][0]
    server.start_background_task(greet, sid)


async def greet(sid: str) -> None:
    if not await begin(initialization, users[sid], partial(say, sid)):
        await server.disconnect(sid)


@server.on("frame")  # type: ignore[untyped-decorator]
async def heard(sid: str, frame: Frame) -> None:
    await reply(frame, users[sid], partial(say, sid), asyncio.sleep)


@server.event  # type: ignore[untyped-decorator]
def disconnect(sid: str, reason: str) -> None:  # noqa: ARG001  the library's
    users.pop(sid, None)
