"""Which tables look like a ledger of usage, the likeliest first. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from chatcore.agents.analyst.catalogue import Table
from chatcore.agents.analyst.columns import Meaning, name_words

_LEDGER_WORDS = frozenset(
    [
        "usage",
        "ledger",
        "calls",
        "costs",
        "spend",
        "billing",
        "invoice",
        "invoices",
        "requests",
        "log",
        "logs",
        "runs",
        "sample",
    ]
)
_OTHER_WORDS = frozenset(
    [
        "price",
        "prices",
        "pricing",
        "quality",
        "benchmark",
        "leaderboard",
        "trace",
        "traces",
        "error",
        "errors",
        "quota",
        "budget",
        "catalog",
        "catalogue",
    ]
)
_WEIGHTS = {
    Meaning.COST: 4,
    Meaning.TIME: 2,
    Meaning.USER: 2,
    Meaning.MODEL: 1,
    Meaning.FEATURE: 1,
    Meaning.INPUT_TOKENS: 1,
    Meaning.OUTPUT_TOKENS: 1,
    Meaning.TOTAL_TOKENS: 1,
}


def ranked(tables: Sequence[Table]) -> list[Table]:
    """Tables from the likeliest ledger of usage to the least likely."""
    return sorted(tables, key=lambda table: -score(table))


def score(table: Table) -> int:
    """How much a table looks like a ledger of usage."""
    words = set(name_words(table.name))
    points = sum(weight for meaning, weight in _WEIGHTS.items() if table.has(meaning))
    time = table.column(Meaning.TIME)
    points += 2 if time is not None and time.type.startswith("TIMESTAMP") else 0
    return points + (3 if words & _LEDGER_WORDS else 0) - (3 if words & _OTHER_WORDS else 0)
