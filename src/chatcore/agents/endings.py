"""How a run ends, in each of the three ways there are. Pure."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from chatcore.errors import ErrorCode
from chatcore.protocol import messages as m
from chatcore.threads.model import EndState


@attrs.frozen
class Ending:
    """How a run ends: its last event, the state of its record, and the text that is kept.

    Args:
        event: the class of the last event.
        fields: of that event.
        state: ``completed``, ``failed`` or ``cancelled``.
        outcome: what metrics call it: ``answered``, ``declined``, ``failed``, ``inauthentic`` or ``cancelled``.
    """

    event: type[m.RunEvent]
    fields: dict[str, Any]
    state: EndState
    outcome: str


def completion(answer: m.Answer, provenance: m.Provenance, seconds: float) -> Ending:
    """The end of a run that gave an answer, within so many seconds."""
    fields = {"answer": answer, "provenance": provenance, "duration_seconds": round(seconds, 4)}
    return Ending(m.AgentCompleted, fields, "completed", "answered" if answer.answered else "declined")


def provenance_of(name: str, agent: object, tool_calls: list[str], generation: int) -> m.Provenance:
    """Who answered, and by what means.

    Raises:
        Exception: an agent's words about itself cannot be sent.
    """
    model = getattr(agent, "model", None)
    provenance = m.Provenance(
        agent=name,
        engine=str(getattr(agent, "engine", type(agent).__name__)),
        model=str(model) if model is not None else None,
        tool_calls=tool_calls,
        generation=generation,
    )
    msgspec.json.encode(provenance)
    return provenance


def failure(code: ErrorCode, retryable: bool | None = None) -> Ending:
    """The end of a run that failed; what is not given is the catalogue's."""
    meaning = code.meaning
    fields = {
        "error_code": str(code),
        "message": meaning.message,
        "retryable": meaning.retryable if retryable is None else retryable,
    }
    inauthentic = code is ErrorCode.INAUTHENTIC_RESPONSE
    return Ending(m.AgentFailed, fields, "failed", "inauthentic" if inauthentic else "failed")


def cancellation() -> Ending:
    """The end of a run that its user gave up."""
    return Ending(m.AgentCancelled, {"reason": "cancelled by the user"}, "cancelled", "cancelled")
