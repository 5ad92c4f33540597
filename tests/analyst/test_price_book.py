"""Which tables hold prices, and which of their rows a model's name leads to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.columns import Candidate
from chatcore.agents.analyst.pricebook import PriceBook, PriceColumns, PriceKey, PriceRow, Rate
from chatcore.agents.analyst.pricebook.columns import find_prices
from chatcore.agents.analyst.prices.naming import resolve

from .conftest import loaded, write_csv
from .listed import PriceList


def candidates(**types: str) -> list[Candidate]:
    return [Candidate(name, type_name) for name, type_name in types.items()]


SHAPES = [
    (
        candidates(
            provider_id="VARCHAR", model_id="VARCHAR", model_name="VARCHAR", context_window="BIGINT",
            input_usd_per_mtok="DOUBLE", cache_read_usd_per_mtok="DOUBLE", output_usd_per_mtok="DOUBLE",
            constraint_start_date="DATE", constraint_start_time="VARCHAR", match_json="VARCHAR",
        ),
        ("model_id", "input_usd_per_mtok", "output_usd_per_mtok", 1_000_000),
    ),
    (
        candidates(vendor="VARCHAR", model="VARCHAR", input_price_per_1k="DOUBLE", output_price_per_1k="DOUBLE"),
        ("model", "input_price_per_1k", "output_price_per_1k", 1_000),
    ),
    (
        candidates(Model="VARCHAR", PromptPrice="DOUBLE", CompletionPrice="DOUBLE"),
        ("Model", "PromptPrice", "CompletionPrice", 1),
    ),
    (
        candidates(name="VARCHAR", id="VARCHAR", price_in_million="DOUBLE", price_out_million="DOUBLE"),
        ("id", "price_in_million", "price_out_million", 1_000_000),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "expected"), SHAPES)
def test_a_price_table_is_known_by_its_columns(
    columns: Sequence[Candidate], expected: tuple[str, str, str, int]
) -> None:
    found = find_prices("prices", columns)
    assert found is not None
    assert (found.model, found.rates[Rate.INPUT], found.rates[Rate.OUTPUT], found.per_tokens) == expected


NO_PRICES = [
    candidates(ts="TIMESTAMP", model="VARCHAR", prompt_tokens="BIGINT", completion_tokens="BIGINT", cost_usd="DOUBLE"),
    candidates(model="VARCHAR", input_usd_per_mtok="DOUBLE"),
    candidates(input_usd_per_mtok="DOUBLE", output_usd_per_mtok="DOUBLE"),
    candidates(model="VARCHAR", input_usd_per_mtok="VARCHAR", output_usd_per_mtok="VARCHAR"),
    candidates(model="VARCHAR", input_price_per_image="DOUBLE", output_price_per_image="DOUBLE"),
]


@pytest.mark.parametrize("columns", NO_PRICES)
def test_another_table_is_not(columns: Sequence[Candidate]) -> None:
    assert find_prices("t", columns) is None


def book(*rows: tuple[str | None, str, str | None]) -> PriceBook:
    columns = PriceColumns(table="p", model="m", rates={Rate.INPUT: "i", Rate.OUTPUT: "o"}, per_tokens=1)
    return PriceBook(columns=columns, rows=tuple(PriceRow(key=PriceKey(p, m), rules=r) for p, m, r in rows))


SOLD = book(
    ("azure", "gpt-4o", None),
    ("openai", "gpt-4o", '{"or": [{"equals": "gpt-4o"}, {"equals": "gpt-4o-2024-08-06"}]}'),
    ("openai", "gpt-4", '{"starts_with": "gpt-4"}'),
    ("openrouter", "openai/gpt-4o", None),
    ("google", "gemini-2.5-pro", '{"starts_with": "gemini-2.5-pro"}'),
    ("groq", "llama-3", None),
    ("cerebras", "llama-3", None),
)

MEANT = {
    "gpt-4o": "openai/gpt-4o",  # its maker's, before a reseller's
    "GPT-4o": "openai/gpt-4o",
    "openai/gpt-4o": "openai/gpt-4o",
    "azure/gpt-4o": "azure/gpt-4o",
    "openrouter/openai/gpt-4o": "openrouter/openai/gpt-4o",
    "gpt-4o-2024-08-06": "openai/gpt-4o",  # equal before one that it begins with
    "gpt-4-0613": "openai/gpt-4",
    "gemini/gemini-2.5-pro-exp": "google/gemini-2.5-pro",
    "vertex_ai/gemini-2.5-pro": "google/gemini-2.5-pro",
    "llama-3": "cerebras/llama-3",  # nobody makes it who sells it: the first by name
    "groq/llama-3": "groq/llama-3",
    "groq/gpt-4o": None,
    "ollama/llama-3": None,
    "openai/REDACTED": None,
    "None": None,
    "": None,
    "/": None,
    "gpt-4o" * 100: None,
}


@pytest.mark.parametrize(("name", "expected"), MEANT.items())
def test_a_name_leads_to_one_row(name: str, expected: str | None) -> None:
    row = SOLD.match(name)
    assert (str(row.key) if row else None) == expected


def test_a_table_without_sellers_is_matched_by_name() -> None:
    plain = book((None, "o3", None), (None, "anthropic/claude", None))
    assert str(plain.match("o3").key) == "o3"  # type: ignore[union-attr]
    assert plain.match("openai/o3") is None  # whether it is the same price is not known
    assert str(plain.match("anthropic/claude").key) == "anthropic/claude"  # type: ignore[union-attr]


async def test_every_name_of_the_usage_leads_to_the_row_it_should(
    shared: Path, usage_rows: list[dict[str, str]]
) -> None:
    prices = PriceList.of(shared)
    async with loaded(shared / "llm_usage.csv", shared / "model_prices.csv") as ledger:
        (found,) = ledger.catalogue.price_books
        for name in {row["model"] for row in usage_rows}:
            expected = {(row["provider_id"], row["model_id"]) for row in prices.find(name)}
            row = found.match(name)
            assert ({(row.key.provider, row.key.model)} if row else set()) == expected, name


async def test_the_nested_list_has_the_same_models(shared: Path) -> None:
    async with loaded(shared / "genai_prices.json") as nested, loaded(shared / "model_prices.csv") as flat:
        (one,), (other,) = nested.catalogue.price_books, flat.catalogue.price_books
        assert [row.key for row in one.rows] == [row.key for row in other.rows]
        assert [row.names for row in one.rows] == [row.names for row in other.rows]
        assert [row.conditions for row in one.rows] == [row.conditions for row in other.rows]
        assert {row.key for row in one.rows if row.tiered} == {row.key for row in other.rows if row.tiered}


ASKED = {
    "claude 3.5 sonnet": ["anthropic/claude-3-5-sonnet"],
    "sonnet 4.5": ["anthropic/claude-sonnet-4-5"],
    "gemini 2.5 pro": ["google/gemini-2.5-pro"],
    "gpt 4o": ["openai/gpt-4o"],
    "deepseek chat": ["deepseek/deepseek-chat"],
    "openai o3": ["openai/o3"],
    "o3": ["openai/o3"],
    "mini": [],
    "foo-9": [],
}


@pytest.mark.parametrize(("words", "expected"), ASKED.items())
async def test_a_question_names_a_model_in_words(shared: Path, words: str, expected: list[str]) -> None:
    catalogue = await prices_catalogue(shared)
    rows, _ = resolve(words.split(), catalogue.price_books[0])
    assert [str(row.key) for row in rows] == expected


async def prices_catalogue(shared: Path) -> Catalogue:
    if shared not in _OPENED:
        async with loaded(shared / "model_prices.csv") as ledger:
            _OPENED[shared] = ledger.catalogue
    return _OPENED[shared]


_OPENED: dict[Path, Catalogue] = {}


async def test_a_name_that_several_have_is_not_clear(shared: Path) -> None:
    catalogue = await prices_catalogue(shared)
    rows, clear = resolve(["claude", "sonnet"], catalogue.price_books[0])
    assert not clear
    assert len(rows) > 3
    assert {row.key.provider for row in rows} == {"anthropic"}


async def test_rules_that_nobody_can_judge_harm_nothing(tmp_path: Path) -> None:
    rows = [["m-1", 1, 2, '{"regex": "(a+)+$"}'], ["m-2", 1, 2, "no json"], ["m-3", 1, 2, ""]]
    path = write_csv(
        tmp_path / "prices.csv", ["model", "input_usd_per_mtok", "output_usd_per_mtok", "match_json"], rows
    )
    async with loaded(path) as ledger:
        (found,) = ledger.catalogue.price_books
        assert [found.match(f"m-{n}") is not None for n in (1, 2, 3)] == [True, True, True]
        assert found.match("a" * 190 + "!") is None
