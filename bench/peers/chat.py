"""What every peer does, so that only what carries it differs: one lock around the start, progress for all who wait, a
``pong`` for a ``ping``, and an answer in parts for a message. Nothing but the standard library.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

SHARES = {"configuration": 0.1, "database": 0.4, "cache": 0.2, "model": 0.2, "assistant": 0.1}
"""Of the whole start, what each service takes, as in :mod:`bench.app`."""

TOGETHER = 10
"""Parts of an answer that come at once, as a model's do; then the next are awaited."""

WORDS = "about as many words as a model "

Frame = dict[str, Any]
Send = Callable[[Frame], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]


def note(moment: str) -> None:
    """Add a line to the file that the bench reads."""
    with Path(os.environ["BENCH_MOMENTS"]).open("a") as file:
        file.write(f"{moment} {time.monotonic()}\n")


def system(user_id: str, event: str, **fields: Any) -> Frame:
    return {"type": "system_message", "event": event, "timestamp": time.time(), "user_id": user_id, **fields}


class Initialization:
    """The services, and who waits for them: whoever has the lock first starts them, and tells the others.

    Args:
        lock: of the event loop's library.
        sleep: of the same.
    """

    def __init__(self, lock: Callable[[], AbstractAsyncContextManager[None]], sleep: Sleep) -> None:
        self.lock = lock
        self.sleep = sleep
        self.done = False
        self.waiting: dict[Send, str] = {}
        self._lock: AbstractAsyncContextManager[None] | None = None

    async def ensure(self, user_id: str, send: Send) -> None:
        """Return when the services are up; progress is sent meanwhile.

        Raises:
            ConnectionError: they could not be started.
        """
        self._lock = self._lock or self.lock()
        self.waiting[send] = user_id
        try:
            async with self._lock:
                if not self.done:
                    await self.run()
                    self.done = True
        finally:
            self.waiting.pop(send, None)

    async def run(self) -> None:
        progress = 0.0
        for service, share in SHARES.items():
            await self.tell(service, "started", progress)
            await self.sleep(share * float(os.environ.get("BENCH_START_SECONDS", "3")))
            if service == "model" and os.environ.get("BENCH_FAILS"):
                note("failed")
                raise ConnectionError("as planned")
            progress += share
            if service != "assistant":
                await self.tell(service, "completed", progress)
        note("ready")

    async def tell(self, service: str, status: str, progress: float) -> None:
        for send, user_id in tuple(self.waiting.items()):
            frame = system(
                user_id,
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
            try:
                await send(frame)
            except Exception:  # it has gone: each library says so in its own way
                self.waiting.pop(send, None)


async def begin(initialization: Initialization, user_id: str, send: Send) -> bool:
    """Take a connection as far as ``ready``; false where it is to be closed, with code 1011."""
    if not initialization.done:
        await send(system(user_id, "initializing", message="The services are starting", progress=0))
    try:
        await initialization.ensure(user_id, send)
    except ConnectionError:
        await send({"type": "error", "error_code": "SERVICE_INIT_FAILED", "retryable": True})
        return False
    await send(system(user_id, "ready", message="Ready", progress=100))
    return True


async def reply(frame: Frame, user_id: str, send: Send, sleep: Sleep) -> None:
    """Answer a client's frame."""
    for said in answers(frame, user_id):
        await (sleep(0) if said is None else send(said))


def answers(frame: Frame, user_id: str) -> Iterator[Frame | None]:
    """What a client's frame is answered with; None where the next parts are awaited."""
    if frame["type"] == "ping":
        yield {"type": "pong", "timestamp": time.time(), "user_id": user_id, "nonce": frame["nonce"]}
    else:
        yield from run(frame["message_id"], int(frame["content"]), user_id)


def run(message_id: str, deltas: int, user_id: str) -> Iterator[Frame | None]:
    """Everything that is said about one message."""
    about: Frame = {"user_id": user_id, "thread_id": f"thread-{user_id}", "run_id": f"run-{message_id}"}
    yield {"type": "message_accepted", "timestamp": time.time(), **about, "message_id": message_id, "duplicate": False}
    yield {"type": "agent_started", "timestamp": time.time(), **about, "seq": 1, "epoch": "1", "agent": "assistant"}
    for number in range(deltas):
        if number % TOGETHER == 0:
            yield None
        place = {"seq": number + 2, "epoch": "1", "offset": number * len(WORDS)}
        yield {"type": "agent_delta", "timestamp": time.time(), **about, **place, "text": WORDS}
    end = {"seq": deltas + 2, "epoch": "1", "answer": {"answered": True, "text": WORDS * deltas}}
    yield {"type": "agent_completed", "timestamp": time.time(), **about, **end}
