"""Attacks of HTTP/2 (RFC 9113), which ``chatcore serve`` speaks with who begins with it: proxies, mostly.

How they end: ``closed``; or ``slowed``, where the server took no more than it had time for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import count, repeat

import trio

from bench.attack_kinds import Attacker, attack
from bench.hostile import LINGERS_SECONDS, Line

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 0x1, 0x4
POUR_SECONDS = 2.0


def frame2(kind: int, payload: bytes = b"", *, stream: int = 0, flags: int = 0) -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def head2(path: bytes = b"/health/live", *more: tuple[bytes, bytes]) -> bytes:
    """The head of a request, in HPACK without its table (RFC 7541, section 6.2.2)."""
    fields = b"".join(b"\x00" + literal(name) + literal(value) for name, value in more)
    return b"\x82\x86\x04" + literal(path) + b"\x01" + literal(b"localhost") + fields


def literal(text: bytes) -> bytes:
    size, more = len(text), b""
    if size >= 127:
        rest, size = size - 127, 127
        while rest >= 128:
            more += bytes([0x80 | rest % 128])
            rest //= 128
        more += bytes([rest])
    return bytes([size]) + more + text


def get2(stream: int, path: bytes = b"/health/live") -> bytes:
    return frame2(HEADERS, head2(path), stream=stream, flags=END_STREAM | END_HEADERS)


async def pour(line: Line, pieces: Iterator[bytes], seconds: float = POUR_SECONDS) -> str:
    """Send for a while as fast as it is taken, reading what comes."""
    end = "slowed"

    async def read_on() -> None:
        nonlocal end
        while await line.more():
            line.received.clear()
        end = "closed"
        nursery.cancel_scope.cancel()

    await line.send(PREFACE + frame2(SETTINGS))
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_on)
            for piece in pieces:
                if not await line.send(piece):
                    break
            else:
                end = "taken"
    return end


def pours(name: str, clients: int, *ends: str, piece: bytes, times: int, first: bytes = b"") -> None:
    """Add an attack that sends the same again and again."""

    async def act(me: Attacker) -> str:
        async with me.target.line() as line:
            seconds = POUR_SECONDS if "slowed" in ends else LINGERS_SECONDS
            return await pour(line, iter([first, *repeat(piece, times)]), seconds)

    attack(f"HTTP/2: {name}", clients, *ends)(act)


MANY = 20_000
PLENTY = 1000
"""Of pieces that no kernel holds."""

pours("settings", 3, "slowed", piece=frame2(SETTINGS) * 5000, times=PLENTY)
pours("pings", 3, "slowed", "closed", piece=frame2(PING, bytes(8)) * 3000, times=PLENTY)
pours("windows", 3, "slowed", piece=frame2(WINDOW_UPDATE, struct.pack("!I", 1)) * 3000, times=PLENTY)
pours("frames of no known kind", 3, "slowed", piece=frame2(0x77) * 5000, times=PLENTY)
pours("empty data", 3, "slowed", "closed", first=get2(1), piece=frame2(DATA, stream=1) * 5000, times=PLENTY)
pours(
    "an endless head",
    10,
    "closed",
    first=frame2(HEADERS, stream=1),
    piece=frame2(CONTINUATION, bytes(16_000), stream=1),
    times=PLENTY,
)
pours(
    "a head in empty pieces",
    3,
    "closed",
    first=frame2(HEADERS, stream=1),
    piece=frame2(CONTINUATION, stream=1),
    times=MANY,
)
pours("a frame of 16 MiB", 5, "closed", first=b"\xff\xff\xff\0\0\0\0\0\1", piece=bytes(100_000), times=160)
pours(
    "priorities",
    3,
    "slowed",
    "closed",
    piece=b"".join(frame2(PRIORITY, bytes(5), stream=n) for n in range(3, 9000, 2)),
    times=PLENTY,
)


@attack("HTTP/2: a list of headers without end", 5, "closed")
async def headers_without_end(me: Attacker) -> str:
    """One that is put into the table, and then named ten thousand times: 40 MB in 14 KB."""
    block = head2() + b"\x40" + literal(b"x") + literal(b"y" * 3900) + b"\xbe" * 10_000
    async with me.target.line() as line:
        return await pour(
            line, iter([frame2(HEADERS, block, stream=1, flags=END_STREAM | END_HEADERS)]), LINGERS_SECONDS
        )


@attack("HTTP/2: rapid reset", 3, "slowed", "closed")
async def rapid_reset(me: Attacker) -> str:
    """Requests, each taken back at once (CVE-2023-44487)."""

    def requests() -> Iterator[bytes]:
        for stream in count(1, 2):
            yield get2(stream, b"/status") + frame2(RST_STREAM, struct.pack("!I", 8), stream=stream)

    async with me.target.line() as line:
        return await pour(line, requests())


@attack("HTTP/2: answers for which no window is opened", 2, "closed", slow=True)
async def answers_without_a_window(me: Attacker) -> str:
    """As many requests at once as there may be, of whose answers nothing may be sent."""
    async with me.target.line() as line:
        await line.send(PREFACE + frame2(SETTINGS, struct.pack("!HI", 4, 0)))
        await line.send(b"".join(get2(2 * number + 1, b"/static/session.js") for number in range(100)))
        with trio.move_on_after(2 * LONGEST_ANSWER_SECONDS):
            while await line.more():
                line.received.clear()
            return "closed"
    return "open"


LONGEST_ANSWER_SECONDS = 20.0
"""What ``chatcore.transports.listener`` gives a part of one."""
