"""The agent over generated data, over the server's own record, and when things go wrong."""

from __future__ import annotations

import csv
import threading
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs
import pytest
import trio

from chatcore.agents.analyst.agent import Analyst
from chatcore.agents.analyst.evidence import Query, Rows
from chatcore.agents.analyst.ledger import Ledger, open_sample
from chatcore.agents.analyst.records import KEPT_USERS, Records, open_records
from chatcore.agents.analyst.sample import write_sample
from chatcore.agents.base import Agent
from chatcore.agents.tools import ToolError
from chatcore.context import UserExecutionContext
from chatcore.protocol.messages import UserMessage
from chatcore.threads.model import RecordTable
from chatcore.web.charts import chart_of, foremost

from .conftest import RecordedRun, ask, loaded, write_csv


def test_it_is_an_agent_that_proves_its_numbers() -> None:
    assert Analyst.proves_numbers
    assert Analyst.restartable
    assert Analyst.description
    assert issubclass(Analyst, Agent)


# --- the sample -----------------------------------------------------------------------------------------------------


async def test_the_sample_is_generated_from_its_seed_and_says_so(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample.csv")
    write_sample(tmp_path / "again.csv")
    assert (tmp_path / "sample.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()
    with (tmp_path / "sample.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    said: list[float] = []
    async with open_sample(lambda part, words: said.append(part)) as ledger:
        told = await ask(ledger, "What did we spend in total?")
        total = sum(Decimal(row["cost_usd"]) for row in rows)
        assert f"**${total:,.2f}**, over {len(rows):,} calls" in told.text
        for question in ("spend by team", "What is the weather?", "What did we spend in 2019?", "What data is there?"):
            assert "generated from a seed, not real" in (await ask(ledger, question)).text
    assert said == sorted(said)
    assert said[-1] == 1.0


# --- the server's own record ----------------------------------------------------------------------------------------

RUN_COLUMNS = ("run_id", "agent", "state", "error_code", "created_at", "ended_at", "duration_seconds")


def record(user_id: str, failed: int = 2) -> Sequence[RecordTable]:
    runs = tuple(
        (f"{user_id}-{i}", "analyst", "failed" if i < failed else "completed", None, f"2026-11-21T09:{i:02}:00.000Z",
         None, None if i == 11 else i / 10)
        for i in range(12)
    )  # fmt: skip
    return (
        RecordTable(name="runs", columns=RUN_COLUMNS, rows=runs),
        RecordTable(
            name="tool_calls",
            columns=("tool_call_id", "run_id", "tool", "status", "started_at", "duration_seconds"),
            rows=(
                ("c1", "r1", "run_intent", "ok", "2026-11-21T09:00:00.500Z", 0.25),
                ("c2", "r1", "run_intent", "error", "2026-11-21T09:00:01.000Z", 0.5),
                ("c3", "r1", "list_tables", "ok", "2026-11-21T09:00:02.000Z", 0.125),
            ),
        ),
        RecordTable(
            name="initializations",
            columns=("attempt", "outcome", "started_at", "duration_seconds"),
            rows=((1, "ready", "2026-11-21T08:59:00.000Z", 2.5),),
        ),
        RecordTable(
            name="service_starts",
            columns=("initialization_id", "service", "duration_seconds"),
            rows=((1, "database", 0.5), (1, "analyst", 1.5)),
        ),
    )


async def fetch(user_id: str) -> Sequence[RecordTable]:
    await trio.lowlevel.checkpoint()
    return record(user_id)


RECORD_ANSWERS = {
    "How many runs were there?": "**12 runs**",
    "how many runs failed?": "**2 runs** where `state` is `failed`",
    "How did runs end?": "`completed` has the most runs: **10**",
    "Which tools were used?": "`run_intent` has the most tool calls: **2**",
    "how many tool calls": "**3 tool calls**",
    "How long did initializations take?": "average of **2.50 s**",
    "how long do tool calls take": "between **0.12 s** and **0.50 s**",
    "which service was the slowest to start?": "`analyst` has the highest average `duration_seconds`: **1.50 s**",
    "What data is there?": "4 tables with 18 rows, the server's own record",
    "runs today": "**12 runs** on 2026-11-21",
}


async def test_without_data_the_server_answers_from_its_own_record() -> None:
    async with open_records(fetch) as records:
        for question, words in RECORD_ANSWERS.items():
            told = await ask(records, question)
            assert told.answer.answered, question
            assert words in told.text, (question, told.text)
            assert "`chatcore serve --data usage.csv`" in told.text


async def test_what_the_record_does_not_say_is_refused_with_what_it_does() -> None:
    async with open_records(fetch) as records:
        told = await ask(records, "What did we spend in total?")
        assert (told.answer.answered, told.answer.reason, told.answer.missing) == (False, "no_such_column", ["cost"])
        assert "`chatcore serve --data usage.csv`" in told.text
        for alternative in told.answer.alternatives or []:
            assert (await ask(records, alternative)).answer.answered, alternative


async def test_each_user_asks_of_their_own_record_as_it_is_now() -> None:
    asked: list[str] = []

    async def changing(user_id: str) -> Sequence[RecordTable]:
        await trio.lowlevel.checkpoint()
        asked.append(user_id)
        return record(user_id, failed=len(asked))

    async with open_records(changing) as records:
        first = await ask(records, "how many runs failed?")
        second = await ask(records, "how many runs failed?")
    assert "**1 run**" in first.text
    assert "**2 runs**" in second.text
    assert asked == ["tester", "tester"]
    assert first.answer.evidence[0].data_version != second.answer.evidence[0].data_version


@attrs.frozen
class WatchedTable:
    """A table that remembers which threads have read its rows."""

    table: RecordTable
    readers: set[threading.Thread] = attrs.field(factory=set)

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def columns(self) -> tuple[str, ...]:
        return self.table.columns

    @property
    def rows(self) -> tuple[tuple[Any, ...], ...]:
        self.readers.add(threading.current_thread())
        return self.table.rows


async def test_a_long_record_is_not_read_by_the_event_loop() -> None:
    """It may have tens of thousands of rows, and is read anew for each question: everybody else would wait for it."""
    tables = tuple(map(WatchedTable, record("tester")))

    async def watched(user_id: str) -> Sequence[WatchedTable]:
        await trio.lowlevel.checkpoint()
        return tables

    async with open_records(watched) as records:
        assert "**12 runs**" in (await ask(records, "How many runs were there?")).text
    readers = set[threading.Thread]().union(*(table.readers for table in tables))
    assert readers
    assert threading.current_thread() not in readers


async def is_open(ledger: Ledger) -> bool:
    import duckdb

    try:
        await ledger.query(Query("runs", f"SELECT count(*) AS runs, 1 AS u{uuid4().hex} FROM runs"))
    except duckdb.Error:
        return False
    return True


async def test_a_record_that_has_not_changed_is_filled_once_and_closed_at_the_end() -> None:
    failed = [1]

    async def changing(user_id: str) -> Sequence[RecordTable]:
        await trio.lowlevel.checkpoint()
        return record(user_id, failed=failed[0])

    async with open_records(changing) as records:
        async with records.opened_for("ann") as first:
            pass
        async with records.opened_for("ann") as second, records.opened_for("bob") as other:
            assert second is first
            assert other is not first
            failed[0] = 2
            async with records.opened_for("ann") as third:
                assert third is not first
                assert await is_open(first), "who reads the last state may finish"
        assert not await is_open(first), "only the last state is kept"
        assert await is_open(third)
    assert not await is_open(third)
    assert not await is_open(other)


async def test_no_more_records_are_kept_than_those_of_a_few_users() -> None:
    async with open_records(fetch) as records:
        ledgers = []
        for number in range(KEPT_USERS + 2):
            async with records.opened_for(f"user-{number}") as ledger:
                ledgers.append(ledger)
        assert [await is_open(ledger) for ledger in ledgers] == [False, False, *[True] * KEPT_USERS]


async def test_a_record_that_two_ask_for_at_once_is_closed_as_often_as_it_was_filled() -> None:
    used: list[Ledger] = []

    async def use() -> None:
        async with records.opened_for("ann") as ledger:
            used.append(ledger)
            await trio.sleep(0.01)

    async with open_records(fetch) as records:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(use)
            nursery.start_soon(use)
        assert sum([await is_open(ledger) for ledger in {id(each): each for each in used}.values()]) == 1
    assert not any([await is_open(ledger) for ledger in used])


async def test_an_empty_record_is_not_zero() -> None:
    async def nothing(user_id: str) -> Sequence[RecordTable]:
        await trio.lowlevel.checkpoint()
        return tuple(RecordTable(name=table.name, columns=table.columns, rows=()) for table in record(user_id))

    async with open_records(nothing) as records:
        for question in ("How many runs were there?", "how long did initializations take?", "which tools were used?"):
            told = await ask(records, question)
            assert (told.answer.answered, told.answer.reason) == (False, "no_rows"), question


async def test_the_record_is_locked_too(tmp_path: Path) -> None:
    import duckdb

    async with open_records(fetch) as records:
        assert isinstance(records, Records)
        async with records.opened_for("tester") as ledger:
            for sql in ("SELECT * FROM read_csv('/etc/passwd')", f"SELECT * FROM '{tmp_path}'"):
                with pytest.raises(duckdb.Error):
                    await ledger.query(Query("attack", sql))


# --- when things go wrong -------------------------------------------------------------------------------------------


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    rows = [("2025-05-07 10:00:00", "gpt-4o", 100, 0.5), ("2025-06-07 10:00:00", "o3", 10, 0.25)]
    return write_csv(tmp_path / "usage.csv", ("ts", "model", "tokens", "cost"), rows)


@pytest.mark.parametrize("question", ["spend by month", "spend by model", "top 2 months by spend"])
@pytest.mark.parametrize(("cost", "sign"), [("cost_eur", "€"), ("cost", "")])
async def test_the_chart_of_an_answer_has_the_sign_of_its_currency(
    tmp_path: Path, question: str, cost: str, sign: str
) -> None:
    rows = [("2025-05-07 10:00:00", "gpt-4o", 0.5), ("2025-06-07 10:00:00", "o3", 0.25)]
    async with loaded(write_csv(tmp_path / "usage.csv", ("ts", "model", cost), rows)) as ledger:
        told = await ask(ledger, question)
    drawn = foremost(told.answer.evidence)
    assert drawn is not None
    chart = chart_of(drawn)
    assert chart is not None
    assert (chart.series[0].column, chart.series[0].sign) == ("spend", sign)


async def test_a_column_that_is_called_currency_is_grouped_by_as_any(tmp_path: Path) -> None:
    rows = [("2025-05-07 10:00:00", "CHF", 0.5), ("2025-06-07 10:00:00", "SEK", 0.25)]
    async with loaded(write_csv(tmp_path / "usage.csv", ("ts", "currency", "cost_usd"), rows)) as ledger:
        told = await ask(ledger, "spend by currency")
    assert told.answer.evidence[0].columns.count("currency") == 1
    assert "`CHF`" in told.text


async def test_a_currency_is_shown_only_where_it_is_known(usage: Path) -> None:
    async with loaded(usage) as ledger:
        told = await ask(ledger, "What did we spend in total?")
        assert "**0.75**" in told.text
        assert "$" not in told.text


@pytest.mark.parametrize("question", ["What data is there?", "How good is the data quality?"])
async def test_data_that_can_only_be_counted_says_so(tmp_path: Path, usage: Path, question: str) -> None:
    people = write_csv(tmp_path / "people.csv", ("name", "team"), [("ann", "blue"), ("bob", "")])
    limits = "no column of numbers or times"
    async with loaded(people) as ledger:
        assert limits in (await ask(ledger, question)).text
        assert "**2 rows**" in (await ask(ledger, "How many rows are there?")).text
        refused = (await ask(ledger, "What did we spend in total?")).answer
        assert (refused.answered, refused.reason) == (False, "no_such_column")
    async with loaded(usage) as ledger:
        assert limits not in (await ask(ledger, question)).text


async def test_values_that_are_missing_are_something_to_know(tmp_path: Path) -> None:
    async with loaded(write_csv(tmp_path / "people.csv", ("name", "team"), [("ann", "blue"), ("bob", "")])) as ledger:
        assert "nothing wrong" not in (await ask(ledger, "How good is the data quality?")).text


async def test_a_run_that_is_cancelled_interrupts_its_query(usage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Query("slow", "SELECT count(*) FROM range(100000000) a, range(1000) b WHERE a.range + b.range = -1")
    ask_slowly = Ledger.query

    async def query(self: Ledger, _: Query) -> Rows:
        return await ask_slowly(self, slow)

    monkeypatch.setattr(Ledger, "query", query)
    async with loaded(usage) as ledger:
        began = trio.current_time()
        with trio.move_on_after(0.5) as scope:
            await ask(ledger, "What did we spend in total?")
        assert scope.cancelled_caught
        assert trio.current_time() - began < 10


async def test_a_query_that_fails_is_a_tool_error_without_its_words(
    usage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_wrongly = Ledger.query

    async def query(self: Ledger, _: Query) -> Rows:
        return await ask_wrongly(self, Query("totals", "SELECT secret FROM nowhere"))

    monkeypatch.setattr(Ledger, "query", query)
    async with loaded(usage) as ledger:
        run = RecordedRun("What did we spend?", UserExecutionContext(user_id="tester"))
        with pytest.raises(ToolError) as failed:
            await Analyst(ledger).respond(UserMessage(message_id="m", content=run.question), run)
        assert "secret" not in str(failed.value)
        assert not run.text


async def test_rows_without_a_cost_are_not_free(tmp_path: Path) -> None:
    rows = [("2025-05-07 10:00:00", "a", ""), ("2025-06-07 10:00:00", "b", "1.5")]
    async with loaded(write_csv(tmp_path / "t.csv", ("ts", "model", "cost_usd"), rows)) as ledger:
        told = await ask(ledger, "What did we spend in May 2025?")
        assert (told.answer.answered, told.answer.reason, told.answer.missing) == (False, "no_rows", ["cost"])
        told = await ask(ledger, "What did we spend in June 2025?")
        assert "**$1.50**" in told.text


async def test_a_table_that_costs_nothing_says_so(tmp_path: Path) -> None:
    rows = [("2025-05-07 10:00:00", "a", 0), ("2025-06-07 10:00:00", "b", 0)]
    async with loaded(write_csv(tmp_path / "t.csv", ("ts", "model", "cost_usd"), rows)) as ledger:
        told = await ask(ledger, "What did we spend in total?")
        assert "**$0.00**, over 2 calls" in told.text.replace("2 rows", "2 calls")
        assert any("cost of zero" in insight for insight in told.answer.insights)


async def test_questions_side_by_side_do_not_mix(usage: Path) -> None:
    async def one(ledger: Ledger, model: str, words: str) -> None:
        for _ in range(5):
            assert words in (await ask(ledger, f"What did {model} cost?")).text

    async with loaded(usage) as ledger, trio.open_nursery() as nursery:
        nursery.start_soon(one, ledger, "gpt-4o", "**0.50**")
        nursery.start_soon(one, ledger, "o3", "**0.25**")
