"""Costs of several currencies in one column: told apart, never added up, whatever is asked of them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest

from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.one_currency import mixed_currencies, told_in_one
from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Filter, Intent, Measure, Refusal

from .conftest import ask, loaded

ROWS: tuple[tuple[str, str, str, str, str, int, int], ...] = (
    ("2025-01-03", "ann", "gpt-4o", "12.50", "USD", 4_000_000, 250_000),
    ("2025-01-05", "bob", "gpt-4o", "8.10", "EUR", 2_500_000, 150_000),
    ("2025-01-20", "bob", "gpt-4o-mini", "0.40", "EUR", 1_310_000, 400_000),
    ("2025-02-07", "ann", "gpt-4o-mini", "1.20", "USD", 6_000_000, 500_000),
    ("2025-02-09", "ann", "gpt-4o", "3.00", "USD", 1_000_000, 50_000),
    ("2025-02-11", "cid", "o3", "2.50", "EUR", 500_000, 100_000),
    ("2025-03-01", "cid", "o3", "0.75", "GBP", 100_000, 20_000),
)
LIST = {
    "gpt-4o": (Decimal("2.5"), Decimal(10)),
    "gpt-4o-mini": (Decimal("0.15"), Decimal("0.6")),
    "o3": (Decimal(2), Decimal(8)),
}


def _spend(currency: str, *, month: str = "", model: str = "") -> str:
    rows = (r for r in ROWS if r[4] == currency and r[0].startswith(month) and r[2].startswith(model))
    return f"{sum(Decimal(r[3]) for r in rows):.2f}"


def _mixed_sums() -> set[str]:
    """What would be told if amounts of several currencies were added up: in all, by model, by user, by month."""
    groups: dict[object, list[tuple[str, Decimal]]] = {}
    for row in ROWS:
        for key in ("all", ("month", row[0][:7]), ("user", row[1]), ("model", row[2])):
            groups.setdefault(key, []).append((row[4], Decimal(row[3])))
    return {f"{sum(a for _, a in each):.2f}" for each in groups.values() if len({c for c, _ in each}) > 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = ["day,user,model,cost,currency,input_tokens,output_tokens", *(",".join(map(str, row)) for row in ROWS)]
    (tmp_path / "calls.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    prices = ["provider,model,input_usd_per_mtok,output_usd_per_mtok"]
    prices += [f"openai,{model},{into},{out}" for model, (into, out) in LIST.items()]
    (tmp_path / "list_prices.csv").write_text("\n".join(prices) + "\n", encoding="utf-8")
    return tmp_path


def _at_list(model: str = "", priced_as: str = "") -> str:
    rows = [row for row in ROWS if not model or row[2] == model]
    rates = [(row, LIST[priced_as or row[2]]) for row in rows]
    cost = sum((row[5] * into + row[6] * out for row, (into, out) in rates), Decimal(0))
    return f"${cost / 1_000_000:.2f}"


ADDED_UP = (
    "What did we spend?",
    "Spend by month",
    "Spend by model",
    "What did bob spend?",
    "What are our most expensive calls?",
    "average cost per call",
    "compare January 2025 and February 2025",
    "compare spend of gpt-4o and o3",
    "How concentrated is our spend?",
    "Which days were unusual?",
    "Any implausible calls?",
    "Did we pay list price?",
    "What drove the change in spend in February 2025?",
    "Are we within $20 a month?",
    "How many calls cost more than $1?",
    "which models cost more than €2",
)


async def test_what_would_add_them_up_asks_back_which_is_meant(folder: Path) -> None:
    async with loaded(folder) as ledger:
        for question in ADDED_UP:
            told = await ask(ledger, question)
            assert told.answer.reason == "ambiguous", (question, told.text)
            assert told.answer.alternatives, question
            for alternative in told.answer.alternatives:
                found = plan(alternative, ledger.catalogue)
                assert isinstance(found, Intent), (alternative, found)
                assert mixed_currencies(found, ledger.catalogue) is None, alternative


@pytest.mark.parametrize("question", ["How many calls cost more than $1?", "which models cost more than €2"])
async def test_an_amount_with_a_sign_is_offered_in_its_own_currency_only(folder: Path, question: str) -> None:
    async with loaded(folder) as ledger:
        offered = " ".join((await ask(ledger, question)).answer.alternatives or [])
        assert ("in USD" in offered) is ("$" in question), offered
        assert ("in EUR" in offered) is ("€" in question), offered
        assert "GBP" not in offered, offered


IN_ONE = {
    "What did we spend in EUR?": [f"€{_spend('EUR')}"],
    "What did we spend in euros?": [f"€{_spend('EUR')}"],
    "What did we spend in dollars?": [f"${_spend('USD')}"],
    "What did we spend in GBP?": [f"£{_spend('GBP')}"],
    "Spend by month in USD": [f"${_spend('USD', month=f'2025-0{month}')}" for month in (1, 2)],
    "Spend by model in EUR": [f"€{_spend('EUR', model=model)}" for model in LIST if model != "gpt-4o"],
    "most expensive calls in EUR": ["**€8.10**", "€2.50", "€0.40"],
    "what did we spend on o3 in EUR": ["**€2.50**"],
    "how many calls cost more than €1 in EUR?": ["**2 calls**", "€10.60"],
    "which models cost more than €2 in EUR": ["**2** of 3", "€10.60"],
    "compare January 2025 and February 2025 in USD": ["$12.50", "$4.20"],
    "average cost per call in EUR": ["€3.67"],
    "are we within €5 a month in EUR?": ["€8.50"],
}


async def test_one_currency_is_told_in_it(folder: Path) -> None:
    async with loaded(folder) as ledger:
        for question, expected in IN_ONE.items():
            told = await ask(ledger, question)
            assert told.answer.answered, told.text
            _holds(told.text, expected)
            assert not [sign for sign in "$€£" if sign in told.text and sign not in "".join(expected)], told.text


BESIDE = {
    "Spend by currency": ("USD", "EUR", "GBP"),
    "Which currency do we spend most in?": ("USD", "EUR", "GBP"),
    "What did we spend in USD vs EUR?": ("USD", "EUR"),
    "compare USD and EUR": ("USD", "EUR"),
    "What did we spend in USD and EUR?": ("USD", "EUR"),
    "What did we spend excluding EUR?": ("USD", "GBP"),
}


async def test_several_stand_beside_each_other_and_are_never_set_off(folder: Path) -> None:
    async with loaded(folder) as ledger:
        for question, named in BESIDE.items():
            told = await ask(ledger, question)
            assert told.answer.answered, told.text
            for currency in ("USD", "EUR", "GBP"):
                assert (f"| `{currency}` | {_spend(currency)} |" in told.text) is (currency in named), told.text
            assert " more than" not in told.text, told.text
            assert "%" not in told.text, told.text


WITHOUT_COST = {
    "How many calls were there?": ["**7 calls**"],
    "How many tokens did we use by model?": ["7,950,000"],
    "calls by currency": ["**3**"],
    "how many currencies are there": ["**3**"],
    "how many calls cost nothing?": ["None of 7 calls"],
    "What would our usage cost at list price?": [_at_list()],
    "what if we had used gpt-4o-mini instead of gpt-4o": [_at_list("gpt-4o"), _at_list("gpt-4o", "gpt-4o-mini")],
    "how can we cut our bill?": [_at_list()],
    "What data is there?": ["`cost` for the cost"],
}


async def test_what_needs_no_costs_is_told_without_them(folder: Path) -> None:
    async with loaded(folder) as ledger:
        for question, expected in WITHOUT_COST.items():
            told = await ask(ledger, question)
            assert told.answer.answered, told.text
            _holds(told.text, expected)
            shown = " ".join(told.text.split())
            assert not [each for each in _mixed_sums() if f" {each}" in shown or f"${each}" in shown], told.text


FOLLOWED = {
    ("What did we spend?", "in EUR"): ["**€11.00**"],
    ("What did we spend in USD?", "and in EUR?"): ["**€11.00**"],
    ("What did we spend in USD?", "and by month?"): ["$12.50", "$4.20"],
    ("Spend by month in USD", "what do they add up to?"): ["**$16.70**"],
    ("Spend by currency", "only EUR"): ["**€11.00**"],
    ("What did we spend on o3 in EUR?", "and in GBP?"): ["**£0.75**"],
    ("spend by model in EUR", "only those above €2"): ["**2** of 3", "€10.60"],
}


async def test_a_follow_up_keeps_or_takes_the_currency(folder: Path) -> None:
    async with loaded(folder) as ledger:
        for thread, expected in FOLLOWED.items():
            told = await ask(ledger, thread[1], [thread[0]])
            assert told.answer.answered, told.text
            _holds(told.text, expected)


@pytest.mark.parametrize("follow_up", ["and by month?", "what do they add up to?"])
async def test_a_follow_up_to_all_of_them_asks_back(folder: Path, follow_up: str) -> None:
    async with loaded(folder) as ledger:
        told = await ask(ledger, follow_up, ["Spend by currency"])
        assert told.answer.reason == "ambiguous", told.text


async def test_an_amount_of_another_currency_is_not_set_against_them(folder: Path) -> None:
    async with loaded(folder) as ledger:
        for question in ("how many calls cost more than $1 in EUR?", "are we within $5 a month in EUR?"):
            told = await ask(ledger, question)
            assert told.answer.reason == "not_supported", told.text
            assert "no rate of exchange" in told.text, told.text


async def test_no_intent_of_a_model_adds_them_up(folder: Path) -> None:
    """Whatever kind a language model calls: it is refused, or its table has no costs to add."""
    side = [Filter(column="currency", values=[each], words=each) for each in ("USD", "EUR")]
    async with loaded(folder) as ledger:
        for kind in KINDS:
            intent = Intent(kind=kind, table="calls", measure=Measure.COST)
            refused = mixed_currencies(intent, ledger.catalogue)
            told = told_in_one(intent, ledger.catalogue).table("calls")
            assert isinstance(refused, Refusal) or not told.currency, kind
        versus = Intent(kind="versus", table="calls", by="currency", filters=side)
        assert isinstance(mixed_currencies(versus, ledger.catalogue), Refusal)
        one = Intent(kind="total", table="calls", filters=side[:1])
        assert mixed_currencies(one, ledger.catalogue) is None
        assert told_in_one(one, ledger.catalogue).table("calls").currency == "$"


async def test_costs_in_euros_by_their_name_take_amounts_in_euros(tmp_path: Path) -> None:
    rows = (
        "when,model,cost_eur\n2025-01-03 10:00:00,gpt-4o,12.50\n2025-01-05 11:00:00,gpt-4o,8.10\n2025-02-07,o3,1.20\n"
    )
    (tmp_path / "runs.csv").write_text(rows, encoding="utf-8")
    async with loaded(tmp_path) as ledger:
        _holds((await ask(ledger, "calls above €5")).text, ["**2 runs**", "€20.60"])
        _holds((await ask(ledger, "which models cost more than €2")).text, ["**1** of 2"])
        assert (await ask(ledger, "calls above $5")).answer.reason == "not_supported"


def _holds(text: str, expected: Iterable[str]) -> None:
    missing = [each for each in expected if each not in text]
    assert not missing, (missing, text)
