"""The HTTP API (protocol.md, 2): its shapes, its errors, and whose data it shows."""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from asgi_client import Reply, ask, ended, parsed, quick, shop

from chatcore import store
from chatcore.errors import ErrorCode, StorageUnavailable
from chatcore.protocol import messages as m
from chatcore.protocol.codec import decode_server_frame
from chatcore.protocol.run import ENDS, RunGrammar
from chatcore.testing import Script
from chatcore.testing.agents import Reply as Answering
from chatcore.testing.agents import Say, UseTool, Wait
from chatcore.threads.service import ThreadService
from chatcore.web.requests import EXPECTED
from chatcore.web.routes import ROUTES
from scenes import AGENT

# --- threads and messages -------------------------------------------------------------------------------------------


async def test_a_thread_is_opened_read_listed_and_deleted(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        opened = await client.post("/api/threads", {"title": "Orders"})
        thread = opened.json
        assert opened.status == 201
        assert set(thread) == {"thread_id", "title", "created_at", "updated_at", "epoch", "last_seq"}
        assert (thread["title"], thread["last_seq"]) == ("Orders", 0)
        assert (await client.get(f"/api/threads/{thread['thread_id']}")).json == thread
        assert (await client.get("/api/threads")).json == {"threads": [thread], "next": None}
        deleted = await client.call("DELETE", f"/api/threads/{thread['thread_id']}")
        assert (deleted.status, deleted.body) == (204, b"")
        assert not {"content-type", "content-length"} & deleted.headers.keys()
        gone = await client.get(f"/api/threads/{thread['thread_id']}")
        assert (gone.status, gone.code) == (404, "THREAD_NOT_FOUND")
        assert (await client.get("/api/threads")).json["threads"] == []


async def test_a_message_is_accepted_run_and_shown_with_its_answer(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        posted = await ask(client, message_id="mine")
        assert set(posted) == {"run_id", "thread_id", "message_id", "duplicate"}
        assert (posted["message_id"], posted["duplicate"]) == ("mine", False)
        asked, answered = await ended(client, posted["thread_id"])

    assert set(asked) == {"message_id", "role", "content", "run_id", "created_at", "status"}
    assert (asked["role"], asked["content"], asked["run_id"], asked["status"]) == (
        "user",
        "hello",
        posted["run_id"],
        "completed",
    )
    assert (answered["role"], answered["message_id"], answered["content"]) == ("agent", None, "You have one order.")
    assert answered["answer"]["answered"] is True


async def test_the_same_message_again_starts_nothing(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        thread_id = (await client.post("/api/threads")).json["thread_id"]
        path = f"/api/threads/{thread_id}/messages"
        body = {"content": "hello"}
        first, again, other = [
            (await client.post(path, body, headers={"Idempotency-Key": key})).json for key in ("k1", "k1", "k2")
        ]
        named = (await client.post(path, {**body, "message_id": "k1"}, headers={"Idempotency-Key": "k9"})).json
        bob = attrs.evolve(client, user_id="bob")
        theirs = (await bob.post("/api/threads")).json["thread_id"]
        theirs = (await bob.post(f"/api/threads/{theirs}/messages", body, headers={"Idempotency-Key": "k1"})).json
        messages = await ended(client, thread_id, 2)

    assert (again["run_id"], again["duplicate"]) == (first["run_id"], True)
    assert (named["run_id"], named["duplicate"]) == (first["run_id"], True), "the name in the body counts"
    assert other["run_id"] != first["run_id"]
    assert (theirs["duplicate"], theirs["run_id"] == first["run_id"]) == (False, False)
    assert [message["role"] for message in messages].count("user") == 2


async def test_lists_come_in_pages(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        for number in range(5):
            await client.post("/api/threads", {"title": str(number)})
        titles: list[list[str]] = []
        cursor: str | None = None
        for _ in range(3):
            page = (await client.get("/api/threads", query={"limit": 2, "cursor": cursor})).json
            titles.append([thread["title"] for thread in page["threads"]])
            cursor = page["next"]
        assert titles == [["4", "3"], ["2", "1"], ["0"]]
        assert cursor is None

        posted = await ask(client)
        await ended(client, posted["thread_id"])
        path = f"/api/threads/{posted['thread_id']}"
        first = (await client.get(f"{path}/messages", query={"limit": 1})).json
        second = (await client.get(f"{path}/messages", query={"limit": 1, "cursor": first["next"]})).json
        assert [first["messages"][0]["role"], second["messages"][0]["role"], second["next"]] == ["user", "agent", None]
        seqs: list[int] = []
        after: str | None = "0"
        while after is not None:
            page = (await client.get(f"{path}/events", query={"limit": 2, "after": after})).json
            for event in page["events"]:
                seqs += range(event.get("first_seq", event["seq"]), event["seq"] + 1)
            after = page["next"]
        assert seqs == list(range(1, len(seqs) + 1))


async def test_events_are_the_very_frames_of_the_wire(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        posted = await ask(client)
        await ended(client, posted["thread_id"])
        reply = (await client.get(f"/api/threads/{posted['thread_id']}/events")).json
        thread = (await client.get(f"/api/threads/{posted['thread_id']}")).json

    grammar = RunGrammar()
    for event in reply["events"]:
        grammar.advance(decode_server_frame(json.dumps(event)))  # type: ignore[arg-type]  # an event of a run
    assert grammar.ended
    assert reply["epoch"] == thread["epoch"]
    assert reply["events"][-1]["seq"] == thread["last_seq"]


async def test_events_under_way_are_shown_with_deltas_that_were_not_stored_yet(tmp_path: Path) -> None:
    async with shop(tmp_path, Say("One "), Wait()) as client:
        posted = await ask(client)
        path = f"/api/threads/{posted['thread_id']}/events"
        reply = await client.until(path, lambda reply: len(reply.json["events"]) == 2)
        assert reply.json["events"][1]["text"] == "One "


async def test_a_run_is_cancelled(tmp_path: Path) -> None:
    async with shop(tmp_path, Say("One "), Wait()) as client:
        posted = await ask(client)
        stranger = await attrs.evolve(client, user_id="bob").post(f"/api/runs/{posted['run_id']}/cancel")
        assert (stranger.status, stranger.code) == (404, "RUN_NOT_FOUND")
        reply = await client.post(f"/api/runs/{posted['run_id']}/cancel")
        assert (reply.status, reply.json) == (202, {"run_id": posted["run_id"]})
        _, answered = await ended(client, posted["thread_id"])
        assert answered["status"] == "cancelled"
        assert (await client.post("/api/runs/unknown/cancel")).code == "RUN_NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/threads/{thread}"),
        ("PATCH", "/api/threads/{thread}"),
        ("DELETE", "/api/threads/{thread}"),
        ("GET", "/api/threads/{thread}/messages"),
        ("POST", "/api/threads/{thread}/messages"),
        ("GET", "/api/threads/{thread}/events"),
        ("POST", "/api/runs/{run}/cancel"),
    ],
)
async def test_what_belongs_to_another_user_is_not_there(tmp_path: Path, method: str, path: str) -> None:
    async with shop(tmp_path) as client:
        posted = await ask(client, "my secret")
        await ended(client, posted["thread_id"])
        bob = attrs.evolve(client, user_id="bob")
        where = path.format(thread=posted["thread_id"], run=posted["run_id"])
        nowhere = path.format(thread="unknown", run="unknown")
        body = {"content": "x", "title": "x"}
        for accept in ("application/json", "text/event-stream"):
            theirs = await bob.call(method, where, body=body, headers={"Accept": accept})
            absent = await bob.call(method, nowhere, body=body, headers={"Accept": accept})
            assert theirs.status == 404
            assert theirs.body == absent.body, "not even that it exists"
        assert (await client.get(f"/api/threads/{posted['thread_id']}")).status == 200


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b'{"content": "\xff"}', "body"),
        (b"[" * 100_000, "body"),
        ({}, "content"),
        ({"content": 7}, "content"),
        ({"content": "x", "agent": 7}, "agent"),
        ({"content": " \n"}, "content"),
        ({"content": "\0"}, "content"),
        ({"content": "x", "agent": ""}, "agent"),
        ({"content": "x", "message_id": "x" * 129}, "message_id"),
    ],
)
async def test_a_body_that_is_wrong_is_told_where(tmp_path: Path, body: Any, field: str) -> None:
    async with shop(tmp_path) as client:
        thread_id = (await client.post("/api/threads")).json["thread_id"]
        reply = await client.post(f"/api/threads/{thread_id}/messages", body)
        assert (reply.status, reply.code) == (400, "INVALID_MESSAGE")
        assert reply.json["detail"].endswith(f"{field} must be {EXPECTED[field]}")
        assert reply.json["retryable"] is False


def test_every_field_of_a_body_can_be_told_what_is_right() -> None:
    fields = {field for route in ROUTES if route.body is not None for field in route.body.__struct_fields__}
    assert fields <= set(EXPECTED)


async def test_markdown_is_rendered_text_by_text(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        for inline, html in ((False, ["<p><em>x</em></p>\n", "<p>y</p>\n"]), (True, ["<em>x</em>", "y"])):
            assert (await client.post("/render", {"texts": ["*x*", "y"], "inline": inline})).json == {"html": html}
        much = await client.post("/render", {"texts": [""] * 20_002})
        assert (much.status, much.code) == (400, "INVALID_MESSAGE")


async def test_other_requests_that_are_wrong(tmp_path: Path) -> None:
    async with shop(tmp_path, max_message_bytes=1000) as client:
        thread_id = (await client.post("/api/threads")).json["thread_id"]
        path = f"/api/threads/{thread_id}"
        cases: list[tuple[Reply, int, str]] = [
            (await client.post(f"{path}/messages", {"content": "x", "agent": "nobody"}), 404, "AGENT_NOT_FOUND"),
            (await client.post(f"{path}/messages", b"x" * 70_000), 413, "MESSAGE_TOO_LARGE"),
            (await client.post("/api/threads", {"title": "x" * 201}), 400, "INVALID_MESSAGE"),
            (await client.post("/api/threads", {"title": 1}), 400, "INVALID_MESSAGE"),
            (await client.post("/render", {"texts": "x"}), 400, "INVALID_MESSAGE"),
            (await client.post("/render", {"texts": ["x"], "inline": 1}), 400, "INVALID_MESSAGE"),
            (await client.post("/render", {"texts": ["x"] * 50_001}), 413, "MESSAGE_TOO_LARGE"),
            (await client.get("/api/threads", query={"user_id": ""}), 400, "INVALID_MESSAGE"),
            (await client.post(f"/api/threads/{'x' * 129}/messages", {"content": "x"}), 404, "THREAD_NOT_FOUND"),
            (await client.call("PATCH", path, body={"title": "x" * 201}), 400, "INVALID_MESSAGE"),
            (await client.call("PATCH", path, body={"title": " "}), 400, "INVALID_MESSAGE"),
            (await client.call("PATCH", path, body={}), 400, "INVALID_MESSAGE"),
            (await client.get("/api/threads", query={"order": "title"}), 400, "INVALID_MESSAGE"),
            (await client.get("/api/threads", query={"query": "x" * 201}), 400, "INVALID_MESSAGE"),
            (await client.get("/api/threads", query={"limit": "x"}), 400, "INVALID_MESSAGE"),
            (await client.get("/api/threads", query={"limit": "-1"}), 400, "INVALID_MESSAGE"),
            (await client.get("/api/threads", query={"limit": "0"}), 400, "INVALID_MESSAGE"),
            (await client.get("/api/threads", query={"cursor": "nonsense"}), 400, "INVALID_MESSAGE"),
            (await client.get(f"{path}/events", query={"after": "1.5"}), 400, "INVALID_MESSAGE"),
            (await client.get(f"{path}/events", query={"after": "9" * 30}), 400, "INVALID_MESSAGE"),
            (await client.get("/api/nothing"), 404, "None"),
            (await client.call("PUT", path), 405, "None"),
        ]
        for reply, status, code in cases:
            assert (reply.status, reply.code) == (status, code), reply.body
            assert ("retryable" in reply.json) == (code != "None")
        many = await client.get("/api/threads", query={"limit": 100_000})
        assert many.status == 200


async def test_a_frame_that_the_wire_would_refuse_is_too_large_here_too(tmp_path: Path) -> None:
    async with shop(tmp_path, max_message_bytes=1000) as client:
        thread_id = (await client.post("/api/threads")).json["thread_id"]
        reply = await client.post(f"/api/threads/{thread_id}/messages", {"content": "x" * 1001})
        assert (reply.status, reply.code) == (413, "MESSAGE_TOO_LARGE")


async def test_messages_are_limited_per_minute(tmp_path: Path) -> None:
    async with shop(tmp_path, max_messages_per_minute=2) as client:
        thread_id = (await client.post("/api/threads")).json["thread_id"]
        path = f"/api/threads/{thread_id}/messages"
        replies = [await client.post(path, {"content": "x"}) for _ in range(3)]
        assert [reply.status for reply in replies] == [202, 202, 429]
        assert replies[2].code == "RATE_LIMITED"
        assert int(replies[2].headers["retry-after"]) >= 1
        assert replies[2].json["retry_after_seconds"] > 0


async def test_a_page_from_elsewhere_may_not_call(tmp_path: Path) -> None:
    async with shop(tmp_path, allowed_origins=("https://good.example",)) as client:
        statuses = {
            origin: (await client.get("/api/threads", headers={"Origin": origin})).status
            for origin in ("http://localhost:8000", "https://good.example", "https://evil.example", "null")
        }
        assert list(statuses.values()) == [200, 200, 403, 403]
        assert (await client.post("/api/threads", headers={"Origin": "https://evil.example"})).code == "None"
        assert (await client.get("/api/threads", server="192.168.0.1")).status == 403
        assert (await client.get("/health/live", server="192.168.0.1")).status == 200


async def test_a_defect_is_told_as_one_and_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("postgres://ann:secret@host")

    async with shop(tmp_path) as client:
        await client.get("/api/threads")
        monkeypatch.setattr(ThreadService, "threads", fail)
        reply = await client.get("/api/threads")
        assert (reply.status, reply.code) == (500, "None")
        assert b"secret" not in reply.body


async def test_errors_have_the_status_of_the_catalogue(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await client.site.server.drain()
        reply = await client.post("/api/threads/x/messages", {"content": "x"})
        assert (reply.status, reply.code) == (503, "SERVICES_UNAVAILABLE")
        assert reply.status == ErrorCode.SERVICES_UNAVAILABLE.meaning.http_status
        assert "retry-after" in reply.headers


# --- server-sent events ---------------------------------------------------------------------------------------------


async def test_events_are_streamed_and_go_on_after_last_event_id(tmp_path: Path) -> None:
    async with shop(tmp_path, Say("One "), Wait(0.3), Say("two "), Wait(0.3), Say("three.")) as client:
        posted = await ask(client)
        path = f"/api/threads/{posted['thread_id']}/events"
        told: list[dict[str, str]] = []
        async with client.stream(path) as events:
            async for event in events:
                told.append(parsed(event))
                if told[-1].get("event") == "agent_delta":
                    break
        assert client.site.server.bridge._watches == {}, "who hangs up watches no more"
        last_id = told[-1]["id"]
        async with client.stream(path, headers={"Last-Event-ID": last_id}) as events:
            async for event in events:
                told.append(parsed(event))
                if told[-1].get("event") == "agent_completed":
                    break

    resumed = [event for event in told if event["event"] == "resumed"]
    assert [json.loads(event["data"])["from_seq"] for event in resumed] == [1, int(last_id) + 1]
    assert all("id" not in event for event in resumed)
    of_run = [event for event in told if event["event"] != "resumed"]
    assert [int(event["id"]) for event in of_run] == list(range(1, len(of_run) + 1))
    for each in of_run:
        frame = decode_server_frame(each["data"])
        assert isinstance(frame, m.RunEvent)
        assert (frame.seq, frame.__struct_config__.tag) == (int(each["id"]), each["event"])
    assert isinstance(decode_server_frame(of_run[-1]["data"]), ENDS)


async def test_who_reads_a_stream_has_a_connection_open_and_is_told_to_go_with_the_others(tmp_path: Path) -> None:
    async with shop(tmp_path, Say("One."), max_connections_per_user=1) as client:
        posted = await ask(client)
        await ended(client, posted["thread_id"])
        path, server = f"/api/threads/{posted['thread_id']}/events", client.site.server
        async with client.stream(path) as events:
            first = parsed(await events.receive())
            assert (first["event"], server.connections.states()) == ("resumed", {"reading": 1})
            refused = await client.get(path, headers={"accept": "text/event-stream"})
            assert (refused.status, refused.code) == (429, "CONNECTION_LIMIT")
            assert (await client.get(path)).status == 200, "as JSON it is no connection that stays"
            await server.connections.drain(1.5)
            with trio.fail_after(30):
                assert [event async for event in events][-1] == "retry: 1500\n: draining"
        assert len(server.connections) == 0


async def test_a_stream_may_begin_after_a_position(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        posted = await ask(client)
        await ended(client, posted["thread_id"])
        async with client.stream(f"/api/threads/{posted['thread_id']}/events", query={"after": 2}) as events:
            first, second = parsed(await events.receive()), parsed(await events.receive())
    assert first["event"] == "resumed"
    assert second["id"] == "3"


async def test_a_long_history_is_streamed_whole(tmp_path: Path) -> None:
    """Many times what may wait unread: a stream that can never deliver it would be asked for for ever."""
    steps = [step for _ in range(30) for step in (Say("word " * 50), UseTool("find", summary="s" * 300))]
    async with shop(tmp_path, *steps, max_message_bytes=1000) as client:
        posted = await ask(client)
        await ended(client, posted["thread_id"])
        last_seq = (await client.get(f"/api/threads/{posted['thread_id']}")).json["last_seq"]
        seqs: list[int] = []
        async with client.stream(f"/api/threads/{posted['thread_id']}/events") as events:
            while len(seqs) < last_seq:
                event = parsed(await events.receive())
                seqs += [int(event["id"])] if "id" in event else []
    assert seqs == list(range(1, last_seq + 1))


async def test_a_stream_whose_history_cannot_be_read_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise StorageUnavailable

    async with shop(tmp_path) as client:
        posted = await ask(client)
        await ended(client, posted["thread_id"])
        monkeypatch.setattr(ThreadService, "events", fail)
        async with client.stream(f"/api/threads/{posted['thread_id']}/events") as events:
            told = [event async for event in events]
    assert [parsed(event).get("event") for event in told] == ["resumed", None]
    assert client.site.server.bridge._watches == {}


WHOLE = ("state", "progress", "attempt", "generation")
"""What readiness and the status page say of the services as a whole."""

# --- health, pages and documents ------------------------------------------------------------------------------------


async def test_health_tells_the_truth_in_every_state(tmp_path: Path) -> None:
    services = quick(Script(seconds=0.3), Script(seconds=0.3))
    async with shop(tmp_path, services=services) as client:
        live = await client.get("/health/live")
        assert (live.status, live.json) == (200, {"status": "live"})
        for path in ("/health/ready", "/health/startup"):
            idle = await client.get(path)
            assert (idle.status, idle.json["state"], idle.json["progress"]) == (503, "idle", 0)
            assert int(idle.headers["retry-after"]) >= 1
            assert [service["name"] for service in idle.json["services"]] == ["database", "agent"]
        assert services.names("entered") == [], "asking starts nothing"

        started = await client.get("/health/ready", query={"start": "true"})
        assert started.status == 503
        states: set[str] = set()

        def ready_now(reply: Reply) -> bool:
            states.add(reply.json["state"])
            return bool(reply.status == 200)

        reply = await client.until("/health/ready", ready_now)
        assert states <= {"idle", "initializing", "ready"}
        assert (reply.json["state"], reply.json["progress"], reply.json["generation"]) == ("ready", 100, 1)
        database, _ = reply.json["services"]
        assert (database["label"], database["phase"], database["state"]) == ("order history", "database", "ready")
        assert database["duration_seconds"] == pytest.approx(0.3, abs=0.25)
        assert "retry-after" not in reply.headers

        ready = client.site.server.manager.ready
        assert ready is not None
        ready.get(services.kinds["database"]).die()
        lost = await client.until("/health/ready", lambda reply: reply.status != 200)
        assert (lost.json["state"], lost.json["progress"] < 100) == ("recovering", True)
        again = await client.until("/health/ready", lambda reply: reply.status == 200)
        assert again.json["generation"] == 2

        await client.site.server.drain()
        draining = await client.get("/health/ready", query={"start": "true"})
        assert (draining.status, draining.json["state"]) == (503, "draining")
        assert draining.json["progress"] < 100, "only what is ready is all there"
        status = (await client.get("/status.json")).json
        assert [status[name] for name in WHOLE] == [draining.json[name] for name in WHOLE]
        assert (await client.get("/health/live")).status == 200


async def test_a_failing_start_is_unavailable_with_when_to_ask_again(tmp_path: Path) -> None:
    async with shop(tmp_path, services=quick(Script(seconds=0, fail_at=1))) as client:
        await client.get("/health/ready", query={"start": "true"})
        reply = await client.until("/health/ready", lambda reply: reply.json["state"] == "unavailable")
        assert reply.status == 503
        assert int(reply.headers["retry-after"]) >= 1
        assert reply.json["services"][0]["state"] == "failed"
        reason = {
            "error_code": "SERVICE_INIT_FAILED",
            "message": "Service initialization failed",
            "service": "database",
        }
        assert reply.json["reason"] == reason == (await client.get("/status.json")).json["reason"]


async def test_readiness_follows_the_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that cannot keep its events cannot answer (guarantees.md, 36)."""
    full = False

    async def check(_: ThreadService) -> None:
        await trio.lowlevel.checkpoint()
        if full:
            raise StorageUnavailable

    monkeypatch.setattr(store, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(ThreadService, "check", check)
    async with shop(tmp_path) as client:
        await client.site.server.manager.ensure_ready()
        for full, status in ((False, 200), (True, 503), (False, 200)):
            wanted = status
            reply = await client.until("/health/ready", lambda reply: reply.status == wanted)  # noqa: B023  called here
            assert reply.json["state"] == ("unavailable" if full else "ready")
            progress = (await client.get("/status.json")).json["progress"]
            assert (reply.json["progress"] == 100, progress == 100) == (not full, not full)
            reason = reply.json["reason"]
            assert (
                (reason["error_code"], reason["service"]) == ("STORAGE_UNAVAILABLE", "storage") if full else not reason
            )


async def test_a_file_that_is_no_database_is_the_reason_from_the_start(tmp_path: Path) -> None:
    (tmp_path / "site.db").write_bytes(b"Dear diary, " * 1000)
    async with shop(tmp_path) as client:
        await client.get("/health/ready", query={"start": "true"})
        reply = await client.until("/health/ready", lambda reply: reply.json["state"] == "failed")
        assert reply.json["reason"]["service"] == "storage"
        assert "diary" not in str(reply)


async def test_metrics_are_those_of_the_contract(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        posted = await ask(client)
        await ended(client, posted["thread_id"])
        reply = await client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = reply.body.decode()
    assert 'chatcore_agent_responses_total{agent="agent",outcome="answered"} 1.0' in text
    assert "chatcore_ready 1.0" in text
    assert 'chatcore_initializations_total{outcome="succeeded"} 1.0' in text
    assert 'chatcore_events_total{type="agent_completed"} 1.0' in text
    assert posted["run_id"] not in text
    assert posted["thread_id"] not in text
    assert "ann" not in text


async def test_the_status_says_what_became_of_each_attempt(tmp_path: Path) -> None:
    async with shop(tmp_path, services=quick(Script(seconds=0, fail_at=1), Script(seconds=0))) as client:
        await client.until("/health/ready", lambda reply: reply.status == 200, query={"start": "true"})
        status = (await client.get("/status.json")).json
    assert [attempt["outcome"] for attempt in status["history"]] == ["failed", "succeeded"]
    assert [attempt["generation"] for attempt in status["history"]] == [None, 1]
    assert status["runs"] == {"running": 0, "waiting": 0}
    assert [service["name"] for service in status["services"]] == ["database", "agent"]


@pytest.mark.parametrize("path", ["/", "/status", "/asyncapi.json", "/openapi.json"])
async def test_pages_and_documents_are_served(tmp_path: Path, path: str) -> None:
    async with shop(tmp_path) as client:
        reply = await client.get(path)
    assert reply.status == 200
    if path.endswith(".json"):
        assert reply.json["info"]["title"]
    else:
        assert reply.headers["content-security-policy"].startswith("default-src 'self'")
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "unsafe-inline" not in reply.headers["content-security-policy"]


async def test_a_page_is_no_way_out_of_its_folder(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        for name in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "nothing.js"):
            assert (await client.get(f"/static/{name}")).status == 404


async def test_every_route_answers(tmp_path: Path) -> None:
    """No row of the table is without a handler, and none fails."""
    months = m.Evidence(
        id="e1",
        tool="find",
        query="SELECT 1",
        parameters={},
        columns=["month", "spend"],
        rows=[["2025-01", 5.0], ["2025-03", 7.5]],
        row_count=2,
        sha256="0" * 64,
        data_version="1",
    )
    steps = (UseTool("find", evidence=[months]), Answering(m.Answer(text="See the rows.", evidence=[months])))
    async with shop(tmp_path, *steps) as client:
        posted = await ask(client)
        await ended(client, posted["thread_id"])
        known = {
            "<thread_id>": posted["thread_id"],
            "<run_id>": posted["run_id"],
            "<evidence_id>": "e1",
            "<agent>": AGENT,
        }
        for route in sorted(ROUTES, key=lambda route: route.method == "DELETE"):
            path = reduce(lambda path, name: path.replace(name, known[name]), known, route.path)
            body = {"content": "x", "texts": ["*x*"], "title": "x"} if route.body is not None else b""
            reply = await client.call(route.method, path, body=body)
            assert reply.status in (route.status, 503 if "health" in path else route.status), path
