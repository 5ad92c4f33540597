"""MCP servers as services of the graph: each with its own start, label, progress and health check."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from importlib.util import find_spec
from types import new_class
from typing import Any

import attrs

from chatcore.agents.mcp.endpoints import SETTING, Endpoint
from chatcore.agents.mcp.server import McpServer, open_server
from chatcore.agents.tools import Tool
from chatcore.errors import ConfigurationError
from chatcore.services import Phase, ServiceGraph, StartReporter

CHECK_EVERY_SECONDS = 10.0
"""How often a server is asked whether it is there; the end of one that is run is noticed at once."""


@attrs.frozen
class McpTools:
    """The tools of all MCP servers.

    Args:
        tools: named ``server.tool``.
    """

    tools: tuple[Tool[Any], ...]


def check_installed(endpoints: Sequence[Endpoint]) -> None:
    """Check that the SDK is there, and each command.

    Raises:
        ConfigurationError: names what is missing.
    """
    if find_spec("mcp") is None:
        raise ConfigurationError(SETTING, "the SDK is not installed", "pip install 'chatcore[mcp]'")
    for endpoint in endpoints:
        if endpoint.command and shutil.which(endpoint.command[0]) is None:
            problem = f"{endpoint.name}: there is no command {endpoint.command[0]!r}"
            raise ConfigurationError(SETTING, problem, "install it, or name it with its folder")


def provide_mcp(services: ServiceGraph, endpoints: Sequence[Endpoint]) -> None:
    """Declare a service for each server, and one that yields the :class:`McpTools` of all."""
    kinds = {f"mcp_{endpoint.name.replace('-', '_')}": _provide_server(services, endpoint) for endpoint in endpoints}

    async def mcp_tools(**servers: McpServer) -> AsyncIterator[McpTools]:
        yield McpTools(tuple(tool for server in servers.values() for tool in server.tools))

    services.provide(phase=Phase.CACHE, label="MCP tools", weight=0.1)(_signed(mcp_tools, "mcp_tools", kinds, McpTools))


def _provide_server(services: ServiceGraph, endpoint: Endpoint) -> type:
    """A type of its own for each server, because a service is known by the type that it yields."""
    kind = new_class(f"McpServer_{endpoint.name}", (McpServer,))

    async def serve(start: StartReporter) -> AsyncIterator[McpServer]:
        async with open_server(endpoint, start) as server:
            yield server

    services.provide(
        phase=Phase.DEPENDENCIES,
        label=f"MCP server {endpoint.name}",
        check=McpServer.check,
        check_every_seconds=CHECK_EVERY_SECONDS,
    )(_signed(serve, f"mcp_{endpoint.name.replace('-', '_')}", {"start": StartReporter}, kind))
    return kind


def _signed(
    factory: Callable[..., AsyncIterator[Any]], name: str, needs: dict[str, type], yields: type
) -> Callable[..., AsyncIterator[Any]]:
    """The factory with the name and signature that somebody would have written who knew the servers."""
    by_name = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(need, by_name, annotation=kind) for need, kind in needs.items()]
    factory.__name__ = name
    factory.__annotations__ = {**needs, "return": AsyncIterator[yields]}  # type: ignore[valid-type]  # made just now
    factory.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect looks for it
    return factory
