"""What columns are taken for."""

from __future__ import annotations

import pytest

from chatcore.agents.analyst.columns import (
    Candidate,
    Family,
    Meaning,
    currency_of,
    family_of,
    is_measured,
    name_words,
    recognise,
)


def test_names_are_split_into_words() -> None:
    assert name_words("prompt_tokens") == ("prompt", "tokens")
    assert name_words("inputTokens") == ("input", "tokens")
    assert name_words("ContextTokens") == ("context", "tokens")
    assert name_words("costUSD") == ("cost", "usd")
    assert name_words("Cost (USD)") == ("cost", "usd")


def test_types_have_families() -> None:
    types = ("BIGINT", "DECIMAL(18,3)", "HUGEINT", "DATE", "TIMESTAMP", "VARCHAR", "BOOLEAN")
    assert [family_of(name) for name in types] == [
        *[Family.NUMBER] * 3,
        *[Family.TIME] * 2,
        Family.TEXT,
        Family.OTHER,
    ]


TABLES: dict[str, dict[str, tuple[str, Meaning]]] = {
    "llm_usage": {
        "ts_utc": ("TIMESTAMP", Meaning.TIME),
        "user_id": ("VARCHAR", Meaning.USER),
        "model": ("VARCHAR", Meaning.MODEL),
        "weak_model": ("VARCHAR", Meaning.UNKNOWN),
        "editor_model": ("VARCHAR", Meaning.UNKNOWN),
        "edit_format": ("VARCHAR", Meaning.FEATURE),
        "prompt_tokens": ("BIGINT", Meaning.INPUT_TOKENS),
        "completion_tokens": ("BIGINT", Meaning.OUTPUT_TOKENS),
        "total_tokens": ("BIGINT", Meaning.TOTAL_TOKENS),
        "cost_usd": ("DOUBLE", Meaning.COST),
        "session_cost_usd": ("DOUBLE", Meaning.UNKNOWN),
    },
    "running total first": {
        "session_cost_usd": ("DOUBLE", Meaning.UNKNOWN),
        "cost_usd": ("DOUBLE", Meaning.COST),
    },
    "model_prices": {
        "model_id": ("VARCHAR", Meaning.MODEL),
        "input_usd_per_mtok": ("DOUBLE", Meaning.UNKNOWN),
        "output_usd_per_mtok": ("DOUBLE", Meaning.UNKNOWN),
        "constraint_start_date": ("DATE", Meaning.TIME),
    },
    "azure": {
        "TIMESTAMP": ("TIMESTAMP", Meaning.TIME),
        "ContextTokens": ("BIGINT", Meaning.INPUT_TOKENS),
        "GeneratedTokens": ("BIGINT", Meaning.OUTPUT_TOKENS),
    },
    "mooncake": {
        "timestamp": ("BIGINT", Meaning.UNKNOWN),
        "input_length": ("BIGINT", Meaning.INPUT_TOKENS),
        "output_length": ("BIGINT", Meaning.OUTPUT_TOKENS),
    },
    "an export": {
        "usage_date": ("DATE", Meaning.TIME),
        "employee_email": ("VARCHAR", Meaning.USER),
        "num_prompt_tokens": ("BIGINT", Meaning.INPUT_TOKENS),
        "amount": ("DOUBLE", Meaning.COST),
        "latency_ms": ("BIGINT", Meaning.DURATION),
        "feature": ("VARCHAR", Meaning.FEATURE),
        "status": ("VARCHAR", Meaning.STATUS),
        "team": ("VARCHAR", Meaning.UNKNOWN),
    },
    "numbered users": {"user_id": ("BIGINT", Meaning.USER), "day": ("DATE", Meaning.TIME)},
    "a word for a cost": {"cost_center": ("VARCHAR", Meaning.UNKNOWN)},
}


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_recognised(table: str) -> None:
    columns = TABLES[table]
    found = recognise([Candidate(name, type_name) for name, (type_name, _) in columns.items()])
    assert found == {name: meaning for name, (_, meaning) in columns.items()}


def test_currencies_come_from_names() -> None:
    assert [currency_of(name) for name in ("cost_usd", "spendEUR", "cost")] == ["$", "€", ""]


def test_only_what_measures_something_must_be_a_number_or_time() -> None:
    assert is_measured("cost_usd", "DOUBLE")
    assert is_measured("prompt_tokens", "BIGINT")
    assert is_measured("created_at", "TIMESTAMP")
    assert not is_measured("session_cost_usd", "DOUBLE")
    assert not is_measured("release", "DATE")
    assert not is_measured("zip", "BIGINT")
