"""Real MCP servers, run and reached on the loopback: their tools, their faults, and their ends."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from chatcore.agents.llm.functions import functions_of
from chatcore.agents.mcp.endpoints import Endpoint
from chatcore.agents.mcp.offered import MAX_TOOLS
from chatcore.agents.mcp.provided import McpTools, provide_mcp
from chatcore.agents.mcp.server import McpServer, McpServerLost, open_server
from chatcore.agents.tools import ToolError, ToolResult
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.services import ServiceGraph

HERE = Path(__file__).parent
EXAMPLE = (sys.executable, str(HERE / "mcp_example.py"))
RAW = (sys.executable, str(HERE / "mcp_raw.py"))


@attrs.define
class Started:
    """What a start has told of itself."""

    told: list[tuple[float, str | None]] = attrs.field(factory=list)

    def advance(self, fraction: float, words: str | None = None) -> None:
        self.told.append((fraction, words))

    def retrying(self, words: str) -> None:
        raise AssertionError(words)


@asynccontextmanager
async def opened(endpoint: Endpoint) -> AsyncIterator[McpServer]:
    with trio.fail_after(120):
        async with open_server(endpoint, Started()) as server:
            yield server


async def use(server: McpServer, tool: str, **arguments: Any) -> ToolResult | str:
    """What comes out of a tool, or what is told about it."""
    (found,) = (each for each in server.tools if each.name == f"{server.name}.{tool}")
    try:
        return await found.function(arguments)
    except ToolError as error:
        return error.problem


async def check_tools(server: McpServer) -> None:
    """What any server written with the SDK does, however it is spoken to."""
    assert [tool.name for tool in server.tools] == [
        f"{server.name}.{name}" for name in ("add", "say", "fail", "hang", "environment")
    ]
    assert server.tools[0].description == "Adds two numbers."
    assert server.tools[0].schema()["properties"]["a"]["type"] == "integer"
    added = await use(server, "add", a=1, b=2)
    assert isinstance(added, ToolResult)
    assert added.value == {"structured": {"result": 3}}
    assert added.evidence == ()
    assert await use(server, "add", a="1", b=2) == "an argument is wrong: a must be integer"
    failed = await use(server, "fail")
    assert isinstance(failed, str)
    assert "fail" in failed
    with trio.move_on_after(0.2) as scope:
        await use(server, "hang")
    assert scope.cancelled_caught
    said = await use(server, "say", text="ü" * 100, times=100)
    assert isinstance(said, ToolResult)
    assert said.value == {"structured": {"result": "ü" * 10_000}}
    await server.check()


@pytest.mark.slow
async def test_a_server_that_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATCORE_LLM_API_KEY", "secret")
    async with opened(Endpoint("shop", command=(*EXAMPLE, "stdio"))) as server:
        await check_tools(server)
        told = await use(server, "environment")
        assert isinstance(told, ToolResult)
        assert "PATH" in str(told.value)
        assert "CHATCORE" not in str(told.value)


@pytest.fixture
def reached() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server at an address of this machine."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([*EXAMPLE, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}/mcp", process
    finally:
        process.kill()
        process.wait()


async def listening(url: str) -> None:
    port = int(url.rpartition(":")[2].partition("/")[0])
    while True:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
        except OSError:
            await trio.sleep(0.02)
        else:
            return await stream.aclose()


@pytest.mark.slow
async def test_a_server_that_is_reached(reached: tuple[str, subprocess.Popen[bytes]]) -> None:
    url, process = reached
    with trio.fail_after(60):
        await listening(url)
    async with opened(Endpoint("shop", url=url)) as server:
        await check_tools(server)
        process.kill()
        await trio.to_thread.run_sync(process.wait)
        assert isinstance(await use(server, "add", a=1, b=2), str)
        with pytest.raises(McpServerLost):
            await server.check()


async def test_nobody_at_the_address() -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/mcp"
        with pytest.raises(McpServerLost):
            async with opened(Endpoint("shop", url=url)):
                raise AssertionError("it is up")


async def test_what_is_no_message_is_passed_over_and_what_is_offered_is_bounded() -> None:
    async with opened(Endpoint("raw", command=(*RAW, "noisy"))) as server:
        names = [tool.name for tool in server.tools]
        assert names[:2] == ["raw.echo", "raw.tool-0"]
        assert len(names) == len(set(names)) == MAX_TOOLS
        assert len(server.tools[0].description) == 1_000
        refused = [each.problem for each in server.refused]
        no_name = "a name has 1 to 38 letters, digits, hyphens and underscores"
        assert refused[:3] == [no_name, "another one has its name", no_name]
        assert set(refused[3:]) == {"there are 64 before it"}
        said = await use(server, "echo", text="hello")
        assert isinstance(said, ToolResult)
        assert said.value == {"text": "hello\n[image]"}


async def test_tools_that_make_no_sense_are_refused_by_name_and_the_others_are_used() -> None:
    async with opened(Endpoint("raw", command=(*RAW, "hostile"))) as server:
        assert [tool.name for tool in server.tools] == ["raw.chain", "raw.slow"]
        assert {each.tool: each.problem for each in server.refused} == {
            "large": "its schema is larger than 16 KiB",
            "deep": "its schema is nested deeper than 32",
            "defs": "its `$defs` are no schemas",
        }
        functions = functions_of(server.tools)
        assert functions[0]["function"]["parameters"]["$ref"] == "#/$defs/d1"
        assert len(functions[0]["function"]["description"]) == 1_000
        await server.check()


async def test_a_result_is_not_held_against_patterns_of_the_server() -> None:
    """One that goes back and forth for hours would keep everybody waiting."""
    async with opened(Endpoint("raw", command=(*RAW, "hostile"))) as server:
        said = await use(server, "slow", text="aaaa!")
        assert isinstance(said, ToolResult)
        assert said.value == {"structured": {"text": "aaaa!"}}


async def test_a_server_that_never_answers_is_ended_with_its_start() -> None:
    with trio.move_on_after(1) as scope:
        async with opened(Endpoint("raw", command=(*RAW, "mute"))):
            raise AssertionError("it is up")
    assert scope.cancelled_caught


async def answering(stream: trio.SocketStream, of_call: bytes) -> None:
    """A server at an address, as far as it takes to call its one tool."""
    results = {
        "initialize": {
            "protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"},
        },
        "tools/list": {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]},
    }  # fmt: skip
    received = b""
    async for part in stream:
        received += part
        head, ends, body = received.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().splitlines() if line.startswith(b"content-length:")]
        if not ends or len(body) < sum(int(line.partition(b":")[2]) for line in lengths):
            continue
        received, asked = b"", json.loads(body) if body else {}
        known = results.get(str(asked.get("method")))
        said = json.dumps({"jsonrpc": "2.0", "id": asked.get("id"), "result": known}).encode()
        said = of_call if asked.get("method") == "tools/call" else said if known else b""
        status = b"202 Accepted" if not said else b"200 OK"
        lines = b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said)
        await stream.send_all(lines + said)


@pytest.mark.parametrize(
    "of_call", [b"][ secret", b"{}", b'{"jsonrpc": "2.0", "id": 1}'], ids=["rubbish", "empty", "none"]
)
async def test_an_answer_that_is_none_is_told_without_a_word_of_it(of_call: bytes) -> None:
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, lambda stream: answering(stream, of_call), [listener])
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/mcp"
        async with opened(Endpoint("shop", url=url)) as server:
            assert await use(server, "echo") == "its server's answer is none"
        nursery.cancel_scope.cancel()


async def test_a_server_that_ends_ends_its_service(tmp_path: Path) -> None:
    told: list[ToolResult | str] = []
    with pytest.RaisesGroup(McpServerLost, flatten_subgroups=True):
        async with opened(Endpoint("raw", command=(*RAW, "dies", str(tmp_path / "died")))) as server:
            with trio.CancelScope(shield=True):
                told.append(await use(server, "echo", text="hello"))
                with pytest.raises(McpServerLost):
                    await server.check()
            await trio.sleep_forever()
    assert isinstance(told[0], str)


async def test_a_lost_server_is_started_again_by_the_manager(tmp_path: Path) -> None:
    services = ServiceGraph()
    provide_mcp(services, [Endpoint("raw", command=(*RAW, "dies", str(tmp_path / "died")))])
    with trio.fail_after(60):
        async with ServiceInitializationManager(services) as manager:
            first = await manager.ensure_ready()
            (tool,) = (tool for tool in first.get(McpTools).tools if tool.name == "raw.echo")
            with pytest.raises(ToolError):
                await tool.function({"text": "hello"})
            while (again := await manager.ensure_ready()).generation == first.generation:  # noqa: ASYNC110
                await trio.sleep(0.01)
            (tool,) = (tool for tool in again.get(McpTools).tools if tool.name == "raw.echo")
            assert (await tool.function({"text": "hello"})).value == {"text": "hello\n[image]"}
