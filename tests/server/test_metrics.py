"""The metrics of the contract (protocol.md, 6): their values after known scenes, as ``/metrics`` shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import attrs
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from chatcore.errors import AgentFailure
from chatcore.initialization.lifecycle import State
from chatcore.metrics import METRICS, Metrics
from chatcore.protocol import messages as m
from chatcore.settings import Settings
from chatcore.testing import Script, ScriptedServices, in_virtual_time
from chatcore.testing.agents import Fail, Reply, Say, ScriptedAgent, Step, Think, UseTool, Wait
from scenes import AGENT, Stage, application, staged, two_services

pytestmark = pytest.mark.usefixtures("threads_in_place")


@attrs.frozen
class Reader:
    """Reads a recorder's exposition, as a scraper does."""

    recorder: Metrics = attrs.field(factory=lambda: Metrics.for_process(Settings()))

    def values(self, name: str) -> Mapping[str, float]:
        """The samples of a metric with one label, by that label; those at 0 are left out."""
        return {
            "".join(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(self.recorder.exposition().decode())
            for sample in family.samples
            if sample.name == f"chatcore_{name}" and sample.value
        }

    def value(self, name: str) -> float:
        """The only sample of a metric without labels."""
        return self.values(name).get("", 0.0)


def quick(*scripts: Script) -> ScriptedServices:
    services = ScriptedServices()
    services.add("database", *(scripts or (Script(seconds=1),)))
    return services


async def until_closed(stage: Stage) -> None:
    with trio.fail_after(60):
        await stage.server.connections.none_left()


@in_virtual_time
async def test_a_conversation_is_counted_once() -> None:
    told = Reader()
    agent = ScriptedAgent([Think("Looking"), UseTool("find", summary="1"), Say("You have "), Say("one order.")])
    async with staged(application(two_services(), agent), recorder=told.recorder) as stage:
        line, other = await stage.line(), await stage.line("bob")
        await line.next(m.Initializing)
        assert told.values("connections") == {"waiting": 2}
        assert (told.value("waiting_connections"), told.value("ready")) == (2, 0)
        await line.next(m.Ready)
        await other.next(m.Ready)
        assert told.values("connections") == {"ready": 2}
        assert (told.value("waiting_connections"), told.value("ready")) == (0, 1)

        accepted = await line.ask("hello")
        await line.end(accepted.run_id)
        await line.send(m.Ping(nonce=1))
        await line.next(m.Pong)
        line.peer.drop()
        other.peer.drop()
        await until_closed(stage)
        assert told.values("connections") == {}

    sent = Counter(str(event.__struct_config__.tag) for event in line.events(accepted.run_id))
    assert sent["agent_delta"] == 2
    assert told.values("events_total") == sent
    assert told.values("agent_responses_total") == {f"{AGENT}answered": 1}
    assert told.values("run_seconds_count") == {AGENT: 1}
    assert told.value("time_to_first_event_seconds_count") == 1
    assert told.value("event_delivery_seconds_count") == len(line.frames) + len(other.frames)
    assert told.values("connections_total") == {"gone": 2}
    assert told.values("initializations_total") == {"succeeded": 1}
    assert told.value("initialization_seconds_sum") == pytest.approx(2, abs=0.1)
    assert told.values("service_initialization_seconds_count") == {"database": 1, "cache": 1, AGENT: 1}
    assert told.values("service_initialization_seconds_sum") == pytest.approx({"database": 1, "cache": 1}, abs=0.1)
    assert told.value("event_loop_lag_seconds_count") > 0
    assert (told.value("inauthentic_responses_total"), told.value("slow_consumers_total")) == (0, 0)


@in_virtual_time
async def test_each_run_is_counted_by_how_it_ended() -> None:
    declined = m.Answer(answered=False, reason="not_supported", text="I cannot.")
    scripts: dict[str, list[Step]] = {
        "answer": [Say("Done.")],
        "decline": [Reply(declined)],
        "break": [Fail()],
        "give up": [Fail(AgentFailure)],
        "pretend": [Say("FallbackAgentHandler is in emergency_mode")],
        "wait": [Wait()],
    }
    told = Reader()
    async with staged(application(quick(), ScriptedAgent(scripts=scripts)), recorder=told.recorder) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        for content in scripts:
            accepted = await line.ask(content, message_id=content)
            if content == "wait":
                await line.next(m.AgentStarted, where=lambda frame: frame.run_id == accepted.run_id)  # noqa: B023
                await line.send(m.CancelRun(run_id=accepted.run_id))
            await line.end(accepted.run_id)
        again = await line.ask("answer", message_id="answer")
        assert again.duplicate

    outcomes = {"answered": 1, "declined": 1, "failed": 2, "inauthentic": 1, "cancelled": 1}
    assert told.values("agent_responses_total") == {f"{AGENT}{outcome}": n for outcome, n in outcomes.items()}
    assert told.value("inauthentic_responses_total") == 1
    assert told.values("run_seconds_count") == {AGENT: len(scripts)}
    assert told.value("time_to_first_event_seconds_count") == len(scripts)
    ends = {"agent_completed": 2, "agent_failed": 3, "agent_cancelled": 1}
    assert {kind: n for kind, n in told.values("events_total").items() if kind in ends} == ends
    assert told.values("events_total")["agent_started"] == len(scripts)


@in_virtual_time
async def test_attempts_are_counted_by_what_became_of_them() -> None:
    told = Reader()
    services = quick(Script(seconds=1, fail_at=1), Script(seconds=100), Script(seconds=1))
    settings = {"init_timeout_seconds": 10.0}
    async with staged(application(services), recorder=told.recorder, **settings) as stage:
        for code in (1011, 1013):
            assert (await (await stage.line()).close()).code == code
        line = await stage.line()
        await line.next(m.Ready)
        assert told.value("breaker_state") == 0
    assert told.values("initializations_total") == {"failed": 1, "timed_out": 1, "succeeded": 1}
    assert told.value("initialization_seconds_count") == 3
    assert told.values("connections_total") == {"1011": 1, "1013": 1, "1012": 1}


@in_virtual_time
async def test_a_breaker_that_opens_and_closes_is_shown() -> None:
    told = Reader()
    services = quick(*[Script(seconds=1, fail_at=1)] * 3, Script(seconds=9))
    async with staged(application(services), recorder=told.recorder) as stage:
        stage.server.manager.request_start()
        shown: list[float] = []
        while stage.server.state is not State.READY:
            if told.value("breaker_state") not in shown[-1:]:
                shown.append(told.value("breaker_state"))
            await trio.sleep(1)
        shown.append(told.value("breaker_state"))
    assert shown == [0, 2, 1, 0]
    assert told.value("ready") == 0, "it went away"


@in_virtual_time
async def test_resumes_are_counted_by_whether_history_reached_back() -> None:
    told = Reader()
    async with staged(application(quick(), ScriptedAgent([Say("Done.")])), recorder=told.recorder) as stage:
        line = await stage.line()
        accepted = await line.ask("hello")
        end = await line.end(accepted.run_id)
        later = await stage.line(replays=True)
        await later.next(m.Ready)
        for after_seq, epoch in ((0, None), (1, end.epoch), (0, "another")):
            before = len(later.frames)
            await later.send(m.Resume(thread_id=accepted.thread_id, after_seq=after_seq, epoch=epoch))
            await later.next(m.Resumed, before)
        await later.next(m.ThreadSnapshot)
        before = len(later.frames)
        await later.send(m.Resume(thread_id="unknown", after_seq=0))
        assert (await later.next(m.Error, before)).error_code == "THREAD_NOT_FOUND"
    assert told.values("resumes_total") == {"complete": 2, "snapshot": 1}


@in_virtual_time
async def test_connections_that_are_cut_are_counted_by_their_close_code() -> None:
    told = Reader()
    agent = ScriptedAgent([Say("word " * 2000)] * 4)
    settings = {"max_connections_per_user": 1, "max_message_bytes": 1000}
    async with staged(application(quick(), agent), recorder=told.recorder, **settings) as stage:
        reading = await stage.line("bob")
        await reading.next(m.Ready)
        assert (await (await stage.line("bob")).close()).code == 1008
        silent = await stage.silent()
        await silent.send(m.UserMessage(message_id="m1", content="hello"))
        await trio.sleep(600)
        assert silent.closed is not None
        assert told.values("connections") == {"ready": 1}
    assert told.values("connections_total") == {"1008": 1, "4413": 1, "1012": 1}
    assert told.value("slow_consumers_total") == 1


@in_virtual_time
async def test_every_metric_is_shown_from_the_beginning_and_no_label_is_an_id() -> None:
    told = Reader()
    async with staged(application(quick(), ScriptedAgent([Say("Done.")])), recorder=told.recorder) as stage:
        line = await stage.line("a-user-of-ours")
        accepted = await line.ask("hello", message_id="a-message-of-theirs")
        await line.end(accepted.run_id)
    text = told.recorder.exposition().decode()
    assert [name for _, name, _, _, _ in METRICS.values() if f"# HELP {name}" not in text] == []
    for identity in ("a-user-of-ours", "a-message-of-theirs", accepted.run_id, accepted.thread_id):
        assert identity not in text
