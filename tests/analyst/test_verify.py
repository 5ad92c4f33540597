"""``chatcore verify``: what still holds of a stored thread, and what is found of what was changed since."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import trio

from chatcore.agents.analyst import rerun as rerunning
from chatcore.agents.analyst.evidence import Query, evidence_of
from chatcore.agents.analyst.rerun import Standing, rerun
from chatcore.builtin import analyst_application
from chatcore.cli import run as run_command
from chatcore.protocol.messages import Evidence
from chatcore.settings import Settings
from chatcore.testing.servers import serving
from chatcore.verify import NoSuchThread, ThreadReport, verify

from .conftest import loaded, write_csv

SECONDS = 60
HEADER = ("ts_utc", "model", "prompt_tokens", "completion_tokens", "cost_usd")
USAGE = [
    (f"2025-0{1 + n % 3}-{1 + n % 27:02d} 10:00:00", f"model-{'abc'[n % 3]}", 1000 + 37 * n, 90 + n, 0.5 + n / 7)
    for n in range(60)
]
QUESTIONS = ("How much did we spend by model?", "What were the most expensive calls?", "How much in 2019?")


@attrs.frozen
class Kept:
    """A thread in a database, and the data that it was answered from."""

    folder: Path
    thread_id: str

    @property
    def usage(self) -> Path:
        return self.folder / "usage.csv"

    def settings(self, *data: Path) -> Settings:
        return Settings(
            database_url=f"sqlite:///{self.folder / 'chat.db'}", data=tuple(map(str, data or (self.usage,)))
        )

    async def verified(self, *data: Path) -> ThreadReport:
        with trio.fail_after(SECONDS):
            return await verify(self.settings(*data), self.thread_id)

    def rewrite(self, find: bytes, put: bytes) -> None:
        """Change the first answer in the log as anyone may who can write the file."""
        with closing(sqlite3.connect(self.folder / "chat.db")) as database, database:
            query = "SELECT rowid, frame FROM events WHERE type = 'agent_completed' ORDER BY seq"
            row, frame = database.execute(query).fetchone()
            assert frame.count(find) >= 1, (find, frame)
            database.execute("UPDATE events SET frame = ? WHERE rowid = ?", (frame.replace(find, put, 1), row))

    def first_frame(self) -> dict[str, Any]:
        with closing(sqlite3.connect(self.folder / "chat.db")) as database:
            query = "SELECT frame FROM events WHERE type = 'agent_completed' ORDER BY seq"
            return dict(msgspec.json.decode(database.execute(query).fetchone()[0]))


@pytest.fixture
async def kept(tmp_path: Path) -> Kept:
    """Three questions, the last of which has no answer."""
    path = write_csv(tmp_path / "usage.csv", HEADER, USAGE)
    return Kept(tmp_path, await talk(tmp_path, [str(path)], QUESTIONS))


async def talk(folder: Path, data: Sequence[str], questions: Sequence[str]) -> str:
    """Ask the built-in analyst in a real server; the thread."""
    thread_id: str | None = None
    with trio.fail_after(SECONDS):
        database_url = f"sqlite:///{folder / 'chat.db'}"
        served = serving(analyst_application(data), database_url=database_url)
        async with served as server, server.connect("ann") as chat:
            for question in questions:
                run = await chat.send(question, thread_id=thread_id)
                thread_id = [event async for event in run][-1].thread_id
    assert thread_id is not None
    return thread_id


def standings(report: ThreadReport) -> list[set[str]]:
    return [{item.standing for item in answer.evidence} for answer in report.answers]


async def test_a_thread_that_nobody_touched_holds(kept: Kept) -> None:
    report = await kept.verified()
    assert report.holds, report
    assert report.log.whole
    assert [answer.question for answer in report.answers] == list(QUESTIONS)
    assert [answer.answered for answer in report.answers] == [True, True, False]
    assert standings(report) == [{"holds"}, {"holds"}, set()]


async def test_more_data_beside_it_changes_no_answer(kept: Kept) -> None:
    other = write_csv(kept.folder / "other.csv", ("a", "b"), [(1, 2)])
    report = await kept.verified(kept.usage, other)
    assert report.holds
    assert standings(report)[0] == {"holds_on_other_data"}


async def test_changed_data_is_told_from_a_changed_answer(kept: Kept) -> None:
    write_csv(kept.usage, HEADER, [*USAGE, ("2025-03-28 10:00:00", "model-a", 1, 1, 99.0)])
    report = await kept.verified()
    assert not report.holds
    assert report.log.whole
    assert "data_changed" in standings(report)[0]
    assert not report.answers[0].unproven


async def test_data_that_is_not_there_is_said_so(kept: Kept) -> None:
    other = write_csv(kept.folder / "other.csv", ("a", "b"), [(1, 2)])
    report = await kept.verified(other)
    assert standings(report)[0] == {"failed"}
    assert "a table of it is not there; its files are named with --data" in report.answers[0].evidence[0].meaning


async def test_a_changed_cell_is_found_three_times(kept: Kept) -> None:
    """By the log's signature, by the digest of the rows, and by the number in the text that it proved."""
    cell = next(value for value in kept.first_frame()["answer"]["evidence"][0]["rows"][0] if isinstance(value, float))
    kept.rewrite(b'"rows":[[', b'"rows":[[1,')
    kept.rewrite(repr(cell).encode(), b"3.25")
    report = await kept.verified()
    assert not report.log.whole
    assert "altered" in standings(report)[0]
    assert report.answers[0].unproven


async def test_a_changed_number_in_the_text_is_found(kept: Kept) -> None:
    text = kept.first_frame()["answer"]["text"]
    amount = text[text.index("$") :].split()[0]
    kept.rewrite(amount.encode(), amount.replace(amount[1], str((int(amount[1]) + 1) % 10), 1).encode())
    report = await kept.verified()
    assert report.answers[0].unproven
    assert not report.log.whole
    assert report.runs, "the agent's message says something else"


async def test_a_frame_that_cannot_be_read_is_named(kept: Kept) -> None:
    kept.rewrite(b'"answer":', b'"ans')
    report = await kept.verified()
    assert any("holds no answer that can be read" in fault.problem for fault in report.runs)
    assert len(report.answers) == 2


async def test_the_servers_own_record_is_asked_again_where_there_is_no_data(tmp_path: Path) -> None:
    """It has changed since: the run that asked is in it now."""
    thread_id = await talk(tmp_path, (), ["How many runs?"])
    with trio.fail_after(SECONDS):
        report = await verify(Settings(database_url=f"sqlite:///{tmp_path / 'chat.db'}"), thread_id)
    assert report.log.whole
    assert {item.standing for item in report.answers[0].evidence} <= {"holds_on_other_data", "data_changed"}


async def test_a_thread_that_there_is_not_is_refused(kept: Kept) -> None:
    with pytest.raises(NoSuchThread):
        await verify(kept.settings(), "other")


# --- the command ----------------------------------------------------------------------------------------------------


def command(kept: Kept, *more: str) -> int:
    """Its exit code."""
    try:
        return run_command(["verify", kept.thread_id, "--data", str(kept.usage), *more])
    except SystemExit as end:
        return int(str(end.code))


@pytest.fixture
def beside(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """The thread, in the database that the command finds."""
    monkeypatch.setenv("CHATCORE_DATABASE_URL", kept.settings().database_url)
    return kept


async def test_the_command_says_what_holds_and_its_exit_code_too(
    beside: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await trio.to_thread.run_sync(command, beside) == 0
    said = capsys.readouterr().out
    assert said.endswith("all of it holds\n")
    assert "not all" not in said
    assert await trio.to_thread.run_sync(command, beside, "--json") == 0
    assert json.loads(capsys.readouterr().out)["holds"] is True
    beside.rewrite(b"model-a", b"model-z")
    assert await trio.to_thread.run_sync(command, beside) == 1
    assert "✗ event" in capsys.readouterr().out


async def test_the_command_refuses_what_it_cannot_read(
    beside: Kept, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATCORE_DATABASE_URL", f"sqlite:///{beside.folder / 'absent.db'}")
    assert await trio.to_thread.run_sync(command, beside) == 2
    assert "names no database" in capsys.readouterr().err
    assert not (beside.folder / "absent.db").exists()


# --- queries that were put into the log -----------------------------------------------------------------------------

ATTACKS: Mapping[str, Standing] = {
    "COPY usage TO 'stolen.csv'": Standing.REFUSED,
    "SELECT 1; SELECT 2": Standing.REFUSED,
    "DROP TABLE usage": Standing.REFUSED,
    "INSERT INTO usage SELECT * FROM usage": Standing.REFUSED,
    "ATTACH 'other.db'": Standing.REFUSED,
    "INSTALL httpfs": Standing.REFUSED,
    "SET enable_external_access = true": Standing.REFUSED,
    "": Standing.REFUSED,
    "SELECT * FROM read_text('usage.csv')": Standing.FAILED,
    "SELECT * FROM 'usage.csv'": Standing.FAILED,
    "SELECT nothing FROM usage": Standing.FAILED,
    "SELECT (": Standing.FAILED,
    "SELECT $other": Standing.FAILED,
    "SELECT count(*) AS n FROM range(100000) a, range(100000) b, range(100000) c": Standing.FAILED,
}


@pytest.mark.parametrize("query", ATTACKS)
async def test_a_query_that_is_none_of_the_analysts_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rerunning, "QUERY_SECONDS", 0.5)
    path = write_csv(tmp_path / "usage.csv", HEADER, USAGE)
    with trio.fail_after(SECONDS):
        async with loaded(path) as ledger:
            found = await rerun(ledger, await made(ledger, query))
    assert found.standing is ATTACKS[query]
    assert not found.holds
    assert os.listdir() == ["usage.csv"]  # noqa: PTH208  where the query would have written


async def made(ledger: Any, query: str) -> Evidence:
    """Evidence as whoever writes into the log may make it, right but for its query."""
    rows = await ledger.query(Query("n", "SELECT count(*) AS n FROM usage"))
    genuine = evidence_of("e1", "run_sql", Query("n", query), rows, ledger.catalogue.data_version)
    return msgspec.json.decode(msgspec.json.encode(genuine), type=Evidence)


CELLS = """
SELECT 12345678901234567890::HUGEINT AS h, 0.1::DOUBLE AS d, 1e300::DOUBLE AS e, 1.10::DECIMAL(9, 2) AS c,
    'Zoë 🦉' AS t, NULL AS n, TRUE AS b, DATE '2025-01-02' AS y, -0.0::DOUBLE AS z, [1, 2] AS l, i
FROM range(500) r(i)
"""


@pytest.mark.parametrize("count", [3, 200, 201, 500])
async def test_every_kind_of_value_comes_back_from_storage_as_it_went(tmp_path: Path, count: int) -> None:
    query = f"{CELLS} WHERE i < {count} ORDER BY i"
    async with loaded(write_csv(tmp_path / "usage.csv", HEADER, USAGE)) as ledger:
        rows = await ledger.query(Query("n", query))
        first = evidence_of("e1", "run_sql", Query("n", query), rows, ledger.catalogue.data_version)
        stored = msgspec.json.decode(msgspec.json.encode(first), type=Evidence)
        assert (await rerun(ledger, stored)).standing is Standing.HOLDS
        hidden = msgspec.structs.replace(stored, rows=[*stored.rows[:-1], [*stored.rows[-1][:-1], -1]])
        assert (await rerun(ledger, hidden)).standing is Standing.ALTERED
        shorter = msgspec.structs.replace(stored, row_count=count + 1)
        assert (await rerun(ledger, shorter)).standing is Standing.ALTERED
        renamed = msgspec.structs.replace(stored, columns=["x", *stored.columns[1:]])
        assert (await rerun(ledger, renamed)).standing is Standing.ALTERED
