"""The application under attack: an agent that says as many characters as its message asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs

from chatcore import Answer, Application, Phase, Run, ServiceGraph, UserMessage

PART = "x" * 50_000
"""Said at once: fewer events for the storage, so that what is measured is what is sent."""

services = ServiceGraph()


@attrs.frozen
class Talker:
    """Asked for a number, it says so many characters."""

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        for _ in range(int(message.content) // len(PART)):
            await run.say(PART)
        return Answer()


@services.provide(phase=Phase.SERVICES, label="talker")
async def talker() -> AsyncIterator[Talker]:
    yield Talker()


app = Application(services, agents={"talker": Talker})
