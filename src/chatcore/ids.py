"""Names for things made at run time."""

from __future__ import annotations

import os


def new_id(kind: str) -> str:
    """A name that nobody else has: ``kind`` and 96 random bits, so that ids cannot be guessed either."""
    return f"{kind}_{os.urandom(12).hex()}"
