"""``run_sql`` as a model calls it: what comes out is evidence, and what is wrong is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatcore.agents.analyst.evidence import Query, digest_of
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.model_tools import ModelTools
from chatcore.agents.tools import Tool, ToolError, ToolResult
from chatcore.context import UserExecutionContext

from .conftest import RecordedRun, loaded, write_csv


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "usage.csv", ("model", "cost_usd"), [("a", 0.5), ("b", 0.25), ("a", 1.0)])


async def use(ledger: Ledger, *calls: tuple[str, dict[str, Any]]) -> list[ToolResult | str]:
    """What comes out of each call of one run, or what is told about it."""
    registry, run = ModelTools(ledger).registry(), RecordedRun("?", UserExecutionContext(user_id="tester"))
    results: list[ToolResult | str] = []
    for name, arguments in calls:
        try:
            results.append(await registry.call(run, name, **arguments))
        except ToolError as error:
            results.append(error.problem)
    return results


async def test_rows_are_evidence_that_holds_when_it_is_run_again(usage: Path) -> None:
    sql = 'SELECT "model", sum("cost_usd") AS cost FROM "usage" GROUP BY "model" ORDER BY "model"'
    async with loaded(usage) as ledger:
        results = await use(ledger, ("run_sql", {"sql": sql}), ("run_sql", {"sql": sql}))
        again = await ledger.query(Query("again", sql))
    first, second = results
    assert isinstance(first, ToolResult)
    assert isinstance(second, ToolResult)
    (evidence,) = first.evidence
    assert (evidence.id, evidence.tool, evidence.query, evidence.parameters) == ("q1", "run_sql", sql, {})
    assert second.evidence[0].id == "q2"
    assert evidence.rows == [["a", 1.5], ["b", 0.25]]
    assert evidence.sha256 == digest_of(again)
    assert evidence.data_version == ledger.catalogue.data_version


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("DROP TABLE usage", "only a single SELECT is run"),
        ("SELECT costs FROM usage", "cost_usd"),
        ("SELECT 12345 AS spend", "reads no table"),
        ("", "argument is wrong"),
        ("SELECT " + "(" * 20_000, "argument is wrong"),
        (
            "SELECT a.model FROM usage a" + "".join(f", usage {each}" for each in "bcdefghi"),
            "more than 10,000 rows",
        ),
        (
            "SELECT 12345 AS spend FROM usage",
            "the query itself says `12345`, and a number that no row has proves nothing",
        ),
        ("SELECT 9 * 9 * 9 * 9 AS spend FROM usage LIMIT 1", "the query itself says `9 * 9 * 9 * 9`, and a number"),
        ('SELECT cost_usd AS "saves $5,000" FROM usage', "the query itself says `5,000`, and a number"),
        ("SELECT sum(cost_usd) + 12345 AS spend, '99%' FROM usage", "the query itself says `12345`, `99`, and"),
        ("SELECT " + ", ".join(map(str, range(11, 20))) + " FROM usage", "`11`, `12`, `13`, `14`, `15`, and a number"),
        ("SELECT cost_usd" + " + 1" * 900 + " FROM usage", "the query"),
    ],
)
async def test_what_is_wrong_is_told(usage: Path, sql: str, told: str) -> None:
    async with loaded(usage) as ledger:
        (result,) = await use(ledger, ("run_sql", {"sql": sql}))
    assert isinstance(result, str)
    assert told in result


async def test_every_field_of_every_tool_is_described(usage: Path) -> None:
    async with loaded(usage) as ledger:
        tools = ModelTools(ledger).registry().tools
    for tool in tools.values():
        assert tool.description
        assert tool.timeout_seconds <= 60
        for name, shape in tool.schema()["$defs"].items():
            for field, described in shape.get("properties", {}).items():
                assert described.get("description"), (tool.name, name, field)


async def test_tools_of_others_stand_beside_the_analysts_own(usage: Path) -> None:
    async def echo(given: dict[str, Any]) -> ToolResult:
        return ToolResult(given, "the same")

    tool = Tool("shop.echo", "Says a text.", dict[str, Any], echo)
    async with loaded(usage) as ledger:
        names = list(ModelTools(ledger, [tool]).registry().tools)
    assert names[-2:] == ["run_sql", "shop.echo"]
    assert {"list_tables", "describe_table", "run_intent"} < set(names)
