"""Whether the log of a thread is as it was signed: every row, their order, and that none is missing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import attrs
import msgspec

from chatcore.threads.model import EndState, RunState
from chatcore.threads.signing import Kind, Signer

END_STATES: Final[Mapping[str, EndState]] = {
    "agent_completed": "completed",
    "agent_failed": "failed",
    "agent_cancelled": "cancelled",
}
"""How a run ends with each kind of last event."""


@attrs.frozen(kw_only=True)
class LoggedEvent:
    """The row of an event, with its values as they are kept and signed."""

    thread_id: str
    seq: int
    first_seq: int
    run_id: str
    type: str
    frame: bytes
    parts: bytes | None
    mac: bytes | None


@attrs.frozen(kw_only=True)
class LoggedMessage:
    """The row of a message, with its values as they are kept and signed."""

    message_id: str | None
    thread_id: str
    user_id: str
    run_id: str
    role: str
    content: str
    answer: bytes | None
    created_at: float
    mac: bytes | None


@attrs.frozen(kw_only=True)
class ThreadLog:
    """All rows of a thread of one moment.

    Args:
        seal: over the last event, None where nothing was signed.
        run_states: by the run's id, in the order in which they were accepted.
    """

    thread_id: str
    user_id: str
    epoch: str
    last_seq: int
    seal: bytes | None
    events: Sequence[LoggedEvent]
    messages: Sequence[LoggedMessage]
    run_states: Mapping[str, RunState]


class LogFault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was signed.

    Args:
        where: ``event 7``, ``message m1 of user``, ``run …`` or ``thread``.
        problem: in words.
    """

    where: str
    problem: str


class LogReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a thread's log.

    Args:
        events: how many rows it has.
        signed: how many rows, of events and messages, carry a MAC.
        unsigned: how many carry none: they are older than signing is, or what they carried was taken away.
        faults: what is not as it was signed.
    """

    events: int
    signed: int
    unsigned: int
    faults: list[LogFault]

    @property
    def whole(self) -> bool:
        """Whether every row is signed, and as it was signed."""
        return not self.faults and self.unsigned == 0


def check_log(log: ThreadLog, signer: Signer | None) -> LogReport:
    """Check every MAC of a log, and that what belongs together is there.

    Args:
        log: of one thread.
        signer: knows the keys; None where there is none, and nothing can be proven.
    """
    rows: list[LoggedEvent | LoggedMessage] = [*log.events, *log.messages]
    unsigned = sum(row.mac is None for row in rows)
    if signer is None:
        found: Iterable[LogFault] = [LogFault(where="thread", problem="there is no key to check it with")]
    else:
        found = chain(_event_faults(log, signer), _seal_faults(log, signer), _message_faults(log, signer))
    faults = [*found, *_gaps(log)]
    return LogReport(events=len(log.events), signed=len(rows) - unsigned, unsigned=unsigned, faults=faults)


def _event_faults(log: ThreadLog, signer: Signer) -> Iterator[LogFault]:
    previous: bytes | None = None
    for event in log.events:
        if event.mac is None and previous is not None:
            yield LogFault(where=f"event {event.seq}", problem="is not signed, and the one before it is")
        yield from _mac_faults(signer, f"event {event.seq}", "event", event, previous)
        previous = event.mac


def _message_faults(log: ThreadLog, signer: Signer) -> Iterator[LogFault]:
    for message in log.messages:
        yield from _mac_faults(signer, _name(message), "message", message)


def _mac_faults(
    signer: Signer, where: str, kind: Kind, row: LoggedEvent | LoggedMessage, *before: bytes | None
) -> Iterator[LogFault]:
    *values, _ = attrs.astuple(row)
    if row.mac is not None:
        yield from _refused(signer, where, row.mac, kind, *before, *values)


def _seal_faults(log: ThreadLog, signer: Signer) -> Iterator[LogFault]:
    last = log.events[-1].mac if log.events else None
    if log.seal is not None:
        fields = (log.thread_id, log.user_id, log.epoch, log.last_seq, last)
        yield from _refused(signer, "thread", log.seal, "thread", *fields)
    elif last is not None:
        yield LogFault(where="thread", problem="has no seal over its last event")


def _refused(signer: Signer, where: str, mac: bytes, kind: Kind, *fields: Any) -> Iterator[LogFault]:
    verdict = signer.check(mac, kind, *fields)
    if verdict == "unknown_key":
        yield LogFault(where=where, problem=f"was signed with a key that is not here ({mac[:4].hex()})")
    elif verdict == "invalid":
        yield LogFault(where=where, problem=_NOT_AS_SIGNED[kind])


_NOT_AS_SIGNED: Final[Mapping[Kind, str]] = {
    "event": "is not as it was signed, or does not follow the one before it",
    "message": "is not as it was signed",
    "thread": "its end is not the one that was sealed",
}


def _gaps(log: ThreadLog) -> Iterator[LogFault]:
    """Numbers without an event, and an end that is not the thread's."""
    expected = 1
    for event in log.events:
        if event.first_seq != expected:
            yield LogFault(where=f"event {event.seq}", problem=f"begins at {event.first_seq}, not at {expected}")
        expected = event.seq + 1
    if expected != log.last_seq + 1:
        problem = f"its log ends with event {expected - 1}, and {log.last_seq} were written"
        yield LogFault(where="thread", problem=problem)


def check_runs(log: ThreadLog) -> Iterator[LogFault]:
    """The runs of a log whose events, state and messages do not fit together, whoever signed them."""
    ends = {event.run_id: event for event in log.events if event.type in END_STATES}
    messages = {(message.run_id, message.role): message for message in log.messages}
    known = [*log.run_states, *(event.run_id for event in log.events)]
    for run_id in dict.fromkeys(known):
        problem = _run_problem(
            log.run_states.get(run_id),
            ends.get(run_id),
            messages.get((run_id, "user")),
            messages.get((run_id, "agent")),
        )
        if problem is not None:
            yield LogFault(where=f"run {run_id}", problem=problem)


def _run_problem(
    state: RunState | None, end: LoggedEvent | None, question: LoggedMessage | None, answer: LoggedMessage | None
) -> str | None:
    if state is None:
        return "has events and no record"
    if question is None:
        return "has no message of its user"
    ended = END_STATES[end.type] if end is not None else None
    if ended != (state if state in END_STATES.values() else None):
        return f"is kept as {state}, and its log says {ended or 'nothing of an end'}"
    if (answer is not None) != (end is not None):
        return "has no message of its agent" if answer is None else "has a message of its agent and no end"
    if end is not None and answer is not None and _answer_in(end.frame) != _json(answer.answer):
        return "its message is not the answer of its log"
    return None


def _answer_in(frame: bytes) -> Any:
    decoded = _json(frame)
    return decoded.get("answer") if isinstance(decoded, dict) else decoded


def _json(encoded: bytes | None) -> Any:
    """A JSON value; what cannot be read is itself, and equal to no other."""
    try:
        return None if encoded is None else msgspec.json.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return encoded


def _name(message: LoggedMessage) -> str:
    return f"message of the {message.role} in run {message.run_id}"
