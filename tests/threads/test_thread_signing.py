"""What is changed in a database past chatcore is found: every column of every row, wherever it stands in the log."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import trio
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st

from chatcore.errors import ConfigurationError
from chatcore.threads.archive import Archive
from chatcore.threads.chain import LogReport, ThreadLog, check_log
from chatcore.threads.database import MIGRATIONS
from chatcore.threads.keys import key_path, signer_for
from chatcore.threads.model import Accepted
from chatcore.threads.opening import open_threads
from chatcore.threads.signing import signer_of
from chatcore.threads.sqlite import create_sqlite_engine
from stored import answered, event, message, started, url

KEY, OTHER_KEY = "k" * 32, "o" * 32


@pytest.fixture
async def talked(tmp_path: Path) -> Accepted:
    """A thread of three runs, the last of which is under way, and another beside it; in ``chat.db``."""
    async with open_threads(url(tmp_path / "chat.db")) as threads:
        first = await answered(threads, "ann", message())
        await answered(threads, "ann", message("beside"))
        await answered(threads, "ann", message("m2", thread_id=first.thread_id))
        running = await started(threads, "ann", message("m3", thread_id=first.thread_id))
        deltas = event(running.run_id, 9, first_seq=6)
        await threads.append_events(first.thread_id, [event(running.run_id, 5, kind="agent_started"), deltas])
        await threads.append_events(first.thread_id, [event(running.run_id, 10, kind="agent_thinking")])
    return first


@contextmanager
def behind_its_back(folder: Path) -> Iterator[sqlite3.Connection]:
    """The database as anyone may open it who can write the file."""
    with closing(sqlite3.connect(folder / "chat.db")) as connection, connection:
        yield connection


def log_of(folder: Path, thread: Accepted) -> ThreadLog:
    log = Archive(url(folder / "chat.db")).log(thread.thread_id)
    assert log is not None
    return log


def report_of(folder: Path, thread: Accepted) -> LogReport:
    return check_log(log_of(folder, thread), Archive(url(folder / "chat.db")).signer())


def places(report: LogReport) -> set[str]:
    """Where the faults are."""
    return {fault.where for fault in report.faults}


async def test_what_was_kept_is_whole(tmp_path: Path, talked: Accepted) -> None:
    report = report_of(tmp_path, talked)
    assert report.whole
    assert (report.events, report.signed, report.unsigned) == (7, 12, 0)


CHANGES: Mapping[str, tuple[str, str]] = {
    "frame": (
        "UPDATE events SET frame = CAST(replace(CAST(frame AS TEXT), '42', '43') AS BLOB) WHERE seq = 4",
        "event 4",
    ),
    "type": ("UPDATE events SET type = 'agent_failed' WHERE seq = 4", "event 4"),
    "run": ("UPDATE events SET run_id = 'other' WHERE seq = 3", "event 3"),
    "parts": ("UPDATE events SET parts = CAST('[1]' AS BLOB) WHERE seq = 9", "event 9"),
    "first": ("UPDATE events SET first_seq = 7 WHERE seq = 9", "event 9"),
    "order": (
        "UPDATE events SET frame = (SELECT frame FROM events AS other WHERE other.seq = 3 AND other.thread_id = "
        "events.thread_id) WHERE seq = 4",
        "event 4",
    ),
    "removed": ("DELETE FROM events WHERE seq = 3", "event 4"),
    "renumbered": (
        "DELETE FROM events WHERE seq = 1; UPDATE events SET seq = 1, first_seq = 1 WHERE seq = 2",
        "event 1",
    ),
    "inserted": (
        "INSERT INTO events SELECT thread_id, 11, 11, run_id, type, frame, parts, mac FROM events WHERE seq = 10; "
        "UPDATE threads SET last_seq = 11",
        "event 11",
    ),
    "inserted without a signature": (
        "INSERT INTO events SELECT thread_id, 11, 11, run_id, type, frame, parts, NULL FROM events WHERE seq = 10; "
        "UPDATE threads SET last_seq = 11",
        "event 11",
    ),
    "cut off": ("DELETE FROM events WHERE seq = 10", "thread"),
    "cut off with its count": ("DELETE FROM events WHERE seq = 10; UPDATE threads SET last_seq = 9", "thread"),
    "all cut off": ("DELETE FROM events; UPDATE threads SET last_seq = 0", "thread"),
    "seal": ("UPDATE threads SET seal = NULL", "thread"),
    "mac": ("UPDATE events SET mac = zeroblob(36) WHERE seq = 2", "event 2"),
    "macs of a beginning": ("UPDATE events SET mac = NULL WHERE seq <= 2", "event 3"),
    "another's thread": ("UPDATE threads SET user_id = 'bob'", "thread"),
    "epoch": ("UPDATE threads SET epoch = 'other'", "thread"),
    "question": ("UPDATE messages SET content = 'How little?' WHERE message_id = 'm2'", "message"),
    "answer": ("UPDATE messages SET answer = CAST('{}' AS BLOB) WHERE role = 'agent'", "message"),
    "time": ("UPDATE messages SET created_at = created_at + 1 WHERE message_id = 'm2'", "message"),
    "asker": ("UPDATE messages SET user_id = 'bob' WHERE message_id = 'm2'", "message"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_is_found_and_named(tmp_path: Path, talked: Accepted, change: str) -> None:
    script, where = CHANGES[change]
    with behind_its_back(tmp_path) as database:
        database.executescript(script)
    report = report_of(tmp_path, talked)
    assert not report.whole
    assert any(place.startswith(where) for place in places(report)), report


async def test_any_byte_of_any_value_is_found(tmp_path: Path, talked: Accepted) -> None:
    """Each row, each column: the last bit of a value is another, and the report is not whole."""
    log, signer = log_of(tmp_path, talked), Archive(url(tmp_path / "chat.db")).signer()
    for kept in ("events", "messages"):
        for number, row in enumerate(getattr(log, kept)):
            for name, value in attrs.asdict(row).items():
                changed = [*getattr(log, kept)]
                changed[number] = attrs.evolve(row, **{name: another(value)})
                report = check_log(attrs.evolve(log, **cast("Any", {kept: changed})), signer)
                assert not report.whole, (kept, number, name)


def another(value: Any) -> Any:
    if value is None:
        return b"\0"
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    return value[:-1] + chr(ord(value[-1]) ^ 1) if isinstance(value, str) else value + 1


async def test_rows_of_before_signing_are_said_to_be_unsigned(tmp_path: Path) -> None:
    """A thread of the schema before, opened by this version, goes on signed; its beginning is not proven."""
    path = tmp_path / "chat.db"
    async with open_threads(url(path)) as threads:
        first = await answered(threads, "ann", message())
    migrate(path, "0002", down=True)
    async with open_threads(url(path)) as threads:
        await answered(threads, "ann", message("m2", thread_id=first.thread_id))
    report = report_of(tmp_path, first)
    assert (report.signed, report.unsigned, report.faults) == (4, 4, [])
    assert not report.whole


def migrate(path: Path, revision: str, *, down: bool) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_sqlite_engine(path, connections=1, writes=True)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)
    engine.dispose()


async def test_a_deleted_thread_leaves_the_others_whole(tmp_path: Path) -> None:
    async with open_threads(url(tmp_path / "chat.db")) as threads:
        first, other = [await answered(threads, "ann", message(name)) for name in ("m1", "m2")]
        await threads.rename_thread("ann", other.thread_id, "Other")
        await threads.delete_thread("ann", first.thread_id)
        assert (await threads.audit("ann", other.thread_id)).whole
    assert Archive(url(tmp_path / "chat.db")).log(first.thread_id) is None


# --- keys -----------------------------------------------------------------------------------------------------------


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    made = [signer_for(path, None).keys for _ in range(2)]
    assert made[0] == made[1]
    assert stat.S_IMODE(key_path(path).stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["chat.db.key"]


def test_a_link_to_a_database_leads_to_its_key(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "chat.db")
    assert key_path(tmp_path / "link.db") == key_path(tmp_path / "chat.db")


async def test_a_key_of_the_settings_signs_and_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    async with open_threads(url(path), signing_key=KEY) as threads:
        first = await answered(threads, "ann", message())
    assert not key_path(path).exists()
    log = log_of(tmp_path, first)
    assert check_log(log, signer_of(KEY)).whole
    assert check_log(log, signer_of(OTHER_KEY, KEY)).whole
    assert all("a key that is not here" in fault.problem for fault in check_log(log, signer_of(OTHER_KEY)).faults)
    assert [fault.problem for fault in check_log(log, None).faults] == ["there is no key to check it with"]


async def test_a_key_can_be_changed_and_what_the_old_one_signed_stays_known(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    async with open_threads(url(path)) as threads:  # signed with the file's
        first = await answered(threads, "ann", message())
    for keys, name in ((KEY, "m2"), (f"{OTHER_KEY},{KEY}", "m3")):
        async with open_threads(url(path), signing_key=keys) as threads:
            await answered(threads, "ann", message(name, thread_id=first.thread_id))
            assert (await threads.audit("ann", first.thread_id)).whole
    archive = Archive(url(path), f"{OTHER_KEY}\n{KEY}")
    assert check_log(log_of(tmp_path, first), archive.signer()).whole
    assert "kkkk" not in repr(archive)


@pytest.mark.parametrize("text", ["", "short", f"{KEY} short", " , "])
def test_a_key_that_can_be_guessed_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        signer_of(text)
    assert "short" not in str(refusal.value)
    assert refusal.value.field == "signing_key"


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40])
def test_a_key_file_that_is_none_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    key_path(tmp_path / "chat.db").write_bytes(content)
    with pytest.raises(ConfigurationError):
        signer_for(tmp_path / "chat.db", None)
    assert key_path(tmp_path / "chat.db").read_bytes() == content


def test_many_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    async def main() -> list[Any]:
        found: list[Any] = []

        async def one() -> None:
            found.append(await trio.to_thread.run_sync(signer_for, tmp_path / "chat.db", None))

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(one)
        return found

    assert len({signer.keys for signer in trio.run(main)}) == 1


VALUES = st.lists(st.none() | st.text(max_size=4) | st.binary(max_size=4) | st.integers(0, 3), max_size=4)


@given(VALUES, VALUES)
def test_other_values_have_another_signature(first: list[Any], second: list[Any]) -> None:
    signer = signer_of(KEY)
    assert (signer.check(signer.sign("event", *first), "event", *second) == "valid") == (first == second)
    assert signer.check(signer.sign("event", *first), "message", *first) == "invalid"
