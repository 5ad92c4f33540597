"""Text that can be sent. Pure."""

from __future__ import annotations


def is_sendable(text: str) -> bool:
    """Whether UTF-8 can carry ``text``: lone surrogates cannot be sent."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_sendable(text: str) -> str:
    """``text`` with a question mark for whatever cannot be sent."""
    return text.encode(errors="replace").decode()
