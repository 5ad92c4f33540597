"""What a connection is told while the services start: the differences between snapshots, in frames. Pure.

Snapshots are conflated, so a slow client gets fewer of them; but a frame for each service that has moved since the last
one it was given, so nothing that it is told is skipped over in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chatcore.initialization.lifecycle import State
from chatcore.initialization.progress import ServiceState, ServiceStatus, Snapshot


def progress_between(before: Snapshot | None, now: Snapshot) -> list[dict[str, Any]]:
    """The fields of the progress frames that lead from one snapshot to the next, at least one.

    Args:
        before: the last snapshot this connection was told of in this wait; None where it has just joined.
        now: the current one.
    """
    known = _known(before, now)
    told = [frame for status in now.services for frame in _steps(known.get(status.name), status, now)]
    if known and before is not None and now.notices > before.notices:
        told.append(_fields(now, _current(now), "slow", f"Still starting after {now.elapsed_seconds:.0f} s"))
    if not known and now.state is State.RECOVERING:
        told.insert(0, _fields(now, None, "retrying", "Restarting what was lost"))
    return told or [_fields(now, _current(now), "waiting", _waiting_words(now))]


def _known(before: Snapshot | None, now: Snapshot) -> dict[str, ServiceStatus]:
    """What the connection knows of this attempt: nothing of one that it has not been told of yet.

    A snapshot from before the first attempt is one of it: every service is yet to start.
    """
    if before is None or before.attempt not in (0, now.attempt):
        return {}
    return {status.name: status for status in before.services}


def _steps(known: ServiceStatus | None, status: ServiceStatus, now: Snapshot) -> Iterator[dict[str, Any]]:
    """The steps of one service that the connection does not know of.

    To one that has just joined, what is up already is in ``progress``; what is starting is news.
    """
    begun = status.state in (ServiceState.STARTING, ServiceState.READY)
    if begun and (known.state is ServiceState.PENDING if known else status.state is ServiceState.STARTING):
        yield _fields(now, status, "started", f"Starting {status.label}")
    if known and status.retries > known.retries:
        yield _fields(now, status, "retrying", status.words or f"Retrying {status.label}")
    if known and status.state is ServiceState.READY and known.state is not ServiceState.READY:
        yield _fields(now, status, "completed", f"{status.label} is up")


def _current(now: Snapshot) -> ServiceStatus | None:
    """The service to name when none has just moved."""
    return now.starting[0] if now.starting else None


def _waiting_words(now: Snapshot) -> str:
    current = _current(now)
    if current is not None:
        return f"{current.label}: {current.words}" if current.words else f"Starting {current.label}"
    return "Waiting for the next attempt" if now.state is State.UNAVAILABLE else "Waiting for the services"


UNDER_WAY = (State.INITIALIZING, State.RECOVERING)
"""The states in which an attempt is being made; in the others, whoever waits waits for the next one."""


def _fields(now: Snapshot, status: ServiceStatus | None, step: str, message: str) -> dict[str, Any]:
    under_way = now.state in (*UNDER_WAY, State.READY)
    return {
        "message": message,
        "progress": min(99, now.progress),
        "phase": status.phase if status is not None else None,
        "service": status.name if status is not None else None,
        "label": status.label if status is not None else None,
        "status": step,
        "attempt": now.attempt if under_way else now.attempt + 1,
        "elapsed_seconds": round(now.elapsed_seconds, 3) if under_way else 0.0,
        "eta_seconds": now.eta_seconds,
    }
