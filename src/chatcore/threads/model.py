"""What is kept of a conversation, as immutable records; the cursors of its lists; and what may go wrong. Pure."""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Sequence
from typing import Any, Final, Generic, Literal, Protocol, TypeAlias, TypeVar

import attrs
import msgspec

from chatcore.errors import ChatcoreError, InvalidMessage
from chatcore.protocol.codec import MAX_SAFE_INTEGER
from chatcore.protocol.messages import RunEvent

T_co = TypeVar("T_co", covariant=True)

RunState: TypeAlias = Literal["waiting", "running", "completed", "failed", "cancelled"]
EndState: TypeAlias = Literal["completed", "failed", "cancelled"]

OPEN_STATES: Final = ("waiting", "running")
ENDED_STATES: Final = ("completed", "failed", "cancelled")

ThreadOrder: TypeAlias = Literal["created", "active"]
"""Of a list of threads: the newest first, or the one with the newest message first."""

MAX_QUERY_CHARACTERS: Final = 200
"""The longest text that threads are searched for: as long as a title can be."""

RESERVED_AHEAD: Final = 64
"""Numbers after a thread's last event that its run may send before they are stored, and that are reserved with it: one
commit for many deltas, and little to say again after a crash."""

MAX_PAGE_ITEMS: Final = 1000
"""The longest page: a query of a few milliseconds."""

TITLE_CHARACTERS: Final = 60
"""How much of a first message makes the title of its thread: one line of a list."""

MAX_TITLE_CHARACTERS: Final = 200
"""The longest title that can be given; more is not read in any list."""


@attrs.frozen(kw_only=True)
class Thread:
    """A conversation of one user. Times are Unix seconds.

    Args:
        last_seq: its newest event, 0 where it has none.
        reserved_seq: up to where events may have been sent that are not stored; they are never given to others.
    """

    thread_id: str
    title: str
    created_at: float
    updated_at: float
    epoch: str
    last_seq: int
    reserved_seq: int = 0


@attrs.frozen(kw_only=True)
class Accepted:
    """A message that is kept and has a run. ``duplicate``: it was known already; ``ended``: its run is over."""

    message_id: str
    thread_id: str
    run_id: str
    epoch: str
    agent: str
    duplicate: bool
    ended: bool


@attrs.frozen(kw_only=True)
class RunRecord:
    """A run as it is kept.

    Args:
        content: the text of the message it answers.
        attempt: how often it was started, 0 while it waits for the first.
        generation: of the services that it was last started with, None while it waits.
        cancel_requested: whether its user does not want it any more.
        created_at: Unix seconds.
    """

    run_id: str
    thread_id: str
    user_id: str
    agent: str
    message_id: str | None
    content: str
    state: RunState
    attempt: int
    generation: int | None
    created_at: float
    cancel_requested: bool = False


class RunIds(Protocol):
    """Which run: a :class:`RunRecord`, an :class:`Accepted`, or the context of one."""

    @property
    def run_id(self) -> str | None:
        """The run; None is no run that there is."""

    @property
    def thread_id(self) -> str | None:
        """Its thread."""


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a run: ``frame`` is the exact JSON that went on the wire, as UTF-8.

    ``first_seq`` is below ``seq`` where deltas were merged, else equal to it; ``parts`` are then the characters of
    each. ``event`` is what the frame says, where that is at hand; it is not kept. A struct, as one is made for every
    word that is said.
    """

    seq: int
    first_seq: int
    run_id: str
    type: str
    frame: bytes
    parts: tuple[int, ...] = ()
    event: RunEvent | None = None


@attrs.frozen(kw_only=True)
class ServiceStart:
    """A service that came up within an initialization."""

    service: str
    duration_seconds: float


@attrs.frozen(kw_only=True)
class InitializationRecord:
    """One attempt to start the services. ``started_at`` is Unix seconds; ``services`` are those that came up."""

    attempt: int
    outcome: str
    started_at: float
    duration_seconds: float
    generation: int | None
    instance_id: str
    services: tuple[ServiceStart, ...]
    error_code: str | None
    failed_service: str | None


@attrs.frozen(kw_only=True)
class RecordTable:
    """A table of the server's own record: each row has one value a column."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@attrs.frozen(kw_only=True)
class Page(Generic[T_co]):
    """A part of a list. ``next`` is the cursor of the part after it, None at the end."""

    items: tuple[T_co, ...]
    next: str | None


@attrs.define
class SequenceBroken(ChatcoreError):
    """Events that do not follow the thread's last one were refused: a defect of whoever numbered them.

    Args:
        thread_id: the thread.
        expected: the ``seq`` that comes next.
        found: the one that came.
    """

    thread_id: str | None
    expected: int
    found: int

    def __str__(self) -> str:
        return f"thread {self.thread_id} goes on with seq {self.expected}, not {self.found}"


@attrs.define
class RunEnded(ChatcoreError):
    """A write to a run that is over was refused: it has exactly one end."""

    run_id: str
    state: str

    def __str__(self) -> str:
        return f"run {self.run_id} has {self.state}"


def check_contiguous(thread_id: str | None, events: Sequence[StoredEvent]) -> None:
    """Refuse events that leave a gap between them, overlap or run backwards.

    Raises:
        SequenceBroken: at the first that does.
    """
    expected = events[0].first_seq if events else 0
    for event in events:
        if event.first_seq != expected:
            raise SequenceBroken(thread_id, expected, event.first_seq)
        if event.seq < event.first_seq:
            raise SequenceBroken(thread_id, event.first_seq, event.seq)
        expected = event.seq + 1


def title_of(content: str) -> str:
    """The beginning of a message on one line, as the title of the thread it opens."""
    line = " ".join(content.split())
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1].rstrip() + "…"


def threads_by(order: ThreadOrder, query: str) -> str:
    """A list of a user's threads, as :func:`encode_cursor` names it."""
    return f"threads by {order} with {query}"


def messages_of(thread_id: str) -> str:
    """The list of a thread's messages, as :func:`encode_cursor` names it."""
    return f"messages of {thread_id}"


def encode_cursor(listing: str, position: int) -> str:
    """An opaque cursor.

    Args:
        listing: which list it belongs to; a cursor of another list is refused.
        position: of the last item before it, from 1.
    """
    return base64.urlsafe_b64encode(f"{listing}:{position}".encode()).decode().rstrip("=")


def decode_cursor(listing: str, cursor: str) -> int:
    """The position that ``cursor`` stands for.

    Raises:
        InvalidMessage: when no page of this list ever gave this cursor.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        position = int(text.rpartition(":")[2])
    except ValueError:
        position = 0
    if not 1 <= position <= MAX_SAFE_INTEGER or encode_cursor(listing, position) != cursor:
        raise InvalidMessage("cursor", "the `next` of an earlier page of the same list")
    return position


def check_limit(limit: int) -> None:
    """Refuse a page of more items than there may be, or of none.

    Raises:
        InvalidMessage: says how many there may be.
    """
    if not 1 <= limit <= MAX_PAGE_ITEMS:
        raise InvalidMessage("limit", f"an integer from 1 to {MAX_PAGE_ITEMS}")


def check_line(field: str, text: str, most: int) -> None:
    """Refuse a text that is too long, or more than one line.

    Raises:
        InvalidMessage: names the field.
    """
    if len(text) > most or any(unicodedata.category(one) in ("Cc", "Cs") for one in text):
        raise InvalidMessage(field, f"at most {most} characters on one line")


def size_bytes(events: Sequence[StoredEvent]) -> int:
    """What events hold in memory."""
    return sum(len(event.frame) for event in events)
