"""Log lines on standard error: for people on a terminal, JSON elsewhere."""

from __future__ import annotations

import sys
from typing import Any, Literal

import structlog


def logger_for(log_format: Literal["auto", "json", "console"]) -> Any:
    """A logger of this process; it configures nothing global, so that an application's own logging stays as it is."""
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), renderer],
        wrapper_class=structlog.BoundLogger,
    )
