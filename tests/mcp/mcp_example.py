"""An MCP server for the tests, written with the SDK: ``stdio``, or a port on which it speaks streamable HTTP."""

from __future__ import annotations

import logging
import os
import sys

import anyio
from mcp.server import MCPServer

logging.disable(logging.CRITICAL)

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
def environment() -> list[str]:
    """The names of the variables that the server has been given."""
    return sorted(os.environ)


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", port=int(sys.argv[1]))
