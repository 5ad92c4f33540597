"""The sandbox: whatever a stranger or a model writes, the rows stay, the server lives and nothing gets out."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.records import open_records
from chatcore.agents.analyst.sandbox.child import closing
from chatcore.agents.analyst.sandbox.limits import MEBIBYTE, Limits, Outcome
from chatcore.agents.analyst.sandbox.pool import QueryStopped, Sandbox, open_sandbox

from .conftest import loaded, write_csv


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "t.csv", ("n", "cost"), [(1, 0.5), (2, 0.25)])


async def stopped(ledger: Ledger, sql: str) -> QueryStopped:
    with pytest.raises(QueryStopped) as raised:
        await ledger.query_apart(sql)
    return raised.value


def limited(ledger: Ledger, limits: Limits) -> None:
    ledger.apart.sandbox.limits = limits


OUTSIDE = (
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM read_parquet('{path}')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_csv('https://example.com/x.csv')",
    "SELECT getenv('HOME') FROM t",
    "SELECT * FROM query('COPY t TO ''{path}''')",
    "SELECT * FROM enable_logging(storage := 'file', storage_path := '{path}')",
    "SELECT * FROM local_frame",
    "SELECT * FROM duckdb_secrets()",
)
"""SELECTs, and yet they are to reach what is no row of the data."""

NO_SELECT = (
    "COPY (SELECT 1) TO '{path}'",
    "LOAD httpfs",
    "SET lock_configuration = false",
    "SELECT 1; -- and more\nDROP TABLE t",
    "EXPLAIN ANALYZE SELECT count(*) FROM t",
    "SELECT 12345 AS spend",
    "WITH t AS (SELECT 12345 AS spend) SELECT spend FROM t",
    "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
    "",
    "\0",
)
"""A few of those that ``test_ledger.py`` has: it is the same parser."""


async def test_nothing_but_one_select_over_the_rows_is_run(small: Path) -> None:
    target = small.parent / "out"

    async def try_it(attack: str) -> None:
        sql = attack.format(path=target)
        reads_rows_too = attack in OUTSIDE and "FROM t" not in sql
        error = await stopped(ledger, sql.replace("FROM ", "FROM t, ", 1) if reads_rows_too else sql)
        expected = (Outcome.FAILED,) if attack in OUTSIDE else (Outcome.REFUSED, Outcome.NO_TABLE, Outcome.FAILED)
        assert error.outcome in expected, (attack, error)
        assert not [word for word in ("root:", "Traceback", str(Path(__file__).parents[2])) if word in error.problem]

    async with loaded(small) as ledger, trio.open_nursery() as nursery:
        for attack in (*OUTSIDE, *NO_SELECT):
            nursery.start_soon(try_it, attack)
    assert not target.exists()


async def test_the_rows_are_the_same_as_in_the_server(small: Path) -> None:
    sql = (
        "SELECT n, cost, cost::DECIMAL(9,2) AS exact, DATE '2025-01-02' AS day, TIMESTAMP '2025-01-02 03:04:05' AS at, "
        "[1, NULL] AS list, {'a': 'ü'} AS struct, NULL AS nothing, 'nan'::DOUBLE AS nan, 'x'::BLOB AS blob, "
        "sum(n) OVER () AS huge FROM t ORDER BY n"
    )
    async with loaded(small) as ledger:
        apart = await ledger.query_apart(sql)
        here = await ledger.query(Query("here", sql))
    assert apart.columns == here.columns
    assert repr(apart.rows) == repr(here.rows)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT random() AS r FROM t",
        "WITH a AS (SELECT uuid() AS u FROM t) SELECT u FROM a",
        "SELECT n FROM t WHERE DATE '2025-01-02' < CURRENT_DATE",
        "SELECT CAST(now() AS TIMESTAMP) AS at FROM t",
        "SELECT n FROM t ORDER BY random()",
        "SELECT n FROM t USING SAMPLE 1",
        "SELECT n FROM t TABLESAMPLE 50%",
    ],
)
async def test_what_gives_other_rows_when_it_is_run_again_is_no_evidence(small: Path, sql: str) -> None:
    async with loaded(small) as ledger:
        assert "gives other rows" in str(await stopped(ledger, sql))
        assert (await ledger.query_apart('SELECT n AS "now", n AS random FROM t ORDER BY n')).rows


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT s.name, s.value FROM t, duckdb_settings() s",
        "SELECT current_setting('threads')::INTEGER AS threads, n FROM t",
        "SELECT d.path FROM t, duckdb_databases() d",
        "SELECT m.memory_usage_bytes FROM t, duckdb_memory() m",
        "SELECT c.reltuples FROM t, pg_class c",
        "SELECT s.table_name FROM t, information_schema.tables s",
        "SELECT s.sql FROM t, system.main.sqlite_master s",
        "SELECT n, (SELECT max(value) FROM duckdb_settings()) AS most FROM t",
        "WITH s AS (FROM duckdb_settings()) SELECT s.name FROM s, t",
        "SELECT version() AS version, n FROM t",
        "SELECT current_database() AS name, n FROM t",
        "SELECT v FROM t, query('SELECT 99999 AS v')",
        "SELECT t.n FROM t, query_table('t') AS u",
    ],
)
async def test_what_is_none_of_the_data_is_no_evidence(small: Path, sql: str) -> None:
    """Beside a table of the data, too: settings, sizes and paths, and queries in texts that nobody has looked into."""
    async with loaded(small) as ledger:
        assert "is not of the data" in str(await stopped(ledger, sql))


async def test_a_table_may_be_called_as_a_view_of_the_database(tmp_path: Path) -> None:
    async with loaded(write_csv(tmp_path / "pg_class.csv", ("n",), [(7,)])) as ledger:
        assert (await ledger.query_apart("SELECT n FROM main.pg_class")).rows == ((7,),)


async def test_a_value_that_python_cannot_show_is_told_in_our_words(small: Path) -> None:
    async with loaded(small) as ledger:
        zoned = await stopped(ledger, "SELECT TIMESTAMPTZ '2025-01-02 03:04:05+00' AS at FROM t")
        assert (zoned.outcome, str(zoned)) == (Outcome.FAILED, "'at' has a time zone; CAST it AS TIMESTAMP")
        wrong = await stopped(ledger, "SELECT costs FROM t")
        assert "cost" in str(wrong)
        assert "LINE" not in str(wrong)


ENDLESS = (
    "WITH RECURSIVE x AS (SELECT 1 a UNION ALL SELECT a + 1 FROM x) SELECT max(a) FROM x, t",
    "SELECT count(*) FROM range(1000000000000) a, range(100000) b, t WHERE a.range * b.range = -1",
    "SELECT count(*) FROM range(1000000000), t WHERE regexp_matches(repeat('a', 1000) || range, '(a+)+$b')",
)
"""None of them keeps what it has seen, so that time is what they run out of, on a fast machine too."""

HUGE = {
    "SELECT length(repeat('x', 4000000000)) FROM t": Outcome.MEMORY,
    "SELECT string_agg(repeat('x', 100000)) FROM range(100000), t": Outcome.MEMORY,
    "SELECT list(range) FROM range(1000000000), t": Outcome.MEMORY,
    "SELECT md5(range::VARCHAR) h FROM range(5000000), t ORDER BY h": Outcome.MEMORY,
    "SELECT * FROM range(10000000), t": Outcome.ROWS,
    "SELECT repeat('x', 100000000) FROM t": Outcome.BYTES,
    "SELECT repeat('x', 1000) FROM range(5000), t": Outcome.BYTES,
    "SELECT " + "(" * 20_000 + "1" + ")" * 20_000: Outcome.FAILED,
    "SELECT " + "NOT " * 50_000 + "true": Outcome.FAILED,
}


async def measure_lags(lags: list[float]) -> None:
    while True:
        before = trio.current_time()
        await trio.sleep(0.005)
        lags.append(trio.current_time() - before - 0.005)


@asynccontextmanager
async def undisturbed() -> AsyncIterator[None]:
    """Meanwhile the event loop turns, and this process grows by no bomb."""
    lags: list[float] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with trio.open_nursery() as nursery:
        nursery.start_soon(measure_lags, lags)
        yield
        nursery.cancel_scope.cancel()
    lags.sort()
    assert lags[len(lags) * 9 // 10] < 0.05  # a shared machine may hold up a few turns, a held interpreter holds up all
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB


async def test_an_endless_query_is_ended(small: Path) -> None:
    async def try_it(sql: str) -> None:
        assert (await stopped(ledger, sql)).outcome is Outcome.TIME, sql[:70]

    async with loaded(small) as ledger, undisturbed():
        limited(ledger, Limits(seconds=1.0))
        async with trio.open_nursery() as nursery:
            for sql in ENDLESS:
                nursery.start_soon(try_it, sql)


async def test_a_bomb_ends_within_its_budget(small: Path) -> None:
    async def try_it(sql: str, expected: Outcome) -> None:
        error = await stopped(ledger, sql)
        # how a child ends that asks for too much is up to the library that asked
        allowed = (expected, Outcome.CRASHED) if expected in (Outcome.MEMORY, Outcome.FAILED) else (expected,)
        assert error.outcome in (*allowed, Outcome.MEMORY), (sql[:70], error)

    async with loaded(small) as ledger, undisturbed():
        limited(ledger, Limits(seconds=60.0, memory_bytes=384 * MEBIBYTE, database_memory="128MB"))
        async with trio.open_nursery() as nursery:
            for sql, expected in HUGE.items():
                nursery.start_soon(try_it, sql, expected)
        assert (await ledger.query_apart("SELECT count(*) FROM t")).rows == ((2,),)


async def test_processor_time_is_limited_apart_from_the_time_on_the_wall(small: Path) -> None:
    async with loaded(small) as ledger:
        limited(ledger, Limits(seconds=60.0, cpu_seconds=1))
        error = await stopped(ledger, ENDLESS[0])
        assert (error.outcome, str(error)) == (Outcome.PROCESSOR, "the query took more than 1 s of processor time")


async def spare_of(sandbox: Sandbox) -> int:
    """The process that waits for the next query."""
    await sandbox.prepare()
    assert sandbox._spare is not None
    return sandbox._spare.process.pid


async def kill_spare(sandbox: Sandbox) -> None:
    assert sandbox._spare is not None
    sandbox._spare.process.kill()
    await sandbox._spare.process.wait()


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text()
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    return state.rpartition(")")[2].split()[0] != "Z"


async def test_a_cancelled_query_takes_its_process_with_it(small: Path) -> None:
    async with loaded(small) as ledger:
        sandbox = ledger.apart.sandbox
        child = await spare_of(sandbox)
        with trio.move_on_after(0.5) as scope:
            await ledger.query_apart(ENDLESS[0])
        assert scope.cancelled_caught
        assert not alive(child)


async def test_the_spare_is_gone_with_the_sandbox_and_replaced_where_it_died() -> None:
    async with open_sandbox() as sandbox:
        for _ in range(2):
            first = await spare_of(sandbox)
            await kill_spare(sandbox)
        last = await spare_of(sandbox)
        assert last != first
        assert alive(last)
    assert not alive(last)


async def test_a_spare_that_died_is_no_ones_child(small: Path) -> None:
    async with loaded(small) as ledger:
        sandbox = ledger.apart.sandbox
        await spare_of(sandbox)
        await kill_spare(sandbox)
        assert (await ledger.query_apart("SELECT count(*) FROM t")).rows == ((2,),)


async def test_no_more_children_than_slots(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chatcore.agents.analyst.sandbox import pool

    most = running = 0

    @asynccontextmanager
    async def counted(child: Any) -> AsyncIterator[Any]:
        nonlocal most, running
        async with closing(child) as same:
            running += 1
            most = max(most, running)
            try:
                yield same
            finally:
                running -= 1

    monkeypatch.setattr(pool, "closing", counted)
    async with loaded(small) as ledger, trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ledger.query_apart, "SELECT count(*) FROM t")
    assert most == pool.CHILDREN


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
async def test_a_child_has_nothing_of_its_parents(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATCORE_LLM_API_KEY", "secret")
    with socket.socket() as listener:
        listener.listen()
        os.set_inheritable(listener.fileno(), True)
        async with loaded(small) as ledger:
            child = await spare_of(ledger.apart.sandbox)
            assert os.getsid(child) == child
            while os.getpriority(os.PRIO_PROCESS, child) == 0:  # noqa: ASYNC110  until DuckDB is imported
                await trio.sleep(0.01)
            room = Path(f"/proc/{child}")
            assert (room / "environ").read_bytes() == b""
            files = [os.readlink(each) for each in (room / "fd").iterdir()]  # noqa: PTH115
    assert {each.partition(":")[0] for each in files} == {"/dev/null", "socket"}
    assert len({each for each in files if each.startswith("socket")}) == 1


SERVER = """
import sys, trio
from pathlib import Path
from chatcore.agents.analyst.ledger import open_ledger
from chatcore.agents.analyst.sources import find_sources

async def main():
    async with open_ledger(find_sources([Path(sys.argv[1])]), lambda part, words: None) as ledger:
        sandbox = ledger.apart.sandbox
        await sandbox.prepare()
        print(sandbox._spare.process.pid, flush=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ledger.query_apart, sys.argv[2])
            await trio.sleep(0.3)
            while sandbox._spare is None:
                await trio.sleep(0.01)
            print(sandbox._spare.process.pid, flush=True)

trio.run(main)
"""


async def test_a_killed_server_leaves_no_process_and_no_rows_behind(small: Path) -> None:
    room = small.parent / "room"
    room.mkdir()
    environment = {**os.environ, "TMPDIR": str(room)}
    command = [sys.executable, "-c", SERVER, str(small), ENDLESS[0]]
    server = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, env=environment)
    assert server.stdout is not None
    try:
        told = b""
        with trio.fail_after(60):
            while told.count(b"\n") < 2:
                told += await server.stdout.receive_some(100) or pytest.fail("it ended by itself")
        asked, spare = map(int, told.split())
        assert alive(asked)
        assert alive(spare)
    finally:
        server.kill()
        await server.wait()
        await server.stdout.aclose()
    with trio.fail_after(60):
        while alive(asked) or alive(spare):  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert not [file for file in room.rglob("*") if file.is_file()]


@attrs.frozen
class Table:
    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


async def test_in_the_servers_own_record_a_select_reaches_one_users_rows_alone() -> None:
    async def fetch(user_id: str) -> Sequence[Table]:
        return [Table("runs", ("run_id", "question"), ((f"run-of-{user_id}", f"secret of {user_id}"),))]

    rows = "SELECT * FROM runs ORDER BY ALL"
    reach = (
        "SELECT table_name FROM duckdb_tables(), runs",
        "SELECT database_name, path FROM duckdb_databases(), runs",
        "SELECT name, value FROM duckdb_settings(), runs",
    )
    async with open_records(fetch) as records:
        async with records.opened_for("alice") as alice, records.opened_for("bob") as bob:
            for sql in reach:
                assert "is not of the data" in str(await stopped(alice, sql))
            assert (await bob.query_apart(rows)).rows == (("run-of-bob", "secret of bob"),)
            assert (await alice.query_apart(rows)).rows == (("run-of-alice", "secret of alice"),)
        assert not [file for file in records.directory.rglob("*") if file.is_file()]
