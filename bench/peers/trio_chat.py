"""trio-websocket's own server: ``python -m bench.peers.trio_chat PORT BACKLOG``."""

from __future__ import annotations

import json
import sys
from contextlib import suppress

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, WebSocketServer

from bench.peers.chat import Frame, Initialization, begin, reply

initialization = Initialization(trio.Lock, trio.sleep)


async def chat(request: WebSocketRequest) -> None:
    user_id = request.path.partition("user_id=")[2]
    socket = await request.accept()

    async def say(frame: Frame) -> None:
        await socket.send_message(json.dumps(frame))

    with suppress(ConnectionClosed):
        if not await begin(initialization, user_id, say):
            await socket.aclose(1011)
            return
        while True:
            await reply(json.loads(await socket.get_message()), user_id, say, trio.sleep)


async def main(port: int, backlog: int) -> None:
    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1", backlog=backlog)
    await WebSocketServer(chat, listeners).run()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), int(sys.argv[2]))
