"""Text that came from elsewhere, made safe for a terminal."""

from __future__ import annotations

import re
from typing import Final

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0 and C1 controls save tab and newline (ESC begins every terminal command), the controls that make text read in
another order than it stands, and halves of characters, which no terminal can be sent."""


def printable(text: str) -> str:
    """``text`` without anything that a terminal would obey instead of showing."""
    return _CONTROLS.sub("", text)


def one_line(text: str, most: int = 200) -> str:
    """``text`` as one line of at most ``most`` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def duration(seconds: float | None) -> str:
    """A span of time for a person: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``; a dash where unknown."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
