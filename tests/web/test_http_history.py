"""The HTTP API over a user's history: search, order, names, keys that come again, streams that resume, and deletion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from asgi_client import HttpClient, ask, ended, parsed, shop

from chatcore.protocol import messages as m
from chatcore.protocol.codec import decode_server_frame
from chatcore.testing.agents import Say, Wait
from chatcore.web import events

# --- the list -------------------------------------------------------------------------------------------------------


async def titles(client: HttpClient, **query: Any) -> list[str]:
    """Of every page of a list."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        reply = await client.get("/api/threads", query={**query, "cursor": cursor})
        assert reply.status == 200, reply.body
        found += [thread["title"] for thread in reply.json["threads"]]
        cursor = reply.json["next"]
        if cursor is None:
            return found


async def test_threads_are_searched_and_ordered(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        for title in ("Kettles", "100 %", "Lamps"):
            await client.post("/api/threads", {"title": title})
        kettles = (await client.get("/api/threads", query={"query": "KETTLE"})).json["threads"][0]
        path = f"/api/threads/{kettles['thread_id']}"
        await client.post(f"{path}/messages", {"content": "Where is the Lampshade?"})
        await ended(client, kettles["thread_id"])
        await attrs.evolve(client, user_id="bob").post("/api/threads", {"title": "Lamps of Bob"})

        assert await titles(client, limit=1) == ["Lamps", "100 %", "Kettles"]
        assert await titles(client, limit=1, order="active") == ["Kettles", "Lamps", "100 %"]
        assert await titles(client, limit=1, query="lamp") == ["Lamps", "Kettles"]
        assert await titles(client, limit=1, query="lamp", order="active") == ["Kettles", "Lamps"]
        assert await titles(client, query="%") == ["100 %"]
        assert await titles(client, query="one order.") == ["Kettles"], "an answer is found, too"
        assert await titles(client, query="  ") == ["Lamps", "100 %", "Kettles"]
        assert await titles(client, query="nothing") == []

        cursor = (await client.get("/api/threads", query={"query": "lamp", "limit": 1})).json["next"]
        for other in ({}, {"query": "lamps"}, {"query": "lamp", "order": "active"}):
            reply = await client.get("/api/threads", query={**other, "cursor": cursor})
            assert (reply.status, reply.code) == (400, "INVALID_MESSAGE")


async def test_a_thread_is_renamed(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        thread = (await client.post("/api/threads", {"title": "Before"})).json
        path = f"/api/threads/{thread['thread_id']}"
        title = "Nachher \N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}"
        reply = await client.call("PATCH", path, body={"title": title})
        assert (reply.status, reply.json) == (200, thread | {"title": title})
        assert (await client.get(path)).json == reply.json


# --- Idempotency-Key ------------------------------------------------------------------------------------------------


async def test_a_key_names_one_request(tmp_path: Path) -> None:
    """With another thread, content or agent it is refused (draft-ietf-httpapi-idempotency-key-header, 2.6)."""
    async with shop(tmp_path) as client:
        paths = [f"/api/threads/{(await client.post('/api/threads')).json['thread_id']}/messages" for _ in range(2)]
        headers = {"Idempotency-Key": "k1"}
        first = await client.post(paths[0], {"content": "hello"}, headers=headers)
        assert (first.status, first.json["duplicate"], first.json["message_id"]) == (202, False, "k1")
        for key, body in (
            ("k1", {"content": "hello"}),
            ('"k1"', {"content": "hello"}),  # as the draft writes it
            ("k1", {"content": "hello", "agent": "agent"}),  # the default by its name
        ):
            again = await client.post(paths[0], body, headers={"Idempotency-Key": key})
            assert (again.status, again.json) == (202, first.json | {"duplicate": True})
        for path, body in ((paths[0], {"content": "Hello"}), (paths[1], {"content": "hello"})):
            other = await client.post(path, body, headers=headers)
            assert (other.status, other.code, other.json["retryable"]) == (422, "INVALID_MESSAGE", False)
            assert "Idempotency-Key must be a new one" in other.json["detail"]
        assert len(await ended(client, first.json["thread_id"])) == 2, "none of it was run again"


async def test_a_key_sent_twice_at_once_runs_once(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        path = f"/api/threads/{(await client.post('/api/threads')).json['thread_id']}/messages"
        posted: list[dict[str, Any]] = []

        async def send() -> None:
            posted.append((await client.post(path, {"content": "x"}, headers={"Idempotency-Key": "k"})).json)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(send)
        assert len({one["run_id"] for one in posted}) == 1
        assert sorted(one["duplicate"] for one in posted) == [False, True, True, True, True]


@pytest.mark.parametrize("key", ["", "x" * 129, '"', '"open', '"a"b"', '""'])
async def test_a_key_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    async with shop(tmp_path) as client:
        path = f"/api/threads/{(await client.post('/api/threads')).json['thread_id']}/messages"
        reply = await client.post(path, {"content": "x"}, headers={"Idempotency-Key": key})
        assert (reply.status, reply.code) == (400, "INVALID_MESSAGE")
        assert "Idempotency-Key must be" in reply.json["detail"]


# --- streams --------------------------------------------------------------------------------------------------------


async def test_a_stream_resumes_from_any_event(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        posted = await ask(client)
        await ended(client, posted["thread_id"])
        path = f"/api/threads/{posted['thread_id']}/events"
        last_seq = (await client.get(f"/api/threads/{posted['thread_id']}")).json["last_seq"]
        for seen in range(last_seq):
            async with client.stream(path, headers={"Last-Event-ID": str(seen)}) as told:
                resumed = parsed(await told.receive())
                covered: list[int] = []
                while last_seq not in covered:
                    event = parsed(await told.receive())
                    frame = json.loads(event["data"])
                    covered += range(frame.get("first_seq") or frame["seq"], int(event["id"]) + 1)
            assert json.loads(resumed["data"])["complete"] is True
            assert covered == list(range(seen + 1, last_seq + 1)), "deltas that were merged are cut where it begins"


async def test_a_stream_from_beyond_the_end_begins_with_the_present_state(tmp_path: Path) -> None:
    """The snapshot has an id of its own, so that the reader comes again from there and not from beyond the end."""
    async with shop(tmp_path) as client:
        posted = await ask(client)
        await ended(client, posted["thread_id"])
        path = f"/api/threads/{posted['thread_id']}/events"
        async with client.stream(path, headers={"Last-Event-ID": "999"}) as told:
            resumed, snapshot = parsed(await told.receive()), parsed(await told.receive())
        async with client.stream(path, headers={"Last-Event-ID": snapshot["id"]}) as told:
            again = json.loads(parsed(await told.receive())["data"])
        assert (await client.get(path, query={"after": 999})).json["events"] == []

    assert (resumed["event"], json.loads(resumed["data"])["complete"]) == ("resumed", False)
    shown = decode_server_frame(snapshot["data"])
    assert isinstance(shown, m.ThreadSnapshot)
    assert snapshot["id"] == str(shown.seq)
    assert [message.role for message in shown.messages] == ["user", "agent"]
    assert (again["complete"], again["from_seq"]) == (True, shown.seq + 1)


@pytest.mark.parametrize("position", ["x", "-1", "1.0", "9" * 20, "\u0663", ""])
async def test_a_position_that_is_none_is_refused(tmp_path: Path, position: str) -> None:
    async with shop(tmp_path) as client:
        thread_id = (await client.post("/api/threads")).json["thread_id"]
        headers = {"Accept": "text/event-stream", "Last-Event-ID": position}
        reply = await client.get(f"/api/threads/{thread_id}/events", headers=headers)
        assert (reply.status, reply.code) == (400, "INVALID_MESSAGE")
        assert "Last-Event-ID must be" in reply.json["detail"]


# --- deletion -------------------------------------------------------------------------------------------------------


async def test_who_watches_a_thread_that_is_deleted_sees_its_run_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.05)
    async with shop(tmp_path, Say("One "), Wait()) as client:
        posted = await ask(client)
        path = f"/api/threads/{posted['thread_id']}"
        async with client.stream(f"{path}/events") as told:
            while parsed(await told.receive()).get("event") != "agent_delta":
                pass
            assert (await client.call("DELETE", path)).status == 204
            rest = [parsed(event) async for event in told]
        assert [event["event"] for event in rest if "event" in event] == ["agent_cancelled"]
        assert (await client.get(path)).code == "THREAD_NOT_FOUND"
        assert (await client.post(f"{path}/messages", {"content": "x"})).code == "THREAD_NOT_FOUND"
        assert client.site.server.supervisor.running == 0
