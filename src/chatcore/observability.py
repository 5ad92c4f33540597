"""The recorder port: what happens, told once, to whoever keeps metrics and logs.

The drivers call a :class:`Recorder`; the base class records nothing, so that a part can be used alone. The server uses
:class:`chatcore.metrics.Metrics`. No user or thread id is ever a label (protocol.md, 6).
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatcore.errors import ChatcoreError, ConfigurationError


class Recorder:
    """Hears of everything that a metric or a log line is made of. Every method is quick and never raises."""

    def state_changed(self, state: str, breaker: str) -> None:
        """The services phase or its breaker moved."""

    def waiting_changed(self, waiting: int) -> None:
        """As many callers wait for the services now."""

    def attempt_ended(self, outcome: str, seconds: float) -> None:
        """An attempt ended: ``succeeded``, ``failed``, ``timed_out``, ``abandoned``, ``drained``."""

    def service_started(self, service: str, seconds: float) -> None:
        """A service is up."""

    def connection_changed(self, before: str | None, after: str | None) -> None:
        """A connection moved from one state to another; None is outside."""

    def connection_ended(self, outcome: str) -> None:
        """A connection is over: the close code, ``gone`` or ``refused``."""

    def run_events(self, kind: str, count: int) -> None:
        """So many events of runs were emitted, of one kind."""

    def run_ended(self, agent: str, outcome: str, seconds: float) -> None:
        """A run ended: ``answered``, ``declined``, ``failed``, ``cancelled``, ``inauthentic``."""

    def first_event(self, seconds: float) -> None:
        """From a run's beginning to its first event; what the message waited before that is not in it."""

    def delivered(self, seconds: float, count: int = 1) -> None:
        """From a frame's making to its hand-over to a transport; of so many frames."""

    def resumed(self, outcome: str) -> None:
        """A client resumed: ``complete`` or ``snapshot``."""

    def slow_consumer(self) -> None:
        """A connection was cut because its client stopped reading."""

    def loop_lag(self, seconds: float) -> None:
        """How late the event loop was."""

    def exposition(self) -> bytes:
        """Everything that was counted, in Prometheus' text format."""
        return b""

    def log(self, event: str, **fields: Any) -> None:
        """A line for the operator; ``fields`` hold no exception text (guarantees.md, 48)."""


def describe_error(error: BaseException) -> dict[str, Any]:
    """What a log may say of an exception: its type and where it comes from, never its own words.

    A :class:`~chatcore.errors.ConfigurationError` is written for the operator, so its words are kept, without
    credentials.
    """
    told: dict[str, Any] = {"error": type(error).__qualname__, "where": _where(error)}
    if isinstance(error, ConfigurationError):
        told["fault"] = without_credentials(str(error))
    if isinstance(error, ChatcoreError) and hasattr(error, "__notes__"):
        told["notes"] = list(error.__notes__)  # of our own making, such as the name of SQLite's error
    if isinstance(error, BaseExceptionGroup):
        told["parts"] = [describe_error(part) for part in error.exceptions]
    return told


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions of a group, however deep; of any other exception, itself."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error


def without_credentials(text: str) -> str:
    """``text`` with the user part of every URL in it blotted out."""
    return re.sub(r"(?<=://)[^/@\s]*@", "***@", text)


_STANDARD_LIBRARY = str(Path(traceback.__file__).parent)
_PACKAGES = frozenset({"site-packages", "dist-packages"})


def _where(error: BaseException) -> str | None:
    """The last frame that is not of a library, which is where an operator looks; the last one where all are."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((frame for frame in reversed(frames) if not _of_a_library(frame)), frames[-1] if frames else None)
    return f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" if frame is not None else None


def _of_a_library(frame: traceback.FrameSummary) -> bool:
    """Whether a frame is of the standard library, of an installed package, or of code that is in no file."""
    standard = frame.filename.startswith(("<", _STANDARD_LIBRARY))
    return standard or not _PACKAGES.isdisjoint(Path(frame.filename).parts)
