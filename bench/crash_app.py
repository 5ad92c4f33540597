"""Two agents for a server that is killed: what they say is made from the message, so that it can be checked.

A run takes half a second to three, or ten where the message begins with ``long``. It streams words with tools in
between, and marks its words with its attempt: text of an attempt that was lost can not be taken for that of another.
``CRASH_SPEED`` divides the times.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import AsyncIterator

import attrs
import trio

from chatcore import Answer, Application, Phase, Run, ServiceGraph, UserMessage

SPEED = float(os.environ.get("CRASH_SPEED", "1"))
START_SECONDS = 0.3
LONG_SECONDS = 10.0

services = ServiceGraph()


class Store:
    """What agents need."""


@services.provide(phase=Phase.DATABASE, label="store")
async def store() -> AsyncIterator[Store]:
    await trio.sleep(START_SECONDS / SPEED)
    yield Store()


async def recite(message: UserMessage, run: Run) -> Answer:
    """Say words for a while, with tools in between."""
    chance, attempt = random.Random(message.content), secrets.token_hex(2)
    parts = chance.randint(5, 60)
    seconds = LONG_SECONDS if message.content.startswith("long") else chance.uniform(0.5, 3.0)
    pause = seconds / SPEED / parts
    await run.thinking("Let me see.")
    for number in range(parts):
        if chance.random() < 0.1:
            async with run.tool("look", number=number) as call:
                await trio.sleep(pause)
                call.summary = f"{number} of {parts}"
        await run.say(f"{attempt}-{number} ")
        await trio.sleep(pause)
    return Answer()


@attrs.frozen
class Steady:
    """May be begun again after a crash."""

    store: Store
    restartable = True

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        return await recite(message, run)


@attrs.frozen
class Fragile:
    """Ends with the process it runs in."""

    store: Store

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        return await recite(message, run)


@services.provide(phase=Phase.SERVICES, label="steady agent")
async def steady(store: Store) -> AsyncIterator[Steady]:
    yield Steady(store)


@services.provide(phase=Phase.SERVICES, label="fragile agent")
async def fragile(store: Store) -> AsyncIterator[Fragile]:
    yield Fragile(store)


app = Application(services, agents={"steady": Steady, "fragile": Fragile})
