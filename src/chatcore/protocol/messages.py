"""Every frame of the wire ``chatcore.v1`` (protocol.md, section 1).

Frames are msgspec structs: a class is a frame, its fields are the frame's fields, its docstring says when it is
sent. ``system_message`` frames are told apart by ``event``, all others by ``type``. The AsyncAPI document and the
reference in the documentation are generated from these classes.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

# --- parts of frames ------------------------------------------------------------------------------------------------


class AgentInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that a client may address."""

    name: str
    description: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the server accepts from this connection."""

    max_message_bytes: int
    max_frames_per_second: int
    max_messages_per_minute: int
    max_pending_messages: int


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A query whose rows prove the numbers of an answer.

    ``rows`` are capped, ``row_count`` counts all of them; ``sha256`` is of the compact UTF-8 JSON of all rows, lists in
    the query's order; ``data_version`` names the state of the data it was asked of.
    """

    id: str
    tool: str
    query: str
    parameters: dict[str, Any]
    columns: list[str]
    rows: list[list[Any]]
    row_count: int
    sha256: str
    data_version: str


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal with its quantities; each number of it traces to a cell of the evidence."""

    text: str
    baseline: float
    projected: float
    saving: float
    unit: str
    basis: Literal["measured", "what_if", "ceiling"]
    assumptions: list[str]


RefusalReason: TypeAlias = Literal["no_such_column", "out_of_range", "no_rows", "ambiguous", "not_supported"]


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """The period that the data covers, ISO 8601; null where the data has no time."""

    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent answers; honest, or ``answered`` is false and the rest says why and what would work.

    ``text`` is Markdown; left empty, it is what the agent said with :meth:`chatcore.Run.say`.
    """

    answered: bool = True
    text: str = ""
    insights: list[str] = []
    recommendations: list[Recommendation] = []
    action_items: list[str] = []
    evidence: list[Evidence] = []
    reason: RefusalReason | UnsetType = UNSET
    missing: list[str] | UnsetType = UNSET
    covered: Covered | UnsetType | None = UNSET
    alternatives: list[str] | UnsetType = UNSET


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Who answered, and by what means (guarantees.md, 45)."""

    agent: str
    engine: str
    model: str | None
    tool_calls: list[str]
    generation: int


MessageStatus: TypeAlias = Literal["completed", "failed", "cancelled", "running", "waiting"]


class ThreadMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a thread, as HTTP and ``thread_snapshot`` show it. ``created_at`` is Unix seconds."""

    message_id: str | None
    role: Literal["user", "agent"]
    content: str
    run_id: str | None
    created_at: float
    status: MessageStatus
    answer: Answer | UnsetType = UNSET


# --- client to server -----------------------------------------------------------------------------------------------


class ClientFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What a client may send."""


class UserMessage(ClientFrame, tag="user_message", frozen=True, kw_only=True):
    """A question for an agent. The same ``message_id`` again starts nothing and answers with the same run.

    ``thread_id`` null or absent opens a new thread; ``agent`` absent addresses the default one.
    """

    message_id: str
    content: str
    thread_id: str | None = None
    agent: str | None = None


class CancelRun(ClientFrame, tag="cancel_run", frozen=True, kw_only=True):
    """Ends a run in ``agent_cancelled``."""

    run_id: str


class Resume(ClientFrame, tag="resume", frozen=True, kw_only=True):
    """Replays a thread's events after ``after_seq``, then goes on live. ``epoch`` is absent at first."""

    thread_id: str
    after_seq: int = 0
    epoch: str | None = None


class Ping(ClientFrame, tag="ping", frozen=True, kw_only=True):
    """Asks for a ``pong`` with the same nonce."""

    nonce: str | int | float | None = None


AnyClientFrame: TypeAlias = UserMessage | CancelRun | Resume | Ping

# --- server to client: the connection -------------------------------------------------------------------------------


class SystemMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """What the server tells of itself. ``timestamp`` is Unix seconds."""

    type: Literal["system_message"] = "system_message"
    timestamp: float
    user_id: str
    message: str


class Initializing(SystemMessage, tag="initializing", frozen=True, kw_only=True):
    """The first frame of a connection that arrives before the services are ready; ``progress`` is the truth now."""

    progress: int
    connection_id: str
    instance_id: str


ProgressStatus: TypeAlias = Literal["started", "completed", "waiting", "slow", "retrying"]


class InitializationProgress(SystemMessage, tag="initialization_progress", frozen=True, kw_only=True):
    """A service starts or completes, an attempt is slow, a new one begins; and at least every 2 s."""

    progress: int
    phase: str | None
    service: str | None
    label: str | None
    status: ProgressStatus
    attempt: int
    elapsed_seconds: float
    eta_seconds: float | None


class Ready(SystemMessage, tag="ready", frozen=True, kw_only=True):
    """Every service of the generation is up; agent frames may follow."""

    progress: Literal[100] = 100
    connection_id: str
    instance_id: str
    generation: int
    agents: list[AgentInfo]
    limits: Limits


class Recovering(SystemMessage, tag="recovering", frozen=True, kw_only=True):
    """A service failed after ready; agents are detached, the connection stays."""

    service: str
    label: str


class Draining(SystemMessage, tag="draining", frozen=True, kw_only=True):
    """This instance is going away; close 1012 follows."""

    reconnect_after_seconds: float


AnySystemMessage: TypeAlias = Initializing | InitializationProgress | Ready | Recovering | Draining


class ServerFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A frame of the server that is told apart by its ``type``."""

    timestamp: float
    user_id: str


class MessageAccepted(ServerFrame, tag="message_accepted", frozen=True, kw_only=True):
    """The message is kept and will be run. ``duplicate`` where it was known already."""

    message_id: str
    thread_id: str
    run_id: str
    state: Literal["waiting_for_services", "queued", "running", "ended"]
    duplicate: bool


class Resumed(ServerFrame, tag="resumed", frozen=True, kw_only=True):
    """Comes before a replay; ``complete`` is false where a ``thread_snapshot`` follows instead."""

    thread_id: str
    epoch: str
    from_seq: int
    to_seq: int
    complete: bool


class ThreadSnapshot(ServerFrame, tag="thread_snapshot", frozen=True, kw_only=True):
    """The state of a thread at ``seq``, where its history cannot be continued."""

    thread_id: str
    epoch: str
    seq: int
    messages: list[ThreadMessage]


class Pong(ServerFrame, tag="pong", frozen=True, kw_only=True):
    """The answer to ``ping``."""

    nonce: str | int | float | None


class Error(ServerFrame, tag="error", frozen=True, kw_only=True):
    """A request was refused, or the connection is about to be closed."""

    error_code: str
    message: str
    retryable: bool
    retry_after_seconds: float | None
    message_id: str | None


# --- server to client: the events of a run --------------------------------------------------------------------------


class RunEvent(ServerFrame, frozen=True, kw_only=True):
    """An event of a run. ``seq`` is contiguous from 1 within its thread and ``epoch``."""

    thread_id: str
    run_id: str
    seq: int
    epoch: str


class AgentStarted(RunEvent, tag="agent_started", frozen=True, kw_only=True):
    """The first event of a run."""

    agent: str
    message_id: str | None


class AgentThinking(RunEvent, tag="agent_thinking", frozen=True, kw_only=True):
    """What the agent is about to do, for a person."""

    text: str


class ToolExecuting(RunEvent, tag="tool_executing", frozen=True, kw_only=True):
    """A tool is being used."""

    tool_call_id: str
    tool: str
    arguments: dict[str, Any]


class ToolCompleted(RunEvent, tag="tool_completed", frozen=True, kw_only=True):
    """The tool has returned or failed."""

    tool_call_id: str
    tool: str
    status: Literal["ok", "error"]
    summary: str
    duration_seconds: float


class AgentDelta(RunEvent, tag="agent_delta", frozen=True, kw_only=True):
    """A part of the answer's text; ``offset`` counts the characters before it.

    Words that were told from there on are void: a crash has lost them.
    A delta merged on replay carries the ``seq`` of its last part and ``first_seq`` of its first.
    """

    text: str
    offset: int
    first_seq: int | UnsetType = UNSET


class AgentRestarted(RunEvent, tag="agent_restarted", frozen=True, kw_only=True):
    """The run begins again; the text so far is void."""

    attempt: int


class AgentCompleted(RunEvent, tag="agent_completed", frozen=True, kw_only=True):
    """The answer; the last event of a run that succeeded."""

    answer: Answer
    provenance: Provenance
    duration_seconds: float


class AgentFailed(RunEvent, tag="agent_failed", frozen=True, kw_only=True):
    """The last event of a run that failed."""

    error_code: str
    message: str
    retryable: bool


class AgentCancelled(RunEvent, tag="agent_cancelled", frozen=True, kw_only=True):
    """The last event of a run that was cancelled."""

    reason: str


AnyRunEvent: TypeAlias = (
    AgentStarted
    | AgentThinking
    | ToolExecuting
    | ToolCompleted
    | AgentDelta
    | AgentRestarted
    | AgentCompleted
    | AgentFailed
    | AgentCancelled
)
AnyTypedFrame: TypeAlias = MessageAccepted | Resumed | ThreadSnapshot | Pong | Error | AnyRunEvent
AnyServerFrame: TypeAlias = AnySystemMessage | AnyTypedFrame
