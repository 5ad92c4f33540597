"""Random histories: whatever breaks off where, and however the server merges on replay, each event is seen once."""

from __future__ import annotations

import attrs
import trio
from client_peer import Connection, Server, frame
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from chatcore.client import connect
from chatcore.protocol.messages import (
    AgentCompleted,
    AgentDelta,
    AgentRestarted,
    AgentStarted,
    AgentThinking,
    Answer,
    AnyRunEvent,
    AnyServerFrame,
    MessageAccepted,
    Ready,
    Resume,
    Resumed,
    RunEvent,
    UserMessage,
)
from chatcore.protocol.run import RunGrammar, first_seq

STEP = st.one_of(st.text("abc", min_size=1, max_size=3), st.sampled_from([AgentThinking, AgentRestarted]))


@st.composite
def histories(draw: st.DrawFn) -> list[AnyRunEvent]:
    """A run from its start to its end, after some events of an earlier one."""
    events: list[AnyRunEvent] = [frame(AgentThinking, seq=n + 1, run_id="r0") for n in range(draw(st.integers(0, 3)))]
    said, attempt = "", 1
    events.append(frame(AgentStarted, seq=len(events) + 1))
    for step in draw(st.lists(STEP, max_size=12)):
        seq = len(events) + 1
        if isinstance(step, str):
            events.append(frame(AgentDelta, text=step, offset=len(said), seq=seq))
            said += step
        elif step is AgentRestarted:
            said, attempt = "", attempt + 1
            events.append(frame(AgentRestarted, attempt=attempt, seq=seq))
        else:
            events.append(frame(AgentThinking, seq=seq))
    return [*events, frame(AgentCompleted, answer=Answer(text=said), seq=len(events) + 1)]


@attrs.define
class Scripted:
    """A server with one thread, whose connections break off after so many frames.

    Args:
        history: the events of the thread; the question starts the run ``r1`` in it.
        lives: how many frames each connection carries before it is lost; the last one lives on.
        merges: how many deltas at most are joined on a replay, in turn.
    """

    history: list[AnyRunEvent]
    lives: list[int]
    merges: list[int]
    emitted: int = 0
    accepted: bool = False

    async def serve(self, server: Server) -> None:
        for life in [*self.lives, 10**6]:
            connection = await server.accept()
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._talk, connection, life, scope)
            connection.close()

    async def _talk(self, connection: Connection, life: int, scope: trio.CancelScope) -> None:
        left = life

        def say(said: AnyServerFrame) -> None:
            nonlocal left
            if left:
                left -= 1
                connection.send(said)

        say(frame(Ready))
        while left:
            with trio.move_on_after(1):
                received = connection._decoder.decode(await connection._incoming.receive())
                if isinstance(received, UserMessage):
                    say(frame(MessageAccepted, message_id=received.message_id, duplicate=self.accepted))
                    self.accepted = True
                elif isinstance(received, Resume):
                    self._replay(received, say)
            if self.accepted and self.emitted < len(self.history):
                self.emitted += 1
                say(self.history[self.emitted - 1])
            elif left < 10**5:
                break
        scope.cancel()

    def _replay(self, asked: Resume, say) -> None:  # type: ignore[no-untyped-def]
        say(frame(Resumed, from_seq=asked.after_seq + 1, to_seq=self.emitted))
        for event in merged(self.history[: self.emitted], self.merges):
            if event.seq > asked.after_seq:
                say(cut(event, self.history, asked.after_seq))


def merged(events: list[AnyRunEvent], sizes: list[int]) -> list[AnyRunEvent]:
    """Neighbouring deltas joined, up to as many as ``sizes`` says in turn."""
    out: list[AnyRunEvent] = []
    count = 0
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, AgentDelta) and isinstance(last, AgentDelta) and count < sizes[len(out) % len(sizes)]:
            count += 1
            out[-1] = frame(
                AgentDelta, text=last.text + event.text, offset=last.offset, first_seq=first_seq(last), seq=event.seq
            )
        else:
            count = 1
            out.append(event)
    return out


def cut(event: AnyRunEvent, history: list[AnyRunEvent], after_seq: int) -> AnyRunEvent:
    """A merged delta without what lies before ``after_seq``, as the contract has it."""
    if not isinstance(event, AgentDelta) or first_seq(event) > after_seq:
        return event
    seen = history[after_seq - 1]
    assert isinstance(seen, AgentDelta)
    offset = seen.offset + len(seen.text)
    return frame(
        AgentDelta, text=event.text[offset - event.offset :], offset=offset, first_seq=after_seq + 1, seq=event.seq
    )


async def conversation(script: Scripted) -> tuple[list[AnyRunEvent], list[AnyServerFrame]]:
    """What the run yields, and what the chat yields."""
    server, seen = Server(), []
    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(script.serve, server)
            async with connect("http://h", dial=server.dial, random=lambda: 0.0) as chat:

                async def read() -> None:
                    async for said in chat:
                        seen.append(said)

                nursery.start_soon(read)
                run = await chat.send("hello", "t1")
                events = [event async for event in run]
                await wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
    return events, seen


@given(
    history=histories(),
    lives=st.lists(st.integers(0, 12), max_size=5),
    merges=st.lists(st.integers(1, 4), min_size=1, max_size=3),
)
@settings(max_examples=150, deadline=None)
def test_each_event_is_seen_once(history: list[AnyRunEvent], lives: list[int], merges: list[int]) -> None:
    events, seen = trio.run(conversation, Scripted(history, lives, merges), clock=MockClock(autojump_threshold=0))
    own = [event for event in history if event.run_id == "r1"]
    grammar = RunGrammar()
    for event in events:
        grammar.advance(event)  # contiguous, each text where the last one ended
    assert grammar.ended
    assert [first_seq(events[0]), events[-1].seq] == [own[0].seq, own[-1].seq]
    assert [e for e in events if not isinstance(e, AgentDelta)] == [e for e in own if not isinstance(e, AgentDelta)]
    of_the_chat = [e for e in seen if isinstance(e, RunEvent)]
    assert [first_seq(e) for e in of_the_chat[1:]] == [e.seq + 1 for e in of_the_chat[:-1]]
    assert (first_seq(of_the_chat[0]), of_the_chat[-1].seq) == (1, len(history))
