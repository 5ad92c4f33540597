"""List prices nested in JSON, as ``genai_prices.json`` has them: sellers with models, models with prices and tiers.

Such a file is loaded as a table of sellers whose models are JSON text. The SQL here makes of it the rows that a flat
table of prices has, and the tiers that a flat one leaves out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from chatcore.agents.analyst.columns import Candidate
from chatcore.agents.analyst.pricebook.columns import PriceColumns, Rate
from chatcore.agents.analyst.readings import identifier

_SELLER, _MODELS = "id", "models"

_MODEL_SHAPE = '[{"id":"VARCHAR","name":"VARCHAR","match":"JSON","prices":"JSON"}]'
_TIER_SHAPE = '[{"start":"DOUBLE","price":"DOUBLE"}]'


def is_nested(columns: Sequence[Candidate]) -> bool:
    """Whether a table may hold sellers with their models in JSON."""
    return {_SELLER, _MODELS} <= {column.name for column in columns if column.type == "VARCHAR"}


def has_prices(models: Any) -> bool:
    """Whether the models of a seller are JSON text of models with prices."""
    try:
        found = json.loads(models)
    except (TypeError, ValueError, RecursionError):
        return False
    return isinstance(found, list) and any(isinstance(each, dict) and {"id", "prices"} <= set(each) for each in found)


def nested_columns(table: str) -> PriceColumns:
    """The columns of the rows that the SQL here makes of a nested table."""
    return PriceColumns(
        table=table,
        model="model_id",
        rates=MappingProxyType({rate: f"{rate}_usd_per_mtok" for rate in Rate}),
        per_tokens=1_000_000,
        currency="$",
        provider="provider_id",
        title="model_name",
        since="since",
        from_time="from_time",
        to_time="to_time",
        tiers="tiered",
        rules="rules",
        relation=f"({_flattened(table)})",
        order="position",
    )


def _flattened(table: str) -> str:
    """A row per model and condition, with the price of the lowest tier."""
    rates = ", ".join(f"{_base(rate)} AS {rate}_usd_per_mtok" for rate in Rate)
    return (
        "SELECT provider_id, model_id, model_name, rules, TRY_CAST(priced ->> '$.constraint.start_date' AS DATE) "
        "AS since, priced ->> '$.constraint.start_time' AS from_time, priced ->> '$.constraint.end_time' AS to_time, "
        f"contains(CAST(priced AS VARCHAR), '\"tiers\"') AS tiered, {rates}, row_number() OVER () AS position "
        f"FROM ({_conditions(table)})"
    )


def _conditions(table: str, where: str = "") -> str:
    models = (
        f"SELECT {identifier(_SELLER)} AS provider_id, unnest(from_json(CAST({identifier(_MODELS)} AS JSON), "
        f"'{_MODEL_SHAPE}')) AS model FROM {identifier(table)}{where}"
    )
    several = "json_extract(model.prices, '$[*]')"
    return (
        "SELECT provider_id, model.id AS model_id, model.name AS model_name, CAST(model.match AS VARCHAR) AS rules, "
        f"unnest(CASE WHEN json_type(model.prices) = 'ARRAY' THEN {several} "
        f"ELSE [json_object('prices', model.prices)] END) AS priced FROM ({models})"
    )


def _base(rate: Rate) -> str:
    path = f"$.prices.{rate}_mtok"
    return f"TRY_CAST(coalesce(priced ->> '{path}.base', priced ->> '{path}') AS DOUBLE)"


def tiers_sql(table: str) -> str:
    """A SELECT of the tiers that models of a nested table have: lists of ``start`` and ``price``, a column a rate."""
    lists = ", ".join(
        f"list_sort(from_json(priced -> '$.prices.{rate}_mtok.tiers', '{_TIER_SHAPE}')) AS {rate}_tiers"
        for rate in Rate
    )
    wanted = _conditions(table, f" WHERE contains(CAST({identifier(_MODELS)} AS VARCHAR), '\"tiers\"')")
    return (
        "SELECT provider_id, model_id, TRY_CAST(priced ->> '$.constraint.start_date' AS DATE) AS tiers_since, "
        f"{lists} FROM ({wanted}) WHERE contains(CAST(priced AS VARCHAR), '\"tiers\"')"
    )
