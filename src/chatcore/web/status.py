"""What the status page and ``chatcore status`` are told: the server as it is now, and how its services started."""

from __future__ import annotations

from typing import Any

import msgspec
import trio

from chatcore.server import Server
from chatcore.threads.model import InitializationRecord
from chatcore.web.health import readiness, timeline


def live_status(server: Server) -> dict[str, Any]:
    """The body of ``/status.json``: readiness with the timeline of the current attempt, and the state of the server."""
    snapshot = server.manager.snapshot()
    return {
        **msgspec.structs.asdict(readiness(snapshot, server.state, server.wrong)),
        "services": timeline(snapshot),
        "eta_seconds": snapshot.eta_seconds,
        "attempt_elapsed_seconds": round(snapshot.elapsed_seconds, 3) if snapshot.attempt else None,
        "history": [_attempt(record) for record in server.history],
        "instance_id": server.introduction.instance_id,
        "uptime_seconds": round(trio.current_time() - server.started_at, 1),
        "connections": server.connections.states(),
        "runs": {"running": server.supervisor.running, "waiting": server.supervisor.waiting},
    }


def _attempt(record: InitializationRecord) -> dict[str, Any]:
    return {
        "attempt": record.attempt,
        "outcome": record.outcome,
        "started_at": record.started_at,
        "duration_seconds": round(record.duration_seconds, 3),
        "generation": record.generation,
    }
