"""What probes and the status page are told of the services. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from chatcore.errors import ErrorCode
from chatcore.initialization.progress import ServiceStatus, Snapshot
from chatcore.server import Wrong
from chatcore.web.shapes import Readiness, Reason, ServiceShape

WORDS: Mapping[ErrorCode, str] = MappingProxyType(
    {ErrorCode.STORAGE_UNAVAILABLE: "The storage cannot be used: the database is away, or its disk is full"}
)
"""What the catalogue says of a message where nobody has sent one."""


def readiness(snapshot: Snapshot, state: str, wrong: Wrong | None) -> Readiness:
    """The body of ``/health/ready`` and ``/health/startup``.

    Args:
        snapshot: of the services.
        state: the server's, which knows of drains and of the storage.
        wrong: what is.
    """
    return Readiness(
        state=state,
        progress=snapshot.progress if state == "ready" else min(99, snapshot.progress),
        attempt=snapshot.attempt,
        generation=snapshot.generation,
        services=[_service(status) for status in snapshot.services],
        reason=_reason(wrong) if wrong is not None else None,
    )


def _reason(wrong: Wrong) -> Reason:
    words = WORDS.get(wrong.error_code, wrong.error_code.meaning.message)
    return Reason(error_code=wrong.error_code, message=words, service=wrong.service)


def timeline(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Each service with its times in seconds since the attempt began; one that an earlier attempt started is at 0."""
    began_at = snapshot.attempt_started_at or 0.0
    return [
        msgspec.to_builtins(_service(status))
        | {"started_seconds": _since(began_at, status.started_at), "ended_seconds": _since(began_at, status.ended_at)}
        for status in snapshot.services
    ]


def _service(status: ServiceStatus) -> ServiceShape:
    took = status.duration_seconds
    return ServiceShape(
        name=status.name,
        label=status.label,
        phase=status.phase,
        state=str(status.state),
        duration_seconds=round(took, 4) if took is not None else None,
    )


def _since(began_at: float, at: float | None) -> float | None:
    return round(max(0.0, at - began_at), 4) if at is not None else None
