"""Answers over the shared data, each number computed again from the file with nothing but the csv module."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from statistics import median

import pytest

from chatcore.agents.analyst.ledger import Ledger
from chatcore.protocol.messages import Evidence

from .conftest import Told, ask, loaded

Row = dict[str, str]
ODD = "2025-05-07 15:29:32"


def money(amount: Decimal | float) -> str:
    return f"${amount:,.2f}"


def cost(rows: list[Row]) -> Decimal:
    return sum((Decimal(row["cost_usd"]) for row in rows), Decimal(0))


def clean(rows: list[Row]) -> list[Row]:
    return [row for row in rows if not (row["ts_utc"] == ODD and float(row["cost_usd"]) > 9000)]


def during(rows: list[Row], start: str, end: str = "9999") -> list[Row]:
    return [row for row in rows if start <= row["ts_utc"] < end]


def grouped(rows: list[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def close(found: object, expected: Decimal | float) -> bool:
    return isinstance(found, int | float) and abs(float(found) - float(expected)) < 1e-6


async def test_totals(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared) as ledger:
        for question, rows in (
            ("What did we spend in total?", usage_rows),
            ("How much did we spend in May 2025?", during(usage_rows, "2025-05", "2025-06")),
            ("spend in Q1 2025", during(usage_rows, "2025-01", "2025-04")),
            ("spend between 2025-01-05 and 2025-02-10", during(usage_rows, "2025-01-05", "2025-02-11")),
            ("spend since March 2026", during(usage_rows, "2026-03")),
            ("spend in the last 30 days", during(usage_rows, "2026-03-27", "2026-04-26")),
            ("spend last month", during(usage_rows, "2026-03", "2026-04")),
            ("what did we spend yesterday", during(usage_rows, "2026-04-24", "2026-04-25")),
            ("How much did gpt-4o cost us?", [row for row in usage_rows if row["model"] == "gpt-4o"]),
            ("spend on claude models", [row for row in usage_rows if "claude" in row["model"]]),
            ("spend on model None", [row for row in usage_rows if row["model"] == "None"]),
            ("spend in ask mode in 2025", during([r for r in usage_rows if r["edit_format"] == "ask"], "2025", "2026")),
            ("spend excluding claude", [row for row in usage_rows if "claude" not in row["model"]]),
        ):
            told = await ask(ledger, question)
            (totals,) = told.sheet("spend", "calls", "first")
            assert totals["calls"] == len(rows), question
            assert close(totals["spend"], cost(rows)), question
            assert close(totals["spend_without_implausible"], cost(clean(rows))), question
            assert money(cost(rows)) in told.text, question
            assert money(cost(clean(rows))) in told.text, question


async def test_the_row_that_is_wrong_at_the_source_is_named(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        for question in ("What did we spend in total?", "top 5 calls", "spend by month", "spend by model", "outliers?"):
            told = await ask(ledger, question)
            assert f"{ODD}, 10,033 tokens, $9,990.01" in told.text, question
        told = await ask(ledger, "What did we spend in June 2025?")
        assert "mplausible" not in told.text


async def test_tokens_and_calls(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        for question, column in (
            ("How many tokens did we use?", "total_tokens"),
            ("how many input tokens", "prompt_tokens"),
            ("how many completion tokens", "completion_tokens"),
        ):
            total = sum(int(row[column]) for row in usage_rows)
            assert f"**{total:,}**" in (await ask(ledger, question)).text
        december = during(usage_rows, "2024-12", "2025-01")
        assert f"**{len(december)} calls**" in (await ask(ledger, "How many calls in December 2024?")).text
        per_call = cost(clean(usage_rows)) / len(clean(usage_rows))
        (totals,) = (await ask(ledger, "average cost per call")).sheet("cost_per_call")
        assert close(totals["cost_per_call"], per_call)
        tokens = sum(int(row["total_tokens"]) for row in usage_rows)
        (totals,) = (await ask(ledger, "average tokens per call")).sheet("tokens_per_call")
        assert close(totals["tokens_per_call"], tokens / len(usage_rows))


@pytest.mark.parametrize("column", ["model", "user_id", "edit_format", "weak_model", "editor_model"])
async def test_groups(shared: Path, usage_rows: list[Row], column: str) -> None:
    groups = {(name or None): rows for name, rows in grouped(usage_rows, lambda row: row[column]).items()}
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, f"spend by {column}")
        found = told.sheet(column, "spend", "share_percent")
        assert len(found) == min(len(groups), 50)
        assert [row["spend"] for row in found] == sorted((row["spend"] for row in found), reverse=True)
        for row in found:
            assert row["calls"] == len(groups[row[column]])
            assert close(row["spend"], cost(groups[row[column]]))
            assert row["tokens"] == sum(int(each["total_tokens"]) for each in groups[row[column]])
            share = 100 * cost(clean(groups[row[column]])) / cost(clean(usage_rows))
            assert row["share_percent"] is None or close(row["share_percent"], share)
        (totals,) = told.sheet("groups")
        assert totals["groups"] == len(set(groups) - {None})


async def test_rankings(shared: Path, usage_rows: list[Row]) -> None:
    models = grouped(usage_rows, lambda row: row["model"])
    async with loaded(shared / "llm_usage.csv") as ledger:
        by_tokens = sorted(models, key=lambda m: (-sum(int(r["total_tokens"]) for r in models[m]), m))
        told = await ask(ledger, "top 3 models by tokens")
        assert [row["model"] for row in told.sheet("model", "tokens", "share_percent")] == by_tokens[:3]
        by_calls = sorted(models, key=lambda m: (-len(models[m]), m))
        told = await ask(ledger, "Which model did we use most often?")
        assert f"`{by_calls[0]}` has the most calls: **{len(models[by_calls[0]]):,}**" in told.text
        told = await ask(ledger, "which model is the cheapest?")
        paid = {m: rows for m, rows in models.items() if cost(rows) > 0}
        price = {m: cost(clean(rows)) / sum(int(r["total_tokens"]) for r in rows) for m, rows in paid.items()}
        assert f"`{min(price, key=lambda m: (price[m], m))}` has the least cost per million tokens" in told.text
        told = await ask(ledger, "how many models did we use?")
        assert f"**{len(models)}**" in told.text


async def test_single_calls(shared: Path, usage_rows: list[Row]) -> None:
    dearest = sorted(usage_rows, key=lambda row: -float(row["cost_usd"]))[:5]
    async with loaded(shared / "llm_usage.csv") as ledger:
        found = (await ask(ledger, "What are the 5 most expensive calls?")).sheet("time", "cost", "implausible")
        assert [row["time"] for row in found] == [row["ts_utc"] for row in dearest]
        assert [row["implausible"] for row in found] == [True, False, False, False, False]
        largest = max(usage_rows, key=lambda row: int(row["total_tokens"]))
        told = await ask(ledger, "what was the largest request by tokens?")
        assert f"**{int(largest['total_tokens']):,} tokens**" in told.text


@pytest.mark.parametrize(("grain", "length"), [("day", 10), ("month", 7), ("year", 4)])
async def test_trends(shared: Path, usage_rows: list[Row], grain: str, length: int) -> None:
    steps = grouped(usage_rows, lambda row: row["ts_utc"][:length])
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, f"spend by {grain}")
        found = told.sheet("step", "spend", "calls")
        newest = sorted(steps)[-200:]
        assert [row["step"] for row in found if "high" not in row] == newest
        for row in found:
            assert row["calls"] == len(steps[row["step"]])
            assert close(row["spend"], cost(steps[row["step"]]))
        high = max(steps, key=lambda step: cost(steps[step]))
        assert f"{high} (**{money(cost(steps[high]))}**" in told.text
        average = cost(usage_rows) / len(steps)
        assert f"that have rows is {money(average)}" in told.text
        if grain == "month":
            assert any("2024-09, 2025-09, 2025-10 and 2026-01" in insight for insight in told.answer.insights)


async def test_comparisons(shared: Path, usage_rows: list[Row]) -> None:
    april, may = during(usage_rows, "2025-04", "2025-05"), during(usage_rows, "2025-05", "2025-06")
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "How did spend change from April to May 2025?")
        (change,) = told.sheet("spend_change")
        assert close(change["spend_change"], cost(may) - cost(april))
        assert close(change["spend_without_implausible_change"], cost(clean(may)) - cost(april))
        assert close(change["spend_change_percent"], 100 * (cost(may) - cost(april)) / cost(april))
        for figure in (cost(april), cost(may), cost(clean(may)), cost(may) - cost(april)):
            assert money(figure) in told.text
        (mover, *_) = told.sheet("model", "change")
        moved = {
            model: cost(clean([r for r in may if r["model"] == model]))
            - cost([r for r in april if r["model"] == model])
            for model in {row["model"] for row in usage_rows}
        }
        assert mover["model"] == max(moved, key=lambda model: abs(moved[model]))
        told = await ask(ledger, "compare calls in 2024 and 2025")
        counts = [len(during(usage_rows, "2024", "2025")), len(during(usage_rows, "2025", "2026"))]
        assert f"**{counts[0]:,}** to **{counts[1]:,}**" in told.text


async def test_names_against_each_other(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        found = (await ask(ledger, "compare claude and gpt-4o")).sheet("model", "spend", "calls")
        by_name = {row["model"]: row for row in found}
        assert close(by_name["claude"]["spend"], cost([r for r in usage_rows if "claude" in r["model"]]))
        assert by_name["gpt-4o"]["calls"] == len([r for r in usage_rows if r["model"] == "gpt-4o"])


async def test_quality(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "How good is the data quality?")
        missing = {row["name"]: row["missing"] for row in told.sheet("name", "missing")}
        expected = {column: sum(not row[column] for row in usage_rows) for column in usage_rows[0]}
        assert missing == {column: count for column, count in expected.items() if count}
        free = sum(float(row["cost_usd"]) == 0 for row in usage_rows)
        assert f"{free:,} calls with a cost of zero" in told.text
        assert "2024-09, 2025-09, 2025-10 and 2026-01" in told.text
        (odd,) = told.sheet("duplicates")
        assert odd["duplicates"] == 0
        assert "duplicate rows" in told.answer.insights[0]


async def test_statistics(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        (figures,) = (await ask(ledger, "What is the median number of tokens?")).sheet("median")
        tokens = [int(row["total_tokens"]) for row in usage_rows]
        assert figures["median"] == median(tokens)
        assert (figures["lowest"], figures["highest"]) == (min(tokens), max(tokens))
        assert close(figures["average"], sum(tokens) / len(tokens))


async def test_what_data_there_is(shared: Path) -> None:
    async with loaded(shared) as ledger:
        told = await ask(ledger, "What data is there?")
        rows = {row["name"]: row["rows"] for row in told.sheet("name", "rows")}
        assert rows == {
            "azure_llm_trace_2023_code": 8819, "azure_llm_trace_2023_conv": 19366, "genai_prices": 34,
            "llm_send_errors": 61, "llm_usage": 5522, "model_prices": 1451, "model_quality_cost": 69,
            "mooncake_conversation_trace": 12031,
        }  # fmt: skip
        assert "`cost_usd` for the cost" in told.text
        assert "`session_cost_usd`" in told.text


REFUSED = {
    "What did we spend in September 2025?": ("no_rows", ["2025-09"]),
    "spend on o3 in 2024": ("no_rows", ["2024", "o3"]),
    "compare August and September 2025": ("no_rows", ["2025-09"]),
    "What did we spend in 2023?": ("out_of_range", ["2023"]),
    "Spend by team": ("no_such_column", ["team"]),
    "spend on gpt-99": ("no_rows", ["gpt-99"]),
    "What did we spend in March?": ("ambiguous", ["year"]),
}


async def test_what_has_no_answer_is_never_nothing(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question, (reason, missing) in REFUSED.items():
            told = await ask(ledger, question)
            assert not told.answer.answered, question
            assert (told.answer.reason, told.answer.missing) == (reason, missing), question
            assert "$" not in told.text.replace("more than $1", ""), question
            assert "$0" not in told.text, question
            if reason in ("no_rows", "out_of_range"):
                assert told.answer.covered
                assert (told.answer.covered.from_, told.answer.covered.to) == (
                    "2024-08-13 14:40:43",
                    "2026-04-25 04:20:34",
                )
            for alternative in told.answer.alternatives or []:
                assert (await ask(ledger, alternative)).answer.answered, (question, alternative)


EVERY_KIND = (
    "What did we spend in total?", "what percent of spend went to o3 in 2025?", "spend by model", "how many models?",
    "top 3 calls", "spend by week", "Compare April and May 2025", "compare claude and gpt-4o", "median cost",
    "average pass_rate_2 by model", "How good is the data quality?", "What data is there?", "tokens in azure conv",
)  # fmt: skip
SHAPE_AND_WASTE = (
    "What is the coverage?", "what drove the change from April to May 2025?", "unit cost by model",
    "cost per call by month", "how concentrated is spend by user?", "p95 cost per call by model", "busiest hour",
    "spend by weekday in 2025", "calls in the morning", "how many sessions?", "input/output ratio by model",
    "unusual days", "outliers?",
    "empty outputs by month", "free calls by model", "error rate by month",
)  # fmt: skip


async def test_evidence_gives_the_same_rows_in_a_duckdb_of_ones_own(shared: Path) -> None:
    """As a doubter would do it: load the files with DuckDB's own reader, and run query and parameters again."""
    import duckdb

    doubter = duckdb.connect()
    for file in data_files(shared):
        readers = {".csv": "read_csv", ".json": "read_json", ".jsonl": "read_json"}
        if file.suffix in readers:
            doubter.execute(f"CREATE TABLE \"{file.stem}\" AS SELECT * FROM {readers[file.suffix]}('{file}')")
    async with loaded(shared) as ledger:
        for question in (*EVERY_KIND, *SHAPE_AND_WASTE):
            told = await ask(ledger, question)
            assert told.answer.answered, question
            assert told.answer.evidence
            for item in told.answer.evidence:
                check_evidence(item, doubter.execute(item.query, item.parameters).fetchall())
                assert item.data_version == ledger.catalogue.data_version
    doubter.close()


def data_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.*"))


def check_evidence(item: Evidence, rows: list[tuple[object, ...]]) -> None:
    text = json.dumps([list(row) for row in rows], ensure_ascii=False, separators=(",", ":"))
    assert sha256(text.encode()).hexdigest() == item.sha256, item.query
    assert item.row_count == len(rows)
    assert item.rows == [list(row) for row in rows][:200]


async def test_the_same_question_has_the_same_evidence_in_another_ledger(shared: Path) -> None:
    async def hashes(ledger: Ledger) -> list[str]:
        told = [await ask(ledger, question) for question in EVERY_KIND]
        return [item.sha256 for each in told for item in each.answer.evidence]

    async with loaded(shared) as one:
        first = await hashes(one)
    async with loaded(shared) as other:
        assert await hashes(other) == first


def events_of(told: Told) -> list[str]:
    return [f"{kind}:{detail}" if kind == "tool" else kind for kind, detail in told.run.events]


async def test_watchers_see_every_step(shared: Path) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        told = await ask(ledger, "Spend by model")
        events = events_of(told)
        assert events[:2] == ["thinking", "tool:list_tables"]
        assert [event for event in events if event.startswith("tool:")] == [
            "tool:list_tables", "tool:describe_table", "tool:run_intent",
        ]  # fmt: skip
        assert events.index("say") > events.index("tool:run_intent")
        assert events.count("say") >= 3
        assert told.run.evidence == told.answer.evidence
