"""The savings plan: ranked, and nothing counted twice, whatever the calls and the prices are."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import attrs
import pytest

from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.toolbox import tools_for
from chatcore.agents.tools import ToolError, ToolResult
from chatcore.context import UserExecutionContext

from .conftest import RecordedRun, ask, loaded, write_csv

PRICED = ("model_id", "input_usd_per_mtok", "output_usd_per_mtok", "cache_read_usd_per_mtok")
CALLED = ("time", "model", "input_tokens", "output_tokens", "cost_usd")


async def simulate(ledger: Ledger, **asked: Any) -> ToolResult:
    run = RecordedRun("", UserExecutionContext(user_id="tester"))
    return await tools_for(ledger).call(run, "simulate_savings", **asked)


def rows_of(result: ToolResult, column: str) -> list[dict[str, Any]]:
    found = next(each for each in result.evidence if column in each.columns)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


@attrs.frozen
class Made:
    """Calls and prices by chance.

    Args:
        prices: of each model: in, out, from the cache; the last is None where it has none.
        calls: model, tokens in, tokens out.
    """

    prices: dict[str, tuple[float, float, float | None]]
    calls: list[tuple[str, int, int]]

    def cost(self, model: str, inside: float, outside: float) -> float:
        rate = self.prices[model]
        return (inside * rate[0] + outside * rate[1]) / 1e6

    def small_model(self, below: int) -> str:
        """The model that a usual small call costs least on."""
        small = [call for call in self.calls if call[1] < below]
        inside, outside = (sum(each) / len(small) for each in ([c[1] for c in small], [c[2] for c in small]))
        return min((self.cost(model, inside, outside), model) for model in {call[0] for call in self.calls})[1]

    def savings(self, call: tuple[str, int, int], below: int, cap: int) -> dict[str, float]:
        """What each measure saves on a call."""
        model, inside, outside = call
        whole, cached = self.cost(model, inside, outside), self.prices[model][2]
        found = {"batch": whole / 2, "cap": whole - self.cost(model, min(inside, cap), outside)}
        found["cache"] = inside * (self.prices[model][0] - cached) / 1e6 if cached is not None else 0.0
        found["route"] = whole - self.cost(self.small_model(below), inside, outside) if inside < below else 0.0
        return {name: max(saving, 0.0) for name, saving in found.items()}


def made(seed: int) -> Made:
    chance = random.Random(seed)
    prices: dict[str, tuple[float, float, float | None]] = {}
    for name in ("alpha-1", "beta-2", "gamma-3"):
        rate = chance.choice((0.1, 0.5, 3.0, 15.0))
        prices[name] = (rate, rate * 4, chance.choice((None, rate / 10)))
    calls = [(chance.choice(list(prices)), chance.randrange(1, 20_000), chance.randrange(1, 2_000)) for _ in range(60)]
    return Made(prices, [*calls, ("alpha-1", 100, 10)])


def files(directory: Path, data: Made) -> tuple[Path, Path]:
    prices = [(name, *(rate if rate is not None else "" for rate in rates)) for name, rates in data.prices.items()]
    calls = [
        (f"2025-01-01 00:{i // 60:02}:{i % 60:02}", *call, f"{data.cost(*call):.12f}")
        for i, call in enumerate(data.calls)
    ]
    return (
        write_csv(directory / "usage.csv", CALLED, calls),
        write_csv(directory / "model_prices.csv", PRICED, prices),
    )


@pytest.mark.parametrize("seed", range(4))
async def test_no_saving_is_counted_twice(tmp_path: Path, seed: int) -> None:
    data, below, cap = made(seed), 3_000, 8_000
    async with loaded(*files(tmp_path, data)) as ledger:
        result = await simulate(ledger, below=below, cap_at=cap)
    rows = {row["measure"]: row for row in rows_of(result, "saving_together")}
    each = [data.savings(call, below, cap) for call in data.calls]
    together = sum(max(found.values()) for found in each)
    sure = sum(max(saving for name, saving in found.items() if name != "cache") for found in each)
    whole = sum(data.cost(*call) for call in data.calls)
    measures = [name for name in rows if not name.startswith("together")]
    for name in measures:
        assert abs(rows[name]["saving"] - sum(found[name] for found in each)) < 1e-9, name
        assert rows[name]["calls"] == sum(found[name] > 1e-15 for found in each)
    assert abs(rows["together"]["saving"] - together) < 1e-9
    assert abs(rows["together_without_ceilings"]["saving"] - sure) < 1e-9
    assert abs(rows["together"]["baseline"] - whole) < 1e-9
    assert abs(sum(rows[name]["saving_together"] for name in measures) - together) < 1e-9
    assert (
        max(rows[name]["saving"] for name in measures)
        <= together + 1e-9
        <= sum(rows[n]["saving"] for n in measures) + 2e-9
    )
    assert together <= whole
    savings = [rows[name]["saving"] for name in measures]
    assert savings == sorted(savings, reverse=True)


async def test_plan_of_the_shared_data(shared: Path) -> None:
    names = ("llm_usage.csv", "model_prices.csv", "genai_prices.json", "model_quality_cost.csv")
    async with loaded(*(shared / name for name in names)) as ledger:
        told = await ask(ledger, "how can we reduce our bill?")
        of_month, nothing = [await ask(ledger, f"where could we save in {month}?") for month in ("2025-03", "2025-09")]
    assert "in 2025-03" in of_month.text
    assert (nothing.answer.answered, nothing.answer.reason) == (False, "no_rows")
    rows = {row["measure"]: row for row in told.sheet("measure", "saving_together")}
    whole, singles = rows.pop("together"), [row for name, row in rows.items() if not name.startswith("together")]
    assert {"as_good", "batch", "cache", "cap", "route", "off_peak"} <= set(rows)
    assert whole["saving"] <= sum(row["saving"] for row in singles)
    assert whole["saving"] <= whole["baseline"]
    assert whole["saving"] >= max(row["saving"] for row in singles)
    assert abs(sum(row["saving_together"] for row in singles) - whole["saving"]) < 1e-6
    assert rows["together_without_ceilings"]["saving"] <= whole["saving"]
    assert rows["batch"]["shared_with"].split(", ") == ["as_good", "cache", "cap", "route", "off_peak"]
    told_of = [each.saving for each in told.answer.recommendations]
    assert told_of[:-1] == sorted(told_of[:-1], reverse=True)
    assert told_of[-1] == rows["together_without_ceilings"]["saving"]
    assert all(
        any("do not add them up" in fact for fact in each.assumptions) for each in told.answer.recommendations[:-1]
    )


async def test_tool(tmp_path: Path) -> None:
    data = made(1)
    async with loaded(*files(tmp_path, data)) as ledger:
        batch = await simulate(ledger, what_if="batch", discount_percent=25)
        (recommended,) = batch.value["recommendations"]
        assert abs(recommended["saving"] - 0.25 * sum(data.cost(*call) for call in data.calls)) < 1e-9
        swap = await simulate(ledger, what_if="swap", to="beta-2", filters=[_filter("alpha-1")])
        (outcome, *_) = rows_of(swap, "saving_as_logged")
        alpha = [call for call in data.calls if call[0] == "alpha-1"]
        assert abs(outcome["projected"] - sum(data.cost("beta-2", *call[1:]) for call in alpha)) < 1e-9
        assert not (await simulate(ledger, what_if="swap", to="nowhere-9")).value["answered"]
        assert not (await simulate(ledger, what_if="prefix_cache")).value["answered"]
        for wrong in ({"table": "none"}, {"what_if": "batch", "to": "x"}, {"what_if": "magic"}, {"below": "many"}):
            with pytest.raises(ToolError):
                await simulate(ledger, **wrong)


def _filter(model: str) -> dict[str, Any]:
    return {"column": "model", "values": [model], "words": model}


async def test_other_columns(tmp_path: Path) -> None:
    """The columns are found by what they mean, not by what the shared files call them."""
    usage = write_csv(
        tmp_path / "gateway_log.csv",
        ("created_at", "engine", "completion_token_count", "prompt_token_count", "charge_eur"),
        [(f"2025-01-0{day} 10:00:00", "alpha-1", 1000, 10_000, 0.07) for day in range(1, 8)],
    )
    prices = write_csv(
        tmp_path / "tariff.csv", ("model", "prompt_price_per_1k", "completion_price_per_1k"), [("alpha-1", 0.003, 0.04)]
    )
    async with loaded(usage, prices) as ledger:
        told = await ask(ledger, "what would batching save?")
    (recommended, *_) = told.answer.recommendations
    assert abs(recommended.saving - 7 * (0.03 + 0.04) / 2) < 1e-9
