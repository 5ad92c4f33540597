"""Questions that were once answered with the number of another question: each is computed from the file again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from .conftest import ask, loaded

Row = dict[str, str]


def _cost(rows: list[Row]) -> Decimal:
    """Of the plausible rows."""
    return sum((Decimal(row["cost_usd"]) for row in rows if Decimal(row["cost_usd"]) < 5000), Decimal(0))


def _no_model(*parts: str) -> Callable[[Row], bool]:
    return lambda row: not any(part in row["model"] for part in parts)


def _no_mode(*modes: str) -> Callable[[Row], bool]:
    return lambda row: row["edit_format"] not in modes


_WITHOUT: dict[str, Callable[[Row], bool]] = {
    "spend on everything but claude": _no_model("claude"),
    "spend without claude or gpt": _no_model("claude", "gpt"),
    "spend on models without claude and gpt": _no_model("claude", "gpt"),
    "spend excluding claude, gemini and gpt": _no_model("claude", "gemini", "gpt"),
    "spend aside from claude": _no_model("claude"),
    "spend on everything but ask mode": _no_mode("ask"),
    "spend not in ask mode": _no_mode("ask"),
    "spend other than diff and ask": _no_mode("diff", "ask"),
    "spend on everything except for the ask and diff modes": _no_mode("diff", "ask"),
    "spend on claude but not haiku": lambda row: "claude" in row["model"] and "haiku" not in row["model"],
}


async def test_what_is_left_out_is_left_out(shared: Path, usage_rows: list[Row]) -> None:
    async with loaded(shared) as ledger:
        for question, kept in _WITHOUT.items():
            told = await ask(ledger, question)
            assert f"**${_cost([row for row in usage_rows if kept(row)]):,.2f}**" in told.text, question
