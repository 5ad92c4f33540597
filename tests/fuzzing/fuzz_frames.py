"""A fuzzer of what a client's bytes go through until they are a frame of ``chatcore.v1``, without a socket.

Inputs that come to something new, in how they end or in the lines that they reach, are kept and changed further. Lines
are looked at for every so many inputs only: tracing takes ten times as long as feeding.
"""

from __future__ import annotations

import hashlib
import inspect
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, TypeAlias

import attrs
from fuzz_inputs import Inputs

from chatcore.errors import InvalidMessage, TransportViolated
from chatcore.protocol import codec
from chatcore.protocol.codec import ClientFrameDecoder
from chatcore.transports import deflate, http_head, websocket_protocol
from chatcore.transports.deflate import Inflater, agreed
from chatcore.transports.http_head import BadRequest, RequestFilter
from chatcore.transports.websocket_protocol import Farewell, Inflating, MessageReader, Part, Pinged, accept_key

Outcome: TypeAlias = tuple[str, ...]
Feed: TypeAlias = Callable[[list[bytes]], Outcome]

LIMIT = 4096
"""Of a message: small, so that inputs come past it."""

HANG_SECONDS = 10.0
"""For one input; none takes a hundredth of it."""

TRACE_EVERY = 47
HEAD_EVERY = 5
"""Every fifth input is the head of a request. The other number is no multiple of it: heads are traced too."""

KEPT = 2000
"""Inputs in the corpus; then old ones make room."""

TRACED = {module.__file__ for module in (codec, deflate, http_head, websocket_protocol)}


class Broken(Exception):
    """An input that must not be: its bytes are in the message."""


def feed_frames(pieces: list[bytes]) -> Outcome:
    """What becomes of a client's bytes after the handshake; in every other input compression was agreed upon.

    Raises:
        Broken: something is told that cannot be.
    """
    inflater = Inflater(15) if sum(map(len, pieces)) % 2 else None
    reader, decoder, told = MessageReader(LIMIT, inflater), ClientFrameDecoder(LIMIT), list[str]()
    for piece in pieces:
        try:
            for item in reader.feed(piece):
                told.append(_name(item, decoder))
        except TransportViolated as fault:
            if list(reader.feed(b"\x89\x80\0\0\0\0")):
                raise Broken("something was read after a fault") from None
            return (*told, str(int(fault.code)))
        if len(reader._message or b"") > LIMIT:
            raise Broken("more is held than a message may have")
    return tuple(told)


def _name(item: Any, decoder: ClientFrameDecoder) -> str:
    if isinstance(item, Pinged | Part | Inflating | Farewell):
        return type(item).__name__ if not isinstance(item, Farewell) else f"Farewell {1000 <= item.code < 5000}"
    try:
        return type(decoder.decode(item)).__name__
    except InvalidMessage as error:
        error.public_message.encode()  # it can be sent
        return f"invalid {error.field}"


def feed_head(pieces: list[bytes]) -> Outcome:
    """What becomes of a client's first bytes."""
    judge, passed = RequestFilter(), b""
    try:
        for piece in pieces:
            passed += judge.feed(piece)
        if judge.upgrade is not None:
            accept_key(judge.upgrade)
            agreed(judge.upgrade)
            return ("upgrade",)
    except BadRequest as bad:
        return (str(bad.status), bad.detail)
    return ("several passed" if passed.count(b" HTTP/1.") > 1 else "passed" if judge.decided else "incomplete",)


@attrs.define
class Fuzzer:
    """Feeds inputs, all of which come from one seed.

    Args:
        seed: of everything.
        frames: takes the bytes of frames.
        head: takes those of requests.
    """

    seed: int
    frames: Feed = feed_frames
    head: Feed = feed_head
    fed: int = 0
    outcomes: Counter[Outcome] = attrs.field(factory=Counter)
    lines: set[tuple[str, int]] = attrs.field(factory=set)
    corpus: list[bytes] = attrs.field(factory=list)
    slowest_seconds: float = 0.0
    _inputs: Inputs = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._inputs = Inputs(Random(self.seed), self.corpus)

    def run(self, count: int) -> None:
        """Feed so many inputs.

        Raises:
            Broken: with the bytes of the input that crashed, hung, or came to something else when cut.
        """
        with _hangs_are_raised():
            for _ in range(count):
                self._one()

    def _one(self) -> None:
        is_head = self.fed % HEAD_EVERY == 0
        feed, data = (self.head, self._inputs.head()) if is_head else (self.frames, self._inputs.frames())
        pieces = self._inputs.pieces(data)
        self.fed += 1
        before, began_at = len(self.lines), time.process_time()
        signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
        try:
            with self._traced(self.fed % TRACE_EVERY == 0):
                outcome = feed(pieces)
            if self.fed % TRACE_EVERY == 1 and feed([data]) != outcome:
                raise Broken("the same bytes come to something else when they are cut")
        except BaseException as error:
            raise Broken(
                f"{type(error).__name__}: {error}\ninput {self.fed} of seed {self.seed}: {pieces!r}"
            ) from error
        self.slowest_seconds = max(self.slowest_seconds, time.process_time() - began_at)
        new = len(self.lines) > before or _digest(outcome) not in self.outcomes
        self.outcomes[_digest(outcome)] += 1
        if new and not is_head:
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        if len(self.corpus) >= KEPT:
            self.corpus.pop(0)
        self.corpus.append(data)

    @contextmanager
    def _traced(self, on: bool) -> Iterator[None]:
        if not on:
            yield
            return

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            if frame.f_code.co_filename not in TRACED:
                return None
            if event == "line":
                self.lines.add((frame.f_code.co_filename, frame.f_lineno))
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            yield
        finally:
            sys.settrace(before)

    def unreached(self) -> dict[str, list[int]]:
        """Lines of functions under test that no input has reached, by file."""
        every = {(path, line) for path in TRACED if path for line in _lines_of(Path(path))}
        missed: dict[str, list[int]] = {}
        for path, line in sorted(every - self.lines):
            missed.setdefault(Path(path).name, []).append(line)
        return missed


def _digest(outcome: Outcome) -> Outcome:
    """What an input came to, and how it ended; not how often: else there would be something new without end."""
    return (*sorted(set(outcome))[:4], outcome[-1]) if outcome else ("nothing",)


SERVERS_OWN = {"decode_server_frame", "encode", "encode_utf8", "message_frame", "close_frame", "ping_frame"}
SERVERS_OWN |= {"deflated", "deflated_frame", "pong_frame", "switching_protocols", "__str__"}
"""What does not read a client's bytes."""


def _lines_of(path: Path) -> Iterator[int]:
    def of(code: Any) -> Iterator[int]:
        for inner in filter(inspect.iscode, code.co_consts):
            if inner.co_name not in SERVERS_OWN:
                if inner.co_flags & inspect.CO_NEWLOCALS and not inner.co_name[0].isupper():
                    yield from {line for _, _, line in inner.co_lines() if line and line != inner.co_firstlineno}
                yield from of(inner)

    return of(compile(path.read_text(encoding="utf-8"), str(path), "exec"))


@contextmanager
def _hangs_are_raised() -> Iterator[None]:
    def hang(*_: Any) -> None:
        raise TimeoutError(f"an input took more than {HANG_SECONDS:g} s")

    before = signal.signal(signal.SIGALRM, hang)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def corpus_digest(fuzzer: Fuzzer) -> str:
    """Of what a fuzzer has found: the same for the same seed."""
    return hashlib.sha256(repr((fuzzer.corpus, sorted(fuzzer.outcomes.items()))).encode()).hexdigest()[:16]
