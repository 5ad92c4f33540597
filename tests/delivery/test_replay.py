"""Replay on real storage that can be out of reach at any one reading."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from chatcore.delivery.bridge import AgentWebSocketBridge
from chatcore.delivery.replay import Replay
from chatcore.errors import StorageUnavailable
from chatcore.protocol import messages as m
from chatcore.threads.model import Accepted, StoredEvent
from chatcore.threads.opening import open_threads
from chatcore.threads.service import ThreadService
from stored import event, message, started, url

LAST = 4
"""The last event of the run under way."""


@attrs.define
class Lapses:
    """A ThreadService of which single readings fail.

    Args:
        store: the real one.
        failing: the numbers of the readings that fail, the first is 1.
    """

    store: ThreadService
    failing: frozenset[int] = frozenset()
    readings: list[str] = attrs.field(factory=list)

    def __getattr__(self, name: str) -> Any:
        async def read(*args: Any, **kwargs: Any) -> Any:
            self.readings.append(name)
            if len(self.readings) in self.failing:
                raise StorageUnavailable()
            return await getattr(self.store, name)(*args, **kwargs)

        return read


@attrs.define(eq=False)
class Reader:
    """A watcher with room for everything."""

    behind: bool = False
    heard: list[int | str] = attrs.field(factory=list)
    missing: list[str] = attrs.field(factory=list)

    def deliver(self, *events: StoredEvent) -> None:
        self.heard += [event.seq for event in events]

    def fall_behind(self, thread_id: str) -> None:
        self.missing.append(thread_id)

    def say(self, frame: m.AnyServerFrame) -> None:
        self.heard.append(frame.__struct_config__.tag)  # type: ignore[arg-type]  # a tag of ours is a text

    async def room(self) -> None:
        pass


@attrs.define
class Scene:
    """A thread of four events and more to come, and who reads it."""

    store: Lapses
    accepted: Accepted
    bridge: AgentWebSocketBridge = attrs.field(factory=AgentWebSocketBridge)
    reader: Reader = attrs.field(factory=Reader)

    @property
    def replay(self) -> Replay:
        store: Any = self.store
        reader = self.reader
        return Replay(store=store, bridge=self.bridge, watcher=reader, user_id="ann", send=reader.say, room=reader.room)

    def request(self, after_seq: int = 0, epoch: str | None = None) -> m.Resume:
        return m.Resume(thread_id=self.accepted.thread_id, after_seq=after_seq, epoch=epoch)

    async def publish(self, seq: int) -> None:
        """What a run does with an event: it is stored, then handed over."""
        live = event(self.accepted.run_id, seq, kind="agent_thinking")
        await self.store.store.append_events(self.accepted.thread_id, [live])
        self.bridge.publish(self.accepted.thread_id, live)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_threads(url(tmp_path / "chat.db")) as threads:
        accepted = await started(threads, "ann", message())
        events = [event(accepted.run_id, seq, kind="agent_thinking") for seq in range(1, LAST + 1)]
        await threads.append_events(accepted.thread_id, events)
        yield Scene(Lapses(threads), accepted)


async def readings(scene: Scene, request: m.Resume) -> int:
    """How many readings a resume takes that nothing disturbs."""
    undisturbed = Scene(Lapses(scene.store.store), scene.accepted)
    await undisturbed.replay.resume(request)
    return len(undisturbed.store.readings)


@pytest.mark.parametrize("epoch", [None, "of another time"], ids=["complete", "snapshot"])
async def test_whichever_reading_fails_nothing_is_lost_repeated_or_promised_in_vain(
    scene: Scene, epoch: str | None
) -> None:
    request = scene.request(epoch=epoch)
    for failing in range(1, await readings(scene, request) + 1):
        here = Scene(Lapses(scene.store.store, frozenset({failing})), scene.accepted)
        try:
            await here.replay.resume(request)
        except StorageUnavailable:
            assert here.reader.heard == [], "it was refused, so nothing was promised"
            assert here.bridge.place(here.reader, request.thread_id) is None
            continue
        assert here.reader.missing == [request.thread_id], "it goes on from the log"
        await here.replay.catch_up(request.thread_id)
        assert here.reader.heard == ["resumed", *range(1, LAST + 1)]


async def test_a_watcher_whose_request_is_refused_goes_on_from_where_it_was(scene: Scene) -> None:
    await scene.replay.resume(scene.request())
    scene.store.failing = frozenset({len(scene.store.readings) + 2})
    with pytest.raises(StorageUnavailable):
        await scene.replay.resume(scene.request(after_seq=2))
    await scene.publish(LAST + 1)
    await scene.replay.catch_up(scene.accepted.thread_id)
    assert scene.reader.heard == ["resumed", *range(1, LAST + 2)]


async def test_what_cannot_be_read_after_the_announcement_is_not_given_twice(scene: Scene) -> None:
    """Not even to one that watched the thread before from an earlier place."""
    await scene.replay.resume(scene.request())
    await scene.publish(LAST + 1)
    begun = len(scene.store.readings)
    scene.store.failing = frozenset({begun + 3})  # its thread twice, then its events
    await scene.replay.resume(scene.request(after_seq=LAST))
    await scene.replay.catch_up(scene.accepted.thread_id)
    assert scene.reader.heard == ["resumed", *range(1, LAST + 2), "resumed", LAST + 1]


async def test_a_reader_who_leaves_during_a_replay_leaves_nothing_behind(scene: Scene) -> None:
    class Leaving(Lapses):
        async def events(self, *_args: Any, **_kwargs: Any) -> Any:
            raise KeyboardInterrupt

    scene.store = Leaving(scene.store.store)
    with pytest.raises(KeyboardInterrupt):
        await scene.replay.resume(scene.request())
    assert scene.bridge.place(scene.reader, scene.accepted.thread_id) is None
