"""Who may come in, and as whom: decided from the request alone."""

from __future__ import annotations

from urllib.parse import urlencode

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.addresses import is_loopback
from chatcore.auth.claims import MAX_USER_ID, Identity
from chatcore.settings import Settings
from chatcore.web.admission import (
    ANONYMOUS,
    Request,
    Ticket,
    Token,
    credential,
    named_user,
    needs_nobody,
    origin_allowed,
    screen,
)
from chatcore.web.problems import Problem


def request(
    *,
    query: str = "",
    origin: str | None = None,
    host: str = "localhost:8000",
    scheme: str = "http",
    **fields: str | None,
) -> Request:
    headers = {"host": host} | ({"origin": origin} if origin is not None else {})
    return Request(headers, query, scheme, fields.get("server_host", "127.0.0.1"))


@pytest.mark.parametrize(
    ("query", "user"),
    [
        ("", ANONYMOUS),
        ("start=true", ANONYMOUS),
        ("user_id=ann", "ann"),
        ("a=b&user_id=ann%20b&c", "ann b"),
        ("user_id=J%C3%BCrgen", "Jürgen"),
        ("user_id=" + "x" * MAX_USER_ID, "x" * MAX_USER_ID),
        ("user_id=", None),
        ("user_id", None),
        ("user_id=" + "x" * (MAX_USER_ID + 1), None),
        ("user_id=a&user_id=b", None),
        ("user_id=a%00b", None),
        ("user_id=a%0Ab", None),
        ("user_id=%FF", None),
    ],
)
def test_the_user_is_the_one_that_the_query_names(query: str, user: str | None) -> None:
    named = named_user(request(query=query))
    assert named == Identity(user) if user is not None else isinstance(named, Problem) and named.status == 400


@given(st.text(max_size=300).filter(lambda text: text < "\ud800" or text.isprintable()))
def test_whatever_the_query_says_there_is_one_user_or_a_refusal(text: str) -> None:
    named = named_user(request(query=text))
    assert isinstance(named, Problem) or (named.user_id.isprintable() and 0 < len(named.user_id) <= MAX_USER_ID)


@given(
    st.text(min_size=1, max_size=MAX_USER_ID).filter(str.isprintable),
    st.text(min_size=1, max_size=9).filter(str.isprintable),
)
def test_different_names_stay_different_users(one: str, other: str) -> None:
    users = [named_user(request(query=urlencode({"user_id": name}))) for name in (one, other)]
    assert users == [Identity(one), Identity(other)]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        (None, True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("::ffff:192.168.0.1", False),
        ("example.com", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_without_authentication_only_loopback_addresses_are_served(host: str | None, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    refused = screen(request(server_host=host), Settings())
    assert refused is None if loopback else refused is not None and refused.status == 403
    assert screen(request(server_host=host), Settings(auth="jwt")) is None


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("LocalHost.:8000", True),
        ("chat.localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("127.1.2.3", True),
        ("[::1]:8000", True),
        ("chat.example", True),
        ("chat.example:443", True),
        ("other.example", False),
        ("evil.example:8000", False),
        ("localhost.evil.example", False),
        ("evil-localhost", False),
        ("0.0.0.0:8000", False),
        ("192.168.0.7:8000", False),
        ("[::ffff:192.168.0.7]", False),
        ("[fe80::1]:8000", False),
        ("2130706433", False),
        ("evil.example@localhost", False),
        ("localhost@evil.example", False),
        ("localhost:8000, evil.example", False),
        ("localhost/evil.example", False),
        ("localhost evil.example", False),
        ("[localhost", False),
        ("", False),
        (":8000", False),
    ],
)
def test_without_authentication_only_names_of_this_machine_are_answered_to(host: str, here: bool) -> None:
    settings = Settings(allowed_origins=("https://chat.example", "null", "nonsense", "http://["))
    for scheme in ("http", "ws"):
        refused = screen(request(host=host, scheme=scheme), settings)
        assert refused is None if here else refused is not None and refused.status == 403
    assert screen(request(host=host), Settings(auth="jwt")) is None


def test_who_names_no_host_is_no_browser() -> None:
    assert screen(Request({}, "", "http", "127.0.0.1"), Settings()) is None


def test_a_name_that_was_made_to_lead_here_is_refused_although_it_is_the_origin() -> None:
    rebound = request(host="evil.example:8000", origin="http://evil.example:8000")
    assert origin_allowed(rebound, ())
    refused = screen(rebound, Settings())
    assert refused is not None
    assert refused.status == 403


OWN = [
    ("http://localhost:8000", "localhost:8000", "http"),
    ("http://localhost:8000", "localhost:8000", "ws"),
    ("HTTP://LocalHost:8000", "localhost:8000", "ws"),
    ("http://example.com", "example.com", "http"),
    ("http://example.com", "example.com:80", "http"),
    ("https://example.com", "example.com:443", "wss"),
    ("http://[::1]:8000", "[::1]:8000", "ws"),
]
FOREIGN = [
    ("http://localhost:8001", "localhost:8000", "http"),
    ("https://localhost:8000", "localhost:8000", "http"),
    ("http://evil.example", "localhost:8000", "http"),
    ("http://localhost:8000.evil.example", "localhost:8000", "http"),
    ("null", "localhost:8000", "http"),
    ("", "localhost:8000", "http"),
    ("file://", "localhost:8000", "http"),
    ("http://[", "localhost:8000", "http"),
    ("http://user@localhost:8000", "localhost:8000", "http"),
    ("null", "", "http"),
]


@pytest.mark.parametrize(("origin", "host", "scheme"), OWN)
def test_a_page_of_the_server_itself_may_call(origin: str, host: str, scheme: str) -> None:
    assert origin_allowed(request(origin=origin, host=host, scheme=scheme), ())


@pytest.mark.parametrize(("origin", "host", "scheme"), FOREIGN)
@pytest.mark.parametrize("allowed", [(), ("https://good.example",), ("*",), ("good.example",)])
def test_a_page_from_elsewhere_may_not(origin: str, host: str, scheme: str, allowed: tuple[str, ...]) -> None:
    """A list with a mistake in it opens no door: neither ``*`` nor a name without its scheme is an origin."""
    came = request(origin=origin, host=host, scheme=scheme)
    assert not origin_allowed(came, allowed)
    for settings in (Settings(allowed_origins=allowed), Settings(allowed_origins=allowed, auth="jwt")):
        refused = screen(came, settings)
        assert refused is not None
        assert refused.status == 403


@pytest.mark.parametrize("origin", ["https://good.example", "https://good.example:443", "HTTPS://Good.Example"])
def test_a_listed_origin_may(origin: str) -> None:
    assert origin_allowed(request(origin=origin), ("https://good.example", "http://other.example:9"))


def test_who_sends_no_origin_is_no_browser() -> None:
    assert origin_allowed(request(), ())


@given(st.text(max_size=60), st.text(max_size=30))
def test_no_origin_is_too_odd_to_be_judged(origin: str, host: str) -> None:
    allowed = origin_allowed(request(origin=origin, host=host), ("https://good.example",))
    assert (
        allowed is False or host.lower() in origin.lower() or "good.example" in origin.lower() or host.endswith(":80")
    )


def test_the_request_is_read_from_the_scope() -> None:
    scope = {
        "headers": [(b"Host", b"localhost:1"), (b"ORIGIN", b"http://x\xff")],
        "query_string": b"user_id=ann",
        "scheme": "ws",
        "server": ("127.0.0.1", 1),
    }
    assert Request.of(scope) == Request(
        {"host": "localhost:1", "origin": "http://x\xff"}, "user_id=ann", "ws", "127.0.0.1"
    )
    assert Request.of({**scope, "server": ("/run/socket", None)}).server_host is None


def test_a_header_that_comes_twice_is_neither_of_the_two() -> None:
    pair = [(b"authorization", b"Bearer a"), (b"Authorization", b"Bearer b"), (b"host", b"x")]
    came = Request.of({"headers": pair, "query_string": b"", "path": "/api/threads"})
    assert credential(came) == Token("")


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer a.b-c_d", "a.b-c_d"),
        ("bearer a.b.c", "a.b.c"),
        ("BEARER   a.b.c  ", "a.b.c"),
        ("Bearer", ""),
        ("Bearer ", ""),
        ("Basic YTpi", ""),
        ("a.b.c", ""),
        ("Bearer a b", ""),
        ("Bearer a,b", ""),
        ("Bearer ä", ""),
        ("", ""),
    ],
)
def test_the_token_of_a_header(header: str, token: str) -> None:
    """What cannot be read is no absence of a token: it is refused, and nobody is let in for it as anyone else."""
    assert credential(attrs.evolve(request(), headers={"authorization": header})) == Token(token)


def socket(*subprotocols: str, query: str = "", **headers: str) -> Request:
    return Request({"host": "x", **headers}, query, "ws", "127.0.0.1", "/ws", subprotocols)


def test_the_token_among_the_subprotocols() -> None:
    assert credential(socket("chatcore.v1", "bearer.a.b.c")) == Token("a.b.c")
    assert credential(socket("bearer.")) == Token("")
    assert credential(socket("chatcore.v1", "Bearer.a")) is None


def test_a_ticket_is_for_a_websocket_only() -> None:
    assert credential(socket(query="ticket=t1")) == Ticket("t1")
    assert credential(socket(query="ticket=")) == Ticket("")
    assert credential(request(query="ticket=t1")) is None


@pytest.mark.parametrize("name", ["token", "access_token", "jwt", "authorization", "bearer"])
def test_a_token_in_the_url_is_none(name: str) -> None:
    assert credential(request(query=f"{name}=a.b.c")) is None
    assert credential(socket(query=f"{name}=a.b.c")) is None


@pytest.mark.parametrize(
    "came",
    [
        socket("bearer.a", "bearer.a"),
        socket("bearer.a", authorization="Bearer a"),
        socket(query="ticket=a&ticket=b"),
        socket("bearer.a", query="ticket=a"),
    ],
)
def test_two_credentials_are_none(came: Request) -> None:
    refused = credential(came)
    assert isinstance(refused, Problem)
    assert refused.status == 401
    assert 'error="invalid_request"' in refused.headers()["www-authenticate"]


@pytest.mark.parametrize(
    ("path", "is_open"),
    [
        ("/", True),
        ("/static/chat.js", True),
        ("/health/ready", True),
        ("/metrics", True),
        ("/api/threads", False),
        ("/api/tickets", False),
        ("/render", False),
        ("//", False),
        ("/Status", False),
        ("/static", False),
        ("", False),
        ("/anything", False),
    ],
)
def test_what_is_not_listed_needs_somebody(path: str, is_open: bool) -> None:
    assert needs_nobody(attrs.evolve(request(), path=path)) is is_open
    assert not needs_nobody(attrs.evolve(socket(), path=path)), "no WebSocket is open to everyone"


def test_nothing_that_was_given_is_shown() -> None:
    """Not even where a whole request or credential ends up in a traceback."""
    for came in (socket("bearer.a.b.c"), socket(query="ticket=a.b.c"), socket(authorization="Bearer a.b.c")):
        assert "a.b.c" not in repr(came) + repr(credential(came))
