"""One run while it lasts: what an agent does becomes events, legal, authentic and stored, in that order.

Each event passes the grammar before anything else, so nothing illegal is ever kept or seen. What an agent says goes out
as soon as everyone who can run has had a turn: words that are said without a wait between them are judged, numbered and
sent together (:class:`~.scribe.Scribe`), each as a delta of its own.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, cast

import attrs
import msgspec
import trio

from chatcore.agents.authenticity import Alarm, AnswerGuard
from chatcore.agents.base import ToolCall
from chatcore.agents.endings import Ending
from chatcore.agents.run_log import RunLog
from chatcore.agents.scribe import Scribe
from chatcore.errors import AgentFailure, ErrorCode, StorageUnavailable
from chatcore.ids import new_id
from chatcore.protocol import messages as m
from chatcore.protocol.codec import decode_server_frame
from chatcore.protocol.text import as_sendable
from chatcore.store import RETRY
from chatcore.threads.model import StoredEvent

JUDGED_AT_ONCE = 4_096
"""Characters of one part that are judged before others have their turn: a page, which is judged within a turn
of the event loop where it is prose, and takes many times as long where each word is a figure."""

STEPS_AT_ONCE = 10
"""What an agent may do before others have their turn, where it waits for nothing itself: about a millisecond."""


@attrs.define(eq=False, kw_only=True, on_setattr=attrs.setters.NO_OP)
class LiveRun(RunLog):
    """Implements :class:`~chatcore.agents.base.Run` over the log of its events.

    Args:
        question: the user's message.
        proves_numbers: whether each number must trace to the evidence of a tool.
        scribe: has what is said go out.
    """

    question: str
    proves_numbers: bool
    scribe: Scribe = attrs.field(factory=Scribe)
    tool_calls: dict[str, ToolCall] = attrs.field(factory=dict)
    evidence: list[m.Evidence] = attrs.field(factory=list)
    alarm: Alarm | None = None
    _guard: AnswerGuard = attrs.field(init=False)
    _said: list[str] = attrs.field(factory=list, init=False)
    """What has not been judged yet, in the parts it was said in."""
    _said_characters: int = attrs.field(default=0, init=False)
    _fault: Exception | None = attrs.field(default=None, init=False)
    """A defect that showed when what was said went out; the agent meets it at its next step."""
    _storing: bool = attrs.field(default=False, init=False)
    """Whether what waits is being stored while the agent goes on."""
    _finished: bool = attrs.field(default=False, init=False)
    _steps: int = attrs.field(default=0, init=False)
    _one_at_a_time: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._guard = AnswerGuard(self.question, (lambda: self.evidence) if self.proves_numbers else None)

    @property
    def run_id(self) -> str:
        """The run itself."""
        return str(self.context.run_id)

    # --- for the agent ----------------------------------------------------------------------------------------------

    async def thinking(self, text: str) -> None:
        """See :class:`~chatcore.agents.base.Run`."""
        await self._permit()
        self._refuse(self._guard.judge_words(text))
        await self._add(m.AgentThinking, text=text)
        await self._store_soon()

    async def say(self, text: str) -> None:
        """See :class:`~chatcore.agents.base.Run`."""
        await self._permit()
        if not text.isascii():
            text.encode()  # what cannot be sent is the agent's fault, and is raised to it
        for begin in range(0, len(text) or 1, JUDGED_AT_ONCE):
            if begin:
                await trio.lowlevel.cancel_shielded_checkpoint()
            if self._take_in(text[begin : begin + JUDGED_AT_ONCE]):
                await self._until_stored()

    def _take_in(self, part: str) -> bool:
        """Have a part passed on; whether what waits is to be stored first."""
        self._said.append(part)
        self._said_characters += len(part)
        room = self.has_room(len(self._said), self._said_characters)
        if room and len(self._said) == 1:
            self.scribe.note(self._take_turn)
        return not room

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
                announced = call.tool_call_id in self.grammar.open_tools  # else it never was, or ended with the run
                if announced:
                    self.add(m.ToolCompleted, **_completion(call, status, trio.current_time() - began_at))
            if announced:
                await self._store_soon()

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
        self.add(m.AgentDelta, text="", offset=self.grammar.characters, first_seq=first)

    async def restart(self, attempt: int) -> None:
        """The first event of a run that is run again. May be tried again where it could not be stored."""
        async with self._turn():
            if self.grammar.attempt < attempt:
                self._close_tools()
                self.add(m.AgentRestarted, attempt=attempt)
            await self.keep()

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
        self._refuse(None)
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
                self.add(ending.event, **ending.fields)
            answer = ending.fields.get("answer")
            await self.keep_end(
                state=ending.state,
                answer=msgspec.json.encode(answer) if answer is not None else None,
                text=answer.text if answer is not None else self.grammar.text,
                error_code=ending.fields.get("error_code"),
            )

    async def flush(self) -> None:
        """Store what waits."""
        async with self._turn():
            await self.keep()

    # --- what may happen --------------------------------------------------------------------------------------------

    async def _permit(self) -> None:
        """All that an agent does begins here, with the only checkpoint in it: what follows happens wholly.

        An agent may swallow what is raised; the alarm stays, and nothing leaves the run any more.
        """
        self._steps += 1
        if self._steps <= STEPS_AT_ONCE:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            self._steps = 0
            await trio.lowlevel.checkpoint()
        self._refuse(None)
        if self._finished:
            raise AgentFailure(ErrorCode.AGENT_FAILED)

    def _refuse(self, alarm: Alarm | None) -> None:
        self.alarm = self.alarm or alarm
        if self.alarm is not None:
            raise AgentFailure(ErrorCode.INAUTHENTIC_RESPONSE)
        if self._fault is not None:
            raise self._fault

    def _take_turn(self) -> None:
        """The scribe is here, so others have had their turn."""
        self._steps = 0
        self.utter()

    def utter(self) -> None:
        """Pass on what was said. While events are being stored it waits for that: who stores passes it on then."""
        if self._said and not self._one_at_a_time.locked():
            self._utter()

    def _utter(self) -> None:
        said, self._said, self._said_characters = self._said, [], 0
        if said and self.alarm is None:
            held = self._guard.held
            try:
                self._pass_on(self._guard.feed("".join(said)), said, held=held)
            except Exception as error:  # nobody who passes on what others said is to fail with it
                self._fault = error

    def _pass_on(self, passed: str | Alarm, parts: Sequence[str] = (), *, held: int = 0) -> None:
        """Send what may be sent, each part by itself; what was held back before goes with the first."""
        if isinstance(passed, Alarm):
            self.alarm = passed
        elif passed:
            self.send([self._delta(part) for part in cut_into(passed, parts, before=held)])

    def _delta(self, text: str) -> StoredEvent:
        return self.add(m.AgentDelta, text=text, offset=self.grammar.characters)

    # --- events -----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Events come one at a time, each whoever is cancelled meanwhile, and after what was said before."""
        with trio.CancelScope(shield=True):
            async with self._one_at_a_time:
                self._utter()
                yield
            self.utter()

    async def _add(self, kind: type[m.RunEvent], **fields: Any) -> None:
        """The next event that is no delta: it goes out when it is stored."""
        async with self._turn():
            self._refuse(None)
            self.add(kind, **fields)

    async def _emit(self, kind: type[m.RunEvent], **fields: Any) -> None:
        """The next event, before which the agent does not go on."""
        await self._add(kind, **fields)
        await self._until_stored()

    async def _store_soon(self) -> None:
        """Have what waits stored while the agent goes on, with what it does next, unless there is much already."""
        if not self.may_wait(0):
            await self._until_stored()
        elif not self._storing:
            self._storing = True
            await self.scribe.store(self._store)

    async def _store(self) -> None:
        """Store what waits; the agent meets a defect that shows at its next step."""
        try:
            await self._until_stored()
        except Exception as error:
            self._fault = error
        finally:
            self._storing = False

    async def _until_stored(self) -> None:
        """Store what waits. While storage is away the agent waits with it, until it is cancelled or out of time."""
        for failures in count(1):
            try:
                return await self.flush()
            except StorageUnavailable as error:
                self.recorder.log("run_waits_for_storage", error_code=error.error_code)
            await trio.sleep(RETRY.delay(failures, random.random))

    def _close_tools(self) -> None:
        for tool_call_id in self.grammar.open_tools:
            self.add(m.ToolCompleted, **_completion(self.tool_calls[tool_call_id], "error", 0.0))


def cut_into(text: str, parts: Sequence[str], *, before: int) -> Iterator[str]:
    """What is there of each part where ``text`` is a beginning of ``before`` characters and the parts after them.

    The characters before belong to the first part. An empty piece is none.
    """
    begin, end = 0, before
    for part in parts:
        end += len(part)
        if text[begin:end]:
            yield text[begin:end]
        begin = end
    if text[begin:]:
        yield text[begin:]


def _completion(call: ToolCall, status: str, seconds: float) -> dict[str, Any]:
    """The fields of ``tool_completed``. The summary is an agent's: it must be text that can be sent."""
    return {
        "tool_call_id": call.tool_call_id,
        "tool": call.tool,
        "status": status,
        "summary": as_sendable(str(call.summary)),
        "duration_seconds": round(seconds, 4),
    }
