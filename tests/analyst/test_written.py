"""Numbers that a query says itself are told from those of the rows, in the tree that DuckDB makes of it."""

from __future__ import annotations

import json

import duckdb
import pytest

from chatcore.agents.analyst.sandbox.written import named_numbers, written_numbers

OWN = {
    "SELECT 12345 AS spend FROM t": ["12345"],
    "SELECT -12345.5 AS spend, count(*) FROM t": ["-12345.5"],
    "SELECT '12345' AS spend FROM t": ["12345"],
    "SELECT '$12,345.00 in total' AS said FROM t": ["12,345.00"],
    "SELECT CAST('12345' AS INTEGER) FROM t": ["12345"],
    "SELECT max(12345) FROM t": ["12345"],
    "SELECT 12345 + 0 * sum(cost) FROM t": ["12345"],
    "SELECT abs(-12345) FROM t": ["-12345"],
    "SELECT 111 * 111 FROM t": ["111"],
    "SELECT CASE WHEN count(*) > 0 THEN 12345 ELSE 54321 END FROM t": ["12345", "54321"],
    "SELECT if(n > 0, 12345, n) FROM t": ["12345"],
    "SELECT coalesce(NULL, cost, 12345) FROM t": ["12345"],
    "SELECT greatest(cost, 12345) FROM t": ["12345"],
    "SELECT arg_max(12345, cost) FROM t": ["12345"],
    "SELECT lag(cost, 12, 12345) OVER (ORDER BY n) FROM t": ["12345"],
    "SELECT model || ' 12345' FROM t": ["12345"],
    "SELECT (SELECT 12345) FROM t": ["12345"],
    "SELECT a FROM (SELECT 12345 AS a), t": ["12345"],
    "WITH x AS (SELECT 12345 AS a) SELECT a FROM x, t": ["12345"],
    "SELECT cost FROM t UNION ALL SELECT 12345": ["12345"],
    "SELECT cost FROM t UNION ALL VALUES (12345)": ["12345"],
    "SELECT v.a FROM t, (VALUES (12345)) v(a)": ["12345"],
    "SELECT * REPLACE (12345 AS cost) FROM t": ["12345"],
    "SELECT r FROM t, range(20000) r(r) WHERE r = 12345": ["20000"],
    "SELECT unnest([12345, n]) FROM t": ["12345"],
    "SELECT {'a': 12345, 'b': cost} FROM t": ["12345"],
    "SELECT list_transform([n], lambda v: v + 12345) FROM t": ["12345"],
    "SELECT 1e4, 12_345, 0.5 FROM t": ["1e4", "12_345", "0.5"],
    "SELECT z FROM t, LATERAL (SELECT n + 77 AS z)": ["77"],
    "SELECT 2025 AS year, sum(cost) FROM t": ["2025"],
    "SELECT 9 * 9 * (9 + 1) FROM t": ["9 * 9 * 9 * 1"],
    "SELECT length('aaaaaaaaaaaa'), ascii('x') FROM t": ["length(aaaaaaaaaaaa)", "ascii(x)"],
    "SELECT 1.0 / 3, factorial(5) FROM t": ["1.0 / 3", "factorial(5)"],
    "SELECT '1' || '2', concat('spent ', '4', '2') FROM t": ["1 || 2", "concat(spent , 4, 2)"],
    "SELECT cost + 9 * 9 FROM t": ["9 * 9"],
    "SELECT CAST(9 AS INTEGER) * 9 AS a, coalesce(cost, 9 * 9) FROM t": ["9 * 9"],
    "SELECT r FROM t, range(9 * 9) r(r) WHERE r = 80": ["9 * 9"],
    "WITH x AS (SELECT pow(9, 4) AS a) SELECT a FROM x, t": ["pow(9, 4)"],
    "SELECT strlen(repeat('x', 7)) FROM t": ["strlen(x, 7)"],
}

OF_ROWS = [
    "SELECT model, sum(cost) AS spend, count(*) AS calls FROM t GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20",
    "SELECT CAST(sum(CAST(cost AS DECIMAL(38,12))) AS DOUBLE) AS spend FROM t WHERE n > 1000 AND model LIKE '%2024%'",
    "SELECT 100.0 * sum(cost) FILTER (WHERE n < 500) / sum(cost) AS percent, 100 - 100 * avg(n) FROM t",
    "SELECT round(avg(cost) * 1000000, 12), quantile_cont(cost, [0.5, 0.95]), quantile_cont(cost, 0.99) FROM t",
    "SELECT date_trunc('month', ts) AS month, strftime(ts, '%Y-%m-%d 00:00'), substr(model, 1, 12) FROM t GROUP BY ALL",
    "SELECT floor(n / 500) * 500 AS bucket, count(*) FROM t GROUP BY 1 HAVING count(*) > 25",
    "SELECT CASE WHEN n < 1000 THEN 'under 1000' WHEN n < 5000 THEN '1000-5000' ELSE '5k or more' END AS size FROM t",
    "SELECT coalesce(cost, 0), nullif(n, 12345), n BETWEEN 10 AND 99, n IN (12, 34), NOT n > 55 FROM t",
    "SELECT 'total' AS what, sum(cost), 'gpt-4o' AS model, 'May 2025' AS month, DATE '2025-05-01' AS start FROM t",
    "SELECT ts + INTERVAL 30 DAY, ts - INTERVAL '12 hours', make_date(2025, 5, 17) FROM t",
    "SELECT sum(n) OVER (ORDER BY ts ROWS BETWEEN 29 PRECEDING AND CURRENT ROW), ntile(99) OVER (ORDER BY n) FROM t",
    "SELECT lag(cost, 12) OVER (ORDER BY n), row_number() OVER (ORDER BY n) FROM t QUALIFY row_number() OVER () < 50",
    "SELECT * FROM t a JOIN t b ON a.n = b.n + 12345 LIMIT 100 OFFSET 100",
    "SELECT * FROM (PIVOT t ON model IN ('gpt-4o', '12345') USING sum(cost))",
    "SELECT count(*) FROM t WHERE cost > (SELECT avg(cost) * 10 FROM t WHERE n > 42)",
    "SELECT -1, +1, [1, 2], {'a': 1}, coalesce(cost, -1), 'a' || 'b', upper('x') || model, lower('Y') FROM t",
    "SELECT DATE '2025-01-01' + INTERVAL 7 DAY, 9 * cost, cost * 9 * 9, round(9 * 9 * cost, 2) FROM t",
    "SELECT count(*) * 1.0 / 3, sum(n) / (9 * 9) FROM t",
    "SELECT m FROM t, generate_series(TIMESTAMP '2025-01-01', TIMESTAMP '2025-12-31', INTERVAL 1 MONTH) x(m)",
    "SELECT EXISTS(SELECT 12345 FROM t), n = ANY(SELECT 12345 FROM t) FROM t",
]


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t (cost DOUBLE, model VARCHAR, n INTEGER, ts TIMESTAMP, latency_95 DOUBLE)")
    return connection


def written(database: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    database.execute(sql)  # it is one that runs
    ((tree,),) = database.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()
    return written_numbers(json.loads(tree))


NAMES = {
    'SELECT cost AS "saves $5,000" FROM t': ["5,000"],
    "SELECT sum(cost) AS saving_12345 FROM t": ["12345"],
    'SELECT cost AS "12.5% less", n AS "5000" FROM t': ["12.5", "5000"],
    "SELECT x.saved_77 FROM (SELECT cost AS saved_77 FROM t) x": ["77"],
    "SELECT quantile_cont(cost, 0.95) AS p95, sum(cost) AS spend_2025, 1000 * avg(cost) AS cost_per_1000 FROM t": [],
    "SELECT count(*) AS calls_over_1000, sum(cost * 10) FROM t WHERE n > 1000 AND ts > current_date - 30": [],
    "SELECT latency_95, * FROM t": [],
    "SELECT sum(cost) AS gpt_4o_2024_11_20 FROM t WHERE model = 'gpt-4o-2024-11-20'": [],
}


@pytest.mark.parametrize(("sql", "numbers"), NAMES.items(), ids=range(len(NAMES)))
def test_a_number_in_a_title_is_found(database: duckdb.DuckDBPyConnection, sql: str, numbers: list[str]) -> None:
    columns = [name for name, *_ in database.execute(sql).description or ()]
    ((tree,),) = database.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()
    assert named_numbers(json.loads(tree), columns, ["cost", "latency_95"]) == numbers


@pytest.mark.parametrize(("sql", "numbers"), OWN.items(), ids=range(len(OWN)))
def test_a_number_of_the_query_is_found(database: duckdb.DuckDBPyConnection, sql: str, numbers: list[str]) -> None:
    assert written(database, sql) == numbers


@pytest.mark.parametrize("sql", OF_ROWS, ids=range(len(OF_ROWS)))
def test_what_chooses_or_scales_rows_is_none(database: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert written(database, sql) == []
