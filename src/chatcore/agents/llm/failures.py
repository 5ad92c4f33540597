"""Why a model did not answer."""

from __future__ import annotations

from typing import Any

import attrs

from chatcore.errors import AgentFailure, ErrorCode


@attrs.define
class ModelUnavailable(AgentFailure):
    """The model's server refused, broke off, fell silent, or said what cannot be read. Ends the run.

    Args:
        retryable: whether the same message again can succeed; not where the key or the request is refused.
        status: the HTTP status, None where there was none.
        retry_after_seconds: what the server asks to be given, None where it asks for nothing.
        final: whether it took so long that this run does not try again.
    """

    error_code: ErrorCode = attrs.field(default=ErrorCode.MODEL_UNAVAILABLE, init=False)
    retryable: bool | None = True
    status: int | None = None
    retry_after_seconds: float | None = None
    final: bool = False


def unavailable(problem: str, **fields: Any) -> ModelUnavailable:
    """The failure, with ``problem`` in our own words as a note for the operator's log."""
    error = ModelUnavailable(**fields)
    error.add_note(problem if error.status is None else f"{problem} (HTTP {error.status})")
    return error
