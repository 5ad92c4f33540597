"""A site in the process of a test, and a client that calls it as an ASGI server does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import attrs
import trio

from chatcore.application import Application
from chatcore.lifespan import site_running
from chatcore.services import Phase
from chatcore.settings import Settings
from chatcore.testing import Script, ScriptedServices
from chatcore.testing.agents import Say, ScriptedAgent, Step, UseTool
from chatcore.web.site import Site
from scenes import application


@attrs.define
class Reply:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = attrs.field(factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The ``error_code`` of a problem; asserts that it is one."""
        assert self.headers["content-type"] == "application/problem+json", (self.status, self.body)
        assert self.json["status"] == self.status
        return str(self.json.get("error_code"))


@attrs.frozen
class HttpClient:
    """Calls a site, as one user unless told otherwise."""

    site: Site
    user_id: str = "ann"

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.call("GET", path, **options)

    async def until(self, path: str, accept: Callable[[Reply], bool], **options: Any) -> Reply:
        """Ask again and again, until the answer is accepted."""
        with trio.fail_after(20):
            while True:
                reply = await self.get(path, **options)
                if accept(reply):
                    return reply
                await trio.sleep(0.005)

    async def post(self, path: str, body: Any = b"", **options: Any) -> Reply:
        return await self.call("POST", path, body=body, **options)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = b"",
        server: str = "127.0.0.1",
    ) -> Reply:
        """The whole answer to one request."""
        reply = Reply()
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        scope = self._scope(method, path, query or {}, headers or {}, server)
        scope["headers"].append((b"content-length", str(len(raw)).encode()))
        gone = trio.Event()
        requests = [{"type": "http.request", "body": raw, "more_body": False}]

        async def receive() -> Any:
            if requests:
                return requests.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            _take(reply, message)

        with trio.fail_after(30):
            await self.site(scope, receive, send)
        return reply

    @asynccontextmanager
    async def stream(self, path: str, **options: Any) -> AsyncIterator[trio.MemoryReceiveChannel[str]]:
        """The server-sent events of an answer; leaving the block hangs up."""
        lines, events = trio.open_memory_channel[str](1000)
        gone = trio.Event()
        reply = Reply()
        scope = self._scope("GET", path, options.get("query", {}), options.get("headers", {}), "127.0.0.1")
        scope["headers"].append((b"accept", b"text/event-stream"))
        requests = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            if requests:
                return requests.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            _take(reply, message)
            while b"\n\n" in reply.body:
                event, _, reply.body = reply.body.partition(b"\n\n")
                await lines.send(event.decode())

        async def run() -> None:
            await self.site(scope, receive, send)
            lines.close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield events
            gone.set()

    def _scope(
        self, method: str, path: str, query: Mapping[str, Any], headers: Mapping[str, str], server: str
    ) -> dict[str, Any]:
        given = {"user_id": self.user_id, **query}
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": quote(path).encode(),
            "root_path": "",
            "query_string": urlencode({name: value for name, value in given.items() if value is not None}).encode(),
            "headers": [(b"host", b"localhost:8000"), *((k.encode(), v.encode()) for k, v in headers.items())],
            "client": ("127.0.0.1", 50_000),
            "server": (server, 8000),
            "state": {},
            "extensions": {},
        }


def _take(reply: Reply, message: Any) -> None:
    if message["type"] == "http.response.start":
        reply.status = message["status"]
        reply.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
    else:
        reply.body += message.get("body", b"")


@asynccontextmanager
async def site_of(app: Application, folder: Path, **settings: Any) -> AsyncIterator[HttpClient]:
    """The site of an application, while the block lasts."""
    made = Settings(**{"database_url": f"sqlite:///{folder}/site.db"} | settings)
    with trio.fail_after(60):
        async with site_running(app, made) as site:
            yield HttpClient(site)


def quick(*scripts: Script) -> ScriptedServices:
    services = ScriptedServices()
    services.add("database", *(scripts or (Script(seconds=0),)), phase=Phase.DATABASE, label="order history")
    return services


@asynccontextmanager
async def shop(
    folder: Path, *steps: Step, services: ScriptedServices | None = None, **settings: Any
) -> AsyncIterator[HttpClient]:
    agent = ScriptedAgent(list(steps) or [UseTool("find", summary="1"), Say("You have "), Say("one order.")])
    app = application(services or quick(), agent)
    async with site_of(app, folder, **{"drain_seconds": 1.0} | settings) as client:
        yield client


async def ended(client: HttpClient, thread_id: str, runs: int = 1) -> list[dict[str, Any]]:
    """A thread's messages once as many runs of it are over."""

    def over(reply: Reply) -> bool:
        return [message["role"] for message in reply.json["messages"]].count("agent") >= runs

    messages: list[dict[str, Any]] = (await client.until(f"/api/threads/{thread_id}/messages", over)).json["messages"]
    return messages


async def ask(client: HttpClient, content: str = "hello", **fields: Any) -> dict[str, Any]:
    """Open a thread, send it a message; the answer to that."""
    thread = (await client.post("/api/threads")).json
    reply = await client.post(f"/api/threads/{thread['thread_id']}/messages", {"content": content, **fields})
    assert reply.status == 202, reply.body
    posted: dict[str, Any] = reply.json
    return posted


def parsed(event: str) -> dict[str, str]:
    """The fields of a server-sent event."""
    return {name: value for name, _, value in (line.partition(": ") for line in event.splitlines())}
