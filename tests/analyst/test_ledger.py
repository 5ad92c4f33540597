"""The ledger: locked, interruptible, out of the event loop's way, and gone at the end."""

from __future__ import annotations

import json
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
import trio

from chatcore.agents.analyst.connecting import PARSED_CHARACTERS, executable_select
from chatcore.agents.analyst.evidence import MAX_EVIDENCE_ROWS, Query, Rows, evidence_of
from chatcore.agents.analyst.ledger import Ledger, QueryRefused, open_ledger
from chatcore.agents.analyst.sources import find_sources
from chatcore.errors import ConfigurationError

from .conftest import loaded, write_csv

SLOW = "SELECT count(*) FROM range(100000000) a, range(1000) b WHERE a.range + b.range = -1"
"""Runs for minutes unless it is interrupted."""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "t.csv", ("n", "cost"), [(1, 0.5), (2, 0.25)])


ATTACKS = (
    "COPY (SELECT 1) TO '{path}'",
    "COPY t FROM '{path}'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_parquet('{path}')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "ATTACH '{path}' AS other",
    "ATTACH ':memory:' AS other",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{path}'",
    "SET memory_limit = '100GB'",
    "SET lock_configuration = false",
    "SET enable_external_access = true",
    "RESET memory_limit",
    "PRAGMA memory_limit = '100GB'",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "EXPORT DATABASE '{path}'",
    "IMPORT DATABASE '{path}'",
    "CREATE TABLE other (i INTEGER)",
    "CREATE TEMP TABLE other (i INTEGER)",
    "CREATE SECRET s (TYPE s3)",
    "INSERT INTO t VALUES (3, 1)",
    "UPDATE t SET cost = 0",
    "DELETE FROM t",
    "DROP TABLE t",
    "CHECKPOINT",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE t",
    "PREPARE p AS SELECT 1",
    "EXPLAIN SELECT 1",
    "SELECT * FROM local_frame",
)


@pytest.mark.parametrize("padding", ["", f" /* {' ' * PARSED_CHARACTERS} */"], ids=["short", "long"])
@pytest.mark.parametrize("attack", ATTACKS)
async def test_nothing_but_a_select_over_the_rows_is_run(small: Path, attack: str, padding: str) -> None:
    import duckdb

    local_frame = {"a": 1}  # what DuckDB would find in the caller's variables, were it allowed to look
    target = small.parent / "out"
    async with loaded(small) as ledger:
        with pytest.raises((QueryRefused, duckdb.Error)):
            await ledger.query(Query("attack", attack.format(path=target) + padding))
        assert not target.exists()
        assert (await ledger.query(Query("rows", f"SELECT * FROM t{padding}"))).rows == ((1, 0.5), (2, 0.25))
    assert local_frame


@pytest.mark.parametrize("columns", [1, 4_000], ids=["short", "long"])
def test_only_a_short_query_is_parsed_with_the_interpreter_held(columns: int) -> None:
    import duckdb

    sql = f"SELECT {', '.join(['$n'] * columns)}"
    with duckdb.connect() as connection:
        select = executable_select(connection, sql)
        assert select is not None
        assert (select == sql) is (len(sql) > PARSED_CHARACTERS)
        assert connection.execute(select, {"n": 7}).fetchall() == [(7,) * columns]


@pytest.mark.parametrize(
    "attack", [each for each in ATTACKS if not each.startswith(("SELECT 1", "PRAGMA d", "CALL", "EXPLAIN"))]
)
async def test_the_database_itself_refuses_too(small: Path, attack: str) -> None:
    """The statement kinds are the second line: the connection itself reaches nothing outside and keeps its settings."""
    import duckdb

    harmless = ("CREATE TEMP", "CHECKPOINT", "PREPARE")
    async with loaded(small) as ledger:
        cursor = ledger._connection.cursor()
        statement = attack.format(path=small.parent / "out")
        if attack.startswith(harmless):
            cursor.execute(statement)
        else:
            with pytest.raises(duckdb.Error):
                cursor.execute(statement)
        cursor.close()


async def test_a_private_directory_holds_the_rows_and_is_removed(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small.parent))
    async with loaded(small):
        (directory,) = small.parent.glob("chatcore-*")
        assert directory.stat().st_mode & 0o077 == 0
        assert not (directory / "ledger.duckdb").exists()  # unlinked: a killed process leaves no rows behind
    assert not directory.exists()


async def test_the_directory_is_removed_where_loading_fails(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small.parent))
    source = find_sources([small])
    remove(small)
    with pytest.raises(ConfigurationError, match="can no longer be read"):
        async with open_ledger(source, lambda part, words: None):
            raise AssertionError("it was loaded")
    assert not list(small.parent.glob("chatcore-*"))


async def test_a_cancelled_query_is_interrupted(small: Path) -> None:
    async with loaded(small) as ledger:
        began = trio.current_time()
        with trio.move_on_after(0.3) as scope:
            await ledger.query(Query("slow", SLOW))
        assert scope.cancelled_caught
        assert trio.current_time() - began < 10
        assert (await ledger.query(Query("rows", "SELECT count(*) FROM t"))).rows == ((2,),)


async def test_a_query_that_is_cancelled_before_it_begins_does_not_run(small: Path) -> None:
    async with loaded(small) as ledger:
        with trio.CancelScope() as scope:
            scope.cancel()
            await ledger.query(Query("slow", SLOW))
        assert scope.cancelled_caught


async def test_loading_can_be_cancelled(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", ("n", "text"), [(i, "x" * 60) for i in range(300_000)])
    began = trio.current_time()
    with trio.CancelScope() as scope:
        async with open_ledger(find_sources([path]), lambda part, words: scope.cancel() if part > 0.05 else None):
            raise AssertionError("it was loaded")
    assert scope.cancelled_caught
    assert trio.current_time() - began < 20


async def test_the_event_loop_turns_while_a_query_runs(small: Path) -> None:
    lags: list[float] = []

    async def measure() -> None:
        while True:
            before = trio.current_time()
            await trio.sleep(0.005)
            lags.append(trio.current_time() - before - 0.005)

    async with loaded(small) as ledger, trio.open_nursery() as nursery:
        nursery.start_soon(measure)
        with trio.move_on_after(1.0):
            await ledger.query(Query("slow", SLOW))
        nursery.cancel_scope.cancel()
    assert len(lags) > 20
    lags.sort()
    assert lags[len(lags) * 9 // 10] < 0.05  # a shared machine may hold up a few turns, a held interpreter holds up all


async def test_a_query_is_run_once_while_the_data_stays(small: Path) -> None:
    async with loaded(small) as ledger:
        query = Query("random", "SELECT random() AS r")
        assert await ledger.query(query) == await ledger.query(query)
        other = Query("random", "SELECT random() AS r, $n", {"n": 1})
        assert await ledger.query(other) != await ledger.query(attrs_with(other, 2))


def remove(path: Path) -> None:
    path.unlink()


def attrs_with(query: Query, n: int) -> Query:
    return Query(query.name, query.sql, {"n": n})


async def test_results_are_kept_up_to_a_number_of_bytes(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chatcore.agents.analyst import ledger as module

    monkeypatch.setattr(module, "KEPT_BYTES", 3 * (len("[[0]]") + module.KEPT_BESIDE_BYTES))
    async with loaded(small) as ledger:
        for n in range(10):
            await ledger.query(Query("n", "SELECT $n", {"n": n}))
        assert len(ledger._flights.kept) == 3


async def test_many_questions_at_once_each_get_their_rows(small: Path) -> None:
    found: dict[int, Rows] = {}

    async def ask(ledger: Ledger, n: int) -> None:
        found[n] = await ledger.query(Query("n", "SELECT $n + count(*) FROM t", {"n": n}))

    async with loaded(small) as ledger, trio.open_nursery() as nursery:
        for n in range(50):
            nursery.start_soon(ask, ledger, n)
    assert {n: rows.rows for n, rows in found.items()} == {n: ((n + 2,),) for n in range(50)}


def test_evidence_hashes_all_rows_and_carries_the_first() -> None:
    rows = Rows.of(["a", "b"], [(i, "ü") for i in range(MAX_EVIDENCE_ROWS + 1)])
    evidence = evidence_of("e1", "run_intent", Query("q", "SELECT 1"), rows, "v1")
    everything = [[i, "ü"] for i in range(MAX_EVIDENCE_ROWS + 1)]
    text = json.dumps(everything, ensure_ascii=False, separators=(",", ":"))
    assert evidence.sha256 == sha256(text.encode()).hexdigest()
    assert evidence.rows == everything[:MAX_EVIDENCE_ROWS]
    assert evidence.row_count == MAX_EVIDENCE_ROWS + 1


async def test_the_version_changes_with_the_content(tmp_path: Path) -> None:
    versions = set()
    for content in ([(1,)], [(2,)], [(1,)]):
        async with loaded(write_csv(tmp_path / "t.csv", ("n",), content)) as ledger:
            versions.add(ledger.catalogue.data_version)
    async with loaded(write_csv(tmp_path / "u.csv", ("n",), [(1,)])) as ledger:
        versions.add(ledger.catalogue.data_version)
    assert len(versions) == 3
