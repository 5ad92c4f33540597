"""One place of a ranking that is not the first."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path

from .conftest import ask, loaded


async def test_the_second_is_not_the_first(shared: Path, usage_rows: list[dict[str, str]]) -> None:
    raw: defaultdict[str, Decimal] = defaultdict(Decimal)
    clean: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in usage_rows:
        raw[row["model"]] += Decimal(row["cost_usd"])
        clean[row["model"]] += Decimal(row["cost_usd"]) if Decimal(row["cost_usd"]) < 5000 else 0
    ordered, without = (sorted(each, key=lambda name, of=each: -of[name]) for each in (raw, clean))  # type: ignore[misc]
    async with loaded(shared) as ledger:
        for place, word in ((2, "second"), (3, "third")):
            text = (await ask(ledger, f"which is the {word} most expensive model?")).text
            one, other = ordered[place - 1], without[place - 1]
            assert text.startswith(f"By `model`, `{one}` has the {word} most spend: **${raw[one]:,.2f}** as recorded")
            assert f"without implausible rows it is `{other}` with **${clean[other]:,.2f}**" in text


async def test_other_places_and_lists_of_none_are_refused(shared: Path) -> None:
    async with loaded(shared) as ledger:
        for question in ("second most expensive month", "2nd most expensive call", "top 0 models", "top 0 calls"):
            answer = (await ask(ledger, question)).answer
            assert (answer.answered, answer.reason) == (False, "not_supported"), question
        answer = (await ask(ledger, "top 0 models", ["spend in 2025"])).answer
        assert not answer.answered
        assert (await ask(ledger, "fifth most expensive user in 2025")).text.startswith("There is no fifth most spend")
