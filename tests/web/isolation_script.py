"""What users do, one line of a script each: to what is theirs, to what is another's, and with ids that are attacks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import attrs
import trio
from isolation_world import COMMON, Person, World

HOSTILE: tuple[Callable[[str], str], ...] = (
    lambda _: "../../../../etc/passwd",
    lambda id_: f"../threads/{id_}",
    lambda id_: f"{id_}/../../threads",
    lambda _: "..\\..\\windows",
    lambda _: "%2e%2e%2f",
    lambda _: "' OR '1'='1",
    lambda _: "'; DROP TABLE threads; --",
    lambda id_: f"{id_}' --",
    lambda id_: f"{id_}%00",
    lambda id_: f"{id_}\0",
    lambda id_: f"\0{id_}",
    lambda id_: f"{id_}\n",
    lambda id_: f" {id_}",
    lambda id_: f"{id_} ",
    lambda id_: f"{id_}\N{ZERO WIDTH SPACE}",
    lambda id_: f"{id_}\N{VARIATION SELECTOR-16}",
    lambda id_: id_.translate({ord("a"): "а", ord("e"): "е", ord("c"): "с"}) + "а",  # Cyrillic
    lambda id_: "".join(chr(ord(each) + 0xFEE0) for each in id_),  # full width
    lambda id_: id_.upper() + "A",
    lambda id_: id_[:-1],
    lambda id_: id_ * 2,
    lambda id_: f"{id_[:6]}%",
    lambda _: "%",
    lambda _: "_" * 32,
    lambda _: "*",
    lambda _: "x" * 129,
    lambda _: "x" * 50_000,
    lambda _: " ",
    lambda _: ".",
    lambda _: "null",
    lambda _: "-1",
    lambda _: "\N{RIGHT-TO-LEFT OVERRIDE}daerht",
    lambda _: "${jndi:ldap://x}",
    lambda _: "<script>alert(1)</script>",
    lambda _: "{}",
)
"""Ids that are nobody's, made of one that is somebody's."""

UNKNOWN = ("THREAD_NOT_FOUND", "RUN_NOT_FOUND", "AGENT_NOT_FOUND", "INVALID_MESSAGE")


@attrs.frozen
class Line:
    """One line of a script.

    Args:
        actor: who, by number.
        act: what, a name of :data:`ACTS`.
        owner: whose thread or run it is about.
        which: of those that the owner has, or of the hostile ids.
        hostile: whether the id is one that nobody has.
        pause: virtual seconds before the next line.
    """

    actor: int
    act: str
    owner: int
    which: int
    hostile: bool
    pause: float


@attrs.frozen
class Deed:
    """A line with what it is about.

    Args:
        own: whether the actor may do it.
    """

    world: World
    who: Person
    owner: Person
    id_: str
    own: bool
    which: int


Act: TypeAlias = Callable[[Deed], Awaitable[None]]


def expect(deed: Deed, status: int, code: str | None) -> None:
    """That a request for what is not the actor's is refused as if it did not exist, in one of the known ways."""
    if not deed.own:
        assert status in (400, 404), (status, deed.id_)
        assert code in (*UNKNOWN, None), code


async def ask(deed: Deed, method: str, path: str, body: Any = b"", **options: Any) -> Any:
    """A request about the deed's id; the JSON of an answer that it may have."""
    reply = await deed.who.call(method, path, body, **options)
    expect(deed, reply.status, reply.json.get("error_code") if reply.status >= 400 else None)
    if reply.status >= 400:
        assert reply.headers["content-type"] == "application/problem+json"
    return reply.json if reply.status < 300 and reply.body else None


async def tell(deed: Deed, **frame: Any) -> None:
    """A frame about the deed's id; one that is not the actor's is answered by a typed error."""
    if not deed.who.sockets:
        await deed.world.connect(deed.who)
    socket = deed.who.sockets[deed.which % len(deed.who.sockets)][0]
    before = len(socket.frames)
    socket.say(**frame)
    await trio.sleep(0.05)
    if not deed.own:
        errors = [each for each in socket.frames[before:] if each["type"] == "error"]
        assert errors, (frame, socket.frames[before:])
        assert {each["error_code"] for each in errors} <= {*UNKNOWN, "RATE_LIMITED"}, errors


# --- acts -------------------------------------------------------------------------------------------------------------


async def connect(deed: Deed) -> None:
    if len(deed.who.sockets) < 2:
        ticket = (await deed.who.call("POST", "/api/tickets")).json["ticket"]
        await deed.world.connect(deed.who, **({"ticket": ticket} if deed.which % 2 else {}))


async def begin(deed: Deed) -> None:
    own = attrs.evolve(deed, own=True)
    await tell(own, type="user_message", message_id=f"m{deed.which}", content=deed.who.words())


async def go_on(deed: Deed) -> None:
    words = deed.who.words()
    await tell(deed, type="user_message", message_id=f"n{deed.who.said}", content=words, thread_id=deed.id_)


async def address(deed: Deed) -> None:
    """An agent that there is not, by the name of somebody's thread."""
    nobodys = attrs.evolve(deed, own=False)
    await tell(nobodys, type="user_message", message_id=f"a{deed.who.said}", content="hi", agent=deed.id_)


async def resume(deed: Deed) -> None:
    epochs = deed.owner.ids["epoch"]
    epoch = epochs[deed.which % len(epochs)] if epochs and deed.which % 3 == 0 else None
    await tell(deed, type="resume", thread_id=deed.id_, after_seq=deed.which % 5, epoch=epoch)


async def cancel(deed: Deed) -> None:
    if deed.own:
        deed.who.cancelled.add(deed.id_)
    await tell(deed, type="cancel_run", run_id=deed.id_)


async def cancel_over_http(deed: Deed) -> None:
    if deed.own:
        deed.who.cancelled.add(deed.id_)
    await ask(deed, "POST", f"/api/runs/{deed.id_}/cancel")


async def open_thread(deed: Deed) -> None:
    title = deed.who.words()
    made = (await deed.who.call("POST", "/api/threads", {"title": title})).json
    deed.who.titles[made["thread_id"]] = title


async def post(deed: Deed) -> None:
    """Everybody uses the same keys and ids of messages."""
    body = {"content": deed.who.words(), "message_id": None if deed.which % 2 else f"m{deed.which}"}
    headers = {"Idempotency-Key": f"key{deed.which}"} if deed.which % 2 else {}
    await ask(deed, "POST", f"/api/threads/{deed.id_}/messages", body, headers=headers)


async def rename(deed: Deed) -> None:
    title = deed.who.words()
    if await ask(deed, "PATCH", f"/api/threads/{deed.id_}", {"title": title}) is not None:
        deed.who.titles[deed.id_] = title


async def delete(deed: Deed) -> None:
    """Only what is another's, or nobody's: what is the actor's own has to be there in the end."""
    if not deed.own:
        await ask(deed, "DELETE", f"/api/threads/{deed.id_}")


async def read(deed: Deed) -> None:
    for what in ("", "/messages", "/events"):
        told = await ask(deed, "GET", f"/api/threads/{deed.id_}{what}")
        assert told is not None or not deed.own, "what is theirs is there"


async def follow(deed: Deed) -> None:
    if deed.own:
        await deed.who.follow(deed.id_, 0.3)
    else:
        await ask(deed, "GET", f"/api/threads/{deed.id_}/events", headers={"accept": "text/event-stream"})


async def search(deed: Deed) -> None:
    """For a word of one's own, of another's, and of everybody's; and on from where another's list goes on."""
    query = (deed.who.canary, deed.owner.canary, COMMON, deed.id_[:100].replace("\0", ""), "%")[deed.which % 5]
    theirs = (await deed.owner.call("GET", "/api/threads", query={"limit": 1})).json["next"]
    for more in ({"query": query}, {"limit": 1, "order": "active"}, {"cursor": theirs} if theirs else {}):
        reply = await deed.who.call("GET", "/api/threads", query=more)
        assert reply.status in (200, 400), reply.body


async def look_around(deed: Deed) -> None:
    await deed.world.look()


RUNS = {cancel, cancel_over_http}
ACTS: dict[str, Act] = {
    act.__name__: act
    for act in (
        connect,
        begin,
        go_on,
        address,
        resume,
        cancel,
        cancel_over_http,
        open_thread,
        post,
        rename,
        delete,
        read,
        follow,
        search,
        look_around,
    )
}


async def play(world: World, line: Line) -> None:
    """Have a line of the script done."""
    who, owner = world.people[line.actor], world.people[line.owner]
    for person in world.people:
        person.listen()
    ids = owner.ids["run_id" if ACTS[line.act] in RUNS else "thread_id"]
    known = ids[line.which % len(ids)] if ids else "none_yet"
    id_ = HOSTILE[line.which % len(HOSTILE)](known) if line.hostile else known
    own = owner is who and not line.hostile and bool(ids)
    await ACTS[line.act](Deed(world, who, owner, id_, own, line.which))


async def check_untouched(world: World) -> None:
    """Everybody's threads are as they left them, and their messages were answered, to them."""
    await trio.sleep(20.0)  # until the runs have ended
    for person in world.people:
        listed = (await person.call("GET", "/api/threads", query={"limit": 500})).json["threads"]
        there = {thread["thread_id"]: thread["title"] for thread in listed}
        assert set(there) == set(person.ids["thread_id"]), "none is gone, and none came"
        assert {thread_id: there[thread_id] for thread_id in person.titles} == person.titles, "none has another name"
        for thread_id in there:
            messages = (await person.call("GET", f"/api/threads/{thread_id}/messages", query={"limit": 500})).json
            for message in messages["messages"]:
                assert message["run_id"] in person.cancelled or message["status"] == "completed", message
