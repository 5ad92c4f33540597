"""One run: what an agent does becomes events that are legal, authentic and kept, in that order."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio

from chatcore.agents.endings import Ending
from chatcore.agents.live_run import LiveRun
from chatcore.agents.run_log import UNSTORED_BYTES, first_event
from chatcore.agents.scribe import Scribe
from chatcore.context import UserExecutionContext
from chatcore.delivery.bridge import AgentWebSocketBridge
from chatcore.errors import ContextRequired, IllegalRunEvent, StorageUnavailable
from chatcore.observability import Recorder
from chatcore.protocol import messages as m
from chatcore.protocol.codec import decode_server_frame
from chatcore.protocol.run import RunGrammar, first_seq
from chatcore.testing import in_virtual_time
from chatcore.threads.model import RESERVED_AHEAD, RunEnded, SequenceBroken, StoredEvent
from chatcore.threads.opening import open_threads
from chatcore.threads.service import ThreadService

pytestmark = pytest.mark.usefixtures("threads_in_place")

CANCELLED = Ending(m.AgentCancelled, {"reason": "by a test"}, "cancelled", "cancelled")


@attrs.define(eq=False)
class Watched:
    """What a watcher saw, and how many events were kept when it saw each."""

    path: Path
    threads: ThreadService
    events: list[m.RunEvent] = attrs.field(factory=list)
    kept: list[int] = attrs.field(factory=list)

    @property
    def behind(self) -> bool:
        return False

    def fall_behind(self, thread_id: str) -> None:
        raise AssertionError(thread_id)

    def deliver(self, *events: StoredEvent) -> None:
        with sqlite3.connect(self.path) as connection:
            ((kept,),) = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchall()
        connection.close()
        for event in events:
            frame = decode_server_frame(event.frame)
            assert isinstance(frame, m.RunEvent)
            self.events.append(frame)
            self.kept.append(kept)


@asynccontextmanager
async def live(path: Path) -> AsyncIterator[tuple[LiveRun, Watched]]:
    """A run that has begun, with one watcher."""
    file = path / "run.db"
    async with open_threads(f"sqlite:///{file}") as threads:
        accepted = await threads.accept_message("ann", m.UserMessage(message_id="m", content="hello"), "agent")
        context = UserExecutionContext(user_id="ann", thread_id=accepted.thread_id, run_id=accepted.run_id)
        first = await threads.begin_run(accepted.run_id, 1, partial(first_event, context, accepted.epoch, "agent", "m"))
        bridge = AgentWebSocketBridge()
        run = LiveRun(
            context=context,
            epoch=accepted.epoch,
            next_seq=first.seq,
            store=threads,
            bridge=bridge,
            recorder=Recorder(),
            question="hello",
            proves_numbers=False,
        )
        watched = Watched(file, threads)
        bridge.watch(watched, accepted.thread_id)
        run.begin(first)
        yield run, watched


@in_virtual_time
async def test_every_event_is_kept_before_it_is_seen_deltas_aside(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, watched):
        await run.thinking("Hm")
        await run.say("One ")
        await run.say("two.")
        async with run.tool("find"):
            pass
        await run.end(CANCELLED)

    for event, kept in zip(watched.events, watched.kept, strict=True):
        assert kept == 2 if isinstance(event, m.AgentDelta) else kept >= event.seq
    assert [event.seq for event in watched.events] == list(range(1, 8))


@in_virtual_time
async def test_deltas_are_kept_in_groups_and_with_the_end(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, watched):
        for _ in range(RESERVED_AHEAD - 1):
            await run.say("word ")
        assert watched.kept[-1] == 1
        await run.say("word ")
        await run.say("more ")
        assert watched.kept[-1] == RESERVED_AHEAD + 1
        await run.flush()
        await run.say("last ")
        assert watched.kept[-1] == RESERVED_AHEAD + 2
        await run.end(CANCELLED)
        page = await run.store.events("ann", run.thread_id)

    text = "".join(event.text for event in watched.events if isinstance(event, m.AgentDelta))
    told = [decode_server_frame(event.frame) for event in page.items]
    assert "".join(event.text for event in told if isinstance(event, m.AgentDelta)) == text
    assert page.items[-1].seq == watched.events[-1].seq


@in_virtual_time
async def test_offsets_count_the_characters_before(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, watched):
        for part in ("Größe ", "🎉🎉 ", "日本 ", "x"):
            await run.say(part)
        await run.end(CANCELLED)

    deltas = [event for event in watched.events if isinstance(event, m.AgentDelta)]
    text = ""
    for delta in deltas:
        assert delta.offset == len(text)
        text += delta.text
    assert text == "Größe 🎉🎉 日本 x"


@in_virtual_time
async def test_a_run_has_one_end(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, watched):
        await run.end(CANCELLED)
        with pytest.raises(IllegalRunEvent):
            await run._emit(m.AgentThinking, text="after the end")

    assert [type(event) for event in watched.events] == [m.AgentStarted, m.AgentCancelled]


@in_virtual_time
async def test_what_is_not_legal_leaves_no_trace(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, watched):
        with pytest.raises(IllegalRunEvent):
            await run._emit(m.AgentStarted, agent="agent", message_id=None)
        with pytest.raises(UnicodeEncodeError):
            await run._emit(m.AgentThinking, text="\ud83d")
        await run.thinking("Hm")
        await run.end(CANCELLED)

    assert [event.seq for event in watched.events] == [1, 2, 3]


@in_virtual_time
async def test_a_cancelled_caller_leaves_whole_events_behind(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, watched):
        for deadline in (0, 0.001):
            with trio.move_on_after(deadline):
                async with run.tool("find") as call:
                    call.summary = "found"
                    await trio.sleep(1)
        await run.end(CANCELLED)

    kinds = [type(event) for event in watched.events]
    assert kinds == [m.AgentStarted, m.ToolExecuting, m.ToolCompleted, m.AgentCancelled]


@in_virtual_time
async def test_it_goes_on_where_an_earlier_process_stopped(tmp_path: Path) -> None:
    async def be_replaced(run: LiveRun) -> None:
        async with run.tool("find"):
            again = attrs.evolve(run, context=run.context, grammar=RunGrammar(), tool_calls={})
            assert await again.recall()
            await again.end(CANCELLED)
        await run.thinking("Going on")

    async with live(tmp_path) as (run, watched):
        with pytest.raises((RunEnded, SequenceBroken)):  # what the earlier one still writes is refused
            await be_replaced(run)

    assert [type(event) for event in watched.events][-3:] == [m.AgentDelta, m.ToolCompleted, m.AgentCancelled]
    beyond = 2 + RESERVED_AHEAD + 1
    assert [event.seq for event in watched.events] == [1, 2, beyond, beyond + 1, beyond + 2]
    assert first_seq(watched.events[2]) == 3, "what may have been sent is never used again"  # type: ignore[arg-type]


@attrs.frozen
class Lost:
    """A store that went away for good."""

    async def append_events(self, *_: object) -> None:
        raise StorageUnavailable

    async def end_run(self, *_: object, **__: object) -> None:
        raise StorageUnavailable


@in_virtual_time
async def test_an_end_is_kept_with_the_state_of_its_run_or_not_at_all(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, watched):
        kept, run.store = run.store, Lost()  # type: ignore[assignment]
        with pytest.raises(StorageUnavailable):
            await run.end(CANCELLED)
        run.store = kept
        await run.flush()
        assert [type(event) for event in watched.events] == [m.AgentStarted]
        await run.end(CANCELLED)

    assert [type(event) for event in watched.events] == [m.AgentStarted, m.AgentCancelled]


@in_virtual_time
async def test_what_was_said_is_kept_while_the_end_waits_for_storage(tmp_path: Path) -> None:
    """Who comes to watch meanwhile reads it in the log; the end comes to them by itself, without a gap before it."""
    async with live(tmp_path) as (run, watched):
        await run.say("heard")
        kept, run.store = run.store, Lost()  # type: ignore[assignment]
        with pytest.raises(StorageUnavailable):
            await run.end(CANCELLED)
        run.store = kept
        await run.flush()
        thread = await kept.thread(str(run.context.user_id), run.thread_id)
        assert [event.seq for event in watched.events] == [1, 2] == list(range(1, thread.last_seq + 1))
        await run.end(CANCELLED)

    assert [event.seq for event in watched.events] == [1, 2, 3]


@in_virtual_time
async def test_an_agent_that_only_thinks_waits_for_storage_when_it_has_thought_much(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, watched), trio.open_nursery() as nursery:
        kept, run.store = run.store, Lost()  # type: ignore[assignment]
        run.scribe = Scribe(nursery)
        with trio.move_on_after(60):
            for _ in range(1_000):
                await run.thinking("hm " * 100)
        waiting = run._unstored_bytes
        run.store = kept
        await trio.sleep(600)
        assert UNSTORED_BYTES < waiting < UNSTORED_BYTES + 1_000
        assert len(watched.events) > 100


@in_virtual_time
async def test_who_holds_the_last_number_that_a_crash_lost_is_told_where_the_text_ends(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, watched):
        await run.say("Kept.")
        await run.flush()
        kept, run.store = run.store, Lost()  # type: ignore[assignment]
        with trio.move_on_after(1):
            for _ in range(RESERVED_AHEAD):
                await run.say(" Lost.")
        held = watched.events[-1].seq
        thread = await kept.thread("ann", run.thread_id)
        assert held == thread.reserved_seq
        again = LiveRun(
            context=run.context,
            epoch=run.epoch,
            next_seq=thread.last_seq + 1,
            store=kept,
            bridge=run.bridge,
            recorder=Recorder(),
            question="hello",
            proves_numbers=False,
        )
        assert await again.recall()
        await again.end(CANCELLED)
        rest = [
            decode_server_frame(each.frame) for each in (await kept.events("ann", run.thread_id, after_seq=held)).items
        ]

    said, end = rest
    assert isinstance(said, m.AgentDelta)
    assert (first_seq(said), said.offset, said.text) == (held + 1, len("Kept."), "")
    assert isinstance(end, m.AgentCancelled)


@in_virtual_time
async def test_it_cannot_be_made_without_a_context(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, _):
        with pytest.raises(ContextRequired, match="LiveRun"):
            attrs.evolve(run, context="ann")  # type: ignore[arg-type]  # on purpose
        await run.end(CANCELLED)


def test_a_context_cannot_be_made_outside_a_task() -> None:
    with pytest.raises(ContextRequired, match="UserExecutionContext"):
        UserExecutionContext(user_id="ann")
