"""The life of one connection as its frames tell it: one table, read by the server, the client, tests and the diagram.

The server advances its :class:`Conversation` before it sends a frame, the client when it receives one. What the table
does not list cannot be said.

The table's rules in words:

- The first frame is ``initializing``, ``ready``, ``draining`` or an error that ends the connection.
- Exactly one ``ready`` or one such error ends the wait for the services; after ``recovering``, again.
- No event of a run comes before the first ``ready``. While recovering they may: a run that used the lost service ends
  in ``agent_failed``, and runs that did not use it go on.
- After ``draining``, or an error that ends the connection, nothing comes but the close.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Final

import attrs

from chatcore.errors import CATALOGUE, ErrorCode, IllegalFrame
from chatcore.protocol.messages import (
    AnyServerFrame,
    Draining,
    Error,
    InitializationProgress,
    Initializing,
    MessageAccepted,
    Pong,
    Ready,
    Recovering,
    Resumed,
    ThreadSnapshot,
)


class State(enum.StrEnum):
    """Where a connection is in its life."""

    OPEN = "open"
    """Accepted; nothing has been sent."""
    WAITING = "waiting"
    """The services are being started."""
    READY = "ready"
    """Agents answer."""
    RECOVERING = "recovering"
    """A service was lost and is being started again."""
    DRAINING = "draining"
    """This instance is going away; only the close follows."""
    REFUSED = "refused"
    """An error ended the connection; only the close follows."""
    CLOSED = "closed"


class What(enum.StrEnum):
    """What is said: a kind of server frame, or the close of the connection."""

    INITIALIZING = "initializing"
    PROGRESS = "initialization_progress"
    READY = "ready"
    RECOVERING = "recovering"
    DRAINING = "draining"
    CLOSING_ERROR = "closing error"
    PASSING_ERROR = "passing error"
    ACCEPTED = "message_accepted"
    REPLAY = "resumed or thread_snapshot"
    RUN_EVENT = "run event"
    PONG = "pong"
    CLOSE = "close"


TRANSITIONS: Mapping[tuple[State, What], State] = MappingProxyType(
    {
        (State.OPEN, What.INITIALIZING): State.WAITING,
        (State.OPEN, What.READY): State.READY,
        (State.OPEN, What.DRAINING): State.DRAINING,
        (State.OPEN, What.CLOSING_ERROR): State.REFUSED,
        (State.OPEN, What.CLOSE): State.CLOSED,
        (State.WAITING, What.PROGRESS): State.WAITING,
        (State.WAITING, What.ACCEPTED): State.WAITING,
        (State.WAITING, What.PASSING_ERROR): State.WAITING,
        (State.WAITING, What.PONG): State.WAITING,
        (State.WAITING, What.READY): State.READY,
        (State.WAITING, What.DRAINING): State.DRAINING,
        (State.WAITING, What.CLOSING_ERROR): State.REFUSED,
        (State.WAITING, What.CLOSE): State.CLOSED,
        (State.READY, What.ACCEPTED): State.READY,
        (State.READY, What.RUN_EVENT): State.READY,
        (State.READY, What.REPLAY): State.READY,
        (State.READY, What.PASSING_ERROR): State.READY,
        (State.READY, What.PONG): State.READY,
        (State.READY, What.RECOVERING): State.RECOVERING,
        (State.READY, What.DRAINING): State.DRAINING,
        (State.READY, What.CLOSING_ERROR): State.REFUSED,
        (State.READY, What.CLOSE): State.CLOSED,
        (State.RECOVERING, What.RECOVERING): State.RECOVERING,  # a second service is lost
        (State.RECOVERING, What.PROGRESS): State.RECOVERING,
        (State.RECOVERING, What.ACCEPTED): State.RECOVERING,
        (State.RECOVERING, What.RUN_EVENT): State.RECOVERING,
        (State.RECOVERING, What.REPLAY): State.RECOVERING,
        (State.RECOVERING, What.PASSING_ERROR): State.RECOVERING,
        (State.RECOVERING, What.PONG): State.RECOVERING,
        (State.RECOVERING, What.READY): State.READY,
        (State.RECOVERING, What.DRAINING): State.DRAINING,
        (State.RECOVERING, What.CLOSING_ERROR): State.REFUSED,
        (State.RECOVERING, What.CLOSE): State.CLOSED,
        (State.DRAINING, What.CLOSE): State.CLOSED,
        (State.REFUSED, What.CLOSE): State.CLOSED,
    }
)
"""Every step there is, by the state and what is said in it."""

_KINDS: Final[Mapping[type, What]] = MappingProxyType(
    {
        Initializing: What.INITIALIZING,
        InitializationProgress: What.PROGRESS,
        Ready: What.READY,
        Recovering: What.RECOVERING,
        Draining: What.DRAINING,
        MessageAccepted: What.ACCEPTED,
        Resumed: What.REPLAY,
        ThreadSnapshot: What.REPLAY,
        Pong: What.PONG,
    }
)
_BEGINNINGS: Final = frozenset({What.INITIALIZING, What.RECOVERING})
"""What an attempt follows that is yet to be named."""

_CLOSING: Final = frozenset(str(code) for code in ErrorCode if CATALOGUE[code].close is not None)


def kind_of(frame: AnyServerFrame) -> What:
    """What ``frame`` says. An error closes if the catalogue has a close code for it."""
    what = _KINDS.get(type(frame))
    if what is not None:
        return what
    if isinstance(frame, Error):
        return What.CLOSING_ERROR if frame.error_code in _CLOSING else What.PASSING_ERROR
    return What.RUN_EVENT


@attrs.frozen(eq=False)
class Conversation:
    """Where one connection is, and what may be said next. It does not change: what is said leads to the next one.

    The table holds the states; beside it stands the one rule that has a number in it: ``progress`` never falls within
    one attempt, from ``initializing`` or ``recovering`` on.
    """

    state: State = State.OPEN
    _attempt: int = 0
    _progress: int = 0

    def advance(self, frame: AnyServerFrame) -> Conversation:
        """The conversation after ``frame``; this one itself where nothing has changed.

        Raises:
            IllegalFrame: when ``frame`` may not be said now.
        """
        what = kind_of(frame)
        after = self._after(what)
        if what in _BEGINNINGS:
            return Conversation(after, 0, frame.progress if isinstance(frame, Initializing) else 0)
        if isinstance(frame, InitializationProgress):
            self._check_progress(frame)
            return Conversation(after, frame.attempt, frame.progress)
        return self if after is self.state else Conversation(after, self._attempt, self._progress)

    def close(self) -> Conversation:
        """The conversation after the close, by whichever side.

        Raises:
            IllegalFrame: when it was closed already.
        """
        return Conversation(self._after(What.CLOSE), self._attempt, self._progress)

    def _after(self, what: What) -> State:
        try:
            return TRANSITIONS[self.state, what]
        except KeyError:
            raise IllegalFrame(self.state, what) from None

    def _check_progress(self, frame: InitializationProgress) -> None:
        same_attempt = self._attempt in (0, frame.attempt)  # 0: not named yet, `initializing` does not say it
        if frame.attempt < self._attempt or (same_attempt and frame.progress < self._progress):
            now = f"{self.state} at {self._progress} % of attempt {self._attempt or frame.attempt}"
            raise IllegalFrame(now, f"{frame.progress} % of attempt {frame.attempt}")


OPENED: Final = Conversation()
"""Where every connection begins."""


def mermaid() -> str:
    """The table as a Mermaid state diagram; steps between the same two states share an arrow."""
    return "\n".join(["stateDiagram-v2", "    [*] --> open", *_arrows(), "    closed --> [*]"]) + "\n"


def _arrows() -> Iterator[str]:
    order = list(State)
    steps = sorted(TRANSITIONS.items(), key=lambda step: (order.index(step[0][0]), order.index(step[1])))
    for (before, after), same in groupby(steps, key=lambda step: (step[0][0], step[1])):
        yield f"    {before} --> {after}: {', '.join(what for (_, what), _ in same)}"
