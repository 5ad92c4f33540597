"""List prices worked out in plain Python from the files: what the answers are checked against."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import attrs

Rule: TypeAlias = dict[str, Any]

SELLERS = {
    "anthropic": "anthropic", "openai": "openai", "deepseek": "deepseek", "openrouter": "openrouter",
    "mistral": "mistral", "gemini": "google", "xai": "x-ai", "bedrock": "aws", "fireworks_ai": "fireworks",
    "together_ai": "together", "groq": "groq", "vertex_ai": "google", "cohere_chat": "cohere",
}  # fmt: skip
"""Who sells, by what the usage has before the first slash; whoever is not here is not in the price list."""

MAKERS = {"claude": "anthropic", "gpt": "openai", "o1": "openai", "o3": "openai", "o4": "openai", "gemini": "google"}


def covers(rule: Rule, name: str) -> bool:
    """Whether a rule of the price list covers a name."""
    ((kind, value),) = rule.items()
    if kind in ("or", "and"):
        found = [covers(part, name) for part in value]
        return any(found) if kind == "or" else all(found)
    judged = {
        "equals": name == value.lower(),
        "starts_with": name.startswith(value.lower()),
        "ends_with": name.endswith(value.lower()),
        "contains": value.lower() in name,
    }
    return judged[kind] if kind in judged else bool(re.search(value, name))


def says_equals(rule: Rule, name: str) -> bool:
    """Whether a rule has a clause that the name is equal to."""
    if "or" in rule:
        return any(says_equals(part, name) for part in rule["or"])
    return bool(rule.get("equals", "").lower() == name)


@attrs.frozen
class PriceList:
    """``model_prices.csv`` and ``genai_prices.json``."""

    rows: Sequence[dict[str, str]]
    nested: Sequence[dict[str, Any]]
    _found: dict[str, list[dict[str, str]]] = attrs.field(factory=dict)

    @staticmethod
    def of(directory: Path) -> PriceList:
        with (directory / "model_prices.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return PriceList(rows, json.loads((directory / "genai_prices.json").read_text(encoding="utf-8")))

    def find(self, used: str) -> list[dict[str, str]]:
        """The rows of the model that a name in the usage means."""
        if used not in self._found:
            self._found[used] = self._find(used)
        return self._found[used]

    def _find(self, used: str) -> list[dict[str, str]]:
        head, slash, rest = used.lower().partition("/")
        seller = SELLERS.get(head) if slash else next((m for b, m in MAKERS.items() if head.startswith(b)), None)
        name = rest if slash else head
        if seller is None or name == "redacted":
            return []
        sold = [row for row in self.rows if row["provider_id"] == seller and row["input_usd_per_mtok"]]
        named = [r for r in sold if r["model_id"].lower() == name or says_equals(json.loads(r["match_json"]), name)]
        ruled = [row for row in sold if covers(json.loads(row["match_json"]), name)]
        first = (named or ruled)[:1]
        return [row for row in sold if first and row["model_id"] == first[0]["model_id"]]

    @staticmethod
    def at(rows: Sequence[dict[str, str]], time: dt.datetime) -> dict[str, str]:
        """The last row whose condition holds."""
        return [row for row in rows if _holds(row, time)][-1]

    def cost(self, used: str, time: dt.datetime, inside: int, outside: int, *, tiers: bool = False) -> Decimal | None:
        """What a call costs at list; None where no price covers its model."""
        rows = self.find(used)
        if not rows:
            return None
        row = self.at(rows, time)
        rates = [self._rate(row, side, inside if tiers else 0) for side in ("input", "output")]
        return (rates[0] * inside + (rates[1] * outside if outside else 0)) / 1_000_000

    def _rate(self, row: dict[str, str], side: str, prompt: int) -> Decimal:
        base = Decimal(row[f"{side}_usd_per_mtok"] or 0)
        if row["has_tiers"] != "1" or not prompt:
            return base
        tiers = self._tiers(row["provider_id"], row["model_id"], row["constraint_start_date"], side)
        return ([base] + [Decimal(str(tier["price"])) for tier in tiers if prompt > tier["start"]])[-1]

    def _tiers(self, provider: str, model: str, since: str, side: str) -> list[dict[str, Any]]:
        (seller,) = [each for each in self.nested if each["id"] == provider]
        (found,) = [each for each in seller["models"] if each["id"] == model]
        prices = found["prices"] if isinstance(found["prices"], list) else [{"prices": found["prices"]}]
        (held,) = [each for each in prices if each.get("constraint", {}).get("start_date", "") == since]
        price = held["prices"].get(f"{side}_mtok")
        return sorted(price["tiers"], key=lambda tier: tier["start"]) if isinstance(price, dict) else []


def _holds(row: dict[str, str], time: dt.datetime) -> bool:
    if row["constraint_start_date"] and time.date().isoformat() < row["constraint_start_date"]:
        return False
    start, end = row["constraint_start_time"][:8], row["constraint_end_time"][:8]
    return not start or start <= time.time().isoformat() < end


@attrs.frozen
class Call:
    """A call of ``llm_usage.csv`` with its list price."""

    model: str
    time: dt.datetime
    inside: int
    outside: int
    logged: Decimal
    listed: Decimal | None

    @property
    def plausible(self) -> bool:
        return self.logged < 1000


def calls_of(usage: Sequence[dict[str, str]], prices: PriceList, *, tiers: bool = False) -> list[Call]:
    """Every call of the usage."""
    found = []
    for row in usage:
        time, model = dt.datetime.fromisoformat(row["ts_utc"]), row["model"]
        inside, outside = int(row["prompt_tokens"]), int(row["completion_tokens"])
        listed = prices.cost(model, time, inside, outside, tiers=tiers)
        found.append(Call(model, time, inside, outside, Decimal(row["cost_usd"]), listed))
    return found
