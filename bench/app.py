"""The application under load: five services whose start takes as long as the environment says, and a small agent.

``BENCH_START_SECONDS`` is the whole start (3 unless set), ``BENCH_FAILS`` makes the fourth service fail at its end, and
``BENCH_MOMENTS`` names a file to which each start adds a line when it has ended: ``ready`` or ``failed``, and when.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import trio

from chatcore import Answer, Application, Phase, Run, ServiceGraph, UserMessage

SHARES = {"configuration": 0.1, "database": 0.4, "cache": 0.2, "model": 0.2, "assistant": 0.1}
"""Of the whole start, what each service takes. They need each other, so they start one after another."""

TOGETHER = 10
"""Parts of an answer that come at once, as a model's do; then the next are awaited."""

WORDS = "about as many words as a model "

services = ServiceGraph()


class Configuration:
    """What the other services are set by."""


@attrs.frozen
class Database:
    """Stands for one that takes long to open."""

    configuration: Configuration


@attrs.frozen
class Cache:
    """Stands for one that is filled from the database."""

    database: Database


@attrs.frozen
class Model:
    """Stands for one that is loaded."""

    cache: Cache


@attrs.frozen
class Assistant:
    """Answers in as many parts as its message asks for."""

    model: Model

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        for number in range(int(message.content)):
            if number % TOGETHER == 0:
                await trio.lowlevel.checkpoint()  # where a model would be awaited
            await run.say(WORDS)
        return Answer()


async def work(service: str) -> None:
    await trio.sleep(SHARES[service] * float(os.environ.get("BENCH_START_SECONDS", "3")))


def note(moment: str) -> None:
    """Add a line to the file that the bench reads. The clock is the machine's, the same for every process."""
    with Path(os.environ["BENCH_MOMENTS"]).open("a") as file:  # one line of a few bytes
        file.write(f"{moment} {time.monotonic()}\n")


@services.provide(phase=Phase.DEPENDENCIES, label="configuration", weight=SHARES["configuration"])
async def configuration() -> AsyncIterator[Configuration]:
    await work("configuration")
    yield Configuration()


@services.provide(phase=Phase.DATABASE, label="database", weight=SHARES["database"])
async def database(configuration: Configuration) -> AsyncIterator[Database]:
    await work("database")
    yield Database(configuration)


@services.provide(phase=Phase.CACHE, label="cache", weight=SHARES["cache"])
async def cache(database: Database) -> AsyncIterator[Cache]:
    await work("cache")
    yield Cache(database)


@services.provide(phase=Phase.SERVICES, label="model", weight=SHARES["model"])
async def model(cache: Cache) -> AsyncIterator[Model]:
    await work("model")
    if os.environ.get("BENCH_FAILS"):
        note("failed")
        raise ConnectionError("as planned")
    yield Model(cache)


@services.provide(phase=Phase.WEBSOCKET, label="assistant", weight=SHARES["assistant"])
async def assistant(model: Model) -> AsyncIterator[Assistant]:
    await work("assistant")
    note("ready")
    yield Assistant(model)


app = Application(services, agents={"assistant": Assistant})
