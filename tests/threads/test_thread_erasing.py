"""What was deleted is in no file any more, and threads whose time is over are deleted."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from chatcore.errors import ErrorCode, RequestRefused
from chatcore.threads import eraser
from chatcore.threads.database import compact_database, open_database
from chatcore.threads.opening import open_threads
from chatcore.threads.service import ThreadService
from stored import TABLES, answered, counts, event, message, rows, started, url

NOON = 1_767_268_800.0
DAY = 86_400.0


def left(folder: Path, words: list[str]) -> set[tuple[str, str]]:
    """Which of the words are in which file."""
    contents = {file.name: file.read_bytes() for file in folder.iterdir()}
    return {(name, word) for name, content in contents.items() for word in words if word.encode() in content}


async def until_gone(folder: Path, words: list[str]) -> None:
    while left(folder, words):  # noqa: ASYNC110  nobody tells what is in a file
        await trio.sleep(0.05)


async def converse(threads: ThreadService, rng: random.Random, count: int) -> dict[str, str]:
    """Threads that speak in turns, so that their rows share pages; the word that each says, by its id."""
    runs = []
    for number in range(count):
        word = f"quixotic{number:04d}"
        accepted = await threads.accept_message("ann", message(f"m{number}", f"{word} " * 20), "analyst")
        runs.append((word, accepted, await threads.start_run(accepted.run_id, 1)))
    seqs = {accepted.run_id: seq for _, accepted, seq in runs}
    for _ in range(15 * count):
        word, accepted, _ = rng.choice(runs)
        seq = seqs[accepted.run_id]
        said = event(accepted.run_id, seq, text=f"{word} " * rng.choice((5, 30, 100)))
        await threads.append_events(accepted.thread_id, [said])
        seqs[accepted.run_id] += 1
    for word, accepted, _ in runs:
        last = [event(accepted.run_id, seqs[accepted.run_id], kind="agent_completed", text=word)]
        await threads.end_run(accepted, last, state="completed", answer=b"{}", text=word, error_code=None)
    return {accepted.thread_id: word for word, accepted, _ in runs}


@pytest.mark.usefixtures("threads_in_place")
@pytest.mark.parametrize("seed", [9, 43, 44, 48])  # in these SQLite moves words out of a page and leaves a copy in it
async def test_words_of_a_deleted_thread_are_in_no_file(tmp_path: Path, seed: int, autojump_clock: MockClock) -> None:
    rng = random.Random(seed)
    with trio.fail_after(60):
        async with open_threads(url(tmp_path / "chat.db")) as threads, trio.open_nursery() as nursery:
            nursery.start_soon(threads.keep_erasing)
            spoken = await converse(threads, rng, 20)
            gone = rng.sample(list(spoken), 12)
            for thread_id in gone:
                await threads.delete_thread("ann", thread_id)
            await until_gone(tmp_path, [spoken[thread_id] for thread_id in gone])
            kept = sorted(spoken.keys() - gone)
            assert {word for _, word in left(tmp_path, list(spoken.values()))} == {spoken[key] for key in kept}
            assert [len((await threads.messages("ann", key)).items) for key in kept] == [2] * 8
            nursery.cancel_scope.cancel()


async def test_a_reader_in_the_way_delays_it_and_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In real time, with real threads: one reader holds an old state of the database for a while."""
    monkeypatch.setattr(eraser, "REST", 5.0)
    path = tmp_path / "chat.db"
    with trio.fail_after(30):
        async with open_threads(url(path)) as threads, trio.open_nursery() as nursery:
            nursery.start_soon(threads.keep_erasing)
            accepted = await answered(threads, "ann", message(content="quixotic0001"))
            with closing(sqlite3.connect(path)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM threads").fetchone()
                await threads.delete_thread("ann", accepted.thread_id)
                await trio.sleep(1.5)
                assert left(tmp_path, ["quixotic0001"])
                began = trio.current_time()
                await answered(threads, "ann", message("m2"))
                assert trio.current_time() - began < 1.0
            await until_gone(tmp_path, ["quixotic0001"])
            nursery.cancel_scope.cancel()


KILLED = """
import sys, signal, os, trio
from chatcore.protocol.messages import UserMessage
from chatcore.threads.opening import open_threads

async def main():
    async with open_threads(sys.argv[1]) as threads:
        message = UserMessage(message_id="m", content="quixotic0001 " * 20)
        accepted = await threads.accept_message("ann", message, "analyst")
        await threads.delete_thread("ann", accepted.thread_id)
        os.kill(os.getpid(), signal.SIGKILL)

trio.run(main)
"""


async def test_what_a_killed_process_had_deleted_is_gone_with_the_next_start(tmp_path: Path) -> None:
    killed = await trio.run_process([sys.executable, "-c", KILLED, url(tmp_path / "chat.db")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert left(tmp_path, ["quixotic0001"]) == {("chat.db-wal", "quixotic0001")}
    async with open_threads(url(tmp_path / "chat.db")):
        assert left(tmp_path, ["quixotic0001"]) == set()


@pytest.mark.usefixtures("threads_in_place")
@pytest.mark.parametrize("seed", [9, 43])
@pytest.mark.parametrize("killed", [False, True])
async def test_what_was_deleted_just_before_an_end_is_erased_after_the_next_start(
    tmp_path: Path, killed: bool, seed: int, autojump_clock: MockClock
) -> None:
    rng, first, then = random.Random(seed), tmp_path / "first", tmp_path / "then"
    first.mkdir()
    with trio.fail_after(60):
        async with open_threads(url(first / "chat.db")) as threads:
            spoken = await converse(threads, rng, 20)
            gone = rng.sample(list(spoken), 12)
            for thread_id in gone:
                await threads.delete_thread("ann", thread_id)
            if killed:
                shutil.copytree(first, then)  # the files as a kill at this moment leaves them
        if not killed:
            shutil.copytree(first, then)
        words = [spoken[thread_id] for thread_id in gone]
        async with open_threads(url(then / "chat.db")):
            assert left(then, words), "and a start that ends at once has not erased them"
        async with open_threads(url(then / "chat.db")) as threads, trio.open_nursery() as nursery:
            nursery.start_soon(threads.keep_erasing)
            await until_gone(then, words)
            assert {word for _, word in left(then, list(spoken.values()))} == set(spoken.values()) - set(words)
            nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("threads_in_place")
@pytest.mark.parametrize("expired", [False, True])
async def test_a_deletion_is_remembered_until_the_database_is_written_anew(tmp_path: Path, expired: bool) -> None:
    now = NOON
    async with open_threads(url(tmp_path / "chat.db"), clock=lambda: now) as threads:
        accepted = await answered(threads, "ann", message())
        with pytest.raises(RequestRefused):
            await threads.delete_thread("bob", accepted.thread_id)
        now += 2 * DAY
        assert await threads.delete_inactive(3 * DAY) == 0
        assert rows(tmp_path / "chat.db", "PRAGMA user_version") == [(0,)], "nothing was deleted"
        if expired:
            await threads.delete_inactive(DAY)
        else:
            await threads.delete_thread("ann", accepted.thread_id)
    with closing(open_database(url(tmp_path / "chat.db"), readers=1)) as database:
        assert database.unerased()
        assert database.erase(compact_bytes=0), "there is no sense in trying again"
        assert database.unerased(), "it was too large"
        assert database.erase()
        assert not database.unerased()


@pytest.mark.usefixtures("threads_in_place")
async def test_a_database_is_written_anew_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    async with open_threads(url(path)) as threads:
        accepted = await answered(threads, "ann", message(content="x" * 100_000))
        await threads.delete_thread("ann", accepted.thread_id)
        kept = await answered(threads, "ann", message("m2"))
    before = path.stat().st_size
    compact_database(url(path))
    assert path.stat().st_size < before - 90_000
    async with open_threads(url(path)) as threads:
        assert (await threads.thread("ann", kept.thread_id)).title == "How much?"


# --- retention ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("threads_in_place")
async def test_threads_are_deleted_when_nothing_has_happened_for_so_long(tmp_path: Path) -> None:
    now = NOON
    async with open_threads(url(tmp_path / "chat.db"), clock=lambda: now) as threads:
        old = await answered(threads, "ann", message("old"))
        others = await answered(threads, "bob", message("old"))
        empty = await threads.create_thread("ann")
        under_way = await started(threads, "ann", message("under way"))
        waiting = await threads.accept_message("ann", message("waiting"), "analyst")
        went_on = await answered(threads, "ann", message("went on"))
        now += 20 * DAY
        await answered(threads, "ann", message("again", thread_id=went_on.thread_id))
        recent = await answered(threads, "ann", message("recent"))
        now += 11 * DAY

        assert await threads.delete_inactive(30 * DAY) == 3
        left_over = {thread.thread_id for thread in (await threads.threads("ann")).items}
        assert left_over == {run.thread_id for run in (under_way, waiting, went_on, recent)}
        assert (await threads.threads("bob")).items == ()
        for user, thread_id in (("ann", old.thread_id), ("bob", others.thread_id), ("ann", empty.thread_id)):
            with pytest.raises(RequestRefused) as refused:
                await threads.messages(user, thread_id)
            assert refused.value.error_code == ErrorCode.THREAD_NOT_FOUND
        assert await threads.delete_inactive(30 * DAY) == 0

        now += 30 * DAY
        last = event(under_way.run_id, 1, kind="agent_failed")
        await threads.end_run(under_way, [last], state="failed", answer=None, text="", error_code="SERVICE_LOST")
        assert await threads.delete_inactive(30 * DAY) == 2, "the run has ended only now, and one still waits"
    tables = counts(tmp_path / "chat.db")
    assert {table: tables[table] for table in TABLES[:4]} == {"threads": 2, "runs": 2, "messages": 3, "events": 1}


async def test_nobody_waits_while_many_threads_are_deleted(tmp_path: Path) -> None:
    now = NOON
    with trio.fail_after(60):
        async with open_threads(url(tmp_path / "chat.db"), clock=lambda: now) as threads:
            async with trio.open_nursery() as nursery:
                for number in range(250):
                    nursery.start_soon(answered, threads, "ann", message(f"m{number}"))
            now += 31 * DAY
            deleted: list[int] = []

            async def delete() -> None:
                deleted.append(await threads.delete_inactive(30 * DAY))

            sent = 0
            async with trio.open_nursery() as nursery:
                nursery.start_soon(delete)
                while not deleted:
                    await threads.accept_message("bob", message(f"b{sent}"), "analyst")
                    sent += 1
            assert deleted == [250]
            assert sent > 100, "they took turns"
