"""A flood that one watcher does not read: it costs the others nothing and the server no more than its bound."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio

from chatcore.delivery.outbox import Outbox
from chatcore.protocol import messages as m
from chatcore.protocol.run import first_seq
from chatcore.testing import ScriptedServices, in_virtual_time
from chatcore.testing.agents import Say, ScriptedAgent, Step, Wait
from chatcore.testing.servers import FrameClient
from scenes import Line, application, staged

pytestmark = pytest.mark.usefixtures("threads_in_place")

PARTS = 1000
MESSAGE_BYTES = 1000
"""So that events may take 2,000 bytes of an outbox, and the flood is a hundred times as much."""

FLOOD: list[Step] = [step for number in range(PARTS) for step in (Say(f"{number} "), Wait(0.001))]


@pytest.fixture
def held_before(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes that an outbox held, each time another frame was put."""
    held: list[int] = []
    put = Outbox.put

    def watched(outbox: Outbox, frame: bytes, now: float) -> None:
        held.append(outbox.held_bytes)
        put(outbox, frame, now)

    monkeypatch.setattr(Outbox, "put", watched)
    return held


async def watch(peer: FrameClient, thread_id: str) -> None:
    """Read up to where a resume is answered."""
    await peer.until(m.Ready)
    await peer.send(m.Resume(thread_id=thread_id))
    await peer.until(m.Resumed)


async def read_to_the_end(peer: FrameClient) -> list[m.RunEvent]:
    """Every event up to the end of the run."""
    events: list[m.RunEvent] = []
    while not events or not isinstance(events[-1], m.AgentCompleted):
        frame = await peer.receive()
        if isinstance(frame, m.RunEvent):
            events.append(frame)
    return events


def judge(events: list[m.RunEvent], line: Line) -> None:
    """All that the other one heard, without a gap and without a repetition."""
    end = line.of(m.AgentCompleted)[0]
    assert first_seq(events[0]) == 1  # type: ignore[arg-type]  # any event of a run
    assert all(first_seq(after) == before.seq + 1 for before, after in pairwise(events))  # type: ignore[arg-type]
    assert events[-1].seq == end.seq
    assert "".join(event.text for event in events if isinstance(event, m.AgentDelta)) == end.answer.text


@in_virtual_time
async def test_a_watcher_that_pauses_is_caught_up_and_nobody_waits_for_it(held_before: list[int]) -> None:
    async with staged(application(ScriptedServices(), ScriptedAgent(FLOOD)), max_message_bytes=MESSAGE_BYTES) as stage:
        line = await stage.line()
        accepted = await line.ask("flood")
        sleeper = await stage.silent(unread=3)
        await watch(sleeper, accepted.thread_id)
        begun_at = trio.current_time()
        await line.end(accepted.run_id)
        assert trio.current_time() - begun_at == pytest.approx(PARTS * 0.001, abs=0.5), "the flood took its own time"
        events = await read_to_the_end(sleeper)

    deltas = line.of(m.AgentDelta)
    assert len(deltas) == PARTS
    judge(events, line)
    assert len(events) < len(line.of(m.RunEvent)), "what it missed came merged"
    assert max(held_before) <= 2 * MESSAGE_BYTES, "half of what may wait is for events"


@in_virtual_time
async def test_a_watcher_that_never_reads_again_is_cut(held_before: list[int]) -> None:
    flood = [*FLOOD, Wait(30.0), Say("the end")]
    async with staged(application(ScriptedServices(), ScriptedAgent(flood)), max_message_bytes=MESSAGE_BYTES) as stage:
        line = await stage.line()
        accepted = await line.ask("flood")
        sleeper = await stage.silent(unread=3)
        await watch(sleeper, accepted.thread_id)
        await line.end(accepted.run_id)
        assert sleeper.closed is not None
        assert sleeper.closed.code == 4413
        again = await stage.silent(unread=float("inf"))
        await watch(again, accepted.thread_id)
        judge(await read_to_the_end(again), line)

    assert max(held_before) <= 2 * MESSAGE_BYTES, "half of what may wait is for events"
