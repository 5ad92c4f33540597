"""Clients of a server that is killed. They speak in plain frames and write down all that they are told.

Each user has one connection that sends and watches, and another that only watches, as a second tab does.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import attrs
import trio

from chatcore.client.errors import ConnectionLost
from chatcore.client.wire import Wire, dialer

Frame = dict[str, Any]

RETRY_SECONDS = 0.1
"""How often a server that is away is tried: the downtime is what is measured, not the clients' patience."""

OUTSTANDING = 5
"""Messages of a user that are not answered yet; more are not sent."""

RESUME_SECONDS = 0.3
"""How often a tab looks for threads of its user that it does not watch yet."""

ENDS = ("agent_completed", "agent_failed", "agent_cancelled")


@attrs.define(eq=False)
class User:
    """One user: what was sent, and what of it was acknowledged.

    Args:
        name: the user's id.
        chance: decides what is sent, and when.
        sent: every message that was ever sent, by its id.
        accepted: each acknowledgement of a message, by the message's id; all should say the same.
        resent: how often a message was sent again that had not been acknowledged.
    """

    name: str
    chance: random.Random
    sent: dict[str, Frame] = attrs.field(factory=dict)
    accepted: dict[str, list[Frame]] = attrs.field(factory=dict)
    resent: int = 0

    @property
    def threads(self) -> list[str]:
        """Threads that it knows of, the oldest first."""
        return list(dict.fromkeys(frames[0]["thread_id"] for frames in self.accepted.values()))

    @property
    def runs(self) -> set[str]:
        """Runs of its acknowledged messages."""
        return {frames[0]["run_id"] for frames in self.accepted.values()}

    @property
    def unacknowledged(self) -> list[Frame]:
        """Messages that were sent, and may or may not be kept."""
        return [frame for message_id, frame in self.sent.items() if message_id not in self.accepted]

    def compose(self, threads: list[str]) -> Frame:
        """A new message, to a new thread or to one of ``threads``."""
        message_id = f"{self.name}-{len(self.sent)}"
        frame = {
            "type": "user_message",
            "message_id": message_id,
            "content": f"question {message_id}",
            "agent": self.chance.choice(("steady", "fragile")),
        }
        if threads and self.chance.random() < 0.7:
            frame["thread_id"] = self.chance.choice(threads)
        self.sent[message_id] = frame
        return frame


@attrs.define(eq=False)
class Watch:
    """A thread as one tab sees it.

    Args:
        seq: the last event of those that followed one another without a gap.
        live: whether the events of this connection follow ``seq``.
        taken: those events, in order; a delta may overlap the one before it.
    """

    seq: int = 0
    live: bool = False
    taken: list[Frame] = attrs.field(factory=list)


@attrs.define(eq=False)
class Tab:
    """One connection after another of a user.

    Args:
        user: whose.
        sends: whether it sends messages, too.
        witness: told of each kind of frame that is sent or received.
        watches: the threads that it has asked for.
        heard: every event, of replays too, in the order they came.
        faults: what a server must never say.
        connections: how often it got through.
    """

    url: str
    user: User
    sends: bool
    witness: Callable[[str], None]
    watches: dict[str, Watch] = attrs.field(factory=dict)
    heard: list[Frame] = attrs.field(factory=list)
    ended: set[str] = attrs.field(factory=set)
    faults: list[str] = attrs.field(factory=list)
    connections: int = 0
    sending: bool = True
    ready_at: list[float] = attrs.field(factory=list)
    _asked: list[str] = attrs.field(factory=list)
    _written: set[str] = attrs.field(factory=set)
    _ready: bool = False

    @property
    def settled(self) -> bool:
        """Whether everything that was sent is acknowledged, and the end of each run was seen."""
        return not self.user.unacknowledged and self.user.runs <= self.ended

    async def run(self) -> None:
        """Be connected, whatever happens, until cancelled."""
        dial = dialer(self.url, self.user.name, None)
        while True:
            try:
                async with dial() as wire:
                    self._begin()
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._write, wire)
                        await self._read(wire)
            except* ConnectionLost:
                pass
            await trio.sleep(RETRY_SECONDS)

    def _begin(self) -> None:
        self.connections += 1
        self._ready = False
        self._asked.clear()
        self._written.clear()
        for watch in self.watches.values():
            watch.live = False

    # --- what is said -----------------------------------------------------------------------------------------------

    async def _write(self, wire: Wire) -> None:
        while True:
            await self._resume(wire)
            if self.sends:
                await self._send(wire)
            await trio.sleep(self.user.chance.uniform(0, RESUME_SECONDS))

    async def _resume(self, wire: Wire) -> None:
        for thread_id in self.user.threads if self._ready else ():
            watch = self.watches.setdefault(thread_id, Watch())
            if not watch.live and thread_id not in self._asked:
                self._asked.append(thread_id)
                await wire.send(json.dumps({"type": "resume", "thread_id": thread_id, "after_seq": watch.seq}))

    async def _send(self, wire: Wire) -> None:
        """What was not acknowledged on an earlier connection, then something new; on threads that are live here."""
        live = [thread_id for thread_id, watch in self.watches.items() if watch.live]
        for frame in self.user.unacknowledged:
            if frame["message_id"] not in self._written and frame.get("thread_id") in (None, *live):
                self.user.resent += 1
                await self._say(wire, frame)
        outstanding = len(self.user.unacknowledged) + len(self.user.runs - self.ended)
        if self.sending and outstanding < OUTSTANDING:
            await self._say(wire, self.user.compose(live))

    async def _say(self, wire: Wire, frame: Frame) -> None:
        self._written.add(frame["message_id"])
        await wire.send(json.dumps(frame))
        self.witness("sent")

    # --- what is heard ----------------------------------------------------------------------------------------------

    async def _read(self, wire: Wire) -> None:
        while True:
            self._hear(json.loads(await wire.receive()))

    def _hear(self, frame: Frame) -> None:
        kind = frame.get("event") or frame["type"]
        self.witness(kind)
        if kind == "ready":
            self._ready = True
            self.ready_at.append(time.monotonic())
        elif kind == "message_accepted":
            self._accept(frame)
        elif kind == "resumed":
            self._resumed(frame)
        elif kind == "error":
            self._refused(frame)
        elif "seq" in frame and kind != "thread_snapshot":
            self._take(frame, kind)

    def _accept(self, frame: Frame) -> None:
        self.user.accepted.setdefault(frame["message_id"], []).append(frame)
        new = self.user.sent[frame["message_id"]].get("thread_id") is None
        if new and not frame["duplicate"]:  # its events begin here
            self.watches.setdefault(frame["thread_id"], Watch()).live = True

    def _resumed(self, frame: Frame) -> None:
        watch = self.watches[frame["thread_id"]]
        if not frame["complete"] or frame["from_seq"] != watch.seq + 1:
            self.faults.append(f"{frame['thread_id']} resumed after {watch.seq} with {frame}")
        watch.live = True
        self._asked.remove(frame["thread_id"])

    def _refused(self, frame: Frame) -> None:
        """It is said again: a message, or the oldest question, as the server answers in order."""
        if frame["message_id"] is not None:
            self._written.discard(frame["message_id"])
        elif self._asked:
            del self._asked[0]
        if frame["error_code"] != "STORAGE_UNAVAILABLE" and not frame["retryable"]:
            self.faults.append(f"refused: {frame}")

    def _take(self, frame: Frame, kind: str) -> None:
        self.heard.append(frame)
        watch = self.watches.setdefault(frame["thread_id"], Watch())
        if not watch.live:
            return
        first: int = frame["first_seq"] if "first_seq" in frame else frame["seq"]
        if not first <= watch.seq + 1 <= frame["seq"]:
            self.faults.append(f"{kind} {frame['seq']} of {frame['thread_id']} after {watch.seq}")
        watch.seq = frame["seq"]
        watch.taken.append(frame)
        if kind in ENDS:
            self.ended.add(frame["run_id"])
