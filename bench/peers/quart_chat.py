"""Quart-Trio under Hypercorn's Trio worker, as they come."""

from __future__ import annotations

import json

import trio
from quart import websocket
from quart_trio import QuartTrio

from bench.peers.chat import Frame, Initialization, begin, reply

app = QuartTrio(__name__)
initialization = Initialization(trio.Lock, trio.sleep)


@app.route("/health/live")
async def live() -> dict[str, str]:
    return {"state": "live"}


@app.websocket("/ws")
async def chat() -> None:
    send = websocket.send  # this connection's: whoever runs the initialization sends to all of them
    user_id = websocket.args["user_id"]

    async def say(frame: Frame) -> None:
        await send(json.dumps(frame))

    if not await begin(initialization, user_id, say):
        await websocket.close(1011)
        return
    while True:
        await reply(await websocket.receive_json(), user_id, say, trio.sleep)
