"""What a query in the sandbox may use, and what is said where it would use more. Pure; standard library alone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What one query may use. A dataclass, so that the child needs no package but DuckDB.

    Args:
        seconds: from the moment that a child has it to the last byte of its result.
        cpu_seconds: of all the child's threads together.
        memory_bytes: of address space, beyond what the child has before it sees the query.
        database_memory: what DuckDB itself plans with, in its words; the rest is for what it does not count.
        threads: at most so many.
        rows: of the result.
        result_bytes: of the result, as JSON.
    """

    seconds: float = 20.0
    cpu_seconds: int = 30
    memory_bytes: int = 768 * MEBIBYTE
    database_memory: str = "384MB"
    threads: int = 2
    rows: int = 10_000
    result_bytes: int = 256 * 1024

    def text(self) -> str:
        """For the child's command line."""
        return json.dumps(asdict(self))


class Outcome(StrEnum):
    """How a query failed."""

    REFUSED = "refused"
    NO_TABLE = "no table"
    FAILED = "failed"
    MEMORY = "memory"
    ROWS = "rows"
    BYTES = "bytes"
    TIME = "time"
    PROCESSOR = "processor"
    CRASHED = "crashed"
    UNAVAILABLE = "unavailable"
