"""The ordinary design, to be compared with: FastAPI, one ``asyncio.Lock`` around the initialization, whoever comes
first runs it, and progress is sent to everyone who waits, one after another.

It does the same work on the same clock as :mod:`bench.app`, and reads the same environment. It runs in an environment
of its own, without chatcore: ``python -m uvicorn bench.peer:app``.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI, WebSocket, WebSocketDisconnect  # type: ignore[import-not-found]  # in its environment only

SHARES = {"configuration": 0.1, "database": 0.4, "cache": 0.2, "model": 0.2, "assistant": 0.1}

app = FastAPI()


class Initialization:
    """The services, and who waits for them."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.done = False
        self.waiting: set[WebSocket] = set()

    async def ensure(self) -> None:
        async with self.lock:
            if not self.done:
                await self.run()
                self.done = True

    async def run(self) -> None:
        progress = 0.0
        for service, share in SHARES.items():
            await self.tell(service, "started", progress)
            await asyncio.sleep(share * float(os.environ.get("BENCH_START_SECONDS", "3")))
            if service == "model" and os.environ.get("BENCH_FAILS"):
                note("failed")
                raise ConnectionError("as planned")
            progress += share
            if service != "assistant":
                await self.tell(service, "completed", progress)
        note("ready")

    async def tell(self, service: str, status: str, progress: float) -> None:
        for websocket in tuple(self.waiting):
            await send(
                websocket,
                "initialization_progress",
                message=f"{service} {status}",
                service=service,
                label=service,
                phase=service,
                status=status,
                attempt=1,
                elapsed_seconds=0.0,
                eta_seconds=0.0,
                progress=round(100 * progress),
            )


initialization = Initialization()


def note(moment: str) -> None:
    with Path(os.environ["BENCH_MOMENTS"]).open("a") as file:
        file.write(f"{moment} {time.monotonic()}\n")


async def send(websocket: WebSocket, event: str, **fields: Any) -> None:
    user_id = websocket.query_params.get("user_id", "anonymous")
    frame = {"type": "system_message", "event": event, "timestamp": time.time(), "user_id": user_id, **fields}
    try:
        await websocket.send_json(frame)
    except (RuntimeError, WebSocketDisconnect):  # it has gone
        initialization.waiting.discard(websocket)


@app.websocket("/ws")  # type: ignore[untyped-decorator]
async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    await send(websocket, "initializing", message="The services are starting", progress=0)
    initialization.waiting.add(websocket)
    try:
        await initialization.ensure()
    except ConnectionError:
        await websocket.send_json({"type": "error", "error_code": "SERVICE_INIT_FAILED", "retryable": True})
        await websocket.close(1011)
        return
    finally:
        initialization.waiting.discard(websocket)
    await send(websocket, "ready", message="Ready", progress=100)
    with suppress(WebSocketDisconnect):
        while True:
            await websocket.receive_text()
