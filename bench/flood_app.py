"""The application of the flood: an agent that says the time, as often and as fast as its message asks for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import attrs
import trio

from chatcore import Answer, Application, Phase, Run, ServiceGraph, UserMessage

AT_ONCE = 10
"""Parts that are said in a row: a model's come in bursts too, and a timer for each would be measured as well."""

services = ServiceGraph()


@attrs.frozen
class Flood:
    """Asked ``COUNT PER_SECOND``, it says the machine's monotonic time so many times."""

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        count, per_second = map(int, message.content.split())
        began_at = trio.current_time()
        for said in range(0, count, AT_ONCE):
            await trio.sleep_until(began_at + said / per_second)
            for _ in range(min(AT_ONCE, count - said)):
                await run.say(f"{time.monotonic():.6f}\n")
        return Answer()


@services.provide(phase=Phase.SERVICES, label="flood")
async def flood() -> AsyncIterator[Flood]:
    yield Flood()


app = Application(services, agents={"flood": Flood})
