"""The error tree, the codes of the wire, and what each code means for whoever receives it.

::

    ChatcoreError
    ├── ConfigurationError            a setting or a file is wrong; trying again cannot help
    ├── ServiceGraphInvalid           the graph of services cannot be started in any order
    ├── ContextRequired               an object of one request was made outside any request
    ├── InitializationFailed          what a waiter of the services phase is told
    ├── ReentrantInitialization       a starting service waited for the start it is part of
    ├── RequestRefused                a client's frame or request was not accepted
    │   ├── InvalidMessage            … because a field of it is wrong
    │   └── StorageUnavailable        … because it could not be made durable
    ├── IllegalFrame                  a frame the connection's table does not allow now
    ├── IllegalRunEvent               an event the grammar of a run does not allow now
    ├── AgentFailure                  an agent ends its own run with a code of the catalogue
    ├── SequenceBroken, RunEnded      a write that the storage must refuse (:mod:`chatcore.threads.model`)
    ├── ConversationEnded, …          what the client raises (:mod:`chatcore.client.errors`)
    └── TransportError
        ├── TransportClosed           this side closed it
        ├── TransportBroken           the other side is gone, or did not read in time
        │   └── TransportStalled      … because it did not read in time
        ├── TransportOverrun          the other side sent faster than its frames were taken
        └── TransportViolated         the other side broke the rules of its transport

The text that a client sees comes from :data:`CATALOGUE` alone, never from an exception (guarantees.md, 48).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs


class CloseCode(enum.IntEnum):
    """WebSocket close codes chatcore uses (RFC 6455 section 7.4; 44xx are its own)."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    SERVER_FAULT = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    TOKEN_EXPIRED = 4401
    SLOW_CONSUMER = 4413

    @property
    def reconnect(self) -> bool:
        """Whether a client that sees only this code should connect again by itself."""
        return self in _RECONNECT


_RECONNECT = frozenset(
    {CloseCode.SERVER_FAULT, CloseCode.SERVICE_RESTART, CloseCode.TRY_AGAIN_LATER, CloseCode.SLOW_CONSUMER}
)


class ErrorCode(enum.StrEnum):
    """Every ``error_code`` of the wire and of HTTP problems."""

    SERVICE_INIT_FAILED = "SERVICE_INIT_FAILED"
    SERVICE_INIT_TIMEOUT = "SERVICE_INIT_TIMEOUT"
    SERVICES_UNAVAILABLE = "SERVICES_UNAVAILABLE"
    TOO_MANY_WAITING = "TOO_MANY_WAITING"
    SERVICE_LOST = "SERVICE_LOST"
    INVALID_MESSAGE = "INVALID_MESSAGE"
    TOO_MANY_PENDING = "TOO_MANY_PENDING"
    RATE_LIMITED = "RATE_LIMITED"
    THREAD_NOT_FOUND = "THREAD_NOT_FOUND"
    RUN_NOT_FOUND = "RUN_NOT_FOUND"
    AGENT_NOT_FOUND = "AGENT_NOT_FOUND"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    CONNECTION_LIMIT = "CONNECTION_LIMIT"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105  an error code, not a secret
    SLOW_CONSUMER = "SLOW_CONSUMER"
    INAUTHENTIC_RESPONSE = "INAUTHENTIC_RESPONSE"
    AGENT_FAILED = "AGENT_FAILED"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    MODEL_UNAVAILABLE = "MODEL_UNAVAILABLE"

    @property
    def meaning(self) -> Meaning:
        """What the catalogue says of this code."""
        return CATALOGUE[self]


@attrs.frozen
class Meaning:
    """What an error code tells its receiver.

    Args:
        message: the words for a person; the only text of an error that reaches a client.
        retryable: whether the same request can succeed later without being changed.
        close: the close code that follows the frame, or None where the connection stays.
        http_status: the status of the same error over HTTP.
    """

    message: str
    retryable: bool
    close: CloseCode | None
    http_status: int


def _stays(message: str, http_status: int, *, retryable: bool = False) -> Meaning:
    return Meaning(message, retryable, None, http_status)


CATALOGUE: Mapping[ErrorCode, Meaning] = MappingProxyType(
    {
        ErrorCode.SERVICE_INIT_FAILED: Meaning("Service initialization failed", True, CloseCode.SERVER_FAULT, 503),
        ErrorCode.SERVICE_INIT_TIMEOUT: Meaning(
            "The services did not start within their time limit", True, CloseCode.TRY_AGAIN_LATER, 503
        ),
        ErrorCode.SERVICES_UNAVAILABLE: Meaning(
            "The services are unavailable; they are being retried", True, CloseCode.TRY_AGAIN_LATER, 503
        ),
        ErrorCode.TOO_MANY_WAITING: Meaning(
            "Too many connections are waiting for the services to start", True, CloseCode.TRY_AGAIN_LATER, 503
        ),
        ErrorCode.SERVICE_LOST: _stays("A service that this run needed was lost", 503, retryable=True),
        ErrorCode.INVALID_MESSAGE: _stays("The message is not valid", 400),
        ErrorCode.TOO_MANY_PENDING: _stays("Too many messages are already waiting for an answer", 429, retryable=True),
        ErrorCode.RATE_LIMITED: _stays("Too many messages in a short time", 429, retryable=True),
        ErrorCode.THREAD_NOT_FOUND: _stays("There is no such thread", 404),
        ErrorCode.RUN_NOT_FOUND: _stays("There is no such run", 404),
        ErrorCode.AGENT_NOT_FOUND: _stays("There is no such agent", 404),
        ErrorCode.STORAGE_UNAVAILABLE: _stays(
            "The message could not be stored and was not accepted", 503, retryable=True
        ),
        ErrorCode.MESSAGE_TOO_LARGE: Meaning(
            "The message is larger than the server accepts", False, CloseCode.MESSAGE_TOO_BIG, 413
        ),
        ErrorCode.CONNECTION_LIMIT: Meaning(
            "This user has too many connections open", False, CloseCode.POLICY_VIOLATION, 429
        ),
        ErrorCode.TOKEN_EXPIRED: Meaning("The token has expired", False, CloseCode.TOKEN_EXPIRED, 401),
        ErrorCode.SLOW_CONSUMER: Meaning("The connection was not read fast enough", True, CloseCode.SLOW_CONSUMER, 503),
        ErrorCode.INAUTHENTIC_RESPONSE: _stays(
            "The agent's answer could not be shown to be authentic and was withheld", 500
        ),
        ErrorCode.AGENT_FAILED: _stays("The agent failed before it could answer", 500, retryable=True),
        ErrorCode.RUN_TIMEOUT: _stays("The agent did not answer within its time limit", 504, retryable=True),
        ErrorCode.MODEL_UNAVAILABLE: _stays("The language model did not answer", 503, retryable=True),
    }
)


class ChatcoreError(Exception):
    """The root of every error chatcore raises."""


@attrs.define
class ConfigurationError(ChatcoreError):
    """A setting, a file or an argument is wrong, and stays wrong however often it is tried.

    Args:
        field: what is wrong: the name of a setting, a file, an argument.
        problem: what is wrong with it.
        remedy: what would be right.
    """

    field: str
    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")


@attrs.frozen
class GraphFault:
    """One reason why a graph of services cannot be started.

    Args:
        kind: ``missing``, ``duplicate``, ``circular``, ``later_phase`` or ``signature``.
        service: the name of the service at fault.
        detail: a sentence that names what is wrong and what would be right.
    """

    kind: str
    service: str
    detail: str

    def __str__(self) -> str:
        return f"{self.service}: {self.detail}"


@attrs.define
class ServiceGraphInvalid(ChatcoreError):
    """The graph of services has faults; found before anything was started (guarantees.md, 11)."""

    faults: tuple[GraphFault, ...]

    def __str__(self) -> str:
        return "the service graph cannot be started:\n" + "\n".join(f"  - {fault}" for fault in self.faults)


@attrs.define
class ContextRequired(ChatcoreError):
    """An object that belongs to one request was made outside any request."""

    what: str

    def __str__(self) -> str:
        return (
            f"{self.what} belongs to one request: make it from a UserExecutionContext, "
            "inside a running task, never at import"
        )


@attrs.define
class InitializationFailed(ChatcoreError):
    """The services phase ended without services. Each waiter gets one of its own.

    Args:
        error_code: the code for the wire.
        retryable: whether a later attempt can succeed.
        retry_after_seconds: when to try again, jittered; None where trying again cannot help.
        service: the service that failed, None where no single one did.
        phase: its phase, in lower case.
        attempt: the attempt that failed, counted from 1; 0 where none was made for this caller.
        elapsed_seconds: how long the attempt ran.
        unfinished: the services that had not started when it ended.
    """

    error_code: ErrorCode
    retryable: bool = True
    retry_after_seconds: float | None = None
    service: str | None = None
    phase: str | None = None
    attempt: int = 0
    elapsed_seconds: float = 0.0
    unfinished: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f" in {self.service} ({self.phase})" if self.service else ""
        return f"{self.error_code}{where}: attempt {self.attempt} after {self.elapsed_seconds:.1f} s"


@attrs.define
class ReentrantInitialization(ChatcoreError):
    """A service that is starting waited for the start that it is itself part of (guarantees.md, 9)."""

    service: str

    def __str__(self) -> str:
        return (
            f"{self.service} called ensure_ready() while it was starting, which could never return; "
            "declare what it needs as a parameter of its factory instead"
        )


@attrs.define
class RequestRefused(ChatcoreError):
    """A client's request was not accepted.

    Args:
        error_code: why, for the wire.
        retry_after_seconds: when the same request may succeed, None where unknown.
    """

    error_code: ErrorCode
    retry_after_seconds: float | None = None

    @property
    def public_message(self) -> str:
        """The words for the client, from the catalogue."""
        return self.error_code.meaning.message

    def __str__(self) -> str:
        return self.public_message


@attrs.define
class InvalidMessage(RequestRefused):
    """A field of a client's request is wrong.

    Args:
        field: the path of the field, ``frame`` for the whole.
        expected: what would be right, in chatcore's own words.
    """

    error_code: ErrorCode = attrs.field(default=ErrorCode.INVALID_MESSAGE, init=False)
    retry_after_seconds: float | None = attrs.field(default=None, init=False)
    field: str = "frame"
    expected: str = "a JSON object"

    @property
    def public_message(self) -> str:
        """The words for the client: the catalogue's, with the field and what it should be."""
        return f"{self.error_code.meaning.message}: {self.field} must be {self.expected}"


ANOTHER_SERVER: Final = "another server has the database file"
"""What the operator is told of a lock that is taken. It passes: that one may be draining while this one starts."""


@attrs.define
class StorageUnavailable(RequestRefused):
    """The database is away or its disk is full; nothing was accepted."""

    error_code: ErrorCode = attrs.field(default=ErrorCode.STORAGE_UNAVAILABLE, init=False)
    retry_after_seconds: float | None = 1.0


@attrs.define
class IllegalFrame(ChatcoreError):
    """The connection's table does not allow this frame in this state: a defect of the sender."""

    state: str
    frame: str

    def __str__(self) -> str:
        return f"{self.frame} is not allowed in state {self.state}"


@attrs.define
class IllegalRunEvent(ChatcoreError):
    """The grammar of a run does not allow this event now: a defect of the agent or its driver."""

    state: str
    event: str

    def __str__(self) -> str:
        return f"{self.event} is not allowed while the run is {self.state}"


@attrs.define
class AgentFailure(ChatcoreError):
    """Raised by an agent to end its run in ``agent_failed`` with a code of the catalogue.

    Args:
        error_code: the code for the wire.
        retryable: whether sending the same message again can succeed; the catalogue's word unless set.
    """

    error_code: ErrorCode = ErrorCode.AGENT_FAILED
    retryable: bool | None = None

    def __str__(self) -> str:
        return str(self.error_code)


class TransportError(ChatcoreError):
    """The bytes can go no further."""


class TransportClosed(TransportError):
    """This side closed the transport."""


class TransportBroken(TransportError):
    """The other side is gone, or did not read in time."""


class TransportStalled(TransportBroken):
    """The other side did not read in time."""


class TransportRoused(ChatcoreError):
    """Whoever receives is to look up; nothing has become of the transport."""


class TransportOverrun(TransportError):
    """The other side sent faster than its frames were taken; some are lost. It can still be told so."""


@attrs.define
class TransportViolated(TransportError):
    """The other side broke the rules of its transport; it is closed with this code.

    Args:
        code: 1002, 1007 or 1009.
        reason: in our own words.
    """

    code: CloseCode
    reason: str

    def __str__(self) -> str:
        return f"{int(self.code)}: {self.reason}"
