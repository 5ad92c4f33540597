"""The attacks: what each does, with how many connections, and how each of these has to end.

An end is an HTTP status, or a WebSocket's close code with the ``error_code`` said before it, or ``closed`` where
nothing can be said. Codes: protocol.md, 1.4; the fault matrix of guarantees.md.
"""

from __future__ import annotations

import socket
import struct

import trio

import bench.attack_http2  # noqa: F401  it has its part of the list
from bench.attack_kinds import ATTACKS, Attack, Attacker, asks, attack, floods, sends
from bench.hostile import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    LINGERS_SECONDS,
    PING,
    RSV1,
    TEXT,
    Target,
    deflated,
    frame,
    handshake,
    request,
    text,
    token,
    wrong_tokens,
)

__all__ = ["ATTACKS", "Attack", "Attacker"]

# --- before the handshake ---------------------------------------------------------------------------------------------


@attack("slow handshake", 100, "408", "closed", slow=True)
async def slow_handshake(me: Attacker) -> str:
    """A head that comes byte by byte; every fifth sends nothing at all."""
    async with me.target.line() as line, trio.open_nursery() as nursery:

        async def dribble() -> None:
            for byte in handshake(token(me.user)):
                if not await line.send(bytes([byte])):
                    return
                await trio.sleep(0.2)

        if me.number % 5:
            nursery.start_soon(dribble)
        status = await line.status()
        nursery.cancel_scope.cancel()
        return status


@attack("endless head", 20, "431")
async def endless_head(me: Attacker) -> str:
    async with me.target.line() as line, trio.open_nursery() as nursery:

        async def pour() -> None:
            await line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            while await line.send(b"x-more: and more\r\n" * 50):
                pass

        nursery.start_soon(pour)
        status = await line.status()
        nursery.cancel_scope.cancel()
        return status


SMUGGLED = request("/health/live")
SMUGGLING = (
    request("/", "Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
    request("/", "Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n" + SMUGGLED),
    request("/", "Content-Length: 5", f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED),
    request("/", "Content-Length: 5, 6", body=SMUGGLED),
    request("/", "Content-Length: +5", body=SMUGGLED),
    request("/", "Content-Length : 5", body=SMUGGLED),
    request("/", "Transfer-Encoding: xchunked", body=SMUGGLED),
    request("/", "Transfer-Encoding: chunked, identity", body=SMUGGLED),
    request("/", "Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=SMUGGLED),
    request("/", "x: y", " Content-Length: 5", body=SMUGGLED),
    b"GET / HTTP/1.1\nHost: localhost\n\n" + SMUGGLED,
    b"GET / HTTP/1.1\r\nHost: localhost\r\nx: y\nContent-Length: 5\r\n\r\n" + SMUGGLED,
    b"GET / HTTP/1.1\r\nHost: localhost\r\nx: y\rContent-Length: 5\r\n\r\n" + SMUGGLED,
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + SMUGGLED,
    b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    handshake("x", "Content-Length: 5") + SMUGGLED,
)
asks("smuggling", len(SMUGGLING), "400", requests=SMUGGLING)

H2C = ("Connection: Upgrade, HTTP2-Settings, close", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
asks("h2c upgrade", 5, "200", requests=(request("/health/live", *H2C),))


@attack("hostile origin", 20, "403")
async def hostile_origin(me: Attacker) -> str:
    origins = ("https://evil.example", "null", "http://localhost.evil.example", "http://localhost@evil.example", "")
    async with me.target.line() as line:
        await line.send(handshake(token(me.user), f"Origin: {origins[me.number % len(origins)]}"))
        return await line.status()


@attack("token confusion", 48, "401")
async def token_confusion(me: Attacker) -> str:
    """Every other one over HTTP, each from an address of its own."""
    address = f"X-Forwarded-For: 203.0.113.{me.number}"
    wrong = wrong_tokens(me.user, me.target.public_key)
    bearer = wrong[(me.number // 2) % len(wrong)]
    async with me.target.line() as line:
        asked = request("/api/threads", f"Authorization: Bearer {bearer}", address)
        await line.send(handshake(bearer, address) if me.number % 2 else asked)
        return await line.status()


@attack("flood of guesses", 5, "429")
async def flood_of_guesses(me: Attacker) -> str:
    """Two hundred tokens that the server did not sign, from one address: most are not looked at."""
    statuses: list[str] = []
    async with me.target.line() as line:
        for number in range(40):
            guess = token(me.user, secret=b"guess %d" % number)
            await line.send(request("/api/threads", f"Authorization: Bearer {guess}", "X-Forwarded-For: 203.0.113.99"))
            statuses.append(await line.status())
            await line.skip_body()
    return max(statuses, key=statuses.count)


# --- bytes that are no frames, and frames that are too much -----------------------------------------------------------

TEBIBYTE = bytes([FIN | BINARY, 0xFF]) + struct.pack("!Q", 1 << 40) + bytes(4)
MEBIBYTE = 1 << 20

sends("1 TiB header", 20, "1009", data=TEBIBYTE + bytes(100_000))
sends("message too large", 20, "1009", data=frame(BINARY, bytes(MEBIBYTE + 1)))
sends("bad UTF-8", 20, "1007", data=frame(TEXT, b"\xff\xfe") + bytes(100_000))
sends("bad UTF-8 over fragments", 20, "1007", data=frame(TEXT, b"\xf0\x9f", first=0) + frame(CONT, b"x"))
sends("reserved bits", 20, "1002", data=frame(TEXT, b"x", first=FIN | 0x30) + bytes(100_000))
sends("reserved opcode", 20, "1002", data=frame(0xB))
sends("no mask", 20, "1002", data=b"\x81\x05hello")
sends("bad close code", 20, "1002", data=frame(CLOSE, struct.pack("!H", 1005)))

BOMB = deflated(bytes(64 * MEBIBYTE))

sends("compressed, and nothing was agreed upon", 20, "1002", data=frame(TEXT, BOMB, first=FIN | RSV1))
sends("compression bomb", 20, "1009", data=frame(TEXT, BOMB, first=FIN | RSV1), compressed=True)
sends("compressed noise", 20, "1002", data=frame(TEXT, b"noise" * 20_000, first=FIN | RSV1), compressed=True)
sends(
    "compression bomb in fragments",
    10,
    "1009",
    data=frame(TEXT, BOMB[:500], first=RSV1)
    + b"".join(frame(CONT, BOMB[at : at + 500], first=0) for at in range(500, 5000, 500)),
    compressed=True,
)

FLOODED = "RATE_LIMITED 1008"
NOTHING = bytes.fromhex(
    "04c081000000000090ff6b100007020000000040feaf41001c080000000000f9bf060170200000000000e4ff1a"
    "04c081000000000090ff6b100007020000000040feaf41001c080000000000f9bf060170200000000000e4ff1a"
)
"""Eight blocks with tables of their own that hold nothing (RFC 1951, section 3.2.7): the most work for a byte."""

sends("compressed nothing", 10, FLOODED, data=frame(BINARY, NOTHING * 11_000, first=FIN | RSV1), compressed=True)
floods(
    "endless fragments",
    10,
    "1009",
    first=frame(BINARY, b"x", first=0),
    data=frame(CONT, bytes(60_000), first=0),
    times=50,
)
floods("empty fragments", 10, FLOODED, first=frame(TEXT, first=0), data=frame(CONT, first=0) * 100, times=2000)
floods("flood of pings", 10, FLOODED, data=frame(PING, b"x" * 125) * 100, times=2000)
floods("flood of frames", 10, FLOODED, data=text(type="ping", nonce=1) * 100, times=2000)
floods(
    "flood of large frames",
    3,
    "INVALID_MESSAGE 1008",
    FLOODED,
    data=text(type="ping", nonce="x" * 1_000_000),
    times=2000,
)
floods(
    "fragments after the last compressed block",
    10,
    "1002",
    first=frame(BINARY, deflated(b"x", last=True), first=RSV1),
    data=frame(CONT, bytes(60_000), first=0),
    times=2000,
    compressed=True,
)
floods(
    "flood of kilobytes that are megabytes",
    3,
    "INVALID_MESSAGE 1008",
    FLOODED,
    data=frame(TEXT, deflated(b'{"type":"ping","nonce":"' + b"x" * 1_000_000 + b'"}'), first=FIN | RSV1) * 10,
    times=2000,
    compressed=True,
)
floods("flood of noise", 10, "INVALID_MESSAGE 1008", FLOODED, data=frame(BINARY) * 100, times=2000)
floods("flood of nesting", 3, "INVALID_MESSAGE 1008", FLOODED, data=frame(TEXT, b"[" * 1_000_000), times=2000)
floods(
    "flood of messages",
    10,
    FLOODED,
    "TOO_MANY_PENDING 1008",
    data=text(type="user_message", message_id="m", content="1") * 100,
    times=2000,
)


# --- peers that are there, and do not behave --------------------------------------------------------------------------


@attack("connections of one user", 60, "CONNECTION_LIMIT 1008")
async def connections_of_one_user(me: Attacker) -> str:
    """The first three are let in, and stay; no more are."""
    async with me.target.line() as line:
        if me.number < 3:
            await line.upgrade(token("mallory with many"))
            await trio.sleep(2.0)
            return "CONNECTION_LIMIT 1008" if not line.told else "refused"
        await trio.sleep(0.5)
        await line.upgrade(token("mallory with many"))
        return await line.end()


@attack("connections that are reset", 300, "reset")
async def connections_that_are_reset(me: Attacker) -> str:
    """Handshakes that are cut off with a reset: before, amid, and right after."""
    whole = handshake(token(me.user))
    async with me.target.line() as line:
        await line.send(whole[: len(whole) * (me.number % 3) // 2])
        line.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return "reset"


async def have_something_to_read(target: Target) -> None:
    """Have an answer of 0.5 MB in a thread of the sleeper's."""
    async with target.websocket(SLEEPER) as line:
        await line.send(text(type="user_message", message_id="m1", content="500000"))
        await line.until(b'"agent_completed"')


SLEEPER = "mallory who sleeps"


@attack("stalled readers", 3, "closed", "4413", counted="4413", slow=True, prepare=have_something_to_read)
async def stalled_readers(me: Attacker) -> str:
    """A user's three connections ask for an answer of 0.5 MB a hundred times, and read nothing for a long time."""
    thread_id = await me.target.newest_thread(SLEEPER)
    async with me.target.websocket(SLEEPER, receive_bytes=4096) as line:
        await line.send(text(type="resume", thread_id=thread_id) * 100)
        await trio.sleep(8.0)
        line.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MEBIBYTE)
        return await line.end()


@attack("half-open peers", 50, "closed", counted="gone", slow=True)
async def half_open_peers(me: Attacker) -> str:
    """They vanish without a word: nothing of theirs is heard any more, and no ping is answered."""
    async with me.target.websocket(me.user) as line:
        return await line.end()


@attack("half-closed peers", 50, "closed", counted="gone")
async def half_closed_peers(me: Attacker) -> str:
    """They say that they will send no more, and go on reading."""
    async with me.target.websocket(me.user) as line:
        await line.stream.send_eof()
        return await line.end()


# --- over HTTP --------------------------------------------------------------------------------------------------------


@attack("body too large", 10, "413")
async def body_too_large(me: Attacker) -> str:
    """A message of 1 GB, announced in every other; the others are sent in chunks without end."""
    how = "Content-Length: 1000000000" if me.number % 2 else "Transfer-Encoding: chunked"
    piece = bytes(65_536) if me.number % 2 else b"10000\r\n" + bytes(65_536) + b"\r\n"
    async with me.target.line() as line, trio.open_nursery() as nursery:

        async def pour() -> None:
            await line.send(request("/render", f"Authorization: Bearer {token(me.user)}", how, method="POST"))
            while await line.send(piece):
                pass

        nursery.start_soon(pour)
        status = await line.status()
        nursery.cancel_scope.cancel()
        return status


COSTLY = ("[" * 20_000, "![" * 10_000, "*a_ " * 5_000, "[a](" * 5_000, "*_" * 10_000, "<a" * 10_000)


@attack("costly Markdown", 6, "200")
async def costly_markdown(me: Attacker) -> str:
    body = f'{{"texts": ["{COSTLY[me.number % len(COSTLY)]}"]}}'.encode()
    headers = (f"Authorization: Bearer {token(me.user)}", f"Content-Length: {len(body)}", "Connection: close")
    async with me.target.line() as line:
        await line.send(request("/render", *headers, method="POST", body=body))
        return await line.status()


@attack("requests that are to be the last", 50, "closed")
async def requests_that_are_to_be_the_last(me: Attacker) -> str:
    """They say ``Connection: close`` and never close: the server has to."""
    async with me.target.line() as line:
        await line.send(request("/status", "Connection: close"))
        await line.status()
        return await line.hung_up()


@attack("answers that nobody reads", 5, "closed", "200", slow=True)
async def answers_that_nobody_reads(me: Attacker) -> str:
    """Requests without end on one connection, whose answers are not read until the server hangs up."""
    async with me.target.line(receive_bytes=4096) as line:
        with trio.move_on_after(LINGERS_SECONDS):
            while await line.send(request("/static/chat.js") * 100):
                pass
        return await line.status()
