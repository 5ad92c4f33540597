"""Errors over HTTP: ``application/problem+json`` (RFC 9457) with the wire's ``error_code``."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

import attrs
import msgspec

from chatcore.errors import ErrorCode, RequestRefused

CONTENT_TYPE = "application/problem+json"


@attrs.frozen
class Problem:
    """One error response.

    Args:
        status: of HTTP.
        detail: in words.
        error_code: of the catalogue, None for what only HTTP knows.
        retry_after_seconds: when the same request may succeed.
        challenge: how to authenticate (RFC 6750), for a 401.
    """

    status: int
    detail: str
    error_code: ErrorCode | None = None
    retry_after_seconds: float | None = None
    challenge: str | None = None

    @classmethod
    def of(cls, error: RequestRefused) -> Problem:
        """The problem that a refused request is."""
        return cls(
            error.error_code.meaning.http_status, error.public_message, error.error_code, error.retry_after_seconds
        )

    def body(self) -> bytes:
        """The JSON."""
        content: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.error_code is not None:
            content |= {"error_code": str(self.error_code), "retryable": self.error_code.meaning.retryable}
        if self.retry_after_seconds is not None:
            content["retry_after_seconds"] = self.retry_after_seconds
        return msgspec.json.encode(content)

    def headers(self) -> dict[str, str]:
        """The headers."""
        headers = {"content-type": CONTENT_TYPE, "cache-control": "no-store"}
        if self.retry_after_seconds is not None:
            headers["retry-after"] = retry_after(self.retry_after_seconds)
        if self.challenge is not None:
            headers["www-authenticate"] = self.challenge
        return headers


def retry_after(seconds: float) -> str:
    """A ``Retry-After`` header: whole seconds, never too early and never 0."""
    return str(max(1, math.ceil(seconds)))
