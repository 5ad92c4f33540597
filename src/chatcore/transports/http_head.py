"""The heads of HTTP/1.1 requests, judged before anything else reads them (RFC 9112). Sans-IO.

What parsers disagree about is what requests are smuggled with, so nothing that could be read in two ways is passed
on: a bare LF, a Content-Length beside a Transfer-Encoding or twice, a folded line, a name with a space. An upgrade to
h2c is never taken: the request is passed on without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from chatcore.errors import ChatcoreError

HEAD_BYTES: Final = 32_768
"""The longest head: four times what browsers send with large cookies."""

CRLF: Final = b"\r\n"
END: Final = b"\r\n\r\n"
HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_TOKEN = rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)"
_REQUEST_LINE = re.compile(_TOKEN + rb" ([\x21-\x7e]+) ([^ ]*)")
_HEADER = re.compile(rb"^" + _TOKEN + rb":([^\x00-\x08\x0a-\x1f\x7f]*)\r\n", re.MULTILINE)
_VERSIONS: Final = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
_LENGTH = re.compile(rb"[0-9]{1,18}")
_HOP: Final = frozenset({b"connection", b"upgrade", b"http2-settings"})


@attrs.define
class BadRequest(ChatcoreError):
    """A request that is not passed on.

    Args:
        status: of the answer.
        detail: what is wrong, in our own words.
    """

    status: int
    detail: str

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}"


@attrs.frozen
class Head:
    """A request's head.

    Args:
        method: as it came.
        target: as it came.
        version: ``1.0`` or ``1.1``.
        headers: names in lower case, values without the space around them.
    """

    method: bytes
    target: bytes
    version: str
    headers: tuple[tuple[bytes, bytes], ...]

    _values: dict[bytes, list[bytes]] = attrs.field(init=False, eq=False, repr=False)

    @_values.default
    def _by_name(self) -> dict[bytes, list[bytes]]:
        values: dict[bytes, list[bytes]] = {}
        for name, value in self.headers:
            values.setdefault(name, []).append(value)
        return values

    def all(self, name: bytes) -> Sequence[bytes]:
        """The values of every header of this name."""
        return self._values.get(name, ())

    def tokens(self, name: bytes) -> list[bytes]:
        """The members of a header that is a list, in lower case."""
        return [token for value in self.all(name) for part in value.lower().split(b",") if (token := part.strip())]

    @property
    def wants_websocket(self) -> bool:
        """Whether it asks for a WebSocket."""
        return b"websocket" in self.tokens(b"upgrade")

    def bytes(self) -> bytes:
        """The head again, without an offer to go on in another protocol."""
        kept = [(name, value) for name, value in self.headers if name not in _HOP]
        last = b"close" in self.tokens(b"connection") or b"transfer-encoding" in dict(kept)
        kept += [(b"connection", b"close")] if last else []  # what follows a chunked body is not looked at
        lines = [b"%s %s HTTP/%s" % (self.method, self.target, self.version.encode())]
        return CRLF.join([*lines, *(b"%s: %s" % header for header in kept)]) + END


def parse_head(raw: bytes) -> Head:
    """The head that these bytes are, without the empty line that ends it.

    Raises:
        BadRequest: it could be read in two ways, or in none.
    """
    first, end, lines = raw.partition(CRLF)
    method, target, version = _request_line(first)
    head = Head(method, target, version, _headers(lines + end))
    _check_framing(head)
    hosts = len(head.all(b"host"))
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise BadRequest(400, "One Host header is needed")
    return head


def _request_line(line: bytes) -> tuple[bytes, bytes, str]:
    parts = _REQUEST_LINE.fullmatch(line)
    if parts is None:
        raise BadRequest(400, "The request line is malformed")
    method, target, version = parts.groups()
    if version not in _VERSIONS:
        raise BadRequest(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here")
    return method, target, _VERSIONS[version]


def _headers(lines: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """What these lines say, each with its end: they are right where one was found in every line."""
    found = _HEADER.findall(lines)
    if len(found) != lines.count(CRLF):
        raise BadRequest(400, "A header line is malformed")
    return tuple([(name.lower(), value.strip(b" \t")) for name, value in found])


def _check_framing(head: Head) -> None:
    lengths, codings = head.all(b"content-length"), head.all(b"transfer-encoding")
    if len(lengths) > 1 or (lengths and codings) or len(codings) > 1:
        raise BadRequest(400, "The length of the body is given twice")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise BadRequest(400, "Content-Length must be a whole number")
    if codings and (codings[0].lower() != b"chunked" or head.version == "1.0"):
        raise BadRequest(400, "Transfer-Encoding must be chunked")


@attrs.define
class RequestFilter:
    """Lets a client's bytes through, once the head that they belong to was judged.

    ``upgrade`` is set when the first request asks for a WebSocket: nothing of it is let through, and ``rest`` has what
    came after its head. ``decided`` says that the first head was judged, or that these are no requests to be judged, as
    they are HTTP/2's, which ``http2`` says.
    """

    upgrade: Head | None = None
    decided: bool = False
    http2: bool = False
    rest: bytes = b""
    _held: bytes = b""
    _body_left: int = 0
    _all_pass: bool = False

    def feed(self, data: bytes) -> bytes:
        """What may be passed on now.

        Raises:
            BadRequest: nothing more may be.
        """
        self._held = self._held + data if self._held else data
        return b"".join(self._passed())

    def _passed(self) -> Iterator[bytes]:
        while self._held and self.upgrade is None:
            if self._all_pass:
                yield self._take(len(self._held))
            elif self._body_left:
                body = self._take(min(self._body_left, len(self._held)))
                self._body_left -= len(body)
                yield body
            elif not self.decided and self._held.startswith(CRLF):
                self._take(2)  # RFC 9112, 2.2: an empty line before the first request is ignored
            elif not self.decided and HTTP2_PREFACE.startswith(self._held[: len(HTTP2_PREFACE)]):
                if len(self._held) < len(HTTP2_PREFACE):
                    return
                self.decided = self.http2 = self._all_pass = True
            else:
                head = self._head()
                if head is None:
                    return
                yield from self._judged(head)

    def _head(self) -> Head | None:
        """The next head, None while it is incomplete."""
        end = self._held.find(END)
        begin = self._held[:end] if end >= 0 else self._held
        if len(begin) > HEAD_BYTES:
            raise BadRequest(431, "The head of the request is too long")
        if begin.count(b"\n") != begin.count(CRLF):
            raise BadRequest(400, "Lines must end in CRLF")
        if end < 0:
            return None
        self._held = self._held[end + len(END) :]
        return parse_head(begin)

    def _judged(self, head: Head) -> Iterator[bytes]:
        if head.wants_websocket and not self.decided:
            self.upgrade, self.rest, self._held = head, self._held, b""
        else:
            lengths = head.all(b"content-length")
            self._body_left = int(lengths[0]) if lengths else 0
            self._all_pass = bool(head.all(b"transfer-encoding"))
            yield head.bytes()
        self.decided = True

    def _take(self, count: int) -> bytes:
        taken, self._held = self._held[:count], self._held[count:]
        return taken
