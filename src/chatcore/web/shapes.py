"""The JSON of the HTTP API as types; ``/openapi.json`` is generated from them."""

from __future__ import annotations

from typing import Any

import msgspec

from chatcore.protocol.messages import ThreadMessage
from chatcore.threads.model import Thread


class ThreadShape(msgspec.Struct, frozen=True, kw_only=True):
    """A thread. Times are Unix seconds."""

    thread_id: str
    title: str
    created_at: float
    updated_at: float
    epoch: str
    last_seq: int

    @classmethod
    def of(cls, thread: Thread) -> ThreadShape:
        """The shape of a thread."""
        return cls(
            thread_id=thread.thread_id,
            title=thread.title,
            created_at=thread.created_at,
            updated_at=thread.updated_at,
            epoch=thread.epoch,
            last_seq=thread.last_seq,
        )


class ThreadList(msgspec.Struct, frozen=True, kw_only=True):
    """A user's threads. ``next`` is the cursor of the rest, of the same order and query; null at the end."""

    threads: list[ThreadShape]
    next: str | None


class MessageList(msgspec.Struct, frozen=True, kw_only=True):
    """The messages of a thread, the oldest first."""

    messages: list[ThreadMessage]
    next: str | None


class EventList(msgspec.Struct, frozen=True, kw_only=True):
    """The events of a thread, as they went on the wire."""

    events: list[dict[str, Any]]
    epoch: str
    next: str | None


class QuestionList(msgspec.Struct, frozen=True, kw_only=True):
    """Questions that an agent can be asked, for who has not asked any yet."""

    questions: list[str]


class NewThread(msgspec.Struct, frozen=True, kw_only=True):
    """A thread to be opened."""

    title: str = ""


class NewTitle(msgspec.Struct, frozen=True, kw_only=True):
    """Another title for a thread: one line of at most 200 characters."""

    title: str


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message for an agent. The same ``message_id``, or ``Idempotency-Key``, again starts nothing.

    An ``Idempotency-Key`` names one request: with another thread, content or agent it is refused, 422.
    """

    content: str
    agent: str | None = None
    message_id: str | None = None


class PostedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The message is kept and will be run."""

    run_id: str
    thread_id: str
    message_id: str
    duplicate: bool


class CancelledRun(msgspec.Struct, frozen=True, kw_only=True):
    """The run is being cancelled, or has ended already."""

    run_id: str


class ChartShape(msgspec.Struct, frozen=True, kw_only=True):
    """A chart: ``steps`` in the order of a calendar, ``bars`` for names, ``frontier`` for cost against quality.

    ``columns`` are those of the evidence that it shows, the first one names the rows; ``description`` says what is
    seen.
    """

    kind: str
    title: str
    description: str
    columns: list[str]


class EvidenceShape(msgspec.Struct, frozen=True, kw_only=True):
    """An item of an answer's evidence; ``chart`` is null where a table says it better."""

    id: str
    row_count: int
    chart: ChartShape | None


class EvidenceList(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence of an answer; ``foremost`` is the item whose chart tells most of it, null where none is drawn."""

    evidence: list[EvidenceShape]
    foremost: str | None


class IssuedTicket(msgspec.Struct, frozen=True, kw_only=True):
    """Opens one WebSocket, as ``/ws?ticket=``, and nothing else."""

    ticket: str
    expires_in_seconds: float


class ServiceShape(msgspec.Struct, frozen=True, kw_only=True):
    """A service and what its start has come to."""

    name: str
    label: str
    phase: str
    state: str
    duration_seconds: float | None


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why no agent can answer: what is wrong, and with which service; ``storage`` is the server's own."""

    error_code: str
    message: str
    service: str | None


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an agent can answer, and what the start has come to; the reason where something is wrong."""

    state: str
    progress: int
    attempt: int
    generation: int
    services: list[ServiceShape]
    reason: Reason | None


class Markdown(msgspec.Struct, frozen=True, kw_only=True):
    """Texts to be rendered; ``inline``: as parts of a line, without paragraphs, lists and tables."""

    texts: list[str]
    inline: bool = False


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """Safe HTML, text by text."""

    html: list[str]
