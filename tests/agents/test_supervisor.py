"""Each acknowledged message comes to exactly one end: in order within a thread, side by side across threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import attrs
import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from chatcore.agents.base import Run
from chatcore.agents.supervisor import RunPolicy
from chatcore.context import UserExecutionContext
from chatcore.errors import AgentFailure, ErrorCode, RequestRefused, StorageUnavailable
from chatcore.protocol import messages as m
from chatcore.protocol.run import ENDS, RunGrammar
from chatcore.testing import Script, ScriptedServices, in_virtual_time, run_in_virtual_time
from chatcore.testing.agents import (
    Do,
    Fail,
    HoldTool,
    Rehearsal,
    Reply,
    Say,
    ScriptedAgent,
    Step,
    SwallowCancellation,
    Think,
    UseTool,
    Wait,
    rehearsing,
)
from scenes import application, staged, two_services

pytestmark = pytest.mark.usefixtures("threads_in_place")

SECRET = "postgres://ann:secret@host/db"


@asynccontextmanager
async def rehearsal(*steps: Step, agent: Any = None, **policy: Any) -> AsyncIterator[Rehearsal]:
    async with rehearsing(agent or ScriptedAgent(steps), policy=RunPolicy(**policy)) as rehearsed:
        yield rehearsed


@in_virtual_time
async def test_messages_of_a_thread_are_answered_in_order_and_threads_side_by_side() -> None:
    agent = ScriptedAgent([Wait(2), Say("Done.")])
    async with rehearsal(agent=agent) as asked:
        began_at = trio.current_time()
        first = await asked.ask("one")
        second = await asked.ask("two", thread_id=first.accepted.thread_id)
        beside = await asked.ask("three")
        await first.end()
        await beside.end()
        assert trio.current_time() - began_at == pytest.approx(2, abs=0.1)
        assert second.events == []
        await second.end()
        assert trio.current_time() - began_at == pytest.approx(4, abs=0.1)

    assert [event.seq for event in [*first.events, *second.events]] == list(range(1, 7)), "one numbering a thread"


@in_virtual_time
async def test_provenance_names_who_answered_and_by_what_means() -> None:
    class Modelled(ScriptedAgent):
        engine = "llm"
        model = "gpt-4o"

    async with rehearsal(agent=Modelled([UseTool("find"), UseTool("count"), Say("3")])) as asked:
        run = await asked.ask("how many?")
        end = await run.end()

    assert isinstance(end, m.AgentCompleted)
    tools = [event.tool_call_id for event in run.events if isinstance(event, m.ToolExecuting)]
    assert end.provenance == m.Provenance(agent="agent", engine="llm", model="gpt-4o", tool_calls=tools, generation=1)


@pytest.mark.parametrize("told", ["engine", "model"])
@in_virtual_time
async def test_an_agent_that_calls_itself_what_cannot_be_sent_has_failed(told: str) -> None:
    class Odd(ScriptedAgent):
        """Learns late by what means it answers."""

    agent = Odd([Say("Done.")])
    setattr(agent, told, "gpt-\ud83d")
    async with rehearsal(agent=agent) as asked:
        end = await (await asked.ask("hello")).end()
        assert isinstance(end, m.AgentFailed)
        assert end.error_code == "AGENT_FAILED"
        setattr(agent, told, "gpt-4o")
        assert isinstance(await (await asked.ask("and now?")).end(), m.AgentCompleted)


@in_virtual_time
async def test_a_run_past_its_deadline_ends_so_with_its_tools_closed() -> None:
    async with rehearsal(UseTool("find", steps=[Wait()]), timeout_seconds=5) as asked:
        began_at = trio.current_time()
        run = await asked.ask("hello")
        end = await run.end()
        assert trio.current_time() - began_at == pytest.approx(5, abs=0.1)

    assert isinstance(end, m.AgentFailed)
    assert (end.error_code, end.retryable) == ("RUN_TIMEOUT", True)
    assert [event.status for event in run.events if isinstance(event, m.ToolCompleted)] == ["error"]


@in_virtual_time
async def test_a_cancelled_run_ends_so_whatever_it_was_doing() -> None:
    async with rehearsal(UseTool("find", steps=[Say("Looking "), Wait()])) as asked:
        run = await asked.ask("hello")
        await run.seen(m.AgentDelta)
        await asked.cancel(run)
        end = await run.end()

    assert isinstance(end, m.AgentCancelled)
    assert isinstance(run.events[-2], m.ToolCompleted)


@in_virtual_time
async def test_an_agent_that_swallows_its_cancellation_does_not_answer() -> None:
    async with rehearsal(Say("One "), SwallowCancellation(1), Say("two.")) as asked:
        run = await asked.ask("hello")
        await run.seen(m.AgentDelta)
        await asked.cancel(run)
        end = await run.end()

    assert isinstance(end, m.AgentCancelled)


def strike_sweep() -> list[int]:
    return list(range(26))


@pytest.mark.parametrize("steps", strike_sweep())
@in_virtual_time
async def test_a_cancellation_after_any_number_of_steps_leaves_one_legal_run(steps: int) -> None:
    """Above all while a tool is being announced: it was left open once, and the run could not end."""
    agent = ScriptedAgent([Think("Hm"), UseTool("find", steps=[Say("One ")], summary="1"), Say("two.")])
    async with rehearsal(agent=agent) as asked:
        run = await asked.ask("hello")
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        await asked.cancel(run)
        end = await run.end()
        await trio.sleep(1)

    grammar = RunGrammar()
    for event in run.events:
        grammar.advance(event)
    assert grammar.ended
    assert isinstance(end, m.AgentCancelled | m.AgentCompleted)


FAILURES: dict[str, tuple[list[Step], str, bool]] = {
    "raising": ([Fail(lambda: RuntimeError(SECRET))], "AGENT_FAILED", True),
    "raising in a tool": ([UseTool("find", steps=[Fail(lambda: OSError(SECRET))])], "AGENT_FAILED", True),
    "a group": ([Fail(lambda: ExceptionGroup(SECRET, [ValueError(SECRET)]))], "AGENT_FAILED", True),
    "its own code": ([Fail(lambda: AgentFailure(ErrorCode.MODEL_UNAVAILABLE))], "MODEL_UNAVAILABLE", True),
    "its own word": ([Fail(lambda: AgentFailure(ErrorCode.MODEL_UNAVAILABLE, False))], "MODEL_UNAVAILABLE", False),
    "another text": ([Say("One."), Reply(m.Answer(text="Two."))], "AGENT_FAILED", True),
    "no answer": ([Do(lambda _: _give("text"))], "AGENT_FAILED", True),
    "no text": ([Do(lambda run: run.say(7))], "AGENT_FAILED", True),  # type: ignore[arg-type]  # on purpose
    "a lone surrogate": ([Say("One "), Say("\ud83d"), Say(" two.")], "AGENT_FAILED", True),
    "a lone surrogate aside": ([Say("One."), Reply(m.Answer(insights=["\ud83d"]))], "AGENT_FAILED", True),
    "no JSON": ([UseTool("find", arguments={"what": object()})], "AGENT_FAILED", True),
    "fields of other kinds": ([Reply(m.Answer(text="x", insights=[7]))], "AGENT_FAILED", True),  # type: ignore[list-item]  # on purpose
    "placeholder content": ([Say("Agent processed your message: hi")], "INAUTHENTIC_RESPONSE", False),
    "placeholder thoughts": ([Think("Processing your message: hi"), Say("x")], "INAUTHENTIC_RESPONSE", False),
    "placeholder insights": ([Say("Ok."), Reply(m.Answer(insights=["ChatAgent"]))], "INAUTHENTIC_RESPONSE", False),
}


async def _give(value: Any) -> Any:
    return value


@pytest.mark.parametrize("name", FAILURES)
@in_virtual_time
async def test_an_agent_that_fails_ends_its_run_in_words_of_the_catalogue(name: str) -> None:
    steps, code, retryable = FAILURES[name]
    async with rehearsal(*steps) as asked:
        run = await asked.ask("hello")
        end = await run.end()
        after = await asked.ask("and now?", thread_id=run.accepted.thread_id)
        await after.end()
        record = await asked.threads.run("tester", run.accepted.run_id)

    assert isinstance(end, m.AgentFailed)
    assert (end.error_code, end.retryable) == (code, retryable)
    assert end.message == ErrorCode(code).meaning.message
    assert record.state == "failed"
    assert "secret" not in str([msgspec.json.encode(event) for event in run.events])


@pytest.mark.parametrize("more", [[], [Say("Nothing happened.")], [Reply(m.Answer(text="All is well."))], [Wait()]])
@in_virtual_time
async def test_an_alarm_cannot_be_swallowed(more: list[Step]) -> None:
    async def try_it(run: Run) -> None:
        await run.say("Processing your message: hello")
        await trio.sleep(0.001)  # it is judged when others have had their turn
        with pytest.raises(AgentFailure):
            await run.say("Never mind.")

    async with rehearsal(Do(try_it), *more, timeout_seconds=5) as asked:
        run = await asked.ask("hello")
        end = await run.end()

    assert isinstance(end, m.AgentFailed)
    assert end.error_code == "INAUTHENTIC_RESPONSE"
    assert [event for event in run.events if isinstance(event, m.AgentDelta)] == [], "nothing leaves after it"


@in_virtual_time
async def test_an_agent_that_goes_on_refusing_to_stop_does_not_hold_the_event_loop() -> None:
    async def insist(run: Run) -> None:
        while True:
            with suppress(AgentFailure):
                await run.say("Processing your message: hello")

    async with rehearsal(Do(insist), timeout_seconds=0.01) as asked:
        run = await asked.ask("hello")
        with trio.move_on_after(0.001):
            for _ in range(100):
                await trio.lowlevel.checkpoint()
        await asked.cancel(run)
        end = await run.end()

    assert isinstance(end, m.AgentFailed)
    assert end.error_code == "INAUTHENTIC_RESPONSE"


@in_virtual_time
async def test_an_agent_that_proves_its_numbers_cannot_say_others() -> None:
    class Prover(ScriptedAgent):
        proves_numbers = True

    evidence = m.Evidence(
        id="e", tool="t", query="q", parameters={}, columns=["n"], rows=[[41]], row_count=1, sha256="", data_version=""
    )
    find = UseTool("find", evidence=[evidence])
    for said, ends in (("It is 41.", m.AgentCompleted), ("It is 42.", m.AgentFailed)):
        async with rehearsal(agent=Prover([find, Say(said), Reply(m.Answer(evidence=[evidence]))])) as asked:
            run = await asked.ask("what is it?")
            assert isinstance(await run.end(), ends)
            assert "42" not in "".join(event.text for event in run.events if isinstance(event, m.AgentDelta))
            told = [fields for event, fields in asked.operator.lines if event == "inauthentic_response"]
            assert told == ([{"agent": "agent", "rule": "number", "numbers": "42"}] if "42" in said else [])


@in_virtual_time
async def test_tools_that_an_agent_leaves_open_are_closed_by_the_end() -> None:
    async with AsyncExitStack() as stack, rehearsal(HoldTool("find", stack), Say("x")) as asked:
        run = await asked.ask("hello")
        await run.end()

    kinds = [type(event) for event in run.events]
    assert kinds == [m.AgentStarted, m.ToolExecuting, m.AgentDelta, m.ToolCompleted, m.AgentCompleted]


@in_virtual_time
async def test_a_summary_that_cannot_be_sent_is_made_to() -> None:
    async with rehearsal(UseTool("find", summary="1 \ud83d order"), Say("x")) as asked:
        run = await asked.ask("hello")
        assert isinstance(await run.end(), m.AgentCompleted)

    assert [event.summary for event in run.events if isinstance(event, m.ToolCompleted)] == ["1 ? order"]


@in_virtual_time
async def test_what_an_agent_says_after_its_answer_is_not_heard() -> None:
    refused: list[BaseException] = []

    async def say_late(run: Run) -> None:
        await trio.sleep(1)
        try:
            await run.say("late")
        except AgentFailure as error:
            refused.append(error)

    async with trio.open_nursery() as nursery:

        async def leave_a_task(run: Run) -> None:
            nursery.start_soon(say_late, run)

        async with rehearsal(Do(leave_a_task), Say("On time.")) as asked:
            run = await asked.ask("hello")
            await run.end()
            await trio.sleep(2)

    assert isinstance(run.events[-1], m.AgentCompleted)
    assert len(refused) == 1


@in_virtual_time
async def test_an_agent_may_speak_from_several_tasks_at_once() -> None:
    async def chorus(run: Run) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(run.say, f"voice {number} ")

    async with rehearsal(Do(chorus)) as asked:
        run = await asked.ask("hello")
        end = await run.end()

    assert isinstance(end, m.AgentCompleted)
    assert sorted(end.answer.text.split("voice ")) == sorted(["", *(f"{number} " for number in range(20))])


@in_virtual_time
async def test_history_is_what_was_said_before_this_message() -> None:
    told: list[list[tuple[str, str]]] = []

    async def look_back(run: Run) -> None:
        told.append([(message.role, message.content) for message in await run.history()])

    async with rehearsal(Do(look_back), Say("Yes.")) as asked:
        first = await asked.ask("one")
        await first.end()
        await (await asked.ask("two", thread_id=first.accepted.thread_id)).end()

    assert told == [[], [("user", "one"), ("agent", "Yes.")]]


# --- a random audience ----------------------------------------------------------------------------------------------

CHARACTERS = st.sampled_from(["answer", "raise", "wait", "tool", "forget"])
SCRIPTS: dict[str, list[Step]] = {
    "answer": [Say("One "), Wait(0.1), Say("two.")],
    "raise": [Say("One "), Fail()],
    "wait": [Wait()],
    "tool": [UseTool("find", steps=[Wait(0.2)], summary="1"), Say("x")],
    "forget": [Think("Hm"), Wait(0.3)],
}


@settings(max_examples=30, deadline=None)
@given(
    messages=st.lists(st.tuples(CHARACTERS, st.integers(0, 2), st.booleans()), min_size=1, max_size=8),
    cancels=st.lists(st.tuples(st.integers(0, 7), st.floats(0, 1)), max_size=4),
    seed=st.integers(0, 999),
)
def test_every_message_has_exactly_one_end_and_threads_keep_their_order(
    messages: list[tuple[str, int, bool]], cancels: list[tuple[int, float]], seed: int
) -> None:
    async def scene() -> None:
        agent = ScriptedAgent(scripts=SCRIPTS)
        threads: dict[int, str] = {}
        async with rehearsal(agent=agent, timeout_seconds=3) as asked:
            runs = []
            for content, thread, _ in messages:
                runs.append(await asked.ask(content, thread_id=threads.get(thread)))
                threads[thread] = runs[-1].accepted.thread_id
            for number, at in cancels:
                await trio.sleep(at)
                await asked.cancel(runs[number % len(runs)])
            for run in runs:
                await run.end()
            await trio.sleep(1)
        for run in runs:
            grammar = RunGrammar()
            for event in run.events:
                grammar.advance(event)
            assert sum(isinstance(event, ENDS) for event in run.events) == 1
        for thread_id in threads.values():
            events = [event for run in runs if run.accepted.thread_id == thread_id for event in run.events]
            assert [event.seq for event in events] == list(range(1, len(events) + 1))

    run_in_virtual_time(scene, seed=seed)


# --- going away -----------------------------------------------------------------------------------------------------


def quick() -> ScriptedServices:
    services = ScriptedServices()
    services.add("database", Script(seconds=0.1))
    return services


@in_virtual_time
async def test_a_drain_leaves_the_rest_to_the_next_start_which_takes_it_up(tmp_path: Any) -> None:
    """One run is cut, one waits behind it; the next server ends the one and answers the other."""
    url = f"sqlite:///{tmp_path}/kept.db"
    async with staged(application(quick(), ScriptedAgent([Say("One "), Wait()])), database_url=url) as stage:
        line = await stage.line()
        cut = await line.ask("cut me", "m1")
        waiting = await line.ask("answer me later", "m2", thread_id=cut.thread_id)
        await line.next(m.AgentDelta)
        began_at = trio.current_time()
        await stage.server.drain()
        assert trio.current_time() - began_at <= 0.6 * stage.server.settings.drain_seconds + 1.5
        last_seq = line.of(m.AgentDelta)[-1].seq

    async with staged(application(quick(), ScriptedAgent([Say("Here.")])), database_url=url) as stage:
        line = await stage.line(replays=True)
        await line.next(m.Ready)
        await line.send(m.Resume(thread_id=cut.thread_id, after_seq=last_seq))
        lost, answered = await line.end(cut.run_id), await line.end(waiting.run_id)

    assert isinstance(lost, m.AgentFailed)
    assert (lost.error_code, lost.retryable) == ("SERVICE_LOST", True)
    assert lost.seq > last_seq, "a number that a client holds is never used again"
    assert isinstance(answered, m.AgentCompleted)
    assert answered.answer.text == "Here."
    assert line.of(m.Resumed)[0].complete


@in_virtual_time
async def test_a_message_sent_as_the_server_opens_is_answered_once(tmp_path: Any) -> None:
    """What an earlier process left is read before anything new can be written; else the new would be taken for it."""
    url = f"sqlite:///{tmp_path}/kept.db"
    agent = ScriptedAgent([Say("Once.")])
    async with staged(application(quick(), agent), database_url=url) as stage:
        line = await stage.line()
        accepted = [await line.ask("hello", f"m{number}") for number in range(5)]
        for each in accepted:
            assert isinstance(await line.end(each.run_id), m.AgentCompleted)
        await trio.sleep(5)

    assert len(agent.messages) == 5


# --- storage that is away -------------------------------------------------------------------------------------------


@attrs.define
class Outage:
    """Storage that refuses writes for a while, in front of the real one."""

    threads: Any
    refuses: set[str] = attrs.field(factory=set)
    refused: int = 0

    def __getattr__(self, name: str) -> Any:
        async def act(*args: Any, **fields: Any) -> Any:
            if name in self.refuses:
                await trio.lowlevel.checkpoint()
                self.refused += 1
                raise StorageUnavailable
            return await getattr(self.threads, name)(*args, **fields)

        return act


@pytest.mark.parametrize("refused", ["begin_run", "append_events", "end_run"])
@in_virtual_time
async def test_a_run_outlasts_an_outage_of_storage_with_one_end_and_no_gap(
    refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rehearsal(Think("Hm"), Say("One "), Wait(1), UseTool("find"), Think("More"), Say("two.")) as asked:
        outage = outage_of(asked, monkeypatch)
        outage.refuses = {refused}
        run = await asked.ask("hello")
        later = await asked.ask("and?", thread_id=run.accepted.thread_id)
        await trio.sleep(30)
        assert not any(isinstance(event, ENDS) for event in run.events)
        assert outage.refused > 1
        outage.refuses = set()
        await run.end()
        await later.end()
        kept = await asked.threads.events("tester", run.accepted.thread_id)

    assert [event.seq for event in kept.items] == list(range(1, len(kept.items) + 1))
    assert [event.seq for event in [*run.events, *later.events]] == [event.seq for event in kept.items]
    for each in (run, later):
        grammar = RunGrammar()
        for event in each.events:
            grammar.advance(event)
        assert grammar.ended


def outage_of(asked: Any, monkeypatch: pytest.MonkeyPatch) -> Outage:
    """What the supervisor has for its store from now on; nothing fails yet."""
    outage = Outage(asked.threads)

    async def store() -> Any:
        return outage

    monkeypatch.setattr(asked._supervisor, "store", store)
    return outage


@in_virtual_time
async def test_an_agent_in_mid_answer_waits_through_an_outage_of_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rehearsal(Say("One "), Wait(1), Think("More"), UseTool("find"), Say("two."), Wait(1)) as asked:
        outage = outage_of(asked, monkeypatch)
        run = await asked.ask("hello")
        await trio.sleep(0.5)
        outage.refuses = {"append_events"}
        await trio.sleep(20)
        assert not any(isinstance(event, m.AgentThinking) for event in run.events)
        outage.refuses = set()
        end = await run.end()

    assert isinstance(end, m.AgentCompleted)
    assert end.answer.text == "One two."


@in_virtual_time
async def test_an_agent_that_waits_for_storage_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rehearsal(Say("One "), Wait(1), UseTool("find")) as asked:
        outage = outage_of(asked, monkeypatch)
        run = await asked.ask("hello")
        await trio.sleep(0.5)
        outage.refuses = {"append_events", "request_cancel"}
        await trio.sleep(5)
        with pytest.raises(StorageUnavailable):
            await asked.cancel(run)
        await trio.sleep(5)
        outage.refuses = set()
        assert isinstance(await run.end(), m.AgentCancelled)


@pytest.mark.parametrize("seed", range(6))
def test_a_duplicate_that_meets_the_end_of_its_run_starts_nothing(seed: int) -> None:
    run_in_virtual_time(_meet_the_end, seed=seed)


async def _meet_the_end() -> None:
    """The message comes again and the run ends within one commit: who is told first is a matter of chance."""
    said = trio.Event()

    async def stay(_: Run) -> None:
        await said.wait()

    async with rehearsal(Say("hello"), Do(stay)) as asked:
        run = await asked.ask("hi", message_id="m1")
        await trio.sleep(0.1)

        class Store:
            def __getattr__(self, name: str) -> Any:
                return getattr(asked.threads, name)

            async def accept_message(self, *args: Any) -> Any:
                accepted = await asked.threads.accept_message(*args)
                said.set()
                await run.end()
                await wait_all_tasks_blocked()
                return accepted

        async def opened() -> Any:
            return Store()

        asked._supervisor.store = opened
        again: list[m.MessageAccepted] = []
        message = m.UserMessage(message_id="m1", content="hi")
        await asked._supervisor.submit(UserExecutionContext(user_id="tester"), message, again.append)
        await trio.sleep(5)

    assert [(ack.state, ack.duplicate, ack.run_id) for ack in again] == [("ended", True, run.accepted.run_id)]


@in_virtual_time
async def test_a_message_that_was_accepted_is_known_though_there_is_no_room() -> None:
    async with rehearsal(Wait(5), Say("x"), max_pending_messages=1) as asked:
        first = await asked.ask("hello", message_id="m1")
        await first.end()
        await asked.ask("another", message_id="m2")
        again = await asked.ask("hello", message_id="m1")
        assert (again.accepted.run_id, again.accepted.duplicate) == (first.accepted.run_id, True)
        with pytest.raises(RequestRefused):
            await asked.ask("more", message_id="m3")


@pytest.mark.parametrize("limits", [{"max_pending_messages": 3}, {"max_pending_bytes": 15}])
@in_virtual_time
async def test_messages_that_come_together_share_what_room_there_is(limits: dict[str, int]) -> None:
    refused: list[ErrorCode] = []
    runs: list[Any] = []
    async with rehearsal(Wait(5), Say("x"), **limits) as asked:

        async def ask(number: int) -> None:
            try:
                runs.append(await asked.ask("hello", message_id=f"m{number}"))
            except RequestRefused as refusal:
                refused.append(refusal.error_code)

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(ask, number)
        assert len(runs) == 3
        assert refused == [ErrorCode.TOO_MANY_PENDING] * 7
        for run in runs:
            await run.end()
        await trio.sleep(1)
        assert len([await asked.ask("again") for _ in range(3)]) == 3, "what was held is free again"


@in_virtual_time
async def test_room_is_held_neither_by_a_message_sent_again_nor_by_a_refused_one() -> None:
    async with rehearsal(Wait(5), Say("x"), max_pending_messages=2) as asked:
        await asked.ask("hello", message_id="m1")
        for _ in range(3):
            await asked.ask("hello", message_id="m1")
            with pytest.raises(RequestRefused):
                await asked.ask("hello", thread_id="nowhere")
        await asked.ask("another")


@in_virtual_time
async def test_a_message_that_cannot_be_kept_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rehearsal(Say("x")) as asked:
        outage = Outage(asked.threads, {"accept_message"})

        async def store() -> Any:
            return outage

        monkeypatch.setattr(asked._supervisor, "store", store)
        with pytest.raises(RequestRefused) as refusal:
            await asked.ask("hello")
        assert refusal.value.error_code is ErrorCode.STORAGE_UNAVAILABLE
        outage.refuses = set()
        assert isinstance(await (await asked.ask("hello")).end(), m.AgentCompleted)


@in_virtual_time
async def test_a_thread_that_is_deleted_under_a_run_ends_it_quietly() -> None:
    async with staged(application(two_services(0), ScriptedAgent([Say("One "), Wait(1), Say("two.")]))) as stage:
        line = await stage.line()
        accepted = await line.ask("hello")
        await line.next(m.AgentDelta)
        await stage.server.keeper.current.delete_thread("ann", accepted.thread_id)
        await trio.sleep(3)
        assert isinstance(await line.end((await line.ask("and now?", "m2")).run_id), m.AgentCompleted)
        assert stage.server.supervisor.running == stage.server.supervisor.waiting == 0
