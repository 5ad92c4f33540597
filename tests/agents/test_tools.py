"""The ToolRegistry: typed, bounded in time, and told to the watchers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio

from chatcore.agents.base import Run
from chatcore.agents.tools import Tool, ToolError, ToolRegistry, ToolResult
from chatcore.protocol import messages as m
from chatcore.testing import in_virtual_time
from chatcore.testing.agents import Do, RecordingRun, Say, ScriptedAgent, rehearsing

pytestmark = pytest.mark.usefixtures("threads_in_place")

EVIDENCE = m.Evidence(
    id="e", tool="find", query="q", parameters={}, columns=["n"], rows=[[41]], row_count=1, sha256="", data_version=""
)


class Find(msgspec.Struct):
    """What to find."""

    text: str
    most: int = 3


async def find(given: Find) -> ToolResult:
    await trio.sleep(0.5)
    return ToolResult([given.text] * given.most, f"{given.most} orders", (EVIDENCE,))


async def hang(_: Find) -> ToolResult:
    await trio.sleep_forever()
    raise AssertionError


async def fail(_: Find) -> ToolResult:
    raise ToolError("fail", "it is closed today")


async def pour(given: Find) -> ToolResult:
    return ToolResult("x" * given.most, "y" * given.most)


async def echo(given: dict[str, Any]) -> ToolResult:
    return ToolResult(given, "the same")


FOREIGN = {"type": "object", "properties": {"path": {"type": "string"}}}

TOOLS = ToolRegistry(
    [
        Tool("find", "Finds orders.", Find, find),
        Tool("hang", "Never returns.", Find, hang, timeout_seconds=2),
        Tool("fail", "Fails.", Find, fail),
        Tool("pour", "Gives a lot.", Find, pour, max_bytes=2048),
        Tool("echo", "Gives back what it is given.", dict[str, Any], echo, arguments_schema=FOREIGN),
    ]
)


async def used(name: str, **arguments: Any) -> tuple[RecordingRun, ToolResult | ToolError]:
    """What came of using a tool, and what the watchers saw."""
    results: list[ToolResult | ToolError] = []

    async def use(run: Run) -> None:
        try:
            results.append(await TOOLS.call(run, name, **arguments))
        except ToolError as error:
            results.append(error)

    async with rehearsing(ScriptedAgent([Do(use), Say("x")])) as rehearsal:
        run = await rehearsal.ask("hello")
        await run.answer()
    return run, results[0]


@in_virtual_time
async def test_a_tool_is_announced_and_its_outcome_told() -> None:
    run, result = await used("find", text="order", most=2)
    assert isinstance(result, ToolResult)
    assert result.value == ["order", "order"]
    executing, completed = run.events[1:3]
    assert isinstance(executing, m.ToolExecuting)
    assert (executing.tool, executing.arguments) == ("find", {"text": "order", "most": 2})
    assert isinstance(completed, m.ToolCompleted)
    assert (completed.status, completed.summary) == ("ok", "2 orders")
    assert completed.duration_seconds == pytest.approx(0.5, abs=0.01)
    assert completed.tool_call_id == executing.tool_call_id


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        ("find", {"text": 7}, "an argument is wrong"),
        ("find", {}, "an argument is wrong"),
        ("hang", {"text": "x"}, "took longer than 2 s"),
        ("fail", {"text": "x"}, "it is closed today"),
        ("pour", {"text": "x", "most": 2047}, "gave more than 2 KiB"),
    ],
)
@in_virtual_time
async def test_a_tool_that_fails_says_why_and_the_agent_goes_on(name: str, arguments: Any, problem: str) -> None:
    run, error = await used(name, **arguments)
    assert isinstance(error, ToolError)
    assert problem in str(error)
    assert [event.status for event in run.events if isinstance(event, m.ToolCompleted)] == ["error"]


@in_virtual_time
async def test_a_tool_that_is_not_there_is_not_announced() -> None:
    run, error = await used("fly")
    assert isinstance(error, ToolError)
    assert "there are find, hang, fail, pour, echo" in str(error)
    assert not any(isinstance(event, m.ToolExecuting) for event in run.events)


def test_names_differ_and_schemas_are_generated() -> None:
    with pytest.raises(ValueError, match="two tools are named 'find'"):
        ToolRegistry([TOOLS.tools["find"], TOOLS.tools["find"]])
    schema = TOOLS.tools["find"].schema()
    assert schema["$defs"]["Find"]["required"] == ["text"]


@in_virtual_time
async def test_what_is_told_of_a_tool_is_bounded() -> None:
    run, result = await used("pour", text="x", most=2046)
    assert isinstance(result, ToolResult)
    (summary,) = [event.summary for event in run.events if isinstance(event, m.ToolCompleted)]
    assert (len(summary), summary[-2:]) == (1_000, "y…")


@in_virtual_time
async def test_arguments_that_are_too_large_are_not_announced() -> None:
    run, error = await used("echo", text="x" * 300_000)
    assert isinstance(error, ToolError)
    assert "larger than 256 KiB" in str(error)
    assert not any(isinstance(event, m.ToolExecuting) for event in run.events)


@in_virtual_time
async def test_a_shape_of_somebody_elses_is_passed_on() -> None:
    _, result = await used("echo", path="/a", more=[1])
    assert isinstance(result, ToolResult)
    assert result.value == {"path": "/a", "more": [1]}
    assert TOOLS.tools["echo"].schema() == FOREIGN
