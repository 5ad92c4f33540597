"""Log lines through the standard library's ``chatcore`` logger: for people on a terminal, JSON elsewhere.

An application that configures that logger itself keeps its own handlers; else lines go to standard error. The standard
library's rather than a logging package's: importing one takes longer than everything else the port needs.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Literal

import attrs
import msgspec

from chatcore.observability import Recorder

LOGGER = "chatcore"

WARNINGS = frozenset(
    {
        "agent_failed",
        "connection_failed",
        "event_loop_blocked",
        "guesses_refused",
        "inauthentic_response",
        "initialization_failed",
        "keys_not_fetched",
        "keys_over_plain_http",
        "request_failed",
        "run_not_stored",
        "run_not_taken_up",
        "service_exit_abandoned",
        "service_exit_failed",
        "service_lost",
        "session_failed",
        "storage_unavailable",
        "token_claim_not_checked",
    }
)
"""Events that somebody should look at."""


class EventFormatter(logging.Formatter):
    """A record is an event's name and its fields.

    Args:
        as_json: one JSON object a line; else words for a person.
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        fields: dict[str, Any] = getattr(record, "fields", {})
        if self._as_json:
            line = {"timestamp": at, "level": record.levelname.lower(), "event": record.getMessage(), **fields}
            return msgspec.json.encode(line).decode()
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        return f"{at} {record.getMessage()} {told}".rstrip()


def logger_for(log_format: Literal["auto", "json", "console"]) -> logging.Logger:
    """The logger of this process, with a handler unless the application gave it one."""
    logger = logging.getLogger(LOGGER)
    if not logger.hasHandlers():
        console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(EventFormatter(as_json=not console))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    return logger


@attrs.define(eq=False)
class LogRecorder(Recorder):
    """Writes log lines and counts nothing."""

    logger: logging.Logger

    def log(self, event: str, **fields: Any) -> None:
        """See :class:`Recorder`."""
        level = logging.WARNING if event in WARNINGS else logging.INFO
        self.logger.log(level, event, extra={"fields": fields})
