"""One run while it lasts: what an agent does becomes events, legal, authentic and stored, in that order.

Each event passes the grammar before anything else, so nothing illegal is ever kept or seen; it is stored before any
watcher gets it. Deltas alone go out at once and are stored with the next event, or when enough of them wait. An event
that could not be stored has its number all the same: it waits, with whatever comes after it, for the next try.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, cast

import attrs
import msgspec
import trio

from chatcore.agents.authenticity import Alarm, AnswerGuard
from chatcore.agents.base import ToolCall
from chatcore.agents.endings import Ending
from chatcore.context import UserExecutionContext, require_context
from chatcore.delivery.bridge import AgentWebSocketBridge
from chatcore.errors import AgentFailure, ErrorCode, StorageUnavailable
from chatcore.ids import new_id
from chatcore.observability import Recorder
from chatcore.protocol import messages as m
from chatcore.protocol.codec import decode_server_frame, encode_utf8
from chatcore.protocol.run import RunGrammar, first_seq
from chatcore.store import RETRY
from chatcore.threads.deltas import merged
from chatcore.threads.model import RESERVED_AHEAD, StoredEvent
from chatcore.threads.service import ThreadService

UNSTORED_BYTES = 65_536
"""Of deltas that may wait for storage; their number is bounded by what is reserved."""

JUDGED_AT_ONCE = 8_192
"""Characters that are judged before others have their turn: about a millisecond, whatever they are."""

STEPS_AT_ONCE = 10
"""What an agent may do before others have their turn, where it waits for nothing itself: about a millisecond."""


@attrs.define(eq=False, kw_only=True, on_setattr=attrs.setters.NO_OP)
class LiveRun:
    """Implements :class:`~chatcore.agents.base.Run`.

    Args:
        context: whose run it is; thread and run are set.
        epoch: of the thread.
        next_seq: of the thread.
        store: where events are kept.
        bridge: who sees them.
        recorder: hears of them.
        question: the user's message.
        proves_numbers: whether each number must trace to the evidence of a tool.
    """

    context: UserExecutionContext = attrs.field(
        validator=lambda run, _, value: require_context(value, type(run).__name__)
    )
    epoch: str
    next_seq: int
    store: ThreadService
    bridge: AgentWebSocketBridge
    recorder: Recorder
    question: str
    proves_numbers: bool
    tool_calls: dict[str, ToolCall] = attrs.field(factory=dict)
    evidence: list[m.Evidence] = attrs.field(factory=list)
    alarm: Alarm | None = None
    grammar: RunGrammar = attrs.field(factory=RunGrammar)
    _guard: AnswerGuard = attrs.field(init=False)
    _finished: bool = False
    _first_seq: int = attrs.field(default=attrs.Factory(lambda run: run.next_seq, takes_self=True), init=False)
    _seen_seq: int = attrs.field(default=attrs.Factory(lambda run: run.next_seq - 1, takes_self=True), init=False)
    _began_at: float = attrs.field(factory=trio.current_time)
    _reserved_seq: int = attrs.field(default=attrs.Factory(lambda run: run.next_seq - 1, takes_self=True), init=False)
    _unstored: list[StoredEvent] = attrs.field(factory=list)
    _unstored_bytes: int = 0
    _steps: int = 0
    _one_at_a_time: trio.Lock = attrs.field(factory=trio.Lock)

    def __attrs_post_init__(self) -> None:
        self._guard = AnswerGuard(self.question, (lambda: self.evidence) if self.proves_numbers else None)

    @property
    def thread_id(self) -> str:
        """The thread this run belongs to."""
        return str(self.context.thread_id)

    @property
    def run_id(self) -> str:
        """The run itself."""
        return str(self.context.run_id)

    # --- for the agent ----------------------------------------------------------------------------------------------

    async def thinking(self, text: str) -> None:
        """See :class:`~chatcore.agents.base.Run`."""
        await self._permit()
        self._refuse(self._guard.judge_words(text))
        await self._emit(m.AgentThinking, text=text)

    async def say(self, text: str) -> None:
        """See :class:`~chatcore.agents.base.Run`."""
        await self._permit()
        if len(text) <= JUDGED_AT_ONCE and not self._one_at_a_time.locked():  # without a checkpoint no turn is needed
            due = self._pass_on(self._guard.feed(text))
        else:
            async with self._turn():
                due = await self._judge_and_pass_on(text)
        if due:
            await self._until_stored()

    @asynccontextmanager
    async def tool(self, name: str, /, **arguments: Any) -> AsyncIterator[ToolCall]:
        """See :class:`~chatcore.agents.base.Run`."""
        await self._permit()
        call = ToolCall(new_id("call"), name, msgspec.to_builtins(arguments))
        began_at, status = trio.current_time(), "error"
        try:
            await self._emit(m.ToolExecuting, tool_call_id=call.tool_call_id, tool=name, arguments=dict(call.arguments))
            self.tool_calls[call.tool_call_id] = call
            yield call
            status = "ok"
        finally:
            self.evidence.extend(call.evidence)
            if (alarm := self._guard.judge_words(str(call.summary))) is not None:
                self.alarm, call.summary = self.alarm or alarm, ""
            async with self._turn():
                if call.tool_call_id in self.grammar.open_tools:  # else it was never announced, or ended with the run
                    self._add(m.ToolCompleted, **_completion(call, status, trio.current_time() - began_at))
            await self._until_stored()

    async def history(self) -> Sequence[m.ThreadMessage]:
        """See :class:`~chatcore.agents.base.Run`."""
        messages: list[m.ThreadMessage] = []
        cursor: str | None = None
        while True:
            page = await self.store.messages(self.context.user_id, self.thread_id, cursor=cursor)
            messages += [message for message in page.items if message.run_id != self.context.run_id]
            cursor = page.next
            if cursor is None:
                return messages

    # --- for the supervisor -----------------------------------------------------------------------------------------

    async def start(self, agent: str, message_id: str | None) -> None:
        """The first event. May be tried again where it could not be stored."""
        async with self._turn():
            if self.next_seq == self._first_seq:
                self._add(m.AgentStarted, agent=agent, message_id=message_id)
            await self._store()

    async def recall(self) -> bool:
        """Go on where an earlier process stopped; whether the run had begun. May be tried again where that failed."""
        thread = await self.store.thread(self.context.user_id, self.thread_id)
        events = await self._kept()
        for stored in events:
            self._take_up(cast("m.AnyRunEvent", decode_server_frame(stored.frame)))
        if events and thread.reserved_seq >= self.next_seq:
            self._skip_to(thread.reserved_seq)
        return bool(events)

    async def _kept(self) -> list[StoredEvent]:
        events: list[StoredEvent] = []
        after: int | None = 0
        while after is not None:
            page = await self.store.events(self.context.user_id, self.thread_id, after_seq=after, run_id=self.run_id)
            events += page.items
            after = int(page.next) if page.next is not None else None
        return events

    def _take_up(self, event: m.AnyRunEvent) -> None:
        self.grammar.advance(event)
        if isinstance(event, m.ToolExecuting):
            self.tool_calls[event.tool_call_id] = ToolCall(event.tool_call_id, event.tool, event.arguments)

    def _skip_to(self, reserved_seq: int) -> None:
        """Never use again the numbers of deltas that an earlier process may have sent and not stored.

        An empty delta stands for all of them, so that ranges stay contiguous (protocol.md, 1.3). It ends one after
        them: a client that holds the very last of them too is told by its ``offset`` where the text ends.
        """
        first, self.next_seq = self.next_seq, reserved_seq + 1
        self._add(m.AgentDelta, text="", offset=self.grammar.characters, first_seq=first)

    async def restart(self, attempt: int) -> None:
        """The first event of a run that is run again. May be tried again where it could not be stored."""
        async with self._turn():
            if self.grammar.attempt < attempt:
                self._close_tools()
                self._add(m.AgentRestarted, attempt=attempt)
            await self._store()

    async def finish(self, answer: m.Answer) -> m.Answer:
        """Send what is left of what was said, and complete the answer with it; the agent is not heard any more.

        Raises:
            AgentFailure: when the answer is not authentic, or says another text than was streamed.
            Exception: of any kind, when the answer is none that can be sent.
        """
        async with self._turn():
            self._refuse(None)
            self._finished = True
            self._pass_on(self._guard.finish())  # stored with the end
        said = self.grammar.text
        found = answer.evidence or (list(self.evidence) if self.proves_numbers else [])
        answer = msgspec.structs.replace(answer, text=answer.text or said, evidence=found)
        answer = msgspec.json.decode(msgspec.json.encode(answer), type=m.Answer)
        if said and answer.text != said:
            raise AgentFailure(ErrorCode.AGENT_FAILED)
        self._refuse(self._guard.judge_answer(answer))
        return answer

    async def end(self, ending: Ending) -> None:
        """The last event: stored with everything before it and the state of the run, in one step.

        Tools that the agent left open are completed first. May be tried again where it could not be stored.
        """
        async with self._turn():
            self._finished = True
            self._close_tools()
            if not self.grammar.ended:
                self._add(ending.event, **ending.fields)
            answer = ending.fields.get("answer")
            await self.store.end_run(
                self,
                merged(self._unstored),
                state=ending.state,
                answer=msgspec.json.encode(answer) if answer is not None else None,
                text=answer.text if answer is not None else self.grammar.text,
                error_code=ending.fields.get("error_code"),
            )
            self._stored()

    @property
    def seconds(self) -> float:
        """How long the run has lasted."""
        return trio.current_time() - self._began_at

    async def flush(self) -> None:
        """Store what waits."""
        async with self._turn():
            await self._store()

    # --- what may happen --------------------------------------------------------------------------------------------

    async def _permit(self) -> None:
        """All that an agent does begins here, with the only checkpoint in it: what follows happens wholly.

        An agent may swallow what is raised; the alarm stays, and nothing leaves the run any more.
        """
        self._steps += 1
        if self._steps % STEPS_AT_ONCE:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()
        self._refuse(None)
        if self._finished:
            raise AgentFailure(ErrorCode.AGENT_FAILED)

    def _refuse(self, alarm: Alarm | None) -> None:
        self.alarm = self.alarm or alarm
        if self.alarm is not None:
            raise AgentFailure(ErrorCode.INAUTHENTIC_RESPONSE)

    async def _judge_and_pass_on(self, text: str) -> bool:
        """The same for any text, in parts that are soon judged."""
        due = False
        for begin in range(0, len(text) or 1, JUDGED_AT_ONCE):
            due = self._pass_on(self._guard.feed(text[begin : begin + JUDGED_AT_ONCE])) or due
            await trio.lowlevel.checkpoint()
        return due

    def _pass_on(self, passed: str | Alarm) -> bool:
        """Send what may be sent; whether what waits for storage is to be stored now."""
        if isinstance(passed, Alarm):
            self._refuse(passed)
        elif passed:
            event = self._add(m.AgentDelta, text=passed, offset=self.grammar.characters)
            if self._seen_seq == event.seq - 1 and event.seq <= self._reserved_seq:
                self._publish(event)
            return event.seq >= self._reserved_seq or self._unstored_bytes > UNSTORED_BYTES
        return False

    # --- events -----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Events come one at a time, each whoever is cancelled meanwhile."""
        with trio.CancelScope(shield=True):
            async with self._one_at_a_time:
                yield

    async def _emit(self, kind: type[m.RunEvent], **fields: Any) -> None:
        """The next event that is no delta: it goes out when it is stored."""
        async with self._turn():
            self._add(kind, **fields)
        await self._until_stored()

    async def _until_stored(self) -> None:
        """Store what waits. While storage is away the agent waits with it, until it is cancelled or out of time."""
        for failures in count(1):
            try:
                return await self.flush()
            except StorageUnavailable as error:
                self.recorder.log("run_waits_for_storage", error_code=error.error_code)
            await trio.sleep(RETRY.delay(failures, random.random))

    def _add(self, kind: type[m.RunEvent], **fields: Any) -> StoredEvent:
        """Give the next event its number; where it is not legal, or nothing that can be sent, it has not happened."""
        event: Any = kind(
            timestamp=time.time(),
            user_id=self.context.user_id,
            thread_id=self.thread_id,
            run_id=self.run_id,
            seq=self.next_seq,
            epoch=self.epoch,
            **fields,
        )
        tag, frame = str(kind.__struct_config__.tag), encode_utf8(event)
        self.grammar.advance(event)
        self.next_seq += 1
        first = first_seq(event)
        stored = StoredEvent(seq=event.seq, first_seq=first, run_id=event.run_id, type=tag, frame=frame)
        self._unstored.append(stored)
        self._unstored_bytes += len(frame)
        return stored

    def _close_tools(self) -> None:
        for tool_call_id in self.grammar.open_tools:
            self._add(m.ToolCompleted, **_completion(self.tool_calls[tool_call_id], "error", 0.0))

    async def _store(self) -> None:
        if self._unstored:
            await self.store.append_events(self.thread_id, merged(self._unstored))
            self._stored()

    def _stored(self) -> None:
        """What waited is durable: who watches may see what was not out yet."""
        stored, self._unstored, self._unstored_bytes = self._unstored, [], 0
        self._reserved_seq = stored[-1].seq + RESERVED_AHEAD
        for event in stored:
            if event.seq > self._seen_seq:
                self._publish(event)

    def _publish(self, event: StoredEvent) -> None:
        self._seen_seq = event.seq
        if event.seq == self._first_seq:
            self.recorder.first_event(self.seconds)
        self.recorder.run_event(event.type)
        self.bridge.publish(self.thread_id, event)


def _completion(call: ToolCall, status: str, seconds: float) -> dict[str, Any]:
    """The fields of ``tool_completed``. The summary is an agent's: it must be text that can be sent."""
    return {
        "tool_call_id": call.tool_call_id,
        "tool": call.tool,
        "status": status,
        "summary": str(call.summary).encode(errors="replace").decode(),
        "duration_seconds": round(seconds, 4),
    }
