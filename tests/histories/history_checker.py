"""The judge of a history: what every connection heard, and what every tab kept, against the log of the server.

It knows the contract (protocol.md, 1.2 to 1.4) and none of the product's decisions: frames are all it reads.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

import attrs
import msgspec
from history_agents import tag_of, told_by
from history_tabs import Family, Held, Tab
from history_world import Connection, World

from chatcore.protocol import messages as m
from chatcore.protocol.run import first_seq

ENDS = (m.AgentCompleted, m.AgentFailed, m.AgentCancelled)
STATES = {m.AgentCompleted: "completed", m.AgentFailed: "failed", m.AgentCancelled: "cancelled"}


class Violation(AssertionError):
    """A promise was broken; the text says which and where."""


@attrs.frozen
class StoredThread:
    """A thread as the server has it in the end."""

    thread_id: str
    user: str
    epoch: str
    last_seq: int
    events: list[m.AnyRunEvent]
    messages: Sequence[m.ThreadMessage]


@attrs.frozen
class StoredRun:
    """A row of the table of runs."""

    run_id: str
    thread_id: str
    user: str
    message_id: str
    state: str


@attrs.define(eq=False)
class Record:
    """All that the server has stored, and how it may be looked up.

    Args:
        threads: by their ids.
        runs: in the order of their messages.
    """

    threads: Mapping[str, StoredThread]
    runs: list[StoredRun]
    texts: dict[tuple[str, int], str] = attrs.field(factory=dict)
    """By run and attempt, what its deltas spell."""
    attempts: dict[str, list[int]] = attrs.field(factory=lambda: defaultdict(list))
    """By run, the ``seq`` of each ``agent_restarted``."""
    covers: dict[tuple[str, int], m.AnyRunEvent] = attrs.field(factory=dict)
    """By thread and ``seq``, the event that it is a part of."""

    def attempt(self, event: m.AnyRunEvent) -> int:
        """Which attempt of its run an event belongs to, by its number."""
        return sum(seq < event.seq for seq in self.attempts[event.run_id])


def demand(holds: bool, promise: str, *where: object) -> None:
    """Raise a :class:`Violation` unless ``holds``."""
    if not holds:
        raise Violation(f"{promise}: {', '.join(map(str, where))}")


def judge(world: World, families: Iterable[Family], tabs: Iterable[Tab], record: Record) -> None:
    """Judge a history.

    Raises:
        Violation: at the first promise that was broken.
    """
    for thread in record.threads.values():
        judge_thread(thread, record)
    for family in families:
        judge_messages(family, record, world)
    judge_endings(world, record)
    for connection in world.connections:
        judge_isolation(connection, record)
        _Stream(connection, record).judge()
    for tab in tabs:
        for thread_id, held in tab.held.items():
            if thread_id in record.threads:
                judge_held(tab.name, held, record.threads[thread_id], record, world)
    demand(not world.too_early, "an event is stored before anyone hears of it", *world.too_early)
    demand("session_failed" not in world.logged, "a session failed with an exception of the server")


# --- the log itself -------------------------------------------------------------------------------------------------


def judge_thread(thread: StoredThread, record: Record) -> None:
    """Numbers without a gap, and each run by the grammar, one at a time."""
    seq, open_run = 0, ""
    runs: dict[str, _Run] = {}
    for event in thread.events:
        where = (thread.thread_id, event.seq)
        demand(first_seq(event) == seq + 1 <= event.seq, "the log is contiguous", *where, f"after {seq}")
        demand(event.epoch == thread.epoch and event.thread_id == thread.thread_id, "an event is its thread's", *where)
        demand(event.user_id == thread.user, "an event is its user's", *where)
        run = runs.setdefault(event.run_id, _Run())
        demand(open_run in ("", event.run_id), "runs of a thread come one after another", *where)
        run.take(event)
        open_run = "" if run.ended else event.run_id
        if isinstance(event, m.AgentRestarted):
            record.attempts[event.run_id].append(event.seq)
        record.texts[event.run_id, len(record.attempts[event.run_id])] = run.text
        for part in range(first_seq(event), event.seq + 1):
            record.covers[thread.thread_id, part] = event
        seq = event.seq
    demand(seq == thread.last_seq, "the log ends where the thread says", thread.thread_id, seq, thread.last_seq)


@attrs.define
class _Run:
    """The grammar of a run, written down once more."""

    begun: bool = False
    ended: bool = False
    text: str = ""
    open_tools: set[str] = attrs.field(factory=set)

    def take(self, event: m.AnyRunEvent) -> None:
        where = (event.run_id, event.seq, type(event).__name__)
        demand(not self.ended, "a run has one end, and nothing after it", *where)
        demand(
            isinstance(event, m.AgentStarted) is not self.begun, "a run has one start, and nothing before it", *where
        )
        self.begun = True
        match event:
            case m.AgentDelta():
                demand(event.offset == len(self.text), "offsets count the characters before", *where, event.offset)
                self.text += event.text
            case m.AgentRestarted():
                self.text = ""
            case m.ToolExecuting():
                self.open_tools.add(event.tool_call_id)
            case m.ToolCompleted():
                demand(event.tool_call_id in self.open_tools, "a tool was in use before it was completed", *where)
                self.open_tools.remove(event.tool_call_id)
            case m.AgentCompleted() | m.AgentFailed() | m.AgentCancelled():
                self.ended = True
                demand(not self.open_tools, "no tool is open after the end", *where)
        if isinstance(event, m.AgentCompleted):
            demand(self.text in ("", event.answer.text), "deltas spell the answer", *where, self.text)


# --- messages and their runs ----------------------------------------------------------------------------------------


def judge_messages(family: Family, record: Record, world: World) -> None:
    """Every acknowledged message has one run, which every acknowledgement names."""
    runs: dict[str, list[StoredRun]] = defaultdict(list)
    for run in record.runs:
        if run.user == family.user:
            runs[run.message_id].append(run)
    for message_id, found in runs.items():
        demand(len(found) == 1, "a message has one run", family.user, message_id)
        demand(message_id in family.asked, "a run has a message that its user sent", family.user, message_id)
    for message_id, acknowledgements in family.accepted.items():
        demand(message_id in family.asked, "what is acknowledged was sent", family.user, message_id)
        kept = [each for each in acknowledgements if each.thread_id not in world.deleting]
        for each in kept:
            known = [(run.run_id, run.thread_id) for run in runs[message_id]]
            demand((each.run_id, each.thread_id) in known, "what is acknowledged is kept", family.user, message_id)
        firsts = sum(not each.duplicate for each in kept)
        demand(firsts <= 1, "a message is new once", family.user, message_id)


def judge_endings(world: World, record: Record) -> None:
    """Every run has ended, as its last event says, and answered what its agent was to say."""
    for run in record.runs:
        thread = record.threads[run.thread_id]
        ends = [event for event in thread.events if event.run_id == run.run_id and isinstance(event, ENDS)]
        demand(len(ends) == 1, "a run has exactly one end", run.run_id, run.state, len(ends))
        end = ends[0]
        demand(STATES[type(end)] == run.state, "the record of a run says how it ended", run.run_id, run.state)
        question, answer = _exchange(thread, run.run_id)
        _judge_end(end, told_by(question.content).text, told_by(question.content).fails, run, world)
        said = end.answer.text if isinstance(end, m.AgentCompleted) else record.texts[run.run_id, _last(run, record)]
        demand(answer.content == said, "the message of the agent is what it said", run.run_id, answer.content, said)


def _judge_end(end: m.RunEvent, text: str, fails: bool, run: StoredRun, world: World) -> None:
    if isinstance(end, m.AgentCompleted):
        demand(end.answer.text == text and not fails, "an answer is what the agent said", run.run_id, end.answer.text)
    elif isinstance(end, m.AgentFailed):
        lost = end.error_code == "SERVICE_LOST" and world.restarts > 0
        demand(lost or (fails and end.error_code == "AGENT_FAILED"), "a run fails for a reason", run.run_id, end)
    else:
        asked_for = run.run_id in world.cancelled or run.thread_id in world.deleting
        demand(asked_for, "a run is cancelled by its own user alone", run.run_id)


def _last(run: StoredRun, record: Record) -> int:
    return len(record.attempts[run.run_id])


def _exchange(thread: StoredThread, run_id: str) -> tuple[m.ThreadMessage, m.ThreadMessage]:
    of_run = [message for message in thread.messages if message.run_id == run_id]
    demand([message.role for message in of_run] == ["user", "agent"], "a run has a question and an answer", run_id)
    return of_run[0], of_run[1]


# --- what a connection heard ----------------------------------------------------------------------------------------


def judge_isolation(connection: Connection, record: Record) -> None:
    """No frame says anything of another user."""
    tags = {tag_of(thread.user) for thread in record.threads.values() if thread.user != connection.user}
    for frame in connection.frames:
        where = (f"#{connection.number} of {connection.user}", type(frame).__name__)
        demand(frame.user_id == connection.user, "a frame is its user's", *where, frame.user_id)
        thread = record.threads.get(getattr(frame, "thread_id", ""))
        demand(thread is None or thread.user == connection.user, "a thread is its user's", *where)
        text = msgspec.json.encode(frame).decode()
        demand(not any(tag in text for tag in tags), "nobody hears another one's words", *where, text)


@attrs.define(eq=False)
class _Stream:
    """What one connection heard, thread by thread.

    Args:
        expected: the number that comes next; None right after watching began in the middle.
        asked: the resumes that have not been answered yet.
        shown: threads whose snapshot has to come next.
    """

    connection: Connection
    record: Record
    expected: dict[str, int | None] = attrs.field(factory=dict)
    asked: dict[str, deque[m.Resume]] = attrs.field(factory=lambda: defaultdict(deque))
    shown: set[str] = attrs.field(factory=set)
    fresh: dict[str, str] = attrs.field(factory=dict)

    def judge(self) -> None:
        for resume in self.connection.resumes:
            self.asked[resume.thread_id].append(resume)
        for frame in self.connection.frames:
            match frame:
                case m.MessageAccepted():
                    self._accepted(frame)
                case m.Resumed():
                    self._resumed(frame)
                case m.ThreadSnapshot():
                    self._snapshot(frame)
                case m.RunEvent():
                    self._event(frame)
        if self.connection.honest and self.connection.open:
            self._caught_up()

    def _where(self, frame: m.ServerFrame, *more: object) -> tuple[object, ...]:
        thread_id = str(getattr(frame, "thread_id", ""))
        return (f"#{self.connection.number}", type(frame).__name__, thread_id[:6], *more)

    def _accepted(self, frame: m.MessageAccepted) -> None:
        if frame.thread_id not in self.expected:
            self.expected[frame.thread_id] = None
            if not frame.duplicate:
                self.fresh[frame.thread_id] = frame.run_id

    def _resumed(self, frame: m.Resumed) -> None:
        demand(bool(self.asked[frame.thread_id]), "who resumes has asked for it", *self._where(frame))
        asked = self.asked[frame.thread_id].popleft()
        where = self._where(frame, asked.after_seq, asked.epoch and asked.epoch[:6], frame.from_seq, frame.to_seq)
        demand(frame.from_seq == asked.after_seq + 1, "from_seq is after_seq + 1", *where)
        right = asked.epoch in (None, frame.epoch) and asked.after_seq <= frame.to_seq
        demand(frame.complete is right, "complete says whether history can be continued", *where, frame.complete)
        self.expected[frame.thread_id] = frame.from_seq
        if not frame.complete:
            self.shown.add(frame.thread_id)

    def _snapshot(self, frame: m.ThreadSnapshot) -> None:
        demand(frame.thread_id in self.shown, "a snapshot follows an incomplete resume", *self._where(frame))
        self.shown.remove(frame.thread_id)
        self.expected[frame.thread_id] = frame.seq + 1
        thread = self.record.threads.get(frame.thread_id)
        if thread is not None:
            demand(frame.epoch == thread.epoch, "a snapshot names the epoch", *self._where(frame))
            judge_snapshot(frame, thread, self._where(frame, frame.seq))

    def _event(self, event: m.AnyRunEvent) -> None:
        where = self._where(event, f"{first_seq(event)}..{event.seq}", event.run_id[:6])
        demand(event.thread_id in self.expected, "only who watches a thread hears of it", *where)
        demand(event.thread_id not in self.shown, "a snapshot comes before what follows it", *where)
        expected = self.expected[event.thread_id]
        if expected is None:
            of_fresh = self.fresh.get(event.thread_id) == event.run_id
            demand(not of_fresh or isinstance(event, m.AgentStarted), "who asked hears the start", *where)
        else:
            demand(first_seq(event) >= expected, "no event comes twice, and none back", *where, expected)
            demand(first_seq(event) <= expected, "no event is left out", *where, expected)
        self.expected[event.thread_id] = event.seq + 1

    def _caught_up(self) -> None:
        for thread_id, expected in self.expected.items():
            thread = self.record.threads.get(thread_id)
            if thread is not None and expected is not None:
                where = (f"#{self.connection.number}", thread_id[:6], f"at {expected}", f"of {thread.last_seq}")
                demand(expected == thread.last_seq + 1, "who watches hears it to the end", *where)


def judge_snapshot(snapshot: m.ThreadSnapshot, thread: StoredThread, where: Sequence[object]) -> None:
    """It shows the thread as it was right after its ``seq``."""
    ends = {event.run_id: event for event in thread.events if isinstance(event, ENDS)}
    known = {(message.run_id, message.role): message for message in thread.messages}
    for message in snapshot.messages:
        final = known.get((message.run_id, message.role))
        demand(final is not None and final.content == message.content, "a snapshot shows true messages", *where)
        end = ends[str(message.run_id)]
        over = end.seq <= snapshot.seq
        status = STATES[type(end)]
        right = message.status == status if over else message.status in ("running", "waiting")
        demand(right, "a snapshot shows the state at its seq", *where, message.role, message.status, end.seq)
    shown = {str(message.run_id) for message in snapshot.messages if message.role == "agent"}
    missing = [run_id for run_id, end in ends.items() if end.seq <= snapshot.seq and run_id not in shown]
    demand(not missing, "a snapshot shows every answer up to its seq", *where, missing)


# --- what a tab has kept --------------------------------------------------------------------------------------------


def judge_held(name: str, held: Held, thread: StoredThread, record: Record, world: World) -> None:
    """A tab holds every event once, in order, as the server has it, deltas that a crash lost aside."""
    seq = held.base
    texts: dict[str, str] = {}
    for event, connection in zip(held.events, held.heard, strict=True):
        where = (name, thread.thread_id[:6], type(event).__name__, f"{first_seq(event)}..{event.seq}")
        demand(first_seq(event) == seq + 1, "a tab has every event once, in order", *where, seq)
        seq = event.seq
        lost = any(
            connection.life <= loss.life and event.seq > loss.durable.get(thread.thread_id, 0) for loss in world.losses
        )
        _judge_kept(event, lost, record, where)
        if isinstance(event, m.AgentRestarted):
            texts[event.run_id] = ""
        if isinstance(event, m.AgentDelta):
            before = texts.get(event.run_id, "")
            whole = event.offset <= len(before) or held.base > 0
            demand(whole, "a delta follows the text before it", *where, event.offset, len(before))
            texts[event.run_id] = before[: event.offset].ljust(event.offset) + event.text
        if isinstance(event, ENDS) and held.base == 0:
            said = record.texts[event.run_id, len(record.attempts[event.run_id])]
            demand(texts.get(event.run_id, "") == said, "a tab can spell the answer", *where, texts.get(event.run_id))
    demand(
        seq == thread.last_seq, "a tab has all there is in the end", name, thread.thread_id[:6], seq, thread.last_seq
    )


def _judge_kept(event: m.AnyRunEvent, lost: bool, record: Record, where: Sequence[object]) -> None:
    """One event that a tab has, against the log."""
    stored = record.covers.get((event.thread_id, event.seq))
    demand(stored is not None, "what was sent is in the log, or its number is", *where)
    if not isinstance(event, m.AgentDelta):
        demand(event == stored, "an event is stored before it is sent, and stays as it was", *where, stored)
        return
    demand(
        isinstance(stored, m.AgentDelta) and stored.run_id == event.run_id, "no number is used twice", *where, stored
    )
    text = record.texts[event.run_id, record.attempt(event)]
    spelled = text[event.offset : event.offset + len(event.text)] == event.text
    demand(lost or spelled, "a delta is a part of the text, where its offset says", *where, event.text, text)
