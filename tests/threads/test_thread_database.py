"""Opening storage: what is refused and how, migrations, and what every connection is set to."""

from __future__ import annotations

import os
import re
import resource
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.sql import ClauseElement

from chatcore.errors import ConfigurationError, StorageUnavailable
from chatcore.threads import statements
from chatcore.threads.database import MIGRATIONS, current_revision, upgrade_database
from chatcore.threads.opening import open_threads
from chatcore.threads.schema import metadata
from chatcore.threads.sqlite import create_sqlite_engine
from stored import TABLES, connections, message, rows, url

HEAD = "0003"


def files(folder: Path) -> dict[str, int]:
    """The names and modes of what a folder holds."""
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in sorted(folder.iterdir())}


async def refused(database_url: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as refusal:
        async with open_threads(database_url):
            pass
    assert refusal.value.field == "database_url"
    return refusal.value


# --- the URL and the file -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("database_url", "problem"),
    [
        ("postgresql://ann:hunter2@db.internal/chat", "postgresql:// is not served in this version"),
        ("mysql://ann:hunter2@db.internal/chat", "mysql:// is not served in this version"),
        ("hunter2", "is not a URL"),
        ("", "is not a URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:////", "names no file"),
        ("sqlite://hunter2/chat.db", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///chat.db?mode=hunter2", "has parameters, and takes none"),
        ("sqlite:///chat\0hunter2.db", "has parameters, and takes none"),
    ],
)
async def test_a_url_that_is_not_served_is_refused_without_quoting_it(database_url: str, problem: str) -> None:
    refusal = await refused(database_url)
    assert refusal.problem == problem
    assert "sqlite:///PATH" in refusal.remedy
    assert "hunter2" not in str(refusal)


async def test_a_folder_that_does_not_exist_is_refused_and_not_made(tmp_path: Path) -> None:
    refusal = await refused(url(tmp_path / "absent" / "chat.db"))
    assert "cannot be written" in refusal.problem
    assert files(tmp_path) == {}


async def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be written" in (await refused(url(tmp_path))).problem


async def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be written" in (await refused(url(tmp_path / "file" / "chat.db"))).problem


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o444, 0o777), (0o666, 0o555)])
async def test_a_file_or_a_folder_that_may_not_be_written_is_refused(file_mode: int, folder_mode: int) -> None:
    with a_guarded_file(file_mode, folder_mode) as path, an_ordinary_user():
        assert "cannot be written" in (await refused(url(path))).problem


@contextmanager
def a_guarded_file(file_mode: int, folder_mode: int) -> Iterator[Path]:
    """A database that is there, in a folder to which everybody finds the way."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        upgrade_database(url(folder / "chat.db"))
        (folder / "chat.db").chmod(file_mode)
        folder.chmod(folder_mode)
        yield folder / "chat.db"
        folder.chmod(0o700)


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Be somebody to whom modes apply: root may write everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    path.write_text("a letter to grandmother, long enough to be no header of anything" * 40)
    before = path.read_bytes()
    assert "is not an SQLite database" in (await refused(url(path))).problem
    assert path.read_bytes() == before


async def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE messages (subject)")
    assert "holds tables that are not chatcore's" in (await refused(url(path))).problem
    assert rows(path, "SELECT name FROM sqlite_master") == [("messages",)]


async def test_a_schema_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    await opened(path)
    with closing(sqlite3.connect(path)) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "a schema that this version does not know" in (await refused(url(path))).problem


async def test_too_many_open_files_is_a_passing_fault_wherever_the_opening_meets_it(tmp_path: Path) -> None:
    await opened(tmp_path / "first.db")  # so that nothing is left to import
    refusals = 0
    for spare in range(20):
        try:
            with only_files(spare):
                await opened(tmp_path / "second.db")
        except StorageUnavailable:
            refusals += 1
        else:
            break
    assert 3 <= refusals < 20  # the database, its two companions, a migration


@contextmanager
def only_files(spare: int) -> Iterator[None]:
    """Let this process open no more than ``spare`` more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as newest:
        taken = newest.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken + spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_library_too_old_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    assert "needs SQLite 3.35 or newer" in (await refused(url(tmp_path / "chat.db"))).problem
    assert files(tmp_path) == {}


async def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    async with open_threads(url(path)) as threads:
        await threads.create_thread("ann")
        assert files(tmp_path) == dict.fromkeys(["chat.db", "chat.db-shm", "chat.db-wal", "chat.db.key"], 0o600)


async def test_what_was_kept_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "100% mine.db"
    async with open_threads(url(path)) as threads:
        accepted = await threads.accept_message("ann", message(), "analyst")
    async with open_threads(url(path)) as threads:
        again = await threads.accept_message("ann", message(), "analyst")
    assert (again.run_id, again.duplicate) == (accepted.run_id, True)
    assert list(files(tmp_path)) == [path.name, f"{path.name}.key"]


async def test_a_closed_service_refuses_and_opens_nothing(tmp_path: Path) -> None:
    async with open_threads(url(tmp_path / "chat.db")) as threads:
        pass
    with connections() as opened_since:
        with pytest.raises(StorageUnavailable):
            await threads.threads("ann")
        with pytest.raises(StorageUnavailable):
            await threads.create_thread("ann")
    assert opened_since == []


async def test_an_exception_of_the_block_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        async with open_threads(url(tmp_path / "chat.db")):
            raise KeyError


# --- connections ----------------------------------------------------------------------------------------------------


async def test_every_connection_is_durable_checked_and_patient_and_readers_cannot_write(tmp_path: Path) -> None:
    with connections() as opened_here:
        async with open_threads(url(tmp_path / "chat.db")) as threads:
            await threads.threads("ann")
            writer, reader = opened_here
            for connection, query_only in ((writer, 0), (reader, 1)):
                assert pragma(connection, "journal_mode") == "wal"
                assert pragma(connection, "synchronous") == 2  # FULL
                assert pragma(connection, "foreign_keys") == 1
                assert pragma(connection, "secure_delete") == 1
                assert pragma(connection, "busy_timeout") == 5000
                assert pragma(connection, "query_only") == query_only


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_nothing_is_loaded_and_nothing_opened_by_importing_the_service() -> None:
    program = "import sys, chatcore.threads.service; print({'sqlalchemy', 'alembic', 'sqlite3'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- migrations -----------------------------------------------------------------------------------------------------


async def opened(path: Path) -> None:
    async with open_threads(url(path)):
        pass


def schema(path: Path) -> set[tuple[str, str]]:
    """Every table and index as SQL, without Alembic's own, with blanks made equal."""
    found = rows(path, "SELECT name, coalesce(sql, '') FROM sqlite_master WHERE tbl_name != 'alembic_version'")
    return {(name, re.sub(r"\s+", " ", sql)) for name, sql in found}


async def test_migrations_make_the_very_tables_that_the_code_knows(tmp_path: Path) -> None:
    migrated, created = tmp_path / "migrated.db", tmp_path / "created.db"
    await opened(migrated)
    engine = create_sqlite_engine(created, connections=1, writes=True)
    with engine.begin() as connection:
        metadata.create_all(connection)
    engine.dispose()
    assert schema(migrated) == schema(created)
    assert set(metadata.tables) == set(TABLES)


async def test_alembic_finds_nothing_to_add(tmp_path: Path) -> None:
    await opened(tmp_path / "chat.db")
    engine = create_sqlite_engine(tmp_path / "chat.db", connections=1, writes=False)
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


async def test_migrations_go_down_again(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    async with open_threads(url(path)) as threads:
        await threads.accept_message("ann", message(), "analyst")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_sqlite_engine(path, connections=1, writes=True)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    engine.dispose()
    assert schema(path) == set()
    await opened(path)
    assert current_revision(url(path)) == HEAD


async def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE probes (stars)")  # the last table of the first migration
    await refused(url(path))
    assert rows(path, "SELECT name FROM sqlite_master") == [("probes",)]


async def test_several_that_open_a_new_file_at_once_all_get_it(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(opened, tmp_path / "chat.db")
    assert rows(tmp_path / "chat.db", "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_the_operator_can_ask_for_the_revision_and_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    assert current_revision(url(path)) is None
    assert not path.exists()
    assert upgrade_database(url(path)) == HEAD
    assert upgrade_database(url(path)) == HEAD
    assert current_revision(url(path)) == HEAD
    with pytest.raises(ConfigurationError):
        current_revision("postgresql://db.internal/chat")


# --- plans ----------------------------------------------------------------------------------------------------------


async def test_no_statement_that_writes_searches_a_whole_table(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    await opened(path)
    engine = create_sqlite_engine(path, connections=1, writes=False)
    named = {name: value for name, value in vars(statements).items() if name.isupper() and name[0] != "_"}
    assert len(named) > 10
    with engine.connect() as connection:
        for name, statement in named.items():
            assert isinstance(statement, ClauseElement)
            plan = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement.compile(dialect=engine.dialect)}",
                dict.fromkeys(statement.compile(dialect=engine.dialect).params),
            )
            scans = [step.detail for step in plan if step.detail.startswith("SCAN")]
            assert scans == ([] if name != "CLEAR_PROBES" else ["SCAN probes"]), name
    engine.dispose()


# --- one at a time --------------------------------------------------------------------------------------------------


async def test_one_at_a_time_has_the_file_alone(tmp_path: Path) -> None:
    path, link = tmp_path / "chat.db", tmp_path / "link.db"
    link.symlink_to(path)
    async with open_threads(url(path), alone=True):
        for way in (path, link):
            with pytest.raises(StorageUnavailable) as refused:
                async with open_threads(url(way), alone=True):
                    pass
            assert refused.value.__notes__ == ["another server has the database file"]
        with pytest.raises(StorageUnavailable):
            upgrade_database(url(path))
        assert current_revision(url(path)) is not None
        async with open_threads(url(path)) as beside:
            await beside.create_thread("ann")
    async with open_threads(url(link), alone=True):
        pass
    assert upgrade_database(url(path)) == current_revision(url(path))
