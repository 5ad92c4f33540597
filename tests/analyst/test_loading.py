"""Files become tables with the types that every row has, or a fault that names the line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.filling import table_names
from chatcore.agents.analyst.ledger import Ledger, open_ledger
from chatcore.agents.analyst.sources import SAMPLE_BYTES, find_sources
from chatcore.errors import ConfigurationError

from .conftest import ask, loaded, write_csv


async def rows_of(ledger: Ledger, sql: str) -> list[tuple[object, ...]]:
    return list((await ledger.query(Query("rows", sql))).rows)


def types_of(ledger: Ledger, table: int = 0) -> dict[str, str]:
    return {column.name: column.type for column in ledger.catalogue.tables[table].columns}


async def test_types_are_those_of_all_values(tmp_path: Path) -> None:
    header = ("n", "x", "money", "day", "at", "zoned", "flag", "id", "mixed", "nothing", "clock")
    rows = [
        ("1", "0.5", "$1,234.50", "2025-05-07", "2025-05-07 15:29:32", "2025-05-07T15:29:32Z", "true", "a1", "1", "",
         "10:00"),
        ("-2", "1e-05", "$0.10", "2025-05-08", "2025-05-07 15:29:33", "2025-05-07T17:29:32+02:00", "false", "7", "x",
         "", "1:00"),
        ("", "3", "", "", "", "", "", "", "", "", ""),
    ]  # fmt: skip
    async with loaded(write_csv(tmp_path / "t.csv", header, rows)) as ledger:
        assert types_of(ledger) == {
            "n": "BIGINT", "x": "DOUBLE", "money": "DOUBLE", "day": "DATE", "at": "TIMESTAMP", "zoned": "TIMESTAMP",
            "flag": "BOOLEAN", "id": "VARCHAR", "mixed": "VARCHAR", "nothing": "VARCHAR", "clock": "VARCHAR",
        }  # fmt: skip
        (first, second, third) = await rows_of(ledger, "SELECT n, x, money, CAST(zoned AS VARCHAR), flag, mixed FROM t")
        assert first == (1, 0.5, 1234.5, "2025-05-07 15:29:32", True, "1")
        assert second == (-2, 1e-05, 0.1, "2025-05-07 15:29:32", False, "x")
        assert third == (None, 3.0, None, None, None, None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("31.12.2025", "01.02.2025 10:30"), "2025-12-31 00:00:00"),
        (("12/31/2025", "01/02/2025"), "2025-12-31 00:00:00"),
        (("31/12/2025 23:59:00", "01/02/2025 00:00:00"), "2025-12-31 23:59:00"),
        (("2025-12-31T10:00:00.123456", "2025-01-01T00:00:00"), "2025-12-31 10:00:00.123456"),
        (("2025-12-31 10:00:00-05:00", "2025-01-01 00:00:00Z"), "2025-12-31 15:00:00"),
    ],
)
async def test_times_are_read_in_the_usual_ways(tmp_path: Path, values: tuple[str, str], expected: str) -> None:
    async with loaded(write_csv(tmp_path / "t.csv", ("at", "n"), [(value, 1) for value in values])) as ledger:
        assert types_of(ledger)["at"] == "TIMESTAMP"
        assert (await rows_of(ledger, 'SELECT CAST("at" AS VARCHAR) FROM t'))[0] == (expected,)


async def test_a_day_that_may_be_a_month_stays_text(tmp_path: Path) -> None:
    async with loaded(write_csv(tmp_path / "t.csv", ("at", "n"), [("01/02/2025", 1), ("03/04/2025", 1)])) as ledger:
        assert types_of(ledger)["at"] == "VARCHAR"


async def test_none_is_a_name_and_not_a_null(tmp_path: Path) -> None:
    rows = [("None", "None"), ("NULL", "nan"), ("gpt-4o", "0.5"), ("", "")]
    async with loaded(write_csv(tmp_path / "t.csv", ("model", "cost_usd"), rows)) as ledger:
        assert await rows_of(ledger, "SELECT model, cost_usd FROM t") == [
            ("None", None),
            ("NULL", None),
            ("gpt-4o", 0.5),
            (None, None),
        ]


def _long(last: str, count: int = 40_000) -> list[tuple[str, str]]:
    filler = "x" * (2 * SAMPLE_BYTES // count)
    return [(str(i), filler) for i in range(count)] + [(last, "end")]


@pytest.mark.parametrize(("last", "expected"), [("1.5", "DOUBLE"), ("abc", "VARCHAR"), ("", "BIGINT")])
async def test_a_later_value_widens_its_column(tmp_path: Path, last: str, expected: str) -> None:
    async with loaded(write_csv(tmp_path / "t.csv", ("code", "text"), _long(last))) as ledger:
        assert types_of(ledger)["code"] == expected
        ((count, largest),) = await rows_of(
            ledger, "SELECT count(*), CAST(max(CAST(code AS VARCHAR)) AS VARCHAR) FROM t"
        )
        assert count == 40_001
        assert str(largest).startswith("abc" if last == "abc" else "9999")


@pytest.mark.parametrize("early", [True, False])
async def test_a_word_in_a_column_of_costs_names_its_line(tmp_path: Path, early: bool) -> None:
    rows = [("0.25", 'two\nlines, "quoted"')] * 3 + ([] if early else _long("7")) + [("oops", "end"), ("1", "x")]
    path = write_csv(tmp_path / "t.csv", ("cost_usd", "text"), rows)
    line = path.read_text().splitlines().index("oops,end") + 1
    with pytest.raises(ConfigurationError) as refused:
        async with loaded(path):
            raise AssertionError("it was loaded")
    assert refused.value.field == str(path)
    assert refused.value.problem == f"line {line}: cost_usd is 'oops', not a number"


@pytest.mark.parametrize(
    "at", ["20255-05-08 10:00:00", "20255-05-08T10:00:00Z", "0044-03-15 (BC) 10:00:00", "infinity"]
)
async def test_a_time_that_is_in_no_calendar_is_named(tmp_path: Path, at: str) -> None:
    rows = [["2025-05-07 10:00:00", 1], [at, 2], ["2025-05-09 10:00:00", 3]]
    with pytest.raises(ConfigurationError) as refused:
        async with loaded(write_csv(tmp_path / "t.csv", ("ts", "cost_usd"), rows)):
            raise AssertionError
    assert refused.value.problem == f"line 3: ts is {at!r}, not a date or time"


@pytest.mark.parametrize("shape", ["2025-05-07", "2025-05-07T10:00:00", "2025-05-07T10:00:00Z", "07.05.2025"])
async def test_a_word_among_times_is_named_whatever_they_look_like(tmp_path: Path, shape: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        async with loaded(write_csv(tmp_path / "t.csv", ("ts", "cost_usd"), [[shape, 1], ["oops", 2], [shape, 3]])):
            raise AssertionError
    assert refused.value.problem == "line 3: ts is 'oops', not a date or time"


@pytest.mark.parametrize("at", ["20255-05-08 10:00:00", "0044-03-15 (BC) 10:00:00", "infinity"])
async def test_a_time_of_a_parquet_file_too(tmp_path: Path, at: str) -> None:
    import duckdb

    path = tmp_path / "t.parquet"
    with duckdb.connect() as writing:
        times = f"SELECT unnest([TIMESTAMP '2025-05-07', TIMESTAMP '{at}']) AS ts, 1.5 AS cost_usd"
        writing.execute(f"COPY ({times}) TO '{path}' (FORMAT parquet)")
    with pytest.raises(ConfigurationError) as refused:
        async with loaded(path):
            raise AssertionError
    assert refused.value.field == str(path)
    assert refused.value.problem == f"ts is {at!r}, and the calendar has the years 1 to 9999"


BEYOND = ("294246-01-01 00:00:00", "infinity", "-infinity", "0044-03-15 (BC) 10:00:00")


def write_odd(path: Path, *columns: str) -> Path:
    """A Parquet file of usage with more columns, each given as SQL; ``i`` counts its four rows."""
    import duckdb

    with duckdb.connect() as writing:
        usage = "TIMESTAMP '2025-05-07' + i * INTERVAL 1 DAY AS ts, 'gpt-4o' AS model, 1.5::DOUBLE AS cost_usd"
        rows = f"SELECT {', '.join([usage, *columns])} FROM range(4) AS r(i)"
        writing.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ", "DATE"])
async def test_another_time_that_is_in_no_calendar_is_kept_as_it_stands(tmp_path: Path, kind: str) -> None:
    odd = f"[{', '.join(f'{at!r}' for at in BEYOND)}][i + 1]::{kind} AS renewal"
    async with loaded(write_odd(tmp_path / "t.parquet", odd)) as ledger:
        assert types_of(ledger)["renewal"] == "VARCHAR"
        kept = [str(row[0]) for row in await rows_of(ledger, "SELECT renewal FROM t")]
        assert [text.partition(" ")[0] for text in kept] == [text.partition(" ")[0] for text in BEYOND]
        assert (await ask(ledger, "How much did we spend in May 2025?")).answer.answered


@pytest.mark.parametrize(("value", "kept"), [("nan", "DOUBLE"), ("infinity", "VARCHAR"), ("-infinity", "VARCHAR")])
async def test_a_number_that_is_none_is_missing_or_text(tmp_path: Path, value: str, kept: str) -> None:
    odd = f"CASE i WHEN 0 THEN '{value}'::DOUBLE ELSE 0.5 END AS ratio"
    async with loaded(write_odd(tmp_path / "t.parquet", odd)) as ledger:
        assert types_of(ledger)["ratio"] == kept
        (first, *_) = await rows_of(ledger, "SELECT ratio FROM t")
        assert first == ((None,) if value == "nan" else (value.replace("infinity", "inf"),))


async def test_a_cost_that_is_no_number_is_named(tmp_path: Path) -> None:
    path = write_odd(tmp_path / "t.parquet", "CASE i WHEN 2 THEN 'infinity'::FLOAT ELSE 1 END AS duration_seconds")
    with pytest.raises(ConfigurationError) as refused:
        async with loaded(path):
            raise AssertionError
    assert refused.value.problem == "duration_seconds is 'inf', and nothing can be reckoned with it"


async def test_a_time_of_a_json_file_too(tmp_path: Path) -> None:
    rows = [{"ts": "2025-05-07 10:00:00", "cost_usd": 1.5, "renewal": at} for at in ("2025-06-01", "20255-06-01")]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    async with loaded(tmp_path / "t.json") as ledger:
        assert await rows_of(ledger, "SELECT CAST(renewal AS VARCHAR) FROM t") == [("2025-06-01",), ("20255-06-01",)]
        assert types_of(ledger)["renewal"] == "VARCHAR"


async def test_a_column_that_is_empty_at_first_gets_its_type(tmp_path: Path) -> None:
    rows = [("1", "", "")] * 30_000 + [("2", "7", "2025-05-07 00:00:01")]
    async with loaded(write_csv(tmp_path / "t.csv", ("n", "thinking_tokens", "at"), rows)) as ledger:
        assert types_of(ledger) == {"n": "BIGINT", "thinking_tokens": "BIGINT", "at": "TIMESTAMP"}
        assert await rows_of(ledger, 'SELECT sum(thinking_tokens), count("at") FROM t') == [(7, 1)]


async def test_a_fault_beyond_the_checked_part_names_its_line(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", ("a", "b"), [("1", "two\nlines")] * 500_000)
    with path.open("a") as file:
        file.write("1,2,3\n")
    with pytest.raises(ConfigurationError, match="line 1000002 has 3 columns"):
        async with loaded(path):
            raise AssertionError("it was loaded")


@pytest.mark.parametrize(
    "content",
    [b"a,b\r\n1,x\r\n2,y\r\n", b"a;b\n1;x\n2;y\n", b"\xef\xbb\xbfa\tb\n1\tx\n2\ty", b'a,b\n1,x\n"2",""\n'],
)
async def test_dialects_are_told_by_the_header(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    async with loaded(tmp_path / "t.csv") as ledger:
        assert [row[0] for row in await rows_of(ledger, "SELECT a FROM t")] == [1, 2]
        assert [column.name for column in ledger.catalogue.tables[0].columns] == ["a", "b"]


async def test_mixed_line_ends_are_a_fault_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\r\n1,x\n2,y\r\n")
    with pytest.raises(ConfigurationError, match="do not all end in the same way"):
        async with loaded(tmp_path / "t.csv"):
            raise AssertionError("it was loaded")


async def test_strange_names_are_quoted(tmp_path: Path) -> None:
    header = ("select", 'a "b"', "c;d'--", "{x: y}", "naïve")
    path = write_csv(tmp_path / "my [data] *2025*.csv", header, [(1, 2, 3, 4, 5)])
    async with loaded(path) as ledger:
        table = ledger.catalogue.tables[0]
        assert table.name == "my [data] *2025*"
        assert tuple(column.name for column in table.columns) == header


def test_tables_of_one_name_are_numbered() -> None:
    assert table_names(["usage", "Usage", "usage_2", "a\x00b"]) == ["usage", "Usage_2", "usage_2_2", "a_b"]


async def test_json_and_parquet_hold_the_same_as_csv(tmp_path: Path) -> None:
    records = [
        {"at": "2025-05-07T15:29:32", "model": "None", "cost": 0.5, "n": 1, "tags": ["a", {"b": 1}]},
        {"at": "2025-05-08T00:00:00", "model": "gpt-4o", "cost": 2.25, "n": None, "extra": True},
    ]
    (tmp_path / "array.json").write_text(json.dumps(records))
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "lines_too.json").write_text("\n".join(map(json.dumps, records)))
    frame = pa.table(
        {
            "at": pa.array([1746631772, 1746662400], pa.timestamp("s", "UTC")),
            "model": ["None", "gpt-4o"],
            "cost": pa.array([0.5, 2.25]),
            "n": pa.array([1, None]),
            "tags": [["a"], None],
        }
    )
    pq.write_table(frame, tmp_path / "frame.parquet")
    async with loaded(tmp_path) as ledger:
        for table in ledger.catalogue.tables:
            sql = f'SELECT CAST("at" AS VARCHAR), model, cost, n, typeof(tags) FROM "{table.name}" ORDER BY 1'
            assert await rows_of(ledger, sql) == [
                ("2025-05-07 15:29:32", "None", 0.5, 1, "VARCHAR"),
                ("2025-05-08 00:00:00", "gpt-4o", 2.25, None, "VARCHAR"),
            ]


async def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "a.parquet")
    with pytest.raises(ConfigurationError, match="0 rows"):
        async with loaded(tmp_path / "a.parquet"):
            raise AssertionError("it was loaded")


async def test_progress_rises_to_one_and_names_the_files(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ("n", "text"), _long("x"))
    write_csv(tmp_path / "b.csv", ("n",), [(i,) for i in range(1000)])
    said: list[tuple[float, str]] = []
    async with open_ledger(find_sources([tmp_path]), lambda part, words: said.append((part, words))):
        pass
    fractions = [fraction for fraction, _ in said]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert any(0.01 < fraction < 0.9 for fraction in fractions)
    words = [text for _, text in said]
    assert "a.csv: 40,001 rows" in words
    assert "b.csv: 1,000 rows" in words


async def test_numbers_since_1970_are_times(tmp_path: Path) -> None:
    write_csv(tmp_path / "s.csv", ("timestamp", "cost"), [(1746631772, 1), (1746631773.5, 2)])
    write_csv(tmp_path / "ms.csv", ("created_at", "cost"), [(1746631772000, 1)])
    write_csv(tmp_path / "no.csv", ("timestamp", "cost"), [(0, 1), (5000, 2)])
    async with loaded(tmp_path) as ledger:
        covered = {table.name: table.covered_from for table in ledger.catalogue.tables}
        assert covered == {"s": "2025-05-07 15:29:32", "ms": "2025-05-07 15:29:32", "no": None}
