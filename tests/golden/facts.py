"""The shared data in plain Python: the csv and json modules and nothing of chatcore's."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs

IMPLAUSIBLE = Decimal(1000)
"""A call of that price is wrong at the source: the README of the data names the only one."""


_MADE = {
    "openai": re.compile(r"(^|/)(gpt-|o\d(-|$)|openai/)"),
    "anthropic": re.compile(r"claude|anthropic"),
    "google": re.compile(r"gemini|gemma|google/|vertex_ai"),
}
"""What the names of a maker's models in ``llm_usage.csv`` have, by the look of them."""


@attrs.frozen
class Call:
    """A row of ``llm_usage.csv``."""

    at: dt.datetime
    user: str
    model: str
    weak_model: str
    mode: str
    sent: int
    received: int
    tokens: int
    cost: Decimal
    session_cost: Decimal
    day: str
    month: str
    year: str
    quarter: str

    def has(self, part: str) -> bool:
        """Whether the model's name has this word in it."""
        return part in re.split(r"[^a-z0-9]+", self.model.lower())


def spend(calls: Iterable[Call]) -> Decimal:
    """What calls cost together."""
    return sum((call.cost for call in calls), Decimal(0))


def clean(calls: Iterable[Call]) -> list[Call]:
    """Calls without the one that is wrong at the source."""
    return [call for call in calls if call.cost < IMPLAUSIBLE]


def grouped(calls: Iterable[Call], key: Callable[[Call], str]) -> dict[str, list[Call]]:
    """Calls by something about them."""
    groups: defaultdict[str, list[Call]] = defaultdict(list)
    for call in calls:
        groups[key(call)].append(call)
    return dict(groups)


def largest(calls: Iterable[Call], key: Callable[[Call], str], count: int = 1) -> list[tuple[str, Decimal]]:
    """The groups that cost most, with what they cost."""
    sums = {name: spend(group) for name, group in grouped(calls, key).items()}
    return sorted(sums.items(), key=lambda each: -each[1])[:count]


@attrs.frozen
class Facts:
    """What is in the folder of the shared data."""

    folder: Path

    def table(self, name: str) -> list[dict[str, str]]:
        """The rows of a CSV file as text."""
        with (self.folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @cached_property
    def calls(self) -> list[Call]:
        """Every call."""
        return [_call(row) for row in self.table("llm_usage")]

    def where(self, **parts: str) -> list[Call]:
        """The calls with these values: ``where(month="2025-05")``."""
        return [call for call in self.calls if all(getattr(call, name) == value for name, value in parts.items())]

    def between(self, first: str, last: str) -> list[Call]:
        """The calls from one day to another, both included."""
        return [call for call in self.calls if first <= call.day <= last]

    def having(self, *parts: str) -> list[Call]:
        """The calls of models with all these words in their names."""
        return [call for call in self.calls if all(call.has(part) for part in parts)]

    def made_by(self, maker: str) -> list[Call]:
        """The calls of models that a maker makes, whoever sold them."""
        return [call for call in self.calls if _MADE[maker].search(call.model.lower())]

    @cached_property
    def errors(self) -> list[dict[str, str]]:
        """The calls that raised."""
        return self.table("llm_send_errors")

    @cached_property
    def quality(self) -> list[dict[str, str]]:
        """What models solved, and what that cost."""
        return self.table("model_quality_cost")

    @cached_property
    def prices(self) -> list[dict[str, str]]:
        """List prices."""
        return self.table("model_prices")

    def price(self, model: str, column: str, provider: str = "") -> list[Decimal]:
        """The prices of a model by its own id."""
        rows = [row for row in self.prices if row["model_id"] == model and provider in ("", row["provider_id"])]
        return [Decimal(row[column]) for row in rows if row[column]]

    def trace(self, name: str) -> list[tuple[str, int, int]]:
        """When, tokens in and tokens out of each call of an Azure trace."""
        rows = self.table(f"azure_llm_trace_2023_{name}")
        return [(row["TIMESTAMP"], int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in rows]

    @cached_property
    def chats(self) -> Sequence[dict[str, Any]]:
        """The calls of the Mooncake trace."""
        lines = (self.folder / "mooncake_conversation_trace.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.strip()]


def _call(row: dict[str, str]) -> Call:
    at = dt.datetime.fromisoformat(row["ts_utc"])
    return Call(
        at=at,
        day=f"{at:%Y-%m-%d}",
        month=f"{at:%Y-%m}",
        year=f"{at:%Y}",
        quarter=f"{at:%Y}Q{(at.month + 2) // 3}",
        user=row["user_id"],
        model=row["model"],
        weak_model=row["weak_model"],
        mode=row["edit_format"],
        sent=int(row["prompt_tokens"] or 0),
        received=int(row["completion_tokens"] or 0),
        tokens=int(row["total_tokens"] or 0),
        cost=Decimal(row["cost_usd"] or 0),
        session_cost=Decimal(row["session_cost_usd"] or 0),
    )
