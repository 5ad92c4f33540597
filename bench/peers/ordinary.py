"""The ordinary design: FastAPI on uvicorn with uvloop, one ``asyncio.Lock`` around the initialization."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import FastAPI, WebSocket, WebSocketDisconnect  # type: ignore[import-not-found]  # in its environment only

from bench.peers.chat import Initialization, begin, reply

app = FastAPI()
initialization = Initialization(asyncio.Lock, asyncio.sleep)


@app.get("/health/live")  # type: ignore[untyped-decorator]
async def live() -> dict[str, str]:
    return {"state": "live"}


@app.websocket("/ws")  # type: ignore[untyped-decorator]
async def chat(websocket: WebSocket) -> None:
    user_id = websocket.query_params.get("user_id", "anonymous")
    await websocket.accept()
    with suppress(WebSocketDisconnect, RuntimeError):
        if not await begin(initialization, user_id, websocket.send_json):
            await websocket.close(1011)
            return
        while True:
            await reply(await websocket.receive_json(), user_id, websocket.send_json, asyncio.sleep)
