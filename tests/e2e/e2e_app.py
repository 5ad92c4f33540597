"""Five services and an agent, told what to do by files of a folder; what they do is appended to one of them.

Served as ``e2e_app:app``. A file ``fail-NAME`` makes that service fail, ``die`` ends the cache after ready.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import trio

from chatcore import Answer, Application, Phase, Run, ServiceGraph, UserMessage

STAGE = Path(os.environ["E2E_STAGE"])
STEP_SECONDS = float(os.environ.get("E2E_STEP_SECONDS", "0.4"))
SECRET = "postgresql://app:hunter2@db.internal/orders"


def note(words: str) -> None:
    """Append a line to the log of what happened."""
    with (STAGE / "log").open("a", encoding="utf-8") as log:
        log.write(f"{words}\n")


async def enter(name: str) -> None:
    """Take the time of a step, holding a real file, and fail if told to."""
    note(f"enter {name}")
    await trio.sleep(STEP_SECONDS)
    if (STAGE / f"fail-{name}").exists():
        raise RuntimeError(f"cannot reach {SECRET}")


class Config:
    """What the others are set by."""


class Database:
    """Where orders are."""


class Cache:
    """What is at hand."""


class Search:
    """What finds orders."""


services = ServiceGraph()


@services.provide(phase=Phase.DEPENDENCIES, label="configuration")
async def config() -> AsyncIterator[Config]:
    """The first."""
    with Path(__file__).open(encoding="utf-8"):  # noqa: ASYNC230  a file to leak, at once
        await enter("config")
        yield Config()
    note("exit config")


@services.provide(phase=Phase.DATABASE, label="order database")
async def database(config: Config) -> AsyncIterator[Database]:
    """Needs the configuration."""
    await enter("database")
    if (STAGE / "block-thread").exists():
        await trio.to_thread.run_sync(time.sleep, 2.0)
    yield Database()
    note("exit database")


async def wait_for_death() -> None:
    """Raise once the stage says so."""
    while not (STAGE / "die").exists():
        await trio.sleep(0.02)
    (STAGE / "die").unlink()
    raise ConnectionResetError(SECRET)


@services.provide(phase=Phase.CACHE, label="cache")
async def cache(database: Database) -> AsyncIterator[Cache]:
    """Can die after ready."""
    await enter("cache")
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_for_death)
            yield Cache()
            nursery.cancel_scope.cancel()
    finally:
        note("exit cache")


@services.provide(phase=Phase.CACHE, label="search index")
async def search(database: Database) -> AsyncIterator[Search]:
    """Starts beside the cache and does not need it."""
    await enter("search")
    yield Search()
    note("exit search")


@attrs.frozen
class Clerk:
    """Answers about orders."""

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        """Say how long, and take it."""
        if message.content.startswith("take "):
            await trio.sleep(float(message.content.removeprefix("take ")))
        await run.say(f"You asked: {len(message.content)} characters.")
        return Answer()


@services.provide(phase=Phase.SERVICES, label="clerk")
async def clerk(cache: Cache, search: Search) -> AsyncIterator[Clerk]:
    """The agent."""
    await enter("clerk")
    yield Clerk()
    note("exit clerk")


app = Application(services, agents={"clerk": Clerk})
