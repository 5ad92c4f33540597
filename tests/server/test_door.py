"""Connections that come before what is served is imported."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import trio

from chatcore.serve import Door


class Peer:
    """A client of the door, by the ASGI messages that it causes."""

    def __init__(self) -> None:
        self.causes, self._messages = trio.open_memory_channel[MutableMapping[str, Any]](10)
        self.causes.send_nowait({"type": "websocket.connect"})

    async def receive(self) -> MutableMapping[str, Any]:
        return await self._messages.receive()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        raise AssertionError("the site answers, not the door")


async def test_who_has_gone_before_the_door_opens_is_not_let_in(autojump_clock: trio.abc.Clock) -> None:
    door, stayed, gone = Door(), Peer(), Peer()
    served: list[MutableMapping[str, Any]] = []

    async def site(scope: Any, receive: Any, send: Any) -> None:
        served.append(await receive())
        stayed.causes.send_nowait({"type": "websocket.receive", "text": "hello"})
        served.append(await receive())

    scope: MutableMapping[str, Any] = {"type": "websocket", "path": "/ws"}
    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            for peer in (gone, stayed):
                nursery.start_soon(door, scope, peer.receive, peer.send)
            await trio.sleep(1)
            gone.causes.send_nowait({"type": "websocket.disconnect", "code": 1006})
            await trio.sleep(1)
            door.open(site)  # type: ignore[arg-type]  # as much of a site as is called
    assert [message["type"] for message in served] == ["websocket.connect", "websocket.receive"]
