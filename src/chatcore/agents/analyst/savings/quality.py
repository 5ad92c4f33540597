"""How well the models of a ledger did in a benchmark, where a name there leads to the same price. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.decisions.benchmark import Benchmark, find_benchmark
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.pricebook import PriceKey
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.savings.priced import Priced
from chatcore.agents.analyst.sql import Condition

_SETTING = re.compile(r"\s*\([^)]*\)\s*$")
"""What a benchmark says behind a name: ``o3 (high)``."""


@attrs.frozen
class Quality:
    """A benchmark as far as its models have a price.

    Args:
        benchmark: its columns.
        runs: what a run is called and the price that its name leads to.
        models: the names of the ledger's models and what their prices are found by.
    """

    benchmark: Benchmark
    runs: tuple[tuple[str, PriceKey], ...]
    models: tuple[tuple[str, PriceKey], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the benchmark that have a price, without the settings behind them."""
        return tuple(dict.fromkeys(plain_name(run) for run, _ in self.runs))

    @property
    def scores(self) -> Condition:
        """A SELECT of ``model``, of the ledger, with the ``score`` of its best run, and which ``run`` that is."""
        return self._best("scored", [(model, run) for model, key in self.models for run in self._runs_of(key)])

    @property
    def candidates(self) -> Condition:
        """The same for the benchmark's own names."""
        return self._best("tried", [(plain_name(run), run) for run, _ in self.runs])

    def scores_of(self, name: str, key: PriceKey) -> Condition:
        """The same for one name."""
        return self._best("target", [(name, run) for run in self._runs_of(key)])

    def _runs_of(self, key: PriceKey) -> list[str]:
        return [run for run, found in self.runs if found == key]

    def _best(self, prefix: str, pairs: Sequence[tuple[str, str]]) -> Condition:
        score, model = identifier(self.benchmark.score.name), identifier(self.benchmark.model.name)
        sql = (
            f"SELECT pair_model AS model, max({score}) AS score, arg_max(pair_run, ({score}, pair_run)) AS run FROM ("
            f"SELECT unnest(${prefix}_models) AS pair_model, unnest(${prefix}_runs) AS pair_run) "
            f"JOIN {identifier(self.benchmark.table.name)} ON CAST({model} AS VARCHAR) = pair_run "
            f"WHERE {score} IS NOT NULL GROUP BY pair_model"
        )
        models, runs = [model for model, _ in pairs], [run for _, run in pairs]
        return Condition(sql, {f"{prefix}_models": models, f"{prefix}_runs": runs})


def plain_name(run: str) -> str:
    """A run's model without the setting behind it."""
    return _SETTING.sub("", run).strip()


def find_quality(catalogue: Catalogue, priced: Priced) -> Quality | None:
    """The benchmark beside a ledger; None where there is none, or no name of it has a price."""
    benchmark = find_benchmark(catalogue)
    if benchmark is None or benchmark.table.name == priced.table.name:
        return None
    found = [(run, priced.book.match(plain_name(run))) for run in benchmark.model.values]
    runs = tuple((run, row.key) for run, row in found if row is not None)
    return Quality(benchmark, runs, tuple(priced.matches().items())) if runs else None


def quality_query(priced: Priced, quality: Quality, start: Condition, touched: Condition, to: str) -> Query:
    """The score of the model that calls would go to beside the mean of those that they were on, weighted by calls."""
    row = priced.book.match(to)
    target = quality.scores_of(to, row.key) if row else Condition("SELECT NULL AS model, NULL AS score, NULL AS run")
    sql = (
        f"{start.sql}, replaced AS (SELECT base.model, scored.score, scored.run FROM base "
        f"JOIN ({touched.sql}) USING (call) LEFT JOIN ({quality.scores.sql}) AS scored ON scored.model = base.model), "
        "summed AS (SELECT count(*) AS calls, count(score) AS calls_with_score, avg(CAST(score AS DECIMAL(18,6))) "
        "AS replaced_score_percent, count(DISTINCT model) AS models, min(run) AS replaced_run FROM replaced) "
        "SELECT calls, calls_with_score, replaced_score_percent, models, replaced_run, run AS target_run, "
        "score AS target_score_percent, score - replaced_score_percent AS score_difference_percent "
        f"FROM summed LEFT JOIN ({target.sql}) ON true"
    )
    parameters = {**start.parameters, **touched.parameters, **quality.scores.parameters, **target.parameters}
    return Query("quality", sql, parameters)
