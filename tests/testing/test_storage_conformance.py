"""The conformance suite for storage: SQLite keeps to it, and for each check there is a storage that does not."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import attrs
import msgspec
import pytest
import trio

from chatcore.errors import RequestRefused, StorageUnavailable
from chatcore.protocol import messages as m
from chatcore.testing.storage_conformance import StorageConformance
from chatcore.threads.chain import LogReport
from chatcore.threads.model import (
    Accepted,
    Page,
    RecordTable,
    RunEnded,
    RunRecord,
    SequenceBroken,
    StoredEvent,
    Thread,
    check_contiguous,
)
from chatcore.threads.opening import open_threads
from chatcore.threads.service import ThreadService

SECONDS = 60
"""Real ones: storage works in threads."""


class TestSqlite(StorageConformance):
    def open_storage(self, place: Path) -> AbstractAsyncContextManager[ThreadService]:
        return open_threads(f"sqlite:///{place}")


# --- storages with one fault each -----------------------------------------------------------------------------------


class Faulty:
    """The real storage, but for what a subclass does in its own way."""

    def __init__(self, real: ThreadService) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class ForgetsIds(Faulty):
    """Takes every message for a new one."""

    async def accept_message(self, user_id: str, message: m.UserMessage, agent: str) -> Accepted:
        unique = msgspec.structs.replace(message, message_id=uuid.uuid4().hex)
        return attrs.evolve(await self.real.accept_message(user_id, unique, agent), message_id=message.message_id)


class SharesIds(Faulty):
    """Knows a message of one user as another's."""

    async def accept_message(self, user_id: str, message: m.UserMessage, agent: str) -> Accepted:
        return await self.real.accept_message("everyone" if message.message_id == "m1" else user_id, message, agent)


class LosesLetters(Faulty):
    async def accept_message(self, user_id: str, message: m.UserMessage, agent: str) -> Accepted:
        spoiled = msgspec.structs.replace(message, content=message.content.encode("ascii", "replace").decode())
        return await self.real.accept_message(user_id, spoiled, agent)


class ListsOthersThreads(Faulty):
    async def threads(self, user_id: str, **options: Any) -> Page[Thread]:
        return await self.real.threads("ann", **options)


class ShowsOthersThreads(Faulty):
    async def thread(self, user_id: str, thread_id: str) -> Thread:
        return await self.real.thread("ann", thread_id)


class ForgetsGenerations(Faulty):
    async def start_run(self, run_id: str, generation: int) -> int:
        return await self.real.start_run(run_id, 1)


class BeginsInTwoSteps(Faulty):
    """Marks a run as running, although its first event is refused."""

    async def begin_run(self, run_id: str, generation: int, first: Callable[[int], StoredEvent]) -> StoredEvent:
        event = first(await self.real.start_run(run_id, generation))
        await self.real.append_events((await self.real.run("ann", run_id)).thread_id, [event])
        return event


class EndsTwice(Faulty):
    """Takes a second end for the first."""

    async def end_run(self, *args: Any, **kwargs: Any) -> None:
        with suppress(RunEnded):
            await self.real.end_run(*args, **kwargs)


class ListsNewestRunsFirst(Faulty):
    async def unfinished_runs(self) -> tuple[RunRecord, ...]:
        return (await self.real.unfinished_runs())[::-1]


class DropsWhatDoesNotFollow(Faulty):
    async def append_events(self, thread_id: str, events: Sequence[StoredEvent]) -> None:
        with suppress(SequenceBroken):
            await self.real.append_events(thread_id, events)


class KeepsWhatComesBeforeAGap(Faulty):
    async def append_events(self, thread_id: str, events: Sequence[StoredEvent]) -> None:
        for event in events:
            await self.real.append_events(thread_id, [event])


class DropsStrays(Faulty):
    async def append_events(self, thread_id: str, events: Sequence[StoredEvent]) -> None:
        with suppress(RequestRefused):
            await self.real.append_events(thread_id, events)


class DoesNotCut(Faulty):
    """Gives merged deltas whole, also to whom knows their beginning."""

    async def events(self, user_id: str, thread_id: str, *, after_seq: int = 0, **options: Any) -> Page[StoredEvent]:
        whole = await self.real.events(user_id, thread_id)
        page = await self.real.events(user_id, thread_id, after_seq=after_seq, **options)
        by_seq = {event.seq: event for event in whole.items}
        return attrs.evolve(page, items=tuple(by_seq[event.seq] for event in page.items))


class SkipsMergedEvents(DoesNotCut):
    async def events(self, user_id: str, thread_id: str, *, after_seq: int = 0, **options: Any) -> Page[StoredEvent]:
        page = await super().events(user_id, thread_id, after_seq=after_seq, **options)
        return attrs.evolve(page, items=tuple(event for event in page.items if event.first_seq > after_seq))


class ReservesNothing(Faulty):
    async def thread(self, user_id: str, thread_id: str) -> Thread:
        thread = await self.real.thread(user_id, thread_id)
        return attrs.evolve(thread, reserved_seq=thread.last_seq)


class MixesRuns(Faulty):
    async def events(self, user_id: str, thread_id: str, **options: Any) -> Page[StoredEvent]:
        return await self.real.events(user_id, thread_id, **(options | {"run_id": None}))


class SignsNothing(Faulty):
    async def audit(self, user_id: str, thread_id: str) -> LogReport:
        report = await self.real.audit(user_id, thread_id)
        return msgspec.structs.replace(report, signed=0, unsigned=report.signed)


class HasOnePageOfThreads(Faulty):
    async def threads(self, user_id: str, **options: Any) -> Page[Thread]:
        return attrs.evolve(await self.real.threads(user_id, **options), next=None)


class KnowsOneOrder(Faulty):
    async def threads(self, user_id: str, **options: Any) -> Page[Thread]:
        return await self.real.threads(user_id, **options | {"order": "created"})


class SearchesWithPatterns(Faulty):
    """Takes a percent sign for any text."""

    async def threads(self, user_id: str, query: str = "", **options: Any) -> Page[Thread]:
        return await self.real.threads(user_id, query="" if query == "%" else query, **options)


class SearchesEveryone(Faulty):
    async def threads(self, user_id: str, **options: Any) -> Page[Thread]:
        pages = [await self.real.threads(each, **options) for each in ("ann", "bob")]
        return attrs.evolve(pages[0], items=pages[0].items + pages[1].items)


class RenamesForAnyone(Faulty):
    async def rename_thread(self, user_id: str, thread_id: str, title: str) -> None:
        await self.real.rename_thread("ann", thread_id, title)


class RenamesNothing(Faulty):
    async def rename_thread(self, user_id: str, thread_id: str, title: str) -> None:
        await self.real.thread(user_id, thread_id)


class RepeatsMessages(Faulty):
    async def messages(self, user_id: str, thread_id: str, **options: Any) -> Page[m.ThreadMessage]:
        page = await self.real.messages(user_id, thread_id, **options)
        return attrs.evolve(page, items=(*page.items, page.items[-1]))


class DeletesNothing(Faulty):
    async def delete_thread(self, user_id: str, thread_id: str) -> None:
        await self.real.thread(user_id, thread_id)


class WritesOneByOne(Faulty):
    """Each event in a transaction of its own, so that a cancellation cuts them apart."""

    async def append_events(self, thread_id: str, events: Sequence[StoredEvent]) -> None:
        check_contiguous(thread_id, events)
        for event in events:
            await self.real.append_events(thread_id, [event])
            await trio.sleep(0.001)


class SaysThatAllIsWell(Faulty):
    async def check(self) -> None:
        with suppress(StorageUnavailable):
            await self.real.check()


class LearnsTheMean(Faulty):
    async def learned_durations(self) -> dict[str, float]:
        return {service: seconds + 1 for service, seconds in (await self.real.learned_durations()).items()}


class QuotesUsers(Faulty):
    async def records(self, user_id: str | None = None) -> tuple[RecordTable, ...]:
        runs = await self.real.unfinished_runs()
        words = RecordTable(name="words", columns=("content",), rows=tuple((run.content,) for run in runs))
        return (*await self.real.records(user_id), words)


class TellsOfEveryone(Faulty):
    async def records(self, user_id: str | None = None) -> tuple[RecordTable, ...]:
        return await self.real.records()


class FaultySuite(StorageConformance):
    """Of a storage with a fault; ``forgetful`` is opened anew each time."""

    def __init__(self, kind: type[Faulty], *, forgetful: bool = False) -> None:
        self.kind = kind
        self.forgetful = forgetful

    @asynccontextmanager
    async def open_storage(self, place: Path) -> AsyncIterator[ThreadService]:
        place = place.with_name(uuid.uuid4().hex) if self.forgetful else place
        async with open_threads(f"sqlite:///{place}") as real:
            yield cast("ThreadService", self.kind(real))


FAULTS: list[tuple[type[Faulty], str]] = [
    (LosesLetters, "a_message_opens_a_thread_and_has_a_run_that_waits"),
    (ForgetsIds, "a_message_id_counts_once_for_its_user"),
    (SharesIds, "a_message_id_counts_once_for_its_user"),
    (ForgetsGenerations, "a_run_goes_from_waiting_to_its_end"),
    (BeginsInTwoSteps, "a_run_begins_with_its_first_event"),
    (EndsTwice, "a_run_ends_once"),
    (ListsNewestRunsFirst, "unfinished_runs_are_those_without_an_end"),
    (DropsWhatDoesNotFollow, "events_follow_one_another"),
    (KeepsWhatComesBeforeAGap, "events_follow_one_another"),
    (DropsStrays, "events_belong_to_a_run_of_their_thread"),
    (SkipsMergedEvents, "events_are_read_from_any_position"),
    (DoesNotCut, "events_are_read_from_any_position"),
    (ReservesNothing, "the_numbers_ahead_of_a_run_are_reserved"),
    (MixesRuns, "the_events_of_one_run_can_be_asked_for"),
    (SignsNothing, "the_log_is_signed_to_its_end"),
    (HasOnePageOfThreads, "threads_come_newest_first_in_pages"),
    (KnowsOneOrder, "threads_come_with_the_newest_message_first"),
    (SearchesWithPatterns, "threads_are_found_by_their_title_or_what_is_said_in_them"),
    (SearchesEveryone, "threads_are_found_by_their_title_or_what_is_said_in_them"),
    (RenamesForAnyone, "a_renamed_thread_has_its_new_title"),
    (RenamesNothing, "a_renamed_thread_has_its_new_title"),
    (RepeatsMessages, "messages_come_oldest_first_in_pages"),
    (DeletesNothing, "a_deleted_thread_is_gone"),
    (ListsOthersThreads, "strangers_find_nothing"),
    (ShowsOthersThreads, "strangers_find_nothing"),
    (DropsWhatDoesNotFollow, "writers_side_by_side_do_not_disturb_each_other"),
    (WritesOneByOne, "a_cancelled_write_is_whole_or_absent"),
    (SaysThatAllIsWell, "a_closed_storage_refuses"),
    (LearnsTheMean, "how_long_services_take_is_learned"),
    (QuotesUsers, "the_record_quotes_nobody"),
    (TellsOfEveryone, "the_record_quotes_nobody"),
]


@pytest.mark.parametrize(("kind", "check"), FAULTS, ids=[f"{kind.__name__}-{check}" for kind, check in FAULTS])
async def test_a_fault_is_found(kind: type[Faulty], check: str) -> None:
    with trio.fail_after(SECONDS), pytest.raises(AssertionError):
        await getattr(FaultySuite(kind), f"test_{check}")()


async def test_a_storage_that_forgets_is_found() -> None:
    suite = FaultySuite(Faulty, forgetful=True)
    with trio.fail_after(SECONDS), pytest.raises((AssertionError, RequestRefused)):
        await suite.test_what_was_written_is_there_when_it_is_opened_again()


async def test_every_check_has_a_fault_that_it_finds() -> None:
    checks = {name for name in dir(StorageConformance) if name.startswith("test_")}
    found = {f"test_{check}" for _, check in FAULTS}
    assert checks - found == {"test_what_was_written_is_there_when_it_is_opened_again"}


async def test_the_real_storage_behind_a_faultless_face_passes() -> None:
    with trio.fail_after(SECONDS):
        await FaultySuite(Faulty).run_all()
