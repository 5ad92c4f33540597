"""``chatcore.threads.service``: what each method keeps, finds and refuses, on a real file."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from msgspec import UNSET
from sqlalchemy import Engine
from sqlalchemy import event as sqlalchemy_event

from chatcore.errors import ErrorCode, InvalidMessage, RequestRefused
from chatcore.protocol import messages as m
from chatcore.threads import queries as queries_module
from chatcore.threads.deltas import cut
from chatcore.threads.model import (
    Accepted,
    EndState,
    InitializationRecord,
    Page,
    RecordTable,
    RunEnded,
    SequenceBroken,
    ServiceStart,
    StoredEvent,
)
from chatcore.threads.opening import open_threads
from chatcore.threads.service import ThreadService
from stored import answered, counted, counts, event, message, rows, started, url

NOON = 1_700_049_600.0  # 2023-11-15T12:00:00Z


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture
async def threads(path: Path) -> AsyncIterator[ThreadService]:
    """A service whose clock goes on by a second whenever it is asked."""
    seconds = count()
    async with open_threads(url(path), clock=lambda: NOON + next(seconds)) as service:
        yield service


async def code(attempt: Awaitable[object]) -> ErrorCode:
    with pytest.raises(RequestRefused) as refused:
        await attempt
    return refused.value.error_code


# --- accepting ------------------------------------------------------------------------------------------------------


async def test_a_message_without_a_thread_opens_one_and_waits(threads: ThreadService) -> None:
    accepted = await threads.accept_message("ann", message("m1", "How much\n did we spend?"), "analyst")
    assert accepted == Accepted(
        message_id="m1",
        thread_id=accepted.thread_id,
        run_id=accepted.run_id,
        epoch=accepted.epoch,
        agent="analyst",
        duplicate=False,
        ended=False,
    )
    thread = await threads.thread("ann", accepted.thread_id)
    assert (thread.title, thread.epoch, thread.last_seq) == ("How much did we spend?", accepted.epoch, 0)
    assert (thread.created_at, thread.updated_at) == (NOON, NOON)
    run = await threads.run("ann", accepted.run_id)
    assert (run.user_id, run.thread_id, run.message_id) == ("ann", accepted.thread_id, "m1")
    assert (run.agent, run.content, run.state) == ("analyst", "How much\n did we spend?", "waiting")
    assert (run.attempt, run.generation, run.created_at) == (0, None, NOON)


async def test_a_message_goes_to_the_thread_it_names_and_touches_it(threads: ThreadService) -> None:
    first = await threads.accept_message("ann", message("m1"), "analyst")
    second = await threads.accept_message("ann", message("m2", "And now?", first.thread_id), "poet")
    assert (second.thread_id, second.epoch, second.agent) == (first.thread_id, first.epoch, "poet")
    thread = await threads.thread("ann", first.thread_id)
    assert (thread.title, thread.created_at, thread.updated_at) == ("How much?", NOON, NOON + 1)


async def test_the_same_message_again_is_the_first_run_whatever_else_it_says(threads: ThreadService) -> None:
    first = await threads.accept_message("ann", message("m1"), "analyst")
    again = await threads.accept_message("ann", message("m1", "other words", "no such thread"), "poet")
    assert (again.run_id, again.thread_id, again.epoch) == (first.run_id, first.thread_id, first.epoch)
    assert (again.agent, again.duplicate, again.ended) == ("analyst", True, False)
    done = await answered(threads, "ann", message("m2"))
    assert (await threads.accept_message("ann", message("m2"), "analyst")).ended
    assert len((await threads.threads("ann")).items) == 2
    assert (await threads.run("ann", done.run_id)).state == "completed"


async def test_a_message_id_is_its_users_own(threads: ThreadService) -> None:
    ann = await threads.accept_message("ann", message("m1"), "analyst")
    bob = await threads.accept_message("bob", message("m1"), "analyst")
    assert not bob.duplicate
    assert {ann.run_id, ann.thread_id, ann.epoch}.isdisjoint({bob.run_id, bob.thread_id, bob.epoch})


async def test_fifty_at_once_with_one_message_id_start_one_run(threads: ThreadService, path: Path) -> None:
    all_accepted = []

    async def send() -> None:
        all_accepted.append(await threads.accept_message("ann", message("m1"), "analyst"))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(send)
    assert len({accepted.run_id for accepted in all_accepted}) == 1
    assert [accepted.duplicate for accepted in all_accepted].count(False) == 1
    assert {name: counts(path)[name] for name in ("threads", "runs", "messages")} == {
        "threads": 1,
        "runs": 1,
        "messages": 1,
    }


async def test_a_message_that_is_refused_leaves_nothing_and_harms_nobody_in_its_group(
    threads: ThreadService, path: Path
) -> None:
    outcomes: list[str] = []

    async def send(number: int) -> None:
        thread_id = "no such thread" if number % 2 else None
        try:
            await threads.accept_message("ann", message(f"m{number}", thread_id=thread_id), "analyst")
        except RequestRefused as refusal:
            outcomes.append(refusal.error_code)
        else:
            outcomes.append("accepted")

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(send, number)
    assert sorted(outcomes) == ["THREAD_NOT_FOUND"] * 10 + ["accepted"] * 10
    assert set(rows(path, "SELECT message_id FROM messages")) == {(f"m{number}",) for number in range(0, 20, 2)}
    assert counts(path)["threads"] == 10


async def test_a_defect_in_one_write_is_undone_and_harms_nobody_in_its_group(
    threads: ThreadService, path: Path
) -> None:
    async def send(number: int) -> None:
        await threads.accept_message("ann", message(f"m{number}"), "analyst")

    async def send_what_no_database_takes() -> None:
        with pytest.raises(UnicodeEncodeError):
            await threads.accept_message("ann", message("\ud800"), "analyst")
        with pytest.raises(OverflowError):
            await threads.start_run((await threads.accept_message("ann", message("m9"), "analyst")).run_id, 2**63)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, 1)
        nursery.start_soon(send_what_no_database_takes)
        nursery.start_soon(send, 2)
    assert sorted(rows(path, "SELECT message_id FROM messages")) == [("m1",), ("m2",), ("m9",)]
    assert counts(path)["threads"] == 3


async def test_many_writers_share_few_commits(threads: ThreadService) -> None:
    tasks, events_each = 100, 5
    runs = [await started(threads, "ann", message(f"m{number}")) for number in range(tasks)]

    async def append(run: Accepted) -> None:
        for seq in range(1, events_each + 1):
            await threads.append_events(run.thread_id, [event(run.run_id, seq)])

    with counted("commit") as commits:
        async with trio.open_nursery() as nursery:
            for run in runs:
                nursery.start_soon(append, run)
    assert 0 < len(commits) <= tasks * events_each / 10
    for run in runs:
        assert (await threads.thread("ann", run.thread_id)).last_seq == events_each


# --- runs and events ------------------------------------------------------------------------------------------------


async def test_a_run_from_its_start_to_its_end(threads: ThreadService, path: Path) -> None:
    accepted = await threads.accept_message("ann", message("m1"), "analyst")
    assert await threads.start_run(accepted.run_id, 7) == 1
    run = await threads.run("ann", accepted.run_id)
    assert (run.state, run.attempt, run.generation) == ("running", 1, 7)
    first = [event(run.run_id, 1, kind="agent_started"), event(run.run_id, 5, first_seq=2)]
    await threads.append_events(accepted.thread_id, first)
    last = event(run.run_id, 6, kind="agent_completed")
    answer = m.Answer(text="**42**", insights=["It is even."])
    await threads.end_run(
        accepted, [last], state="completed", answer=msgspec.json.encode(answer), text="**42**", error_code=None
    )
    assert (await threads.run("ann", accepted.run_id)).state == "completed"
    assert (await threads.events("ann", accepted.thread_id)).items == (*first, last)
    thread = await threads.thread("ann", accepted.thread_id)
    assert (thread.last_seq, thread.updated_at) == (6, NOON + 3)
    assert (await threads.messages("ann", accepted.thread_id)).items == (
        m.ThreadMessage(
            message_id="m1",
            role="user",
            content="How much?",
            run_id=run.run_id,
            created_at=NOON,
            status="completed",
            answer=UNSET,
        ),
        m.ThreadMessage(
            message_id=None,
            role="agent",
            content="**42**",
            run_id=run.run_id,
            created_at=NOON + 3,
            status="completed",
            answer=answer,
        ),
    )
    assert rows(path, "SELECT started_at, ended_at FROM runs") == [(NOON + 1, NOON + 3)]


async def test_the_next_run_of_a_thread_goes_on_with_its_numbers(threads: ThreadService) -> None:
    first = await answered(threads, "ann", message("m1"))
    second = await threads.accept_message("ann", message("m2", thread_id=first.thread_id), "analyst")
    assert await threads.start_run(second.run_id, 1) == 3


async def test_a_run_that_is_started_again_counts_its_attempts_and_keeps_its_first_start(
    threads: ThreadService, path: Path
) -> None:
    accepted = await started(threads, "ann", message())
    await threads.append_events(accepted.thread_id, [event(accepted.run_id, 1)])
    assert await threads.start_run(accepted.run_id, 2) == 2
    run = await threads.run("ann", accepted.run_id)
    assert (run.state, run.attempt, run.generation) == ("running", 2, 2)
    assert rows(path, "SELECT started_at FROM runs") == [(NOON + 1,)]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
async def test_a_run_may_end_without_an_answer(threads: ThreadService, path: Path, state: EndState) -> None:
    accepted = await threads.accept_message("ann", message(), "analyst")  # waits, and never begins
    await threads.end_run(accepted, [], state=state, answer=None, text="", error_code="SERVICE_LOST")
    asked, told = (await threads.messages("ann", accepted.thread_id)).items
    assert (asked.status, told.status, told.role, told.content, told.answer) == (state, state, "agent", "", UNSET)
    assert rows(path, "SELECT error_code, ended_at FROM runs") == [("SERVICE_LOST", NOON + 1)]
    assert (await threads.thread("ann", accepted.thread_id)).last_seq == 0


async def test_no_run_ends_in_a_state_that_is_no_end(threads: ThreadService) -> None:
    accepted = await started(threads, "ann", message())
    with pytest.raises(ValueError, match="running"):
        await threads.end_run(accepted, [], state="running", answer=None, text="", error_code=None)  # type: ignore[arg-type]


async def test_a_run_that_is_over_takes_nothing_more(threads: ThreadService, path: Path) -> None:
    accepted = await answered(threads, "ann", message())
    before = counts(path)
    with pytest.raises(RunEnded) as refused:
        await threads.append_events(accepted.thread_id, [event(accepted.run_id, 3)])
    assert (refused.value.run_id, refused.value.state) == (accepted.run_id, "completed")
    with pytest.raises(RunEnded):
        await threads.end_run(
            accepted, [event(accepted.run_id, 3)], state="failed", answer=None, text="", error_code=None
        )
    with pytest.raises(RunEnded):
        await threads.start_run(accepted.run_id, 2)
    assert counts(path) == before
    assert (await threads.run("ann", accepted.run_id)).state == "completed"


@pytest.mark.parametrize(
    ("ranges", "expected", "found"),
    [
        ([(4, 4)], 3, 4),  # a gap before
        ([(2, 2)], 3, 2),  # one that is there
        ([(1, 3)], 3, 1),  # one that overlaps
        ([(3, 3), (5, 5)], 4, 5),  # a gap between
        ([(3, 4), (4, 5)], 5, 4),  # an overlap between
        ([(3, 2)], 3, 2),  # backward
    ],
)
@pytest.mark.parametrize("ends", [False, True])
async def test_events_that_are_not_contiguous_are_refused_whole(
    threads: ThreadService, path: Path, ranges: list[tuple[int, int]], expected: int, found: int, ends: bool
) -> None:
    accepted = await started(threads, "ann", message())
    await threads.append_events(accepted.thread_id, [event(accepted.run_id, 1), event(accepted.run_id, 2)])
    before = counts(path)
    events = [event(accepted.run_id, seq, first_seq=first) for first, seq in ranges]
    if ends:
        attempt = threads.end_run(accepted, events, state="completed", answer=None, text="", error_code=None)
    else:
        attempt = threads.append_events(accepted.thread_id, events)
    with pytest.raises(SequenceBroken) as refused:
        await attempt
    assert (refused.value.thread_id, refused.value.expected, refused.value.found) == (
        accepted.thread_id,
        expected,
        found,
    )
    assert counts(path) == before
    assert (await threads.run("ann", accepted.run_id)).state == "running"
    assert (await threads.thread("ann", accepted.thread_id)).last_seq == 2


async def test_events_of_several_runs_of_a_thread_are_added_all_or_none(threads: ThreadService) -> None:
    first = await started(threads, "ann", message("m1"))
    second = await started(threads, "ann", message("m2", thread_id=first.thread_id))
    both = [event(first.run_id, 1), event(second.run_id, 2), event(first.run_id, 3)]
    await threads.append_events(first.thread_id, both)
    over = await answered(threads, "ann", message("m3", thread_id=first.thread_id))
    with pytest.raises(RunEnded):
        await threads.append_events(first.thread_id, [event(first.run_id, 6), event(over.run_id, 7)])
    assert [stored.seq for stored in (await threads.events("ann", first.thread_id)).items] == [1, 2, 3, 4, 5]


async def test_no_events_are_no_change(threads: ThreadService) -> None:
    accepted = await started(threads, "ann", message())
    before = await threads.thread("ann", accepted.thread_id)
    await threads.append_events(accepted.thread_id, [])
    assert await threads.thread("ann", accepted.thread_id) == before


async def test_events_go_only_to_the_thread_of_their_run(threads: ThreadService) -> None:
    ann = await started(threads, "ann", message())
    bob = await started(threads, "bob", message())
    assert await code(threads.append_events(ann.thread_id, [event(bob.run_id, 1)])) == "RUN_NOT_FOUND"
    assert await code(threads.append_events(ann.thread_id, [event("no run", 1)])) == "RUN_NOT_FOUND"
    assert await code(threads.append_events("no thread", [event(ann.run_id, 1)])) == "THREAD_NOT_FOUND"
    mixed = Accepted(
        message_id="m", thread_id=ann.thread_id, run_id=bob.run_id, epoch="", agent="", duplicate=False, ended=False
    )
    ending = threads.end_run(mixed, [], state="failed", answer=None, text="", error_code=None)
    assert await code(ending) == "RUN_NOT_FOUND"
    assert await code(threads.start_run("no run", 1)) == "RUN_NOT_FOUND"
    assert {(await threads.run(user, run.run_id)).state for user, run in (("ann", ann), ("bob", bob))} == {"running"}


async def test_unfinished_runs_are_those_that_wait_or_run_the_oldest_first(threads: ThreadService) -> None:
    waiting = await threads.accept_message("bob", message("m1"), "poet")
    await answered(threads, "ann", message("m2"))
    running = await started(threads, "ann", message("m3", "still here"))
    found = await threads.unfinished_runs()
    assert [(run.run_id, run.state, run.attempt) for run in found] == [
        (waiting.run_id, "waiting", 0),
        (running.run_id, "running", 1),
    ]
    assert found[1] == await threads.run("ann", running.run_id)


# --- pages ----------------------------------------------------------------------------------------------------------


async def walk(page: Callable[[str | None], Awaitable[Page[object]]]) -> list[list[object]]:
    """Every page's items, from the first page to the last."""
    pages: list[list[object]] = []
    cursor: str | None = None
    while True:
        found = await page(cursor)
        pages.append(list(found.items))
        cursor = found.next
        if cursor is None:
            return pages


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 1000])
async def test_threads_come_newest_first_and_pages_make_the_whole(threads: ThreadService, limit: int) -> None:
    made = []
    for number in range(7):
        made.append(await threads.create_thread("ann", f"thread {number}"))
        await threads.create_thread("bob")
    pages = await walk(lambda cursor: threads.threads("ann", limit=limit, cursor=cursor))
    assert [thread for page in pages for thread in page] == made[::-1]
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert pages[-1]


async def test_a_list_of_nothing_is_one_empty_page(threads: ThreadService) -> None:
    assert await threads.threads("ann") == Page(items=(), next=None)
    thread = await threads.create_thread("ann")
    assert await threads.messages("ann", thread.thread_id) == Page(items=(), next=None)
    assert await threads.events("ann", thread.thread_id) == Page(items=(), next=None)


async def test_a_walk_misses_nothing_when_threads_come_and_go_and_the_clock_jumps_back(path: Path) -> None:
    now = [NOON]
    async with open_threads(url(path), clock=lambda: now[0]) as threads:
        made = []
        for _ in range(6):
            made.append(await threads.create_thread("ann"))
            now[0] -= 3600
        first = await threads.threads("ann", limit=2)
        assert first.items == (made[5], made[4])
        await threads.create_thread("ann")
        await threads.delete_thread("ann", made[4].thread_id)  # the one that the cursor stands at
        await threads.delete_thread("ann", made[3].thread_id)
        second = await threads.threads("ann", limit=2, cursor=first.next)
        assert second.items == (made[2], made[1])


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 7])
async def test_messages_come_oldest_first_and_pages_make_the_whole(threads: ThreadService, limit: int) -> None:
    thread_id = (await threads.create_thread("ann")).thread_id
    for number in range(3):
        await answered(threads, "ann", message(f"m{number}", f"q{number}", thread_id), f"a{number}")
        await answered(threads, "bob", message(f"m{number}"))
    pages = await walk(lambda cursor: threads.messages("ann", thread_id, limit=limit, cursor=cursor))
    told = [item for page in pages for item in page]
    assert [getattr(item, "content", None) for item in told] == ["q0", "a0", "q1", "a1", "q2", "a2"]
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert pages[-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
async def test_events_pages_make_the_whole_from_any_position(threads: ThreadService, limit: int) -> None:
    run = await started(threads, "ann", message())
    kept = [event(run.run_id, last, first_seq=first) for first, last in ((1, 1), (2, 4), (5, 5), (6, 9), (10, 10))]
    await threads.append_events(run.thread_id, kept)
    for after in range(12):
        found: list[StoredEvent] = []
        page = await threads.events("ann", run.thread_id, after_seq=after, limit=limit)
        found.extend(page.items)
        while page.next is not None:
            page = await threads.events("ann", run.thread_id, after_seq=int(page.next), limit=limit)
            assert page.items
            found.extend(page.items)
        assert found == [cut(stored, after) for stored in kept if stored.seq > after]


async def test_a_page_ends_early_where_its_items_are_large(
    threads: ThreadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries_module, "MAX_PAGE_BYTES", 1000)
    run = await started(threads, "ann", message("m0", "x" * 900))
    sizes = [10, 400, 400, 400, 5000, 10, 5000, 5000]
    kept = [event(run.run_id, seq, text="x" * size) for seq, size in enumerate(sizes, start=1)]
    await threads.append_events(run.thread_id, kept)
    pages = await walk(
        lambda cursor: threads.events("ann", run.thread_id, after_seq=0 if cursor is None else int(cursor))
    )
    assert [stored for page in pages for stored in page] == kept
    assert [len(page) for page in pages] == [3, 1, 1, 1, 1, 1]
    for number in range(3):
        await answered(threads, "ann", message(f"n{number}", "y" * 600, run.thread_id), "z" * 600)
    told = await walk(lambda cursor: threads.messages("ann", run.thread_id, cursor=cursor))
    assert [len(page) for page in told] == [1] * 7


@pytest.mark.parametrize("limit", [0, -1, 1001, 2**70])
async def test_a_limit_out_of_range_is_refused(threads: ThreadService, limit: int) -> None:
    thread = await threads.create_thread("ann")
    for attempt in (
        threads.threads("ann", limit=limit),
        threads.messages("ann", thread.thread_id, limit=limit),
        threads.events("ann", thread.thread_id, limit=limit),
    ):
        with pytest.raises(InvalidMessage) as refused:
            await attempt
        assert refused.value.field == "limit"


@pytest.mark.parametrize("after_seq", [-1, 2**53, 2**70])
async def test_a_position_out_of_range_is_refused(threads: ThreadService, after_seq: int) -> None:
    thread = await threads.create_thread("ann")
    with pytest.raises(InvalidMessage) as refused:
        await threads.events("ann", thread.thread_id, after_seq=after_seq)
    assert refused.value.field == "after_seq"


async def test_a_cursor_serves_the_list_it_came_from_alone(threads: ThreadService) -> None:
    first, second = [await started(threads, "ann", message(f"m{number}")) for number in range(2)]
    for run in (first, second):
        await answered(threads, "ann", message(f"of {run.run_id}", thread_id=run.thread_id))
    of_first = (await threads.messages("ann", first.thread_id, limit=1)).next
    of_threads = (await threads.threads("ann", limit=1)).next
    assert of_first is not None
    assert of_threads is not None
    for attempt in (
        threads.messages("ann", second.thread_id, cursor=of_first),
        threads.messages("ann", first.thread_id, cursor=of_threads),
        threads.threads("ann", cursor=of_first),
        threads.threads("ann", cursor="threads:1"),
    ):
        with pytest.raises(InvalidMessage) as refused:
            await attempt
        assert refused.value.field == "cursor"


async def test_a_title_too_long_is_refused(threads: ThreadService) -> None:
    assert (await threads.create_thread("ann", "x" * 200)).title == "x" * 200
    with pytest.raises(InvalidMessage) as refused:
        await threads.create_thread("ann", "x" * 201)
    assert refused.value.field == "title"


# --- users ----------------------------------------------------------------------------------------------------------


async def test_nothing_of_one_user_reaches_another(threads: ThreadService, path: Path) -> None:
    ann = await answered(threads, "ann", message("m1", "ann's question"), "ann's answer")
    await answered(threads, "bob", message("m1", "bob's question"), "bob's answer")
    before = counts(path)
    for attempt in (
        threads.thread("bob", ann.thread_id),
        threads.messages("bob", ann.thread_id),
        threads.events("bob", ann.thread_id),
        threads.delete_thread("bob", ann.thread_id),
        threads.accept_message("bob", message("m2", thread_id=ann.thread_id), "analyst"),
    ):
        assert await code(attempt) == "THREAD_NOT_FOUND"
    assert await code(threads.run("bob", ann.run_id)) == "RUN_NOT_FOUND"
    assert ann.thread_id not in {thread.thread_id for thread in (await threads.threads("bob")).items}
    cursor = (await threads.messages("ann", ann.thread_id, limit=1)).next
    assert await code(threads.messages("bob", ann.thread_id, cursor=cursor)) == "THREAD_NOT_FOUND"
    assert counts(path) == before


async def test_what_does_not_exist_is_refused_in_the_same_words_as_what_is_anothers(threads: ThreadService) -> None:
    ann = await answered(threads, "ann", message("m1"))
    for thread_id, run_id in ((ann.thread_id, ann.run_id), ("none", "none")):
        with pytest.raises(RequestRefused) as no_thread:
            await threads.thread("bob", thread_id)
        with pytest.raises(RequestRefused) as no_run:
            await threads.run("bob", run_id)
        assert str(no_thread.value) == "There is no such thread"
        assert str(no_run.value) == "There is no such run"


# --- deleting -------------------------------------------------------------------------------------------------------


async def test_a_deleted_thread_leaves_no_row_and_no_word_in_the_file(path: Path) -> None:
    async with open_threads(url(path)) as threads:
        kept = await answered(threads, "ann", message("m1", "a word to keep"))
        before = counts(path)
        gone = await answered(threads, "ann", message("m2", "a secret to forget"), "a secret answer " * 1000)
        running = await started(threads, "ann", message("m3", "a secret afterthought", gone.thread_id))
        await threads.delete_thread("ann", gone.thread_id)
        assert counts(path) == before
        assert await code(threads.thread("ann", gone.thread_id)) == "THREAD_NOT_FOUND"
        assert await code(threads.delete_thread("ann", gone.thread_id)) == "THREAD_NOT_FOUND"
        assert await code(threads.run("ann", gone.run_id)) == "RUN_NOT_FOUND"
        assert await code(threads.append_events(gone.thread_id, [event(running.run_id, 3)])) == "THREAD_NOT_FOUND"
        assert await code(threads.start_run(running.run_id, 1)) == "RUN_NOT_FOUND"
        assert await threads.unfinished_runs() == ()
        assert not (await threads.accept_message("ann", message("m2"), "analyst")).duplicate
        assert (await threads.thread("ann", kept.thread_id)).last_seq == 2
    written = await trio.Path(path).read_bytes()
    assert b"a word to keep" in written
    assert b"secret" not in written


# --- the server's own record ----------------------------------------------------------------------------------------


def initialization(attempt: int, **seconds: float) -> InitializationRecord:
    return InitializationRecord(
        attempt=attempt,
        outcome="failed" if "broken" in seconds else "succeeded",
        started_at=NOON + attempt,
        duration_seconds=sum(seconds.values()),
        generation=None if "broken" in seconds else attempt,
        instance_id="i1",
        services=tuple(
            ServiceStart(service=name, duration_seconds=took) for name, took in seconds.items() if name != "broken"
        ),
        error_code="SERVICE_INIT_FAILED" if "broken" in seconds else None,
        failed_service="broken" if "broken" in seconds else None,
    )


async def test_durations_are_the_median_of_the_last_ten_starts(threads: ThreadService) -> None:
    assert await threads.learned_durations() == {}
    for attempt in range(20):
        await threads.record_initialization(initialization(attempt, ledger=100.0 if attempt < 10 else attempt))
    await threads.record_initialization(initialization(20, ledger=1000.0, broken=5.0))
    await threads.record_initialization(initialization(21, analyst=0.5, broken=5.0))
    assert await threads.learned_durations() == {"ledger": 15.5, "analyst": 0.5}


async def test_the_record_tells_of_starts_runs_and_tools_and_quotes_nobody(threads: ThreadService) -> None:
    await threads.record_initialization(initialization(1, ledger=2.0, broken=1.0))
    await threads.record_initialization(initialization(2, ledger=2.5))
    run = await started(threads, "ann", message("m1", "what was said"))
    tool: dict[str, Any] = {"tool_call_id": "c1", "tool": "query", "timestamp": NOON + 2.25}
    await threads.append_events(
        run.thread_id,
        [
            event(run.run_id, 1, kind="tool_executing", arguments={"sql": "what was said"}, **tool),
            event(
                run.run_id,
                2,
                kind="tool_completed",
                status="ok",
                summary="what was said",
                **{**tool, "timestamp": NOON + 4, "duration_seconds": 1.75},
            ),
            event(run.run_id, 3, kind="tool_executing", **{**tool, "tool_call_id": "c2"}),
        ],
    )
    await threads.end_run(run, [], state="failed", answer=None, text="what was said", error_code="AGENT_FAILED")
    waiting = await threads.accept_message("bob", message("m1"), "poet")
    tables = {table.name: table for table in await threads.records()}
    assert "what was said" not in str(tables)
    assert list(tables) == ["runs", "tool_calls", "initializations", "service_starts"]
    assert [dict(zip(tables["runs"].columns, row, strict=True)) for row in tables["runs"].rows] == [
        {
            "run_id": run.run_id,
            "thread_id": run.thread_id,
            "agent": "analyst",
            "state": "failed",
            "attempt": 1,
            "generation": 1,
            "error_code": "AGENT_FAILED",
            "created_at": "2023-11-15T12:00:00.000+00:00",
            "started_at": "2023-11-15T12:00:01.000+00:00",
            "ended_at": "2023-11-15T12:00:03.000+00:00",
            "duration_seconds": 2.0,
        },
        {
            "run_id": waiting.run_id,
            "thread_id": waiting.thread_id,
            "agent": "poet",
            "state": "waiting",
            "attempt": 0,
            "generation": None,
            "error_code": None,
            "created_at": "2023-11-15T12:00:04.000+00:00",
            "started_at": None,
            "ended_at": None,
            "duration_seconds": None,
        },
    ]
    assert tables["tool_calls"] == RecordTable(
        name="tool_calls",
        columns=("tool_call_id", "run_id", "tool", "status", "started_at", "duration_seconds"),
        rows=(
            ("c1", run.run_id, "query", "ok", "2023-11-15T12:00:02.250+00:00", 1.75),
            ("c2", run.run_id, "query", None, "2023-11-15T12:00:02.250+00:00", None),
        ),
    )
    starts = tables["initializations"]
    assert [dict(zip(starts.columns, row, strict=True))["outcome"] for row in starts.rows] == ["failed", "succeeded"]
    assert starts.rows[0] == (
        *(1, "i1", 1, "failed", None, "SERVICE_INIT_FAILED", "broken"),
        *("2023-11-15T12:00:01.000+00:00", 3.0),
    )
    assert tables["service_starts"].rows == ((1, "ledger", 2.0), (2, "ledger", 2.5))


async def test_the_record_for_one_user_has_the_runs_and_tools_of_that_user_alone(threads: ThreadService) -> None:
    for user in ("ann", "bob"):
        run = await started(threads, user, message())
        tool = event(run.run_id, 1, kind="tool_executing", tool_call_id=f"of {user}", tool="query", timestamp=NOON)
        await threads.append_events(run.thread_id, [tool])
    for user in ("ann", "bob", "eve"):
        run_table, tool_table, *_ = await threads.records(user)
        assert [row[0] for row in tool_table.rows] == ([] if user == "eve" else [f"of {user}"])
        assert len(run_table.rows) == len(tool_table.rows)
        for row in run_table.rows:
            assert (await threads.run(user, row[0])).user_id == user


async def test_a_check_leaves_one_probe(threads: ThreadService, path: Path) -> None:
    for _ in range(3):
        await threads.check()
    assert counts(path)["probes"] == 1


# --- snapshots --------------------------------------------------------------------------------------------------------


async def test_a_snapshot_is_of_one_moment_whatever_is_written_meanwhile(threads: ThreadService, path: Path) -> None:
    asked = await answered(threads, "ann", message())
    read: list[str] = []

    def write_meanwhile(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """Between the first reading and the second."""
        if read or "FROM threads" in statement:
            read.append(statement)
        if len(read) == 2:
            with closing(sqlite3.connect(path)) as other, other:
                other.execute("UPDATE messages SET content = 'of a later moment'")

    sqlalchemy_event.listen(Engine, "before_cursor_execute", write_meanwhile)
    try:
        thread, shown = await threads.snapshot("ann", asked.thread_id)
    finally:
        sqlalchemy_event.remove(Engine, "before_cursor_execute", write_meanwhile)
    assert (thread.last_seq, [each.content for each in shown]) == (2, ["How much?", "42"])
    _, shown = await threads.snapshot("ann", asked.thread_id)
    assert [each.content for each in shown] == ["of a later moment"] * 2
