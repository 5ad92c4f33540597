"""The sandbox: a few children at a time, one kept warm, each for one query."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs
import trio

from chatcore.agents.analyst.evidence import Rows
from chatcore.agents.analyst.sandbox.child import Child, closing, start_child
from chatcore.agents.analyst.sandbox.limits import MEBIBYTE, Limits, Outcome
from chatcore.errors import ChatcoreError

CHILDREN = 2
"""Queries that run side by side; the rest wait, within the time limit of their tool."""


@attrs.define
class QueryStopped(ChatcoreError):
    """A query in the sandbox had no result.

    Args:
        outcome: why.
        problem: why, in words for whoever wrote the query.
    """

    outcome: Outcome
    problem: str

    def __str__(self) -> str:
        return self.problem


@attrs.define(eq=False)
class Sandbox:
    """Runs queries that nobody vouches for.

    Args:
        limits: of each query.
    """

    limits: Limits = attrs.field(factory=Limits)
    _slots: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(CHILDREN))
    _spare: Child | None = None
    _one_at_a_time: trio.Lock = attrs.field(factory=trio.Lock)

    async def prepare(self) -> None:
        """Have a child for the next query: it makes itself ready meanwhile, which takes most of a second."""
        async with self._one_at_a_time:
            if self._spare is not None and self._spare.alive:
                return
            spare, self._spare = self._spare, None
            if spare is not None:
                await spare.close()
            with suppress(OSError):  # no process can be had; whoever has a query will try again, and be told
                self._spare = await start_child(self.limits)

    async def select(self, database: int, sql: str) -> Rows:
        """Run one SELECT.

        Args:
            database: an open file of it.
            sql: whatever somebody wrote.

        Raises:
            QueryStopped: it is not one SELECT, is wrong, or would use more than it may.
        """
        async with self._slots, self._child() as child:
            answer: dict[str, Any] = {"outcome": Outcome.TIME}
            with trio.move_on_after(self.limits.seconds):
                answer = await child.ask(sql, database, self.limits)
        if "outcome" in answer:
            outcome = Outcome(answer["outcome"])
            raise QueryStopped(outcome, answer.get("words") or self._words(outcome))
        rows = tuple(tuple(row) for row in answer["rows"])
        return Rows(tuple(answer["columns"]), rows, tuple(answer["written"]))

    @asynccontextmanager
    async def _child(self) -> AsyncIterator[Child]:
        spare, self._spare = self._spare, None
        if spare is not None and not spare.alive:
            await spare.close()
            spare = None
        try:
            child = spare or await start_child(self.limits)
        except OSError:
            raise QueryStopped(Outcome.UNAVAILABLE, self._words(Outcome.UNAVAILABLE)) from None
        async with closing(child):
            await self.prepare()
            yield child

    def _words(self, outcome: Outcome) -> str:
        limits = self.limits
        return {
            Outcome.REFUSED: "only a single SELECT is run",
            Outcome.NO_TABLE: "the query reads no table; its rows would be no evidence of anything",
            Outcome.FAILED: "the query failed",
            Outcome.MEMORY: f"the query needs more memory than it may use ({limits.memory_bytes // MEBIBYTE} MiB)",
            Outcome.ROWS: f"the result has more than {limits.rows:,} rows; aggregate, or say LIMIT",
            Outcome.BYTES: f"the result has more than {limits.result_bytes // 1024} KiB; aggregate, or say LIMIT",
            Outcome.TIME: f"the query took longer than {limits.seconds:g} s",
            Outcome.PROCESSOR: f"the query took more than {limits.cpu_seconds} s of processor time",
            Outcome.CRASHED: "the query ended the process that ran it; it is nested too deep or needs too much memory",
            Outcome.UNAVAILABLE: "no process can be started for the query now",
        }[outcome]


@asynccontextmanager
async def open_sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox; its children are gone at the end of the block. It has none before the first query."""
    sandbox = Sandbox()
    try:
        yield sandbox
    finally:
        if sandbox._spare is not None:
            await sandbox._spare.close()
