"""An MCP server for the tests, written with the SDK: ``stdio`` or a port, and how it misbehaves is up to its caller."""

from __future__ import annotations

import os
import sys
from typing import Any

import anyio
from mcp.server import MCPServer

server = MCPServer("example")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def say(text: str, times: int = 1) -> str:
    """Says a text."""
    return text * times


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("the shop is closed")


@server.tool()
async def hang() -> str:
    """Never answers."""
    await anyio.sleep_forever()
    return ""


@server.tool()
def die() -> str:
    """Ends the server."""
    os._exit(3)


@server.tool()
def environment() -> list[str]:
    """The names of the variables that the server has been given."""
    return sorted(os.environ)


def main(arguments: list[str]) -> Any:
    if arguments == ["stdio"]:
        return server.run("stdio")
    return server.run("streamable-http", port=int(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
