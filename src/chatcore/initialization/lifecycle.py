"""The states of the services phase, in one table that the manager, the tests and the diagram read. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class State(enum.StrEnum):
    """What ``/health/ready`` calls ``state``."""

    IDLE = "idle"
    INITIALIZING = "initializing"
    READY = "ready"
    RECOVERING = "recovering"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"
    DRAINING = "draining"


class Happening(enum.StrEnum):
    """What moves the services phase from state to state."""

    WANTED = "wanted"
    """A caller, or the pre-warmed start, asks for the services."""
    SUCCEEDED = "succeeded"
    """Every service of the attempt is up."""
    FAILED = "attempt failed"
    """A service of the attempt failed, or the attempt ran out of time."""
    MISCONFIGURED = "misconfigured"
    """An attempt failed in a way that trying again cannot help."""
    ABANDONED = "abandoned"
    """Every waiter left, and the policy is to stop then."""
    LOST = "service lost"
    """A service died, or its health check failed, after ready."""
    GAVE_UP = "gave up"
    """Restarting the lost service failed as often as the breaker allows."""
    TOO_MANY_RESTARTS = "too many restarts"
    """Services were lost more often than the window allows."""
    RETRY = "retry"
    """The wait after a failure is over."""
    DRAIN = "drain"
    """The server is going away."""


_TABLE: dict[State, dict[Happening, State]] = {
    State.IDLE: {Happening.WANTED: State.INITIALIZING},
    State.INITIALIZING: {
        Happening.SUCCEEDED: State.READY,
        Happening.FAILED: State.UNAVAILABLE,
        Happening.MISCONFIGURED: State.FAILED,
        Happening.ABANDONED: State.IDLE,
    },
    State.READY: {Happening.LOST: State.RECOVERING},
    State.RECOVERING: {
        Happening.SUCCEEDED: State.READY,
        Happening.FAILED: State.RECOVERING,
        Happening.MISCONFIGURED: State.FAILED,
        Happening.GAVE_UP: State.UNAVAILABLE,
        Happening.TOO_MANY_RESTARTS: State.FAILED,
    },
    State.UNAVAILABLE: {Happening.RETRY: State.INITIALIZING},
    State.FAILED: {Happening.RETRY: State.INITIALIZING},
    State.DRAINING: {},
}

TRANSITIONS: Mapping[tuple[State, Happening], State] = MappingProxyType(
    {(state, happening): target for state, row in _TABLE.items() for happening, target in row.items()}
    | {(state, Happening.DRAIN): State.DRAINING for state in State}  # draining is final, from anywhere (37)
)


def mermaid() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.IDLE}"]
    for (state, happening), target in TRANSITIONS.items():
        if happening is not Happening.DRAIN:
            lines.append(f"    {state} --> {target}: {happening}")
    lines.append(f"    note right of {State.DRAINING}: from every state, on drain")
    lines.append(f"    {State.DRAINING} --> [*]")
    return "\n".join(lines) + "\n"
