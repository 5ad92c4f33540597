"""What every storage of threads keeps to, as checks that any backend can be held against.

::

    class TestMyStorage(StorageConformance):
        def open_storage(self, place):
            return open_my_threads(place)

Under pytest with pytest-trio that is all. Elsewhere, await the methods whose names begin with ``test_``, or
:meth:`StorageConformance.run_all`. A check that does not hold raises ``AssertionError`` with words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import trio

from chatcore.errors import ErrorCode, InvalidMessage, RequestRefused, StorageUnavailable
from chatcore.protocol import messages as m
from chatcore.testing.groups import lone_exceptions
from chatcore.testing.storage_lists import ListsConformance
from chatcore.testing.storage_samples import (
    ANN,
    AT_ONCE,
    BOB,
    WORDS,
    answered,
    at_once,
    beginning,
    end,
    events_of,
    initialization,
    kept_events,
    merged_deltas,
    message,
    picture,
    reads,
    refused,
    started,
    two_events,
    walk,
)
from chatcore.threads.deltas import cut
from chatcore.threads.model import RESERVED_AHEAD, Accepted, RunEnded, SequenceBroken


class StorageConformance(ListsConformance):
    """The suite. Subclass it and say how the storage is opened."""

    async def test_a_message_opens_a_thread_and_has_a_run_that_waits(self) -> None:
        """What is kept of a message is what was sent."""
        async with self._storage() as threads:
            accepted = await threads.accept_message(ANN, message("m1"), "analyst")
            thread = await threads.thread(ANN, accepted.thread_id)
            run = await threads.run(ANN, accepted.run_id)
            (kept,) = (await threads.messages(ANN, accepted.thread_id)).items
        assert not accepted.duplicate, "a new message is called a duplicate"
        assert (thread.title, thread.last_seq, thread.epoch) == (WORDS, 0, accepted.epoch), f"another thread: {thread}"
        assert (run.state, run.attempt, run.generation) == ("waiting", 0, None), f"the run does not wait: {run}"
        assert (run.user_id, run.agent, run.content) == (ANN, "analyst", WORDS), f"another run: {run}"
        assert (kept.role, kept.content, kept.message_id) == ("user", WORDS, "m1"), f"another message: {kept}"

    async def test_a_message_id_counts_once_for_its_user(self) -> None:
        """Sent again, at once or later, a message has its first run; another user's id is another message."""
        async with self._storage() as threads:
            every = await at_once(lambda: threads.accept_message(ANN, message("m1"), "analyst"))
            assert len({accepted.run_id for accepted in every}) == 1, "one message id has several runs"
            assert sum(not accepted.duplicate for accepted in every) == 1, "one message is new more than once"
            first = await answered(threads, ANN, message("m1"))
            again = await threads.accept_message(ANN, message("m1", "Something else?"), "poet")
            other = await threads.accept_message(BOB, message("m1"), "analyst")
        assert (again.run_id, again.duplicate, again.ended) == (first.run_id, True, True), f"not its first run: {again}"
        assert other.run_id != first.run_id, "two users share a run"

    async def test_a_run_goes_from_waiting_to_its_end(self) -> None:
        """Its state, its attempts and the agent's message are kept."""
        async with self._storage() as threads:
            accepted = await threads.accept_message(ANN, message("m1"), "analyst")
            numbers = [await threads.start_run(accepted.run_id, generation) for generation in (1, 2)]
            running = await threads.run(ANN, accepted.run_id)
            await end(threads, accepted, events_of(accepted, 1, 2))
            ended = await threads.run(ANN, accepted.run_id)
            (question, answer) = (await threads.messages(ANN, accepted.thread_id)).items
        assert numbers == [1, 1], f"the first event of a thread is {numbers}, not 1"
        assert (running.state, running.attempt, running.generation) == ("running", 2, 2), f"not running: {running}"
        assert ended.state == "completed", f"the run is {ended.state}"
        assert (question.status, answer.status) == ("completed", "completed"), "a message has not its run's status"
        assert (answer.role, answer.content, answer.answer) == ("agent", "42", m.Answer(text="42")), f"not it: {answer}"

    async def test_a_run_begins_with_its_first_event(self) -> None:
        """Both are kept or none, once, and the event has the next number of its thread."""
        async with self._storage() as threads:
            before = await answered(threads, ANN, message("m1"))
            accepted = await threads.accept_message(ANN, message("m2", thread_id=before.thread_id), "analyst")
            with refused("a first event of another run", RequestRefused, ErrorCode.RUN_NOT_FOUND):
                await threads.begin_run(accepted.run_id, 4, beginning(attrs.evolve(accepted, run_id="no-run")))
            waiting = await threads.run(ANN, accepted.run_id)
            first = await threads.begin_run(accepted.run_id, 4, beginning(accepted))
            again = await threads.begin_run(accepted.run_id, 4, beginning(accepted))
            running = await threads.run(ANN, accepted.run_id)
            seqs = await kept_events(threads, accepted)
            with refused("a beginning of no run", RequestRefused, ErrorCode.RUN_NOT_FOUND):
                await threads.begin_run("no-run", 4, beginning(accepted))
        assert (waiting.state, waiting.attempt) == ("waiting", 0), f"a beginning that was refused is kept: {waiting}"
        assert (running.state, running.attempt, running.generation) == ("running", 1, 4), f"not running: {running}"
        assert (first.seq, seqs) == (3, [1, 2, 3]), f"the first event of the second run is {first.seq} of {seqs}"
        assert (again.seq, again.frame) == (3, first.frame), "a run that was begun already is begun anew"

    async def test_a_run_ends_once(self) -> None:
        """What comes after its end is refused, and changes nothing."""
        async with self._storage() as threads:
            accepted = await answered(threads, ANN, message("m1"))
            late = events_of(accepted, 3, 1)
            with refused("a second end", RunEnded):
                await end(threads, accepted, late)
            with refused("an event after the end", RunEnded):
                await threads.append_events(accepted.thread_id, late)
            with refused("a start after the end", RunEnded):
                await threads.start_run(accepted.run_id, 2)
            assert await kept_events(threads, accepted) == [1, 2], "events were added after the end"
            assert len((await threads.messages(ANN, accepted.thread_id)).items) == 2, "a run has two answers"

    async def test_unfinished_runs_are_those_without_an_end(self) -> None:
        """The oldest first, whoever asked."""
        async with self._storage() as threads:
            waiting = await threads.accept_message(ANN, message("m1"), "analyst")
            running = await started(threads, BOB, message("m2"))
            await answered(threads, ANN, message("m3"))
            found = [run.run_id for run in await threads.unfinished_runs()]
        assert found == [waiting.run_id, running.run_id], f"unfinished are {found}"

    async def test_events_follow_one_another(self) -> None:
        """A gap, a repetition or a step back is refused, with everything that came with it."""
        async with self._storage() as threads:
            accepted = await started(threads, ANN, message("m1"))
            await threads.append_events(accepted.thread_id, events_of(accepted, 1, 3))
            for first, count in ((5, 1), (3, 2), (1, 1)):
                with refused(f"an event {first} after 3", SequenceBroken):
                    await threads.append_events(accepted.thread_id, events_of(accepted, first, count))
            gap = [*events_of(accepted, 4, 1), *events_of(accepted, 6, 1)]
            with refused("a gap between events", SequenceBroken):
                await threads.append_events(accepted.thread_id, gap)
            with refused("an end with a gap", SequenceBroken):
                await end(threads, accepted, events_of(accepted, 9, 1))
            assert await kept_events(threads, accepted) == [1, 2, 3], "a refused event was kept"
            assert (await threads.run(ANN, accepted.run_id)).state == "running", "a refused end ended the run"
            assert (await threads.thread(ANN, accepted.thread_id)).last_seq == 3, "the thread counts otherwise"

    async def test_events_belong_to_a_run_of_their_thread(self) -> None:
        """Those of another thread's run, or of none, are refused."""
        async with self._storage() as threads:
            first = await started(threads, ANN, message("m1"))
            other = await started(threads, ANN, message("m2"))
            with refused("an event of another thread's run", RequestRefused, ErrorCode.RUN_NOT_FOUND):
                await threads.append_events(first.thread_id, events_of(other, 1, 1))
            with refused("an event of no thread", RequestRefused, ErrorCode.THREAD_NOT_FOUND):
                await threads.append_events("no-thread", events_of(first, 1, 1))
            with refused("a start of no run", RequestRefused, ErrorCode.RUN_NOT_FOUND):
                await threads.start_run("no-run", 1)
            assert await kept_events(threads, first) == [], "a refused event was kept"

    async def test_events_are_read_from_any_position(self) -> None:
        """In order, in pages, byte by byte as they were; merged deltas that the position lies inside are cut there."""
        async with self._storage() as threads:
            accepted = await started(threads, ANN, message("m1"))
            events = [*events_of(accepted, 1, 2), merged_deltas(accepted, 3, 3), *events_of(accepted, 6, 3)]
            await threads.append_events(accepted.thread_id, events)
            for after in range(9):
                found = await walk(lambda at: two_events(threads, accepted, at), str(after))
                expected = [cut(event, after) for event in events if event.seq > after]
                assert found == expected, f"after {after}: {found}"
            for limit in (0, 1001):
                with refused(f"a limit of {limit}", InvalidMessage):
                    await threads.events(ANN, accepted.thread_id, limit=limit)

    async def test_the_numbers_ahead_of_a_run_are_reserved(self) -> None:
        """As far as a run may send before it stores, whatever else is written."""
        async with self._storage() as threads:
            accepted = await started(threads, ANN, message("m1"))
            for last in (1, 3):
                await threads.append_events(accepted.thread_id, events_of(accepted, last, 2 if last == 1 else 1))
                kept = await threads.thread(ANN, accepted.thread_id)
                assert kept.reserved_seq >= kept.last_seq + RESERVED_AHEAD, f"{kept.reserved_seq} are reserved"

    async def test_the_events_of_one_run_can_be_asked_for(self) -> None:
        """And those of the others of its thread do not come along."""
        async with self._storage() as threads:
            first = await answered(threads, ANN, message("m1"))
            second = await started(threads, ANN, message("m2", thread_id=first.thread_id))
            await threads.append_events(first.thread_id, events_of(second, 3, 2))
            for run, seqs in ((first, [1, 2]), (second, [3, 4])):
                page = await threads.events(ANN, first.thread_id, run_id=run.run_id)
                assert [event.seq for event in page.items] == seqs, f"the events are {page.items}"

    async def test_the_log_is_signed_to_its_end(self) -> None:
        """Across runs, merged deltas, refused writes and another opening; a stranger is told nothing of it."""
        with TemporaryDirectory(prefix="chatcore-") as folder, lone_exceptions():
            async with self.open_storage(Path(folder, "storage")) as threads:
                first = await answered(threads, ANN, message("m1"))
            async with self.open_storage(Path(folder, "storage")) as threads:
                second = await started(threads, ANN, message("m2", thread_id=first.thread_id))
                with refused("a gap", SequenceBroken):
                    await threads.append_events(first.thread_id, events_of(second, 5, 1))
                more = [*events_of(second, 3, 1), merged_deltas(second, 4, 3)]
                await threads.append_events(first.thread_id, more)
                report = await threads.audit(ANN, first.thread_id)
                with refused("a stranger", RequestRefused, ErrorCode.THREAD_NOT_FOUND):
                    await threads.audit(BOB, first.thread_id)
        assert report.faults == [], f"the log is not as it was signed: {report.faults}"
        assert (report.events, report.signed, report.unsigned) == (4, 7, 0), f"not every row is signed: {report}"

    # --- what is gone, and what is another's ------------------------------------------------------------------------

    async def test_a_deleted_thread_is_gone(self) -> None:
        """With everything in it; a run under way is refused its next event."""
        async with self._storage() as threads:
            accepted = await started(threads, ANN, message("m1"))
            await threads.append_events(accepted.thread_id, events_of(accepted, 1, 1))
            await threads.delete_thread(ANN, accepted.thread_id)
            with refused("an event of a deleted thread", RequestRefused, ErrorCode.THREAD_NOT_FOUND):
                await threads.append_events(accepted.thread_id, events_of(accepted, 2, 1))
            for attempt in reads(threads, ANN, accepted):
                with refused("a deleted thread or run", RequestRefused):
                    await attempt()
            assert (await threads.threads(ANN)).items == (), "a deleted thread is listed"
            assert await threads.unfinished_runs() == (), "a deleted run is unfinished"

    async def test_strangers_find_nothing(self) -> None:
        """Another user's thread or run is not found, as one that does not exist, and is not changed."""
        async with self._storage() as threads:
            accepted = await answered(threads, ANN, message("m1"))
            before = await threads.thread(ANN, accepted.thread_id)
            attempts = reads(threads, BOB, accepted)
            attempts += (lambda: threads.delete_thread(BOB, accepted.thread_id),)
            for attempt in attempts:
                with refused("a stranger", RequestRefused, ErrorCode.THREAD_NOT_FOUND, ErrorCode.RUN_NOT_FOUND):
                    await attempt()
            with refused("a stranger's message", RequestRefused, ErrorCode.THREAD_NOT_FOUND):
                await threads.accept_message(BOB, message("m2", thread_id=accepted.thread_id), "analyst")
            assert (await threads.threads(BOB)).items == (), "a stranger's list has a thread"
            assert await threads.thread(ANN, accepted.thread_id) == before, "a stranger changed a thread"

    # --- durability -------------------------------------------------------------------------------------------------

    async def test_what_was_written_is_there_when_it_is_opened_again(self) -> None:
        """All of it, and what follows goes on from there."""
        with TemporaryDirectory(prefix="chatcore-") as folder, lone_exceptions():
            async with self.open_storage(Path(folder, "storage")) as threads:
                ended = await answered(threads, ANN, message("m1"))
                waiting = await threads.accept_message(ANN, message("m2", thread_id=ended.thread_id), "analyst")
                before = await picture(threads, ended)
            async with self.open_storage(Path(folder, "storage")) as threads:
                assert await picture(threads, ended) == before, "something is not as it was"
                assert [run.run_id for run in await threads.unfinished_runs()] == [waiting.run_id], "a run was lost"
                assert await threads.start_run(waiting.run_id, 1) == 3, "the numbers of the thread begin anew"

    async def test_writers_side_by_side_do_not_disturb_each_other(self) -> None:
        """Each thread has its own events whole, although one writer among them is refused."""
        async with self._storage() as threads:
            runs = [await started(threads, ANN, message(f"m{number}")) for number in range(AT_ONCE)]

            async def write(run: Accepted) -> None:
                for seq in range(1, 6):
                    await threads.append_events(run.thread_id, events_of(run, seq, 1))

            async def fail(run: Accepted) -> None:
                for _ in range(5):
                    with refused("a gap", SequenceBroken):
                        await threads.append_events(run.thread_id, events_of(run, 100, 1))

            async with trio.open_nursery() as nursery:
                for run in runs:
                    nursery.start_soon(fail if run is runs[0] else write, run)
            kept = [await kept_events(threads, run) for run in runs]
        assert kept == [[], *[[1, 2, 3, 4, 5]] * (AT_ONCE - 1)], f"the events are {kept}"

    async def test_a_cancelled_write_is_whole_or_absent(self) -> None:
        """Whenever its caller is cancelled; and the storage goes on."""
        async with self._storage() as threads:
            runs = [await started(threads, ANN, message(f"m{number}")) for number in range(AT_ONCE)]
            for steps, run in enumerate(runs):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(threads.append_events, run.thread_id, events_of(run, 1, 3))
                    for _ in range(steps):
                        await trio.sleep(0.0002)
                    nursery.cancel_scope.cancel()
            await threads.check()
            for run in runs:
                kept = await kept_events(threads, run)
                assert kept in ([], [1, 2, 3]), f"a cancelled write left {kept}"
                await threads.append_events(run.thread_id, events_of(run, len(kept) + 1, 1))

    async def test_a_closed_storage_refuses(self) -> None:
        """As one that is away, and it does not hang."""
        async with self._storage() as threads:
            accepted = await answered(threads, ANN, message("m1"))
            await threads.check()
        attempts: tuple[Callable[[], Awaitable[object]], ...] = (
            *reads(threads, ANN, accepted),
            threads.unfinished_runs,
            threads.check,
            lambda: threads.accept_message(ANN, message("m2"), "analyst"),
        )
        for attempt in attempts:
            with refused("a request to a closed storage", StorageUnavailable):
                await attempt()

    # --- the server's own record ------------------------------------------------------------------------------------

    async def test_how_long_services_take_is_learned(self) -> None:
        """The median of the last ten starts of each."""
        async with self._storage() as threads:
            assert dict(await threads.learned_durations()) == {}, "something is known before anything started"
            for seconds in (*[99.0] * 5, *range(1, 11)):
                await threads.record_initialization(initialization(float(seconds)))
            assert dict(await threads.learned_durations()) == {"database": 5.5}, "not the median of the last ten"

    async def test_the_record_quotes_nobody(self) -> None:
        """It counts the runs of everyone, or of one user, and has no words of any."""
        async with self._storage() as threads:
            ann = await answered(threads, ANN, message("m1"))
            await answered(threads, BOB, message("m2"))
            await threads.record_initialization(initialization(1.0))
            everyone = {table.name: table for table in await threads.records()}
            hers = {table.name: table for table in await threads.records(ANN)}
        assert set(everyone) == {"runs", "tool_calls", "initializations", "service_starts"}, f"it has {set(everyone)}"
        assert [len(everyone[name].rows) for name in ("runs", "initializations")] == [2, 1], "it does not count them"
        runs = [dict(zip(hers["runs"].columns, row, strict=True))["run_id"] for row in hers["runs"].rows]
        assert runs == [ann.run_id], "the record of one user has another's run"
        assert WORDS not in repr(everyone), "the record quotes a user"
