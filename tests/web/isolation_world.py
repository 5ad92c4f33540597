"""Many users of one server, each of whose words and ids is told from everybody else's; and what each of them gets."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
from asgi_client import HttpClient, Reply, quick, site_of
from asgi_socket import Socket, opened

from chatcore import Answer, Run, UserMessage
from chatcore.web.site import Site
from issuer import SECRET, claims, mac
from scenes import application

USERS = ("ann", "bob", "eve", "mallory")
COMMON = "order"
"""A word that all of them use."""

RUN_SECONDS = 0.2
HEARD = ("thread_id", "run_id", "epoch", "connection_id")
"""Fields of frames and bodies whose values are the ids of whoever gets them; the server draws them."""


class Parrot:
    """Says all that it is told, by every means that an agent has."""

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        await run.thinking(f"thinking of {message.content}")
        async with run.tool("look", words=message.content) as call:
            await trio.sleep(RUN_SECONDS)
            call.summary = f"found {message.content}"
        before = " ".join(each.content for each in await run.history())
        await run.say(f"{message.content} for {run.context.user_id} after {before[:2000]}")
        return Answer(insights=[message.content])


@attrs.define(eq=False)
class Person:
    """A user, and all that reaches them.

    Args:
        name: of ``sub``, too: it is a secret of theirs as well.
        client: shows their token and claims to be somebody else.
        heard: whatever came, over whatever.
        ids: that are theirs, by the name of the field.
    """

    name: str
    client: HttpClient
    token: str
    heard: list[str] = attrs.field(factory=list)
    ids: dict[str, list[str]] = attrs.field(factory=lambda: {field: [] for field in HEARD})
    titles: dict[str, str] = attrs.field(factory=dict)
    cancelled: set[str] = attrs.field(factory=set)
    sockets: list[tuple[Socket, int]] = attrs.field(factory=list)
    said: int = 0

    @property
    def canary(self) -> str:
        """In all that they say."""
        return f"canary-{self.name}"

    @property
    def user_id(self) -> str:
        return f"sub-{self.canary}"

    def words(self) -> str:
        """Something new to say."""
        self.said += 1
        return f"{COMMON} {self.canary} {self.said}"

    async def call(self, method: str, path: str, body: Any = b"", **options: Any) -> Reply:
        """A request; its answer is heard."""
        headers = {"authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        reply = await self.client.call(method, path, body=body, headers=headers, **options)
        self.heard.append(f"{reply.headers} {reply.body.decode()}")
        if reply.status < 300 and reply.headers["content-type"] == "application/json":
            self.learn(reply.json)
        return reply

    async def follow(self, thread_id: str, seconds: float) -> list[str]:
        """The server-sent events of a thread of their own, for so long."""
        told: list[str] = []
        path = f"/api/threads/{thread_id}/events"
        async with self.client.stream(path, headers={"authorization": f"Bearer {self.token}"}) as events:
            with trio.move_on_after(seconds):
                async for event in events:
                    told.append(event)
        self.heard += told
        return told

    def listen(self) -> None:
        """Take what has come over the WebSockets."""
        for at, (socket, taken) in enumerate(self.sockets):
            for frame in socket.frames[taken:]:
                self.heard.append(json.dumps(frame, ensure_ascii=False))
                self.learn(frame)
            self.sockets[at] = socket, len(socket.frames)

    def learn(self, told: Any) -> None:
        """Remember the ids in something that was told: they are this user's."""
        if isinstance(told, list):
            for each in told:
                self.learn(each)
        elif isinstance(told, dict):
            for field, value in told.items():
                if field in HEARD and isinstance(value, str) and value not in self.ids[field]:
                    self.ids[field].append(value)
                elif isinstance(value, list | dict):
                    self.learn(value)

    def secrets(self) -> list[str]:
        """What nobody else may ever get."""
        return [self.canary, *(value for values in self.ids.values() for value in values)]


@attrs.define(eq=False)
class World:
    """One server with its users.

    Args:
        people: all of them.
        public: what everybody can get without a token, and what was logged.
    """

    people: list[Person]
    nursery: trio.Nursery
    public: list[str] = attrs.field(factory=list)
    log: list[str] = attrs.field(factory=list)

    async def connect(self, person: Person, **ways: Any) -> None:
        """A WebSocket of a person, to the end."""
        socket = await self.nursery.start(self._hold, person.client.site, ways or {"token": person.token})
        person.sockets.append((socket, 0))

    async def _hold(self, site: Site, ways: dict[str, Any], task_status: trio.TaskStatus[Socket]) -> None:
        claimed = self.people[0].user_id  # who they are is not for them to say
        async with opened(site, user_id=claimed, offered=("chatcore.v1",), **ways) as socket:
            task_status.started(socket)
            await trio.sleep_forever()

    async def look(self) -> None:
        """Get what is open to everyone."""
        for path in ("/metrics", "/status.json", "/health/ready", "/", "/openapi.json"):
            reply = await self.people[0].client.call("GET", path)
            self.public.append(f"{reply.headers} {reply.body.decode()}")


def leaks(world: World) -> list[str]:
    """Everything that somebody got of somebody else's; nothing, as it has to be."""
    found = []
    for person in world.people:
        person.listen()
    for owner in world.people:
        for secret in owner.secrets():
            for other in world.people:
                if other is not owner:
                    found += [f"{other.name} got {secret}: {each}" for each in other.heard if secret in each]
            found += [f"everyone gets {secret}: {each}" for each in world.public if secret in each]
        found += [f"the log tells {owner.canary}: {each}" for each in world.log if owner.canary in each]
    return found


class _Heard(logging.Handler):
    """Keeps log lines."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.__dict__}")


@asynccontextmanager
async def inhabited(folder: Path, **settings: Any) -> AsyncIterator[World]:
    """A server that wants tokens, and its users."""
    given: dict[str, Any] = {"auth": "jwt", "jwt_secret": SECRET, "jwt_audience": "chat", "jwt_issuer": "me"}
    given |= {"drain_seconds": 1.0, "max_messages_per_minute": 0}
    app = application(quick(), Parrot())
    async with site_of(app, folder, **given | settings) as client, trio.open_nursery() as nursery:
        world = World([_person(name, client) for name in USERS], nursery)
        handler = _Heard(world.log)
        logging.getLogger().addHandler(handler)
        try:
            yield world
        finally:
            logging.getLogger().removeHandler(handler)
        nursery.cancel_scope.cancel()


def _person(name: str, client: HttpClient) -> Person:
    person = Person(name, attrs.evolve(client, user_id="root"), "")
    person.token = mac(SECRET, claims(sub=person.user_id, aud="chat", iss="me"))
    return person
