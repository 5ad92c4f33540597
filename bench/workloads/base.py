"""What a workload is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from bench.designs import Design
from bench.processes import Cores, Generator, Server, generating, serving

SHORT_START = {"BENCH_START_SECONDS": "0.1"}
"""Where the start itself is not what is measured."""

Figures = dict[str, Any]
"""What one round came to, by name; what tables and goals read is a number."""


class Failed(Exception):
    """A design did not do what was asked of it."""


@attrs.frozen
class Place:
    """Where rounds are played.

    Args:
        environments: the folder of the peers' environments; None: chatcore alone can play.
        cores: for servers, and for what measures them.
    """

    environments: Path | None
    cores: Cores

    def serving(self, design: Design, **settings: str) -> AbstractAsyncContextManager[Server]:
        """A new server of a design."""
        return serving(design.command(self.environments), {**design.settings, **settings}, self.cores)

    def generating(
        self, job: str, server: Server, design: Design, **numbers: float
    ) -> AbstractAsyncContextManager[Generator]:
        """Clients of it."""
        return generating(job, server, design.speaks, self.cores, **numbers)

    @asynccontextmanager
    async def ready(
        self, job: str, design: Design, seconds: float, **numbers: float
    ) -> AsyncIterator[tuple[Server, Generator]]:
        """A server with clients that are ready."""
        async with (
            self.serving(design, **SHORT_START) as server,
            self.generating(job, server, design, seconds=seconds, **numbers) as clients,
        ):
            if not (await clients.reached())["ready"]:
                raise Failed(f"not every client became ready\n{server.last_words()}")
            yield server, clients


@attrs.frozen
class Column:
    """A figure in a table.

    Args:
        figure: its name.
        title: with its unit.
        scale: what it is multiplied by.
        digits: behind the point.
        compared: whether it says something to divide it by chatcore's.
    """

    figure: str
    title: str
    scale: float = 1.0
    digits: int = 1
    compared: bool = True


@attrs.frozen
class Workload:
    """Something that servers are put through.

    Args:
        name: that designs name to take part.
        key: its own, with its size.
        title: of its table.
        columns: of the same.
        play: one round of one design.
        crowded: that it is for those with a goal, unless there is time for all.
        varies: whether one round differs from the next enough to play more than one.
    """

    name: str
    key: str
    title: str
    columns: tuple[Column, ...]
    play: Callable[[Place, Design], Awaitable[Figures]]
    crowded: bool = False
    varies: bool = True
