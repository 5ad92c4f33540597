"""The ToolRegistry: the typed tools an agent may use, each bounded in time and bytes and told to the watchers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import attrs
import msgspec
import trio

from chatcore.agents.base import Run
from chatcore.errors import ChatcoreError
from chatcore.protocol.messages import Evidence

P = TypeVar("P", bound=msgspec.Struct | dict[str, Any])

MAX_VALUE_BYTES = 1024 * 1024
"""Of what a tool gives its agent, as JSON: many times what any model reads at once."""

MAX_ARGUMENT_BYTES = 256 * 1024
"""Of a tool's arguments, as JSON: they are shown to whoever watches the run, and kept."""

MAX_SUMMARY_CHARACTERS = 1_000
"""Of a tool's summary: it is shown to a person."""


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
        parameters: a msgspec struct, its fields described by ``msgspec.Meta``; arguments are checked against it before
            the tool runs. A plain dict where the shape is somebody else's, and ``arguments_schema`` says it.
        function: does the work.
        timeout_seconds: how long it may take.
        max_bytes: how large its value may be, as JSON.
        arguments_schema: the JSON schema of the arguments; made of ``parameters`` unless given.
    """

    name: str
    description: str
    parameters: type[P]
    function: Callable[[P], Awaitable[ToolResult]]
    timeout_seconds: float = 30.0
    max_bytes: int = MAX_VALUE_BYTES
    arguments_schema: Mapping[str, Any] | None = None

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the parameters."""
        if self.arguments_schema is not None:
            return dict(self.arguments_schema)
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
            ToolError: there is no such tool, an argument is wrong, it took too long or gave too much, or says that it
                failed.
            Exception: whatever else the tool raises.
        """
        tool = self._tools.get(name)
        if tool is None:
            raise ToolError(name, f"there is no such tool; there are {', '.join(self._tools) or 'none'}")
        if _size(arguments) > MAX_ARGUMENT_BYTES:
            raise ToolError(name, f"its arguments are larger than {MAX_ARGUMENT_BYTES // 1024} KiB")
        async with run.tool(name, **arguments) as call:
            result = await self._run(tool, arguments)
            call.summary = _shortened(result.summary)
            call.evidence.extend(result.evidence)
        return result

    @staticmethod
    async def _run(tool: Tool[Any], arguments: Mapping[str, Any]) -> ToolResult:
        try:
            parameters = msgspec.convert(dict(arguments), tool.parameters)
        except msgspec.ValidationError as error:
            raise ToolError(tool.name, f"an argument is wrong: {error}") from None
        with trio.move_on_after(tool.timeout_seconds):
            result = await tool.function(parameters)
            if _size(result.value) > tool.max_bytes:
                raise ToolError(tool.name, f"gave more than {tool.max_bytes // 1024} KiB")
            return result
        raise ToolError(tool.name, f"took longer than {tool.timeout_seconds:g} s")


def _size(value: Any) -> int:
    """How large a value is as JSON; what has no JSON counts as its text."""
    return len(msgspec.json.encode(value, enc_hook=str))


def _shortened(summary: str) -> str:
    return summary if len(summary) <= MAX_SUMMARY_CHARACTERS else summary[: MAX_SUMMARY_CHARACTERS - 1] + "…"
