"""What a client's calls and iterations raise.

::

    ChatcoreError
    ├── RequestRefused
    │   └── Refused                   the server did not accept this message or resume
    ├── HistoryLost                   the run ended while its events could not be had
    └── TransportError
        ├── ClientClosed              the block of connect() was left
        ├── ReaderTooSlow             an iteration fell behind further than its buffer reaches
        ├── ConnectionLost            one connection ended; the client deals with it by itself
        └── ConversationEnded         there will be no further connection
            ├── ConnectionRefused     … because the server said so
            ├── Unreachable           … because nobody answered for too long
            └── ProtocolViolated      … because the other side does not speak chatcore.v1
"""

from __future__ import annotations

from typing import Any, Self, TypeVar, cast

import attrs

from chatcore.errors import ChatcoreError, ErrorCode, RequestRefused, TransportError
from chatcore.protocol.messages import Error, ThreadMessage

E = TypeVar("E", bound=Exception)


def own(error: E) -> E:
    """A copy of ``error``, so that no two tasks raise the same object and tracebacks do not grow with them."""
    alike: E = attrs.evolve(cast(Any, error)) if attrs.has(type(error)) else type(error)()
    return alike


@attrs.define
class Refused(RequestRefused):
    """The server did not accept a request.

    Args:
        error: the frame that said so; its ``message`` has the server's words.
    """

    error: Error = attrs.field(kw_only=True)

    @classmethod
    def by(cls, error: Error) -> Self:
        """The refusal that ``error`` tells of."""
        return cls(_code(error), error.retry_after_seconds, error=error)

    def __str__(self) -> str:
        return self.error.message


def _code(error: Error) -> ErrorCode:
    """The code of ``error``; a code that this version does not know is read as the most general one of its kind, as
    HTTP has it for unknown statuses (RFC 9110, section 15)."""
    if error.error_code in ErrorCode.__members__:
        return ErrorCode(error.error_code)
    return ErrorCode.SERVICES_UNAVAILABLE if error.retryable else ErrorCode.INVALID_MESSAGE


@attrs.define
class HistoryLost(ChatcoreError):
    """A run ended, and the server could not tell how it got there.

    Args:
        run_id: the run.
        message: the state it ended in, with its answer where it has one; None where the server knows no such run.
    """

    run_id: str
    message: ThreadMessage | None

    def __str__(self) -> str:
        return f"the events of run {self.run_id} are lost; it is {self.message.status if self.message else 'unknown'}"


class ClientClosed(TransportError):
    """The block of :func:`chatcore.client.connect` was left."""

    def __str__(self) -> str:
        return "this chat is closed"


@attrs.define
class ReaderTooSlow(TransportError):
    """An iteration fell behind further than its buffer reaches. Nothing before this was left out.

    Args:
        buffered: how many frames the buffer holds.
    """

    buffered: int

    def __str__(self) -> str:
        return f"more than {self.buffered} frames were waiting to be read; resume the thread to have the rest"


@attrs.define
class ConnectionLost(TransportError):
    """One connection ended, or could not be made.

    Args:
        reason: why, for a person.
        code: the close code, None where there was no close frame.
        status: the HTTP status that refused the handshake, None where there was none.
        retry_after_seconds: when to try again, None where nobody said.
    """

    reason: str
    code: int | None = None
    status: int | None = None
    retry_after_seconds: float | None = None

    def __str__(self) -> str:
        return self.reason


class ConversationEnded(TransportError):
    """There will be no further connection; every call and iteration raises this from now on."""


@attrs.define
class ConnectionRefused(ConversationEnded):
    """The server closed the connection, or refused it, in a way that says not to come back.

    Args:
        code: the close code, or the HTTP status that refused the handshake.
        reason: the words that came with it.
        error: the ``error`` frame before the close, None where there was none.
    """

    code: int | None
    reason: str
    error: Error | None = None

    def __str__(self) -> str:
        words = self.error.message if self.error else self.reason or "no reason given"
        return f"the server refused the connection: {words} ({self.error.error_code if self.error else self.code})"


@attrs.define
class Unreachable(ConversationEnded):
    """Nobody answered, or nobody became ready, for as long as the client was willing to try.

    Args:
        seconds: how long it tried.
        reason: why the last try failed.
        error: the ``error`` frame of the last try, None where there was none.
    """

    seconds: float
    reason: str
    error: Error | None = None

    def __str__(self) -> str:
        words = self.error.message if self.error else self.reason
        return f"no connection for {self.seconds:.1f} s: {words}"


@attrs.define
class ProtocolViolated(ConversationEnded):
    """The other side sent what chatcore.v1 does not allow.

    Args:
        problem: what was wrong with it.
    """

    problem: str

    def __str__(self) -> str:
        return f"the server does not speak chatcore.v1: {self.problem}"
