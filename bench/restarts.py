"""A client through many restarts of its server: each event once, in order, and an end.

``python -m bench.restarts --restarts 50``: one conversation with ``chatcore.client`` in one block of ``connect``. While
it lasts, the server is ended again and again, by SIGTERM and by SIGKILL in turns, and started on the same database and
port. Its one run takes longer than any server is let alone, so each begins it again, and it ends with the last one;
with ``--no-long`` there are many short ones, one after another.
"""

from __future__ import annotations

import random
import signal
import sys
from collections import Counter
from typing import Any

import attrs
import trio
from cyclopts import App

from bench.processes import ROOT
from bench.restarting import RestartingServer, restarting
from bench.results import save, show
from chatcore.client import Chat, connect
from chatcore.protocol.messages import (
    AgentCompleted,
    AgentDelta,
    AgentFailed,
    AgentRestarted,
    AgentStarted,
    AnyRunEvent,
    Ready,
)
from chatcore.protocol.run import first_seq

UP_SECONDS = 2.0
"""How long at most a server is let alone once the client is ready."""

SECONDS_A_RESTART = 30.0
"""What each may take at most, a drain included."""


@attrs.define(eq=False)
class Reader:
    """Reads every run to its end, and notes what must not be.

    Args:
        seen: the last event of the thread.
        ends: how runs ended.
        restarted: runs that were begun again.
        events: that were yielded.
        faults: what was wrong, in words.
    """

    seen: int = 0
    ends: Counter[str] = attrs.field(factory=Counter)
    restarted: int = 0
    events: int = 0
    faults: list[str] = attrs.field(factory=list)

    async def converse(self, chat: Chat, kind: str, over: trio.Event) -> None:
        """Ask one question after another in one thread, of a kind that the agent knows, until told that it is over."""
        thread_id: str | None = None
        while not over.is_set():
            run = await chat.send(f"{kind} question {self.ends.total()}", thread_id=thread_id, agent="steady")
            thread_id = run.thread_id
            text, last = "", None
            async for event in run:
                text, last = self._read(event, text), event
            if last is None or not isinstance(last, (AgentCompleted, AgentFailed)):
                self.faults.append(f"run {run.run_id} ended with {last}")

    def _read(self, event: AnyRunEvent, text: str) -> str:
        """Take an event; what is said by now."""
        self.events += 1
        lost = isinstance(event, (AgentRestarted, AgentFailed))  # what a crash lost is before these, and never comes
        if not (first_seq(event) > self.seen if lost else first_seq(event) == self.seen + 1):
            self.faults.append(f"{type(event).__name__} {first_seq(event)} after {self.seen}")
        self.seen = event.seq
        if isinstance(event, (AgentStarted, AgentRestarted)):
            self.restarted += isinstance(event, AgentRestarted)
            return ""
        if isinstance(event, AgentDelta):
            return text[: event.offset] + event.text
        if isinstance(event, AgentCompleted) and event.answer.text != text:
            self.faults.append(f"spelled {text!r}, answered {event.answer.text!r}")
        if isinstance(event, (AgentCompleted, AgentFailed)):
            self.ends[getattr(event, "error_code", "completed")] += 1
        return text


@attrs.define(eq=False)
class Readiness:
    """Tells when the client is ready again."""

    _changed: trio.Event = attrs.field(factory=trio.Event)
    connections: int = 0

    async def follow(self, chat: Chat) -> None:
        """Read every frame of the chat."""
        async for frame in chat:
            if isinstance(frame, Ready):
                self.connections += 1
                self._changed.set()
                self._changed = trio.Event()

    async def next(self) -> None:
        """Return at the next ``ready``."""
        await self._changed.wait()


async def survive(restarts: int, kind: str, seed: int, speed: float) -> tuple[Reader, int]:
    """One client, so many restarts; what it read, and how often it connected."""
    chance, reader, readiness, over = random.Random(seed), Reader(), Readiness(), trio.Event()
    async with restarting("bench.crash_app:app", CRASH_SPEED=str(speed), CHATCORE_DRAIN_SECONDS="3") as server:
        server.start()
        await server.announced()
        async with connect(server.url, "reader", random=chance.random) as chat, trio.open_nursery() as nursery:
            nursery.start_soon(readiness.follow, chat)
            async with trio.open_nursery() as conversation:
                conversation.start_soon(reader.converse, chat, kind, over)
                await readiness.next()
                for number in range(restarts):
                    with trio.fail_after(SECONDS_A_RESTART):
                        await _restart(server, chance, readiness, number)
                over.set()
            nursery.cancel_scope.cancel()
    return reader, readiness.connections


async def _restart(server: RestartingServer, chance: random.Random, readiness: Readiness, number: int) -> None:
    await trio.sleep(chance.uniform(0, UP_SECONDS))
    how = signal.SIGTERM if number % 2 == 0 else signal.SIGKILL
    await server.end(how)
    print(f"restart {number + 1}, {how.name}", file=sys.stderr, flush=True)
    server.start()
    await readiness.next()


def main(*, restarts: int = 50, long: bool = True, seed: int = 1, speed: float = 1.0, keep: bool = True) -> int:
    """Restart a server beneath a client.

    Args:
        restarts: how many.
        long: whether one run lasts through all of them.
        seed: of the moments, and of the client's waits.
        speed: what the times of the agent are divided by.
        keep: whether to write the result to bench/results.
    """
    reader, connections = trio.run(survive, restarts, "long" if long else "short", seed, speed)
    figures: dict[str, Any] = {
        "restarts": restarts,
        "connections": connections,
        "runs": reader.ends.total(),
        **{f"ended as {kind}": count for kind, count in reader.ends.items()},
        "begun again": reader.restarted,
        "events": reader.events,
        "faults": reader.faults,
    }
    show("A client through restarts", ("", ""), [[name, str(value)] for name, value in figures.items()])
    if keep:
        settings = {"restarts": restarts, "long": long, "seed": seed, "speed": speed}
        print(f"written to {save('restarts', settings, figures).relative_to(ROOT)}")
    return 1 if reader.faults or not reader.ends["completed"] else 0


if __name__ == "__main__":
    sys.exit(App(default_command=main, help=__doc__)())
