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


def _percentile(rows: list[Row], column: str, percent: int) -> int:
    ordered = sorted(int(row[column]) for row in rows)
    return ordered[-(-percent * len(ordered) // 100) - 1]


def _average(rows: list[Row], column: str) -> str:
    return f"**{sum(int(row[column]) for row in rows) / len(rows):,.2f}**"


async def test_tokens_in_and_tokens_out_are_not_tokens(shared: Path, usage_rows: list[Row]) -> None:
    of_o3 = [row for row in usage_rows if row["model"] == "o3"]
    of_2025 = [row for row in usage_rows if row["ts_utc"].startswith("2025")]
    most_out = max(int(row["completion_tokens"]) for row in usage_rows)
    most_in = max(int(row["prompt_tokens"]) for row in of_2025)
    async with loaded(shared) as ledger:
        for question, figure in (
            ("average prompt tokens per call in 2025", f"{_average(of_2025, 'prompt_tokens')} tokens in"),
            ("average output tokens per call for o3", f"{_average(of_o3, 'completion_tokens')} tokens out"),
            ("which model has the highest average output tokens?", _average(of_o3, "completion_tokens")),
            ("p99 of prompt tokens", f"`p99` **{_percentile(usage_rows, 'prompt_tokens', 99):,}**"),
            ("p95 of completion tokens for o3", f"`p95` **{_percentile(of_o3, 'completion_tokens', 95):,}**"),
            ("which call had the most output tokens?", f"**{most_out:,} tokens out**"),
            ("highest prompt tokens in a call in 2025", f"**{most_in:,}**"),
        ):
            assert figure in (await ask(ledger, question)).text, question


async def test_what_one_kind_of_tokens_cost_is_not_known(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question in (
            "cost per million input tokens in march 2025",
            "cost per output token for o3",
            "how much did we spend on output tokens?",
            "what did o3 cost per million output tokens before June 10 2025",
        ):
            answer = (await ask(ledger, question)).answer
            assert (answer.answered, answer.reason) == (False, "no_such_column"), question
