"""Who comes in, over HTTP and as a WebSocket, with a whole server behind the door."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from asgi_client import HttpClient, ask, ended, quick, site_of
from asgi_socket import opened, status_of

from chatcore.auth.claims import Identity
from chatcore.testing.agents import Say, ScriptedAgent
from issuer import SECRET, claims, key_of, key_set, mac, signed, unsigned
from scenes import application


@asynccontextmanager
async def guarded(folder: Path, **settings: Any) -> AsyncIterator[HttpClient]:
    """A server that wants tokens; its client shows none."""
    app = application(quick(), ScriptedAgent([Say("You have one order.")]))
    given = {"auth": "jwt", "drain_seconds": 1.0} | ({} if "jwks" in settings else {"jwt_secret": SECRET}) | settings
    async with site_of(app, folder, **given) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def token(**changed: Any) -> str:
    return mac(SECRET, claims(**changed))


@attrs.frozen
class As(HttpClient):
    """A client that shows the token of its user, and claims to be another one."""

    user_id: str = "mallory"
    token: str = attrs.field(kw_only=True)

    async def call(self, method: str, path: str, **options: Any) -> Any:
        headers = {**bearer(self.token), **(options.pop("headers", None) or {})}
        return await HttpClient.call(self, method, path, headers=headers, **options)


async def test_without_a_token_nothing_of_anybodys_is_answered(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        for method, path in [
            ("GET", "/api/threads"),
            ("POST", "/api/threads"),
            ("DELETE", "/api/threads/t"),
            ("POST", "/api/runs/r/cancel"),
            ("POST", "/api/tickets"),
            ("POST", "/render"),
            ("GET", "/nowhere"),
            ("GET", "//api/threads"),
            ("GET", "/static"),
        ]:
            reply = await client.call(method, path)
            assert (reply.status, reply.code) == (401, "None"), path
            assert reply.headers["www-authenticate"] == 'Bearer realm="chatcore"'
        assert await status_of(client.site) == 401


async def test_the_page_and_what_probes_ask_need_none(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        assert (await client.get("/health/live")).status == 200
        for path in ("/", "/status", "/static/chat.js", "/metrics", "/status.json", "/openapi.json", "/asyncapi.json"):
            assert (await client.get(path, query={"user_id": "a\nb"})).status == 200, path
        assert (await client.get("/health/ready")).status == 503
        assert (await client.get("/static/%2e%2e/app.py")).status == 404
        assert (await client.get("/static/../api/threads")).status == 404


@pytest.mark.parametrize("where", ["header", "subprotocol", "ticket"])
async def test_each_way_in(tmp_path: Path, where: str) -> None:
    async with guarded(tmp_path) as client:
        ways: dict[str, Any] = {
            "header": {"token": token(), "offered": ("chatcore.v1",)},
            "subprotocol": {"offered": ("chatcore.v1", f"bearer.{token()}")},
            "ticket": {"offered": ("chatcore.v1",)},
        }
        if where == "ticket":
            issued = (await client.post("/api/tickets", headers=bearer(token()))).json
            assert 29 < issued["expires_in_seconds"] <= 30
            ways[where]["ticket"] = issued["ticket"]
        async with opened(client.site, user_id="mallory", **ways[where]) as socket:
            assert socket.subprotocol == "chatcore.v1", "the token is not said back"
            ready = await socket.next("ready")
            assert ready["user_id"] == "ann", "the subject, whatever the query says"
            socket.say(type="user_message", message_id="m1", content="hello")
            done = await socket.next("agent_completed")
        threads = (await As(client.site, token=token()).get("/api/threads")).json["threads"]
        assert [thread["thread_id"] for thread in threads] == [done["thread_id"]]


RS = key_of("RS256")
WRONG: dict[str, tuple[str, str]] = {
    "none": (unsigned(), "algorithm"),
    "hs with the public key": (mac(RS.as_pem(private=False), kid=RS.kid), "signature"),  # type: ignore[union-attr]
    "rs where a secret is set": (signed(RS, "RS256"), "algorithm"),
    "hs512": (mac(SECRET, hash_name="sha512", alg="HS512"), "algorithm"),
    "another secret": (mac("x" * 40), "signature"),
    "audience": (token(aud="other", iss="me"), "audience"),
    "no audience": (token(iss="me"), "audience"),
    "issuer": (token(aud="chat", iss="you"), "issuer"),
    "expired": (token(aud="chat", iss="me", exp=int(time.time()) - 60), "expired"),
    "not yet": (token(aud="chat", iss="me", nbf=int(time.time()) + 6000), "time has not come"),
    "no subject": (token(aud="chat", iss="me", sub=None), "subject"),
    "no expiry": (token(aud="chat", iss="me", exp=None), "expires"),
    "huge": (token(aud="chat", iss="me", extra="x" * 9000), "no signed token"),
    "nothing": ("", "no signed token"),
    "no token": ("abc", "no signed token"),
}


@pytest.mark.parametrize("kind", WRONG)
async def test_a_wrong_token_is_refused_everywhere_and_in_words(tmp_path: Path, kind: str) -> None:
    wrong, words = WRONG[kind]
    async with guarded(tmp_path, jwt_audience="chat", jwt_issuer="me") as client:
        reply = await client.get("/api/threads", headers=bearer(wrong))
        assert reply.status == 401
        assert reply.code == ("TOKEN_EXPIRED" if kind == "expired" else "None")
        assert words in reply.json["detail"]
        assert 'error="invalid_token"' in reply.headers["www-authenticate"]
        if len(wrong) > 8:
            assert wrong not in str(reply), "what was sent is not sent back"
        for way in ({"token": wrong}, {"offered": ("chatcore.v1", f"bearer.{wrong}")}):
            async with opened(client.site, **way) as socket:
                assert (socket.status, socket.reply.code) == (401, reply.code), "before the handshake"
                assert "www-authenticate" in socket.reply.headers
        right = token(aud=["other", "chat"], iss="me")
        assert (await client.get("/api/threads", headers=bearer(right))).status == 200


async def test_an_origin_is_judged_before_a_token_or_a_ticket(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        ticket = (await client.post("/api/tickets", headers=bearer(token()))).json["ticket"]
        assert await status_of(client.site, ticket=ticket, origin="https://evil.example") == 403
        assert await status_of(client.site, token=token(), origin="https://evil.example") == 403
        assert await status_of(client.site, ticket=ticket, origin="http://localhost:8000") == 101


async def test_a_ticket_opens_one_websocket_and_nothing_else(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:

        async def ticket() -> str:
            return str((await client.post("/api/tickets", headers=bearer(token()))).json["ticket"])

        first = await ticket()
        assert (await client.get("/api/threads", query={"ticket": first})).status == 401
        assert (await client.post("/api/tickets", query={"ticket": first})).status == 401
        assert (await client.get("/api/threads", headers=bearer(first))).status == 401
        assert await status_of(client.site, token=first) == 401
        assert await status_of(client.site, "/wss", ticket=first) == 404
        assert await status_of(client.site, ticket=first) == 101
        assert await status_of(client.site, ticket=first) == 401, "twice"
        assert await status_of(client.site, ticket=f"{await ticket()}x") == 401
        assert await status_of(client.site, token=token(), ticket=await ticket()) == 401, "one or the other"


async def test_of_many_who_come_with_one_ticket_one_gets_in(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        ticket = (await client.post("/api/tickets", headers=bearer(token()))).json["ticket"]
        statuses: list[int] = []

        async def come() -> None:
            statuses.append(await status_of(client.site, ticket=ticket))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(come)
        assert sorted(statuses) == [101] + 19 * [401]


async def test_a_ticket_ends_with_its_time_and_with_its_token(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        short = (await client.post("/api/tickets", headers=bearer(token(exp=time.time() + 20)))).json
        assert short["expires_in_seconds"] <= 20
        office = client.site.server.tickets
        office.issue("with its token", Identity("ann", time.time() - 1), trio.current_time())
        async with opened(client.site, ticket="with its token") as socket:
            assert (socket.status, socket.reply.code) == (401, "TOKEN_EXPIRED")
        office.issue("with its time", Identity("ann"), trio.current_time() - 30)
        assert await status_of(client.site, ticket="with its time") == 401


async def test_without_authentication_a_ticket_stands_for_the_named_user(tmp_path: Path) -> None:
    async with guarded(tmp_path, auth="none", jwt_secret=None) as client:
        ticket = (await client.post("/api/tickets")).json["ticket"]
        async with opened(client.site, ticket=ticket, user_id="bob") as socket:
            assert (await socket.next("ready"))["user_id"] == "ann"
        assert await status_of(client.site, ticket=ticket) == 401
        assert await status_of(client.site, token="whatever", user_id="bob") == 101, "nobody asks for a token"


async def test_a_user_reaches_nothing_of_anothers(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        ann, bob = As(client.site, token=token()), As(client.site, user_id="ann", token=token(sub="bob"))
        posted = await ask(ann, "canary")
        await ended(ann, posted["thread_id"])
        path = f"/api/threads/{posted['thread_id']}"
        for method, place, body in [
            ("GET", path, b""),
            ("PATCH", path, {"title": "mine"}),
            ("DELETE", path, b""),
            ("GET", f"{path}/messages", b""),
            ("GET", f"{path}/events", b""),
            ("POST", f"{path}/messages", {"content": "x"}),
            ("POST", f"/api/runs/{posted['run_id']}/cancel", b""),
        ]:
            reply = await bob.call(method, place, body=body)
            assert reply.status == 404, (method, place)
            assert b"canary" not in reply.body
        assert (await bob.get("/api/threads")).json["threads"] == []
        async with opened(client.site, token=bob.token, user_id="ann") as socket:
            await socket.next("ready")
            socket.say(type="resume", thread_id=posted["thread_id"], after_seq=0)
            assert (await socket.next("error"))["error_code"] == "THREAD_NOT_FOUND"
        assert (await ann.get(path)).status == 200


async def test_an_expired_token_ends_a_connection_and_a_stream(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        ann = As(client.site, token=token())
        posted = await ask(ann)
        await ended(ann, posted["thread_id"])
        short = token(exp=time.time() + 1.0)
        async with opened(client.site, token=short) as socket:
            path = f"/api/threads/{posted['thread_id']}/events"
            async with client.stream(path, headers=bearer(short)) as told:
                told_all = [event async for event in told]
            with trio.fail_after(5):
                await socket.over.wait()
        assert told_all[-1] == ": the token has expired"
        assert socket.close == (4401, "The token has expired")
        assert (socket.frames[-1]["type"], socket.frames[-1]["error_code"]) == ("error", "TOKEN_EXPIRED")


# --- keys of an issuer ----------------------------------------------------------------------------------------------


@attrs.define
class IssuerServer:
    """What an issuer's HTTP server answers, and how often it was asked."""

    body: bytes = b""
    status: str = "200 OK"
    extra: str = ""
    asked: list[bytes] = attrs.field(factory=list)

    async def handle(self, stream: trio.SocketStream) -> None:
        async with stream:
            self.asked.append(bytes(await stream.receive_some(65_536)))
            head = (
                f"HTTP/1.1 {self.status}\r\ncontent-length: {len(self.body)}\r\nconnection: close\r\n{self.extra}\r\n"
            )
            await stream.send_all(head.encode() + self.body)


@asynccontextmanager
async def issuing(issuer: IssuerServer) -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, issuer.handle, 0)
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/keys.json"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519", "EdDSA"])
async def test_the_keys_of_an_issuer_rotate(tmp_path: Path, algorithm: str) -> None:
    old, new = key_of(algorithm.replace("EdDSA", "Ed25519"), 1), key_of(algorithm.replace("EdDSA", "Ed25519"), 2)
    issuer = IssuerServer(key_set(old))
    async with issuing(issuer) as url, guarded(tmp_path, jwks=url) as client:

        async def status(given: str) -> int:
            return int((await client.get("/api/threads", headers=bearer(given))).status)

        assert issuer.asked == [], "not before the first token"
        assert await status(signed(old, algorithm)) == 200
        issuer.body = key_set(old, new)
        assert await status(signed(new, algorithm)) == 200, "noticed at once"
        issuer.body = key_set(new)
        for number in range(5):
            assert await status(signed(new, algorithm, kid=f"invented{number}")) == 401
        assert await status(mac(json.dumps(new.as_dict(private=False)), kid=new.kid)) == 401
        assert len(issuer.asked) == 2
        assert await status_of(client.site, token=signed(new, algorithm)) == 101


@pytest.mark.parametrize(
    "issuer",
    [
        IssuerServer(b"", "500 Oops"),
        IssuerServer(b"<html>"),
        IssuerServer(b"", "302 Found", "location: http://127.0.0.1:1/keys\r\n"),
        IssuerServer(b'{"keys": []}'),
        IssuerServer(b" " * 1_100_000),
    ],
)
async def test_an_issuer_without_keys_is_no_fault_of_the_token(tmp_path: Path, issuer: IssuerServer) -> None:
    async with issuing(issuer) as url, guarded(tmp_path, jwks=url) as client:
        reply = await client.get("/api/threads", headers=bearer(signed(RS, "RS256")))
        assert (reply.status, reply.code) == (503, "SERVICES_UNAVAILABLE")
        assert 1 <= int(reply.headers["retry-after"]) <= 5
        assert (await client.get("/health/live")).status == 200
        assert len(issuer.asked) == 1


async def test_an_issuer_that_nobody_can_reach(tmp_path: Path) -> None:
    async with guarded(tmp_path, jwks="http://127.0.0.1:1/keys.json") as client:
        assert (await client.get("/api/threads", headers=bearer(signed(RS, "RS256")))).status == 503
        assert (await client.get("/api/threads", headers=bearer(unsigned()))).status == 401


async def test_keys_in_a_file_rotate_too(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(key_of("ES256", 1)))
    async with guarded(tmp_path, jwks=str(file)) as client:
        for number in (1, 2):
            file.write_bytes(key_set(*(key_of("ES256", each) for each in range(1, number + 1))))
            given = signed(key_of("ES256", number), "ES256")
            assert (await client.get("/api/threads", headers=bearer(given))).status == 200
        assert (await client.get("/api/threads", headers=bearer(token()))).status == 401, "there is no secret"


async def test_no_log_line_holds_a_token_a_ticket_or_a_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = token(aud="other")
    async with guarded(tmp_path, jwt_audience="chat") as client:
        right = token(aud="chat")
        ticket = (await client.post("/api/tickets", headers=bearer(right))).json["ticket"]
        await status_of(client.site, ticket=ticket)
        await status_of(client.site, token=wrong, access_token=wrong)
        await client.get("/nowhere", headers=bearer(right), query={"token": right})
    lines = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "token_claim_not_checked" in lines
    assert "'claim': 'iss'" in lines
    assert "'claim': 'aud'" not in lines
    for secret in (right, wrong, ticket, SECRET):
        assert secret not in lines
        assert secret.split(".")[-1] not in lines


# --- guesses ----------------------------------------------------------------------------------------------------------


def elsewhere(address: str) -> dict[str, str]:
    """What a proxy on this machine says of a client."""
    return {"x-forwarded-for": address}


async def test_who_guesses_is_not_listened_to_and_everybody_else_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with guarded(tmp_path, max_bad_tokens_per_minute=1) as client:

        async def knock(token: str, **headers: str) -> Any:
            return await client.get("/api/threads", headers={**bearer(token), **headers})

        early, late = token(sub="ann"), token(sub="bob")
        assert (await knock(early)).status == 200
        assert (await knock(mac("x" * 40))).status == 401
        refused = await knock(mac("x" * 40))
        assert (refused.status, refused.code) == (429, "RATE_LIMITED")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await knock(late)).status == 429, "it is not looked at"
        assert (await knock(early)).status == 200, "it was right before"
        assert (await knock(late, **elsewhere("203.0.113.1"))).status == 200
        assert await status_of(client.site, token=mac("x" * 40)) == 429
        assert await status_of(client.site, token=early) == 101
        assert (await client.get("/", headers={})).status == 200, "the page needs no token"
        assert caplog.text.count("guesses_refused") == 1


async def test_tickets_are_guessed_no_more_and_a_right_one_is_taken_all_the_same(tmp_path: Path) -> None:
    async with guarded(tmp_path, max_bad_tokens_per_minute=1) as client:
        right = (await client.post("/api/tickets", headers=bearer(token()))).json["ticket"]
        assert [await status_of(client.site, ticket=f"wrong {n}") for n in range(3)] == [401, 429, 429]
        assert await status_of(client.site, ticket=right) == 101
        assert await status_of(client.site, ticket=right) == 429, "it was taken"


async def test_an_expired_token_is_no_guess_and_none_at_all_neither(tmp_path: Path) -> None:
    async with guarded(tmp_path, max_bad_tokens_per_minute=2) as client:
        expired = token(exp=int(time.time()) - 60)
        for _ in range(5):
            assert (await client.get("/api/threads", headers=bearer(expired))).code == "TOKEN_EXPIRED"
            assert (await client.get("/api/threads")).status == 401
        assert (await client.get("/api/threads", headers=bearer(token()))).status == 200
