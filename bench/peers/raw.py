"""The same over plain ASGI, without a framework; for uvicorn and for granian."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

from bench.peers.chat import Frame, Initialization, begin, reply

initialization = Initialization(asyncio.Lock, asyncio.sleep)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await chat(scope, receive, send)
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"state":"live"}'})
    else:
        await lifespan(receive, send)


async def lifespan(receive: Any, send: Any) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def chat(scope: dict[str, Any], receive: Any, send: Any) -> None:
    user_id = parse_qs(scope["query_string"].decode())["user_id"][0]

    async def say(frame: Frame) -> None:
        await send({"type": "websocket.send", "text": json.dumps(frame)})

    await receive()
    await send({"type": "websocket.accept"})
    if not await begin(initialization, user_id, say):
        await send({"type": "websocket.close", "code": 1011})
        return
    while (message := await receive())["type"] == "websocket.receive":
        await reply(json.loads(message["text"]), user_id, say, asyncio.sleep)
