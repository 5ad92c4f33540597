"""The ToolRegistry: the typed tools an agent may use, each bounded in time and told to the watchers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import attrs
import msgspec
import trio

from chatcore.agents.base import Run
from chatcore.errors import ChatcoreError
from chatcore.protocol.messages import Evidence

P = TypeVar("P", bound=msgspec.Struct)


@attrs.define
class ToolError(ChatcoreError):
    """A tool could not do what it was asked; the agent may go on without it.

    Args:
        tool: its name.
        problem: what went wrong, in words for a person; no path and no secret.
    """

    tool: str
    problem: str

    def __str__(self) -> str:
        return f"{self.tool}: {self.problem}"


@attrs.frozen
class ToolResult:
    """What came out of a tool.

    Args:
        value: for the agent.
        summary: for a person.
        evidence: the queries whose rows came out.
    """

    value: Any
    summary: str
    evidence: tuple[Evidence, ...] = ()


@attrs.frozen
class Tool(Generic[P]):
    """One tool.

    Args:
        name: what agents and clients know it by.
        description: one sentence: what it does.
        parameters: a msgspec struct; arguments are checked against it before the tool runs.
        function: does the work.
        timeout_seconds: how long it may take.
    """

    name: str
    description: str
    parameters: type[P]
    function: Callable[[P], Awaitable[ToolResult]]
    timeout_seconds: float = 30.0

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the parameters."""
        return msgspec.json.schema(self.parameters)


class ToolRegistry:
    """The tools of one agent, by name.

    Args:
        tools: their names must differ.

    Raises:
        ValueError: when two tools have one name.
    """

    def __init__(self, tools: Iterable[Tool[Any]] = ()) -> None:
        self._tools: dict[str, Tool[Any]] = {}
        for tool in tools:
            if tool.name in self._tools:
                raise ValueError(f"two tools are named {tool.name!r}")
            self._tools[tool.name] = tool

    @property
    def tools(self) -> Mapping[str, Tool[Any]]:
        """Every tool by its name, in the order given."""
        return self._tools

    async def call(self, run: Run, name: str, /, **arguments: Any) -> ToolResult:
        """Use a tool within a run, announced to its watchers.

        Raises:
            ToolError: when there is no such tool, an argument is wrong, it took too long or it failed.
        """
        tool = self._tools.get(name)
        if tool is None:
            raise ToolError(name, f"there is no such tool; there are {', '.join(self._tools) or 'none'}")
        async with run.tool(name, **arguments) as call:
            result = await self._run(tool, arguments)
            call.summary = result.summary
            call.evidence.extend(result.evidence)
        return result

    @staticmethod
    async def _run(tool: Tool[Any], arguments: Mapping[str, Any]) -> ToolResult:
        try:
            parameters = msgspec.convert(dict(arguments), tool.parameters)
        except msgspec.ValidationError as error:
            raise ToolError(tool.name, f"an argument is wrong: {error}") from None
        with trio.move_on_after(tool.timeout_seconds):
            return await tool.function(parameters)
        raise ToolError(tool.name, f"took longer than {tool.timeout_seconds:g} s")
