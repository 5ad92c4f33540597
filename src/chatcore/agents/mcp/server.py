"""One MCP server: connected, its tools listed, each called within bounds, and looked after."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio

from chatcore.agents.mcp.arguments import find_fault
from chatcore.agents.mcp.endpoints import Endpoint
from chatcore.agents.mcp.offered import ToolRefused, sorted_out
from chatcore.agents.tools import Tool, ToolError, ToolResult
from chatcore.errors import ChatcoreError
from chatcore.services import StartReporter

if TYPE_CHECKING:
    from mcp_types import CallToolResult
    from mcp_types import Tool as Listed

    from mcp import Client

MAX_PAGES = 16
"""Of the list of tools."""

MAX_LISTED = 1_024
"""Tools that are looked at; the first few of them are offered."""

MAX_RESULT_BYTES = 256 * 1024
"""Of one call."""

CALL_TIMEOUT_SECONDS = 30.0

CHECK_TIMEOUT_SECONDS = 4.0
"""Below the time between two checks."""

MAX_WORDS = 1_000
"""Characters of a description, and of what a server says went wrong."""


@attrs.define
class McpServerLost(ChatcoreError):
    """An MCP server has ended, is away, or does not answer.

    Args:
        server: its name.
    """

    server: str

    def __str__(self) -> str:
        return f"the MCP server {self.server!r} does not answer"


@attrs.define(eq=False)
class McpServer:
    """What the service of one server yields.

    Args:
        name: the server's.
        tools: what it offers, each named ``server.tool``.
        refused: what it has beyond that, and why nobody is offered it.
    """

    name: str
    tools: tuple[Tool[dict[str, Any]], ...]
    refused: tuple[ToolRefused, ...]
    _client: Client
    _lost: trio.Event

    async def check(self) -> None:
        """Ask whether it is there.

        Raises:
            McpServerLost: it is not.
        """
        if not self._lost.is_set():
            with trio.move_on_after(CHECK_TIMEOUT_SECONDS):
                await _calling(self.name, lambda: _ask_for_tools(self._client))
                return
        raise McpServerLost(self.name)


async def _ask_for_tools(client: Client) -> None:
    """Past the SDK's own record of tools, which grows with each new name that a server comes up with."""
    from mcp_types import ListToolsRequest, ListToolsResult

    await client.session.send_request(ListToolsRequest(), ListToolsResult)


async def _call(client: Client, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    """Call a tool. The SDK would hold the result against a schema of the server's, whose patterns may take for ever."""
    from mcp_types import CallToolRequest, CallToolRequestParams
    from mcp_types import CallToolResult as Result

    request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=arguments))
    return await client.session.send_request(request, Result)


async def _calling(server: str, request: Callable[[], Awaitable[Any]]) -> Any:
    """The answer to a request, or our own word for all that can come instead."""
    from anyio import BrokenResourceError, ClosedResourceError

    from mcp import MCPError

    try:
        return await request()
    except (MCPError, BrokenResourceError, ClosedResourceError, ValueError, RuntimeError):
        raise McpServerLost(server) from None


@asynccontextmanager
async def open_server(endpoint: Endpoint, start: StartReporter) -> AsyncIterator[McpServer]:
    """Connect to a server, and keep it; one that is run ends with the block.

    Args:
        endpoint: which.
        start: is told how far it is.

    Raises:
        McpServerLost: it cannot be run or reached, does not speak the protocol, or ended.
    """
    start.advance(0.0, "loading the MCP SDK")
    await trio.to_thread.run_sync(_import_sdk)
    start.advance(0.5, "connecting")
    lost = trio.Event()
    async with _client_of(endpoint, lost) as client:
        start.advance(0.8, "listing its tools")
        listed = await _calling(endpoint.name, lambda: _listed(client))
        offered, refused = sorted_out(endpoint.name, listed)
        tools = tuple(_tool(endpoint.name, each, client) for each in offered)
        start.advance(1.0, f"{len(tools)} tools" + (f", {len(refused)} not offered" if refused else ""))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_end_with, endpoint.name, lost)
            yield McpServer(endpoint.name, tools, refused, client, lost)
            nursery.cancel_scope.cancel()


async def _end_with(server: str, lost: trio.Event) -> None:
    await lost.wait()
    raise McpServerLost(server)


def _import_sdk() -> None:
    """Take the time of the import now. Blocks. Nothing of the SDK's goes to a log: it tells of what servers say."""
    import chatcore.agents.mcp.http
    import chatcore.agents.mcp.stdio  # noqa: F401

    logger = logging.getLogger("mcp")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


@asynccontextmanager
async def _client_of(endpoint: Endpoint, lost: trio.Event) -> AsyncIterator[Client]:
    from chatcore.agents.mcp.http import connected_to
    from chatcore.agents.mcp.stdio import talking_to
    from mcp import Client

    transport = talking_to(endpoint.command, lost) if endpoint.command else connected_to(endpoint.url)
    up = False
    try:
        async with Client(transport, cache=None) as client:
            up = True
            yield client
    except Exception:  # the SDK lets through whatever went wrong, in groups of groups
        if up:
            raise
        raise McpServerLost(endpoint.name) from None


async def _listed(client: Client) -> list[Listed]:
    """The tools that a server says it has, no more than there is a use for."""
    found: list[Listed] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += page.tools[:MAX_LISTED]
        cursor = page.next_cursor
        if cursor is None or len(found) >= MAX_LISTED:
            break
    return found[:MAX_LISTED]


def _tool(server: str, listed: Listed, client: Client) -> Tool[dict[str, Any]]:
    name = f"{server}.{listed.name}"
    return Tool(
        name,
        (listed.description or listed.title or listed.name)[:MAX_WORDS],
        dict[str, Any],
        _caller(name, listed, client),
        timeout_seconds=CALL_TIMEOUT_SECONDS,
        max_bytes=MAX_RESULT_BYTES,
        arguments_schema=listed.input_schema,
    )


_NO_ANSWER = "its server's answer is none"


def _caller(name: str, listed: Listed, client: Client) -> Callable[[dict[str, Any]], Awaitable[ToolResult]]:
    async def call(arguments: dict[str, Any]) -> ToolResult:
        from anyio import BrokenResourceError, ClosedResourceError
        from mcp.types import PARSE_ERROR

        from mcp import MCPError

        fault = find_fault(listed.input_schema, arguments)
        if fault is not None:
            raise ToolError(name, f"an argument is wrong: {fault}")
        try:
            result = await _call(client, listed.name, arguments)
        except MCPError as error:  # what cannot be read is told by the SDK in its own words, and with the answer's
            words = _NO_ANSWER if error.code == PARSE_ERROR else error.message[:MAX_WORDS]
            raise ToolError(name, words) from None
        except (BrokenResourceError, ClosedResourceError):
            raise ToolError(name, "its server is gone") from None
        except (ValueError, RuntimeError):
            raise ToolError(name, _NO_ANSWER) from None
        return _result(name, result)

    return call


def _result(name: str, result: CallToolResult) -> ToolResult:
    """What a server gave: text, and structured content where there is some. All of it is data, and proves nothing."""
    text = "\n".join(each.text if each.type == "text" else f"[{each.type}]" for each in result.content)
    if result.is_error:
        raise ToolError(name, text[:MAX_WORDS] or "it failed")
    value = {"text": text} if result.structured_content is None else {"structured": result.structured_content}
    return ToolResult(value, f"{len(text):,} characters")
