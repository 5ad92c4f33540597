"""What is fed: frames made of right and wrong messages, then changed byte by byte. All of it comes from one seed."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import attrs

HANDSHAKE = (
    b"GET /ws?user_id=ann HTTP/1.1\r\nHost: localhost:8000\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://localhost:8000\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, permessage-deflate\r\n"
    b"Sec-WebSocket-Protocol: chatcore.v1, bearer.x\r\n\r\n"
)
REQUEST = b"POST /api/threads HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
CHUNKED = b"POST /render HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)

MESSAGES: tuple[dict[str, Any], ...] = (
    {"type": "user_message", "message_id": "m1", "thread_id": None, "content": "How many orders?", "agent": None},
    {"type": "user_message", "message_id": "m2", "content": "Zoë \N{OWL}"},
    {"type": "cancel_run", "run_id": "run_1"},
    {"type": "resume", "thread_id": "thread_1", "after_seq": 3, "epoch": "epoch_1"},
    {"type": "ping", "nonce": 1.5},
)
"""Right ones."""

VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1 << 53,
    1 << 64,
    -(1 << 70),
    1e308,
    float("nan"),
    float("inf"),
    -0.0,
    "",
    " ",
    "\0",
    "\ud800",
    "\u202e",
    "x" * 128,
    "x" * 129,
    "../../etc/passwd",
    "'; DROP TABLE threads; --",
    "user_message",
    "ready",
    [],
    {},
    [[[[]]]],
    {"type": "ping"},
)
"""What a field may turn into."""

JUNK: tuple[bytes, ...] = (
    b"",
    b"[" * 3000,
    b'{"type":"ping","more":' + b"[" * 3000,
    b'{"a":' * 700,
    b'{"type":"ping","type":"resume"}',
    b'{"type":"ping","nonce":1e400}',
    b'{"type":"ping","nonce":' + b"9" * 400 + b"}",
    b'{"type":"ping"}{"type":"ping"}',
    b'\xef\xbb\xbf{"type":"ping"}',
    b'{"type":"ping","nonce":"\\ud83d"}',
    b'{"type":"ping","nonce":"\\u0000"}',
    b"\xff\xfe\x00",
    b"null",
    b"1",
    b'"ping"',
)
"""Texts that are no messages."""

TEXT, BINARY, CONT, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
COMPRESSED = 0x40
EDGES = (0, 1, 0x7F, 0x80, 0x81, 0xFE, 0xFF)


@attrs.frozen
class Inputs:
    """Makes inputs.

    Args:
        rng: where all chance comes from.
        corpus: inputs to change; whoever feeds them adds those that did something new.
    """

    rng: Random
    corpus: list[bytes]

    def frames(self) -> bytes:
        """The bytes of some frames, or of what was once."""
        if self.corpus and self.rng.random() < 0.6:
            return self._mutated(self.rng.choice(self.corpus))
        made = b"".join(self._message() for _ in range(self.rng.randint(1, 3)))
        return self._mutated(made) if self.rng.random() < 0.3 else made

    def head(self) -> bytes:
        """The bytes of a request, or of what was once."""
        start = self.rng.choice((HANDSHAKE, HANDSHAKE, REQUEST, CHUNKED, REQUEST + HANDSHAKE, PREFACE))
        return self._mutated(start)

    def pieces(self, data: bytes) -> list[bytes]:
        """The same, cut at random places."""
        cuts = sorted(self.rng.randrange(len(data) + 1) for _ in range(self.rng.randrange(5)))
        return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    # --- frames -------------------------------------------------------------------------------------------------------

    def _message(self) -> bytes:
        """One message, as a frame or in several; or a frame that is none."""
        chance = self.rng.random()
        if chance < 0.15:
            return self._control()
        payload = self._payload()
        opcode = TEXT if chance < 0.9 else BINARY
        if self.rng.random() < 0.3:
            payload, opcode = self._compressed(payload), COMPRESSED | opcode
        if chance > 0.3 or len(payload) < 2:
            return self._frame(opcode, payload)
        cut = self.rng.randrange(len(payload))
        between = self._control() if chance < 0.2 else b""
        return self._frame(opcode, payload[:cut], 0) + between + self._frame(CONT, payload[cut:])

    def _compressed(self, payload: bytes) -> bytes:
        compressor = zlib.compressobj(wbits=-15)
        if self.rng.random() < 0.1:
            return compressor.compress(payload) + compressor.flush()
        whole = compressor.compress(payload * self.rng.choice((1, 1, 100))) + compressor.flush(zlib.Z_SYNC_FLUSH)
        return whole[:-4] if self.rng.random() < 0.9 else whole

    def _control(self) -> bytes:
        opcode = self.rng.choice((PING, PONG, CLOSE))
        payload = self.rng.randbytes(self.rng.choice((0, 1, 5, 125, 126)))
        if opcode == CLOSE and self.rng.random() < 0.7:
            payload = struct.pack("!H", self.rng.choice((1000, 1001, 1005, 1006, 3000, 4999, 999, 5000))) + payload[:20]
        return self._frame(opcode, payload)

    def _frame(self, opcode: int, payload: bytes, first: int = 0x80) -> bytes:
        size = len(payload)
        if size < 126:
            head = bytes([first | opcode, 0x80 | size])
        elif size < 1 << 16:
            head = bytes([first | opcode, 0x80 | 126]) + struct.pack("!H", size)
        else:
            head = bytes([first | opcode, 0x80 | 127]) + struct.pack("!Q", size)
        mask = self.rng.randbytes(4)
        keys = (mask * (size // 4 + 1))[:size]
        return head + mask + (int.from_bytes(payload) ^ int.from_bytes(keys)).to_bytes(size)

    def _payload(self) -> bytes:
        chance = self.rng.random()
        if chance < 0.1:
            return self.rng.choice(JUNK)
        message = dict(self.rng.choice(MESSAGES))
        if chance < 0.7:
            self._spoil(message)
        text = json.dumps(message, ensure_ascii=self.rng.random() < 0.5).encode(errors="surrogatepass")
        return self._mutated(text) if chance > 0.85 else text

    def _spoil(self, message: dict[str, Any]) -> None:
        field = self.rng.choice(list(message))
        what = self.rng.random()
        if what < 0.2:
            del message[field]
        elif what < 0.3:
            message[str(self.rng.choice(VALUES))] = self.rng.choice(VALUES)
        else:
            message[field] = self.rng.choice(VALUES)

    # --- bytes --------------------------------------------------------------------------------------------------------

    def _mutated(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.rng.choice((1, 1, 2, 4))):
            self.rng.choice(MUTATIONS)(self.rng, changed)
        if self.corpus and self.rng.random() < 0.1:
            changed += self.rng.choice(self.corpus)
        return bytes(changed[:MOST_BYTES])


MOST_BYTES = 20_000
"""Of an input: what grows from input to input would end as one that takes seconds."""


def _flip(rng: Random, data: bytearray) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(rng: Random, data: bytearray) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice(EDGES)


def _set_early(rng: Random, data: bytearray) -> None:
    if data:
        data[rng.randrange(min(len(data), 14))] = rng.randrange(256)


def _insert(rng: Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.choice((1, 2, 8)))


def _insert_line_end(rng: Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice((b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b" ", b":"))


def _delete(rng: Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    del data[at : at + rng.choice((1, 2, 8, 64))]


def _repeat(rng: Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = data[at : at + rng.choice((1, 8, 64))] * rng.choice((1, 2, 50))


def _cut(rng: Random, data: bytearray) -> None:
    del data[rng.randrange(len(data) + 1) :]


MUTATIONS: tuple[Callable[[Random, bytearray], None], ...] = (
    _flip,
    _set,
    _set_early,
    _insert,
    _insert_line_end,
    _delete,
    _repeat,
    _cut,
)
