"""A full disk, a failing disk, a lock, a kill, callers that leave: what was acknowledged is kept, the rest is not."""

from __future__ import annotations

import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy import event as sqlalchemy_event

from chatcore.errors import RequestRefused, StorageUnavailable
from chatcore.threads.model import Accepted, Thread
from chatcore.threads.opening import open_threads
from chatcore.threads.service import ThreadService
from stored import TABLES, answered, connections, counts, event, message, rows, started, url

LARGE = "x" * 20_000


async def unavailable(attempt: Awaitable[object]) -> StorageUnavailable:
    with pytest.raises(StorageUnavailable) as refused:
        await attempt
    return refused.value


def is_sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with the file, nor with what refers to what."""
    return rows(path, "PRAGMA integrity_check") == [("ok",)] and rows(path, "PRAGMA foreign_key_check") == []


def kept(path: Path) -> set[str]:
    return {message_id for (message_id,) in rows(path, "SELECT message_id FROM messages WHERE role = 'user'")}


# --- the disk -------------------------------------------------------------------------------------------------------


@contextmanager
def a_full_disk(writer: sqlite3.Connection) -> Iterator[None]:
    """No more than a few pages are left for the database."""
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 8}")
    try:
        yield
    finally:
        writer.execute("PRAGMA max_page_count = 1000000")


@contextmanager
def a_failing_disk() -> Iterator[None]:
    """Every write that would make a file larger fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def fill(threads: ThreadService) -> tuple[set[str], StorageUnavailable]:
    """Send messages until one is refused; those that were accepted, and the refusal."""
    accepted: set[str] = set()
    for number in range(100):
        message_id = f"filling {number}"
        try:
            await threads.accept_message("ann", message(message_id, LARGE), "analyst")
        except StorageUnavailable as refusal:
            return accepted, refusal
        accepted.add(message_id)
    raise AssertionError("the disk is never full")


async def test_a_full_disk_refuses_whole_messages_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    with connections() as opened:
        async with open_threads(url(path)) as threads:
            run = await started(threads, "ann", message("first"))
            with a_full_disk(opened[0]):
                accepted, refusal = await fill(threads)
                await unavailable(fill_with_events(threads, run))
                ending = threads.end_run(run, [], state="completed", answer=None, text=LARGE * 10, error_code=None)
                await unavailable(ending)
                await unavailable(exhaust(threads))
                await unavailable(threads.check())
                assert kept(path) >= accepted | {"first"}
                assert len(await threads.unfinished_runs()) == len(kept(path))  # reading goes on
            assert refusal.__notes__ == ["SQLITE_FULL"]
            assert str(refusal) == "The message could not be stored and was not accepted"
            await threads.check()
            again = await threads.accept_message("ann", message(f"filling {len(accepted)}", LARGE), "analyst")
            assert not again.duplicate
            await threads.end_run(run, [], state="completed", answer=None, text="at last", error_code=None)
    assert is_sound(path)
    assert kept(path) >= accepted | {"first", f"filling {len(accepted)}"}


async def fill_with_events(threads: ThreadService, run: Accepted) -> None:
    for seq in range(1, 100):
        await threads.append_events(run.thread_id, [event(run.run_id, seq, text=LARGE)])


async def exhaust(threads: ThreadService) -> None:
    """Take the last page with messages as small as there are."""
    for number in range(1000):
        await threads.accept_message("ann", message(f"small {number}", "x"), "analyst")


async def test_all_of_a_group_that_meets_a_full_disk_are_refused_and_each_has_an_error_of_its_own(
    tmp_path: Path,
) -> None:
    path = tmp_path / "chat.db"
    refusals: list[StorageUnavailable] = []
    accepted: list[str] = []

    async def send(number: int) -> None:
        try:
            await threads.accept_message("ann", message(f"m{number}", LARGE), "analyst")
        except StorageUnavailable as refusal:
            refusals.append(refusal)
        else:
            accepted.append(f"m{number}")

    with connections() as opened:
        async with open_threads(url(path)) as threads:
            with a_full_disk(opened[0]):
                async with trio.open_nursery() as nursery:
                    for number in range(30):
                        nursery.start_soon(send, number)
    assert len(refusals) > 1
    assert len({id(refusal) for refusal in refusals}) == len(refusals)
    assert kept(path) == set(accepted)
    assert is_sound(path)


async def test_a_disk_that_fails_to_write_is_told_without_the_drivers_words(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    async with open_threads(url(path)) as threads:
        await threads.accept_message("ann", message("before", LARGE), "analyst")
        with a_failing_disk():
            refusal = await unavailable(threads.accept_message("ann", message("during", LARGE * 50), "analyst"))
            await unavailable(threads.check())
        assert refusal.__notes__ == ["SQLITE_IOERR_WRITE"]
        assert refusal.__cause__ is None
        assert str(path) not in repr(refusal)
        await threads.accept_message("ann", message("after", LARGE), "analyst")
        await threads.check()
    assert kept(path) == {"before", "after"}
    assert is_sound(path)


async def test_a_database_that_another_process_holds_is_unavailable_until_it_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    with connections() as opened:
        async with open_threads(url(path)) as threads:
            opened[0].execute("PRAGMA busy_timeout = 1")  # instead of seconds
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                refusal = await unavailable(threads.accept_message("ann", message("during"), "analyst"))
                await unavailable(threads.check())
                assert await threads.unfinished_runs() == ()
                other.execute("ROLLBACK")
            assert refusal.__notes__ == ["SQLITE_BUSY"]
            await threads.accept_message("ann", message("after"), "analyst")
    assert kept(path) == {"after"}


async def test_a_table_that_is_gone_is_unavailable_to_readers_too(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    async with open_threads(url(path)) as threads:
        with closing(sqlite3.connect(path)) as vandal:
            vandal.execute("DROP TABLE threads")
        refusal = await unavailable(threads.threads("a user's name"))
        assert str(refusal) == "The message could not be stored and was not accepted"
        assert "a user's name" not in f"{refusal.__context__} {refusal.__notes__}"


# --- the process ----------------------------------------------------------------------------------------------------

SERVER = """
import itertools, sys, trio
from chatcore.protocol.messages import UserMessage
from chatcore.threads.opening import open_threads

async def main():
    async with open_threads(sys.argv[1]) as threads, trio.open_nursery() as nursery:
        async def send(sender):
            for number in itertools.count():
                message = UserMessage(message_id=f"{sender}-{number}", content="x" * 1000)
                await threads.accept_message("ann", message, "analyst")
                print(message.message_id, flush=True)
        for sender in range(5):
            nursery.start_soon(send, sender)

trio.run(main)
"""


def test_what_was_acknowledged_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    acknowledged = []
    with subprocess.Popen([sys.executable, "-c", SERVER, url(path)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        for line in server.stdout:
            acknowledged.append(line)
            if len(acknowledged) == 100:
                server.send_signal(signal.SIGKILL)
    whole = {line.strip() for line in acknowledged if line.endswith("\n")}
    assert len(whole) >= 100
    assert whole <= kept(path)
    assert is_sound(path)

    async def take_up() -> int:
        async with open_threads(url(path)) as threads:
            return len(await threads.unfinished_runs())

    assert trio.run(take_up) == len(kept(path))


# --- callers that leave ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
async def test_callers_that_leave_break_nothing_and_are_kept_wholly_or_not_at_all(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "chat.db"
    dice = random.Random(seed)
    acknowledged: set[str] = set()

    async def send(number: int) -> None:
        with trio.move_on_after(dice.choice([0, 0.0005, 0.002, 60])):
            await threads.accept_message("ann", message(f"m{number}"), "analyst")
            acknowledged.add(f"m{number}")

    async with open_threads(url(path)) as threads:
        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(send, number)
        await threads.accept_message("ann", message("last"), "analyst")
    assert acknowledged <= kept(path)
    found = counts(path)
    assert found["threads"] == found["runs"] == found["messages"] == len(kept(path))
    assert is_sound(path)


async def test_a_service_that_is_cancelled_keeps_what_was_acknowledged_and_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    acknowledged: set[str] = set()

    async def send(sender: int) -> None:
        for number in range(1000):
            await threads.accept_message("ann", message(f"{sender}-{number}"), "analyst")
            acknowledged.add(f"{sender}-{number}")

    with trio.CancelScope() as everything:
        async with open_threads(url(path)) as threads, trio.open_nursery() as nursery:
            for sender in range(10):
                nursery.start_soon(send, sender)
            while len(acknowledged) < 50:
                await threads.check()
            everything.cancel()
    assert everything.cancelled_caught
    assert acknowledged <= kept(path)
    assert await entries(tmp_path) == ["chat.db", "chat.db.key"]


async def entries(folder: Path) -> list[str]:
    return sorted(entry.name for entry in await trio.Path(folder).iterdir())


# --- plans ----------------------------------------------------------------------------------------------------------


async def test_nothing_that_grows_with_its_users_is_read_whole(tmp_path: Path) -> None:
    asked: list[tuple[str, Any]] = []

    def remember(_c: object, _cursor: object, statement: str, parameters: Any, _x: object, _many: bool) -> None:
        asked.append((statement, parameters))

    async with open_threads(url(tmp_path / "chat.db")) as threads:
        run = await answered(threads, "ann", message())
        sqlalchemy_event.listen(Engine, "before_cursor_execute", remember)
        try:
            await threads.threads("ann")
            await threads.messages("ann", run.thread_id)
            await threads.events("ann", run.thread_id)
            await threads.run("ann", run.run_id)
            await threads.unfinished_runs()
            await threads.records("ann")
        finally:
            sqlalchemy_event.remove(Engine, "before_cursor_execute", remember)
    with closing(sqlite3.connect(tmp_path / "chat.db")) as connection:
        selects = [(statement, parameters) for statement, parameters in asked if statement.startswith("SELECT")]
        assert len(selects) >= 9
        for statement, parameters in selects:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert [step for step in plan if re.match(r"SCAN (threads|runs|messages|events)\b", step)] == [], statement


# --- any history ----------------------------------------------------------------------------------------------------

USERS = st.sampled_from(["ann", "bob"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "start", "append", "end", "delete"]), USERS, st.integers(0, 4)), max_size=25
)


class Memory:
    """What a ThreadService should know, in the simplest way to know it."""

    def __init__(self) -> None:
        self.runs: dict[str, list[Accepted]] = {"ann": [], "bob": []}
        self.events: dict[str, list[int]] = {}
        self.ended: set[str] = set()


async def play(threads: ThreadService, memory: Memory, step: tuple[str, str, int], serial: int) -> None:
    action, user, which = step
    runs = memory.runs[user]
    run = runs[which % len(runs)] if runs else None
    if action == "send":
        thread_id = run.thread_id if run is not None and which % 2 else None
        accepted = await threads.accept_message(user, message(f"m{serial}", thread_id=thread_id), "analyst")
        runs.append(accepted)
        memory.events.setdefault(accepted.thread_id, [])
    elif run is not None and action == "delete":
        await threads.delete_thread(user, run.thread_id)
        memory.runs[user] = [other for other in runs if other.thread_id != run.thread_id]
    elif run is not None and run.run_id not in memory.ended:
        await MOVES[action](threads, memory, run)


async def start(threads: ThreadService, memory: Memory, run: Accepted) -> None:
    assert await threads.start_run(run.run_id, 1) == len(memory.events[run.thread_id]) + 1


async def append(threads: ThreadService, memory: Memory, run: Accepted) -> None:
    history = memory.events[run.thread_id]
    history.append(len(history) + 1)
    await threads.append_events(run.thread_id, [event(run.run_id, history[-1])])


async def end(threads: ThreadService, memory: Memory, run: Accepted) -> None:
    history = memory.events[run.thread_id]
    history.append(len(history) + 1)
    last = event(run.run_id, history[-1], kind="agent_completed")
    await threads.end_run(run, [last], state="completed", answer=None, text="done", error_code=None)
    memory.ended.add(run.run_id)


MOVES: dict[str, Callable[[ThreadService, Memory, Accepted], Awaitable[None]]] = {
    "start": start,
    "append": append,
    "end": end,
}


async def compare(threads: ThreadService, memory: Memory) -> None:
    """Each user sees exactly what is theirs."""
    for user, runs in memory.runs.items():
        listed = (await threads.threads(user)).items
        assert [thread.thread_id for thread in listed] == list(dict.fromkeys(run.thread_id for run in runs))[::-1]
        for thread in listed:
            await compare_thread(threads, memory, user, thread)
    unfinished = [run.run_id for run in await threads.unfinished_runs()]
    alive = [run.run_id for runs in memory.runs.values() for run in runs if run.run_id not in memory.ended]
    assert sorted(unfinished) == sorted(alive)


async def compare_thread(threads: ThreadService, memory: Memory, user: str, thread: Thread) -> None:
    history = memory.events[thread.thread_id]
    assert thread.last_seq == len(history)
    assert [stored.seq for stored in (await threads.events(user, thread.thread_id)).items] == history
    runs = [run for run in memory.runs[user] if run.thread_id == thread.thread_id]
    told = (await threads.messages(user, thread.thread_id)).items
    assert [item.run_id for item in told if item.role == "user"] == [run.run_id for run in runs]
    assert {item.run_id for item in told if item.role == "agent"} == {r.run_id for r in runs} & memory.ended
    other = "bob" if user == "ann" else "ann"
    with pytest.raises(RequestRefused):
        await threads.thread(other, thread.thread_id)


@settings(max_examples=20, deadline=None)
@given(STEPS)
def test_after_any_history_and_a_restart_each_user_finds_what_is_theirs(steps: list[tuple[str, str, int]]) -> None:
    async def main(path: Path) -> None:
        memory = Memory()
        async with open_threads(url(path)) as threads:
            for serial, step in enumerate(steps):
                await play(threads, memory, step, serial)
            await compare(threads, memory)
        async with open_threads(url(path)) as threads:
            await compare(threads, memory)
            for user in memory.runs:
                for thread in (await threads.threads(user)).items:
                    await threads.delete_thread(user, thread.thread_id)
        assert counts(path) == dict.fromkeys(TABLES, 0)

    with TemporaryDirectory() as folder:
        trio.run(main, Path(folder) / "chat.db")
