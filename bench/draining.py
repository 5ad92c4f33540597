"""SIGTERM with a crowd connected, some of whom do not read: everybody else is told, and the process ends in time.

``python -m bench.draining --clients 1000 --stalled 50`` starts a ``chatcore serve``, connects them, and ends it. Who is
stalled has asked for far more than sockets hold, and reads nothing of it.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import trio
from cyclopts import App

from bench.attacks import make_keys, metrics, outcomes
from bench.hostile import Target, text
from bench.processes import ROOT, allow_many_files, chatcore, serving
from bench.results import percentile, save, show

DRAIN_SECONDS = 10.0
"""The default of the setting."""

STALL_SECONDS = 2.0
"""For what the stalled asked for to fill everything between; less than the 5 s after which they are cut."""

CONNECT_SECONDS = 120.0
"""For everyone to be connected, on a machine that is busy."""

EVERY_SECONDS = 0.003
"""Between two who connect: how fast a crowd gets in is not what is measured here."""

TOLD = "draining, 1012"


@attrs.frozen
class Drained:
    """What came of a drain.

    Args:
        exit_code: of the process.
        seconds: from SIGTERM to its end.
        ends: how the live ones ended, :data:`TOLD` where it was as it has to be.
        last_seconds: from SIGTERM to each live one's close frame.
    """

    exit_code: int
    seconds: float
    ends: dict[str, int]
    last_seconds: list[float]


@attrs.define(eq=False)
class Crowd:
    """Everyone who is connected."""

    target: Target
    settled: int = 0
    asked: trio.Event = attrs.field(factory=trio.Event)
    over: trio.Event = attrs.field(factory=trio.Event)
    ends: Counter[str] = attrs.field(factory=Counter)
    times: list[float] = attrs.field(factory=list)

    async def live(self, number: int) -> None:
        """A client that reads."""
        await trio.sleep(number * EVERY_SECONDS)
        async with self.target.websocket(f"reader {number}") as line:
            await line.until(b'"event":"ready"')
            self.settled += 1
            await self.asked.wait()
            code = await line.end()
            self.ends[f"draining, {code}" if b'"event":"draining"' in line.last else code] += 1
            self.times.append(time.monotonic())

    async def stalled(self, number: int) -> None:
        """A client that asks for what it has again and again, and reads nothing of it."""
        await trio.sleep(number * EVERY_SECONDS)
        async with self.target.websocket(f"sleeper {number}", receive_bytes=4096) as line:
            await line.send(text(type="user_message", message_id="m", content="100000"))
            await line.until(b'"agent_completed"')
            thread_id = line.received.partition(b'"thread_id":"')[2].partition(b'"')[0].decode()
            self.settled += 1
            await self.asked.wait()
            await line.send(text(type="resume", thread_id=thread_id) * 15)
            await self.over.wait()


async def drain(target: Target, pid: int, clients: int, stalled: int) -> Drained:
    """Connect everyone, send SIGTERM, and see how it ends. The process is left for its parent to wait for."""
    crowd = Crowd(target)
    async with trio.open_nursery() as nursery:
        for number in range(clients):
            nursery.start_soon(crowd.live, number)
        for number in range(stalled):
            nursery.start_soon(crowd.stalled, number)
        with trio.fail_after(CONNECT_SECONDS):
            while crowd.settled < clients + stalled:  # noqa: ASYNC110  two kinds of clients count
                await trio.sleep(0.05)
        crowd.asked.set()
        await trio.sleep(STALL_SECONDS)
        there = await connected(target)
        assert there == clients + stalled, f"{there} are there, {dict(await outcomes(target))} are not any more"
        began_at = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        exit_code = await trio.to_thread.run_sync(_exit_code, pid)
        seconds = time.monotonic() - began_at
        crowd.over.set()
    return Drained(exit_code, seconds, dict(crowd.ends), [at - began_at for at in crowd.times])


async def connected(target: Target) -> int:
    """How many WebSockets the server has."""
    lines = (await metrics(target)).splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("chatcore_connections{"))


def _exit_code(pid: int) -> int:
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


async def run(clients: int, stalled: int) -> Drained:
    allow_many_files()
    with TemporaryDirectory() as folder:
        settings, public_key = make_keys(Path(folder))
        quiet = {"CHATCORE_PING_SECONDS": "60", "CHATCORE_DRAIN_SECONDS": str(DRAIN_SECONDS)}
        async with serving(chatcore("bench.attack_app:app"), settings | quiet) as server:
            return await drain(Target(server.port, public_key), server.pid, clients, stalled)


def main(*, clients: int = 1000, stalled: int = 50) -> int:
    """Measure a drain.

    Args:
        clients: who read.
        stalled: who do not.

    Returns:
        1 where it was not as it has to be.
    """
    drained = trio.run(run, clients, stalled)
    last = [f"{percentile(drained.last_seconds, share):.2f}" for share in (0.5, 1.0)]
    ends = ", ".join(f"{count} × {end}" for end, count in drained.ends.items())
    columns = ("clients", "stalled", "live ones ended", "told p50 s", "last s", "exit code", "exit s")
    row = [str(clients), str(stalled), ends, *last, str(drained.exit_code), f"{drained.seconds:.2f}"]
    show("SIGTERM", columns, [row])
    saved = save("draining", {"clients": clients, "stalled": stalled}, attrs.asdict(drained))
    print(f"written to {saved.relative_to(ROOT)}")
    return int(drained.exit_code != 0 or drained.seconds > DRAIN_SECONDS or set(drained.ends) != {TOLD})


if __name__ == "__main__":
    App(default_command=main, help=__doc__)()
