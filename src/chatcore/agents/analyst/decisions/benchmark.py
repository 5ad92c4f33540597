"""The table of a benchmark: what each model solved, and what that cost. Found by its columns, and shown. Pure."""

from __future__ import annotations

import attrs

from chatcore.agents.analyst.catalogue import Catalogue, Column, Table
from chatcore.agents.analyst.columns import Family, Meaning, name_words
from chatcore.agents.analyst.readings import identifier

_SCORES = ({"pass", "rate"}, {"score"}, {"accuracy"}, {"quality"}, {"solved"}, {"success", "rate"}, {"resolved"})
"""Words of a column that says how well a model did, the plainest first; all of a set must be there."""

_CASES = frozenset({"cases", "tasks", "exercises", "problems", "questions", "samples"})
_NO_COUNT = frozenset({"percent", "rate", "per", "seconds", "usd", "cost"})


@attrs.frozen(kw_only=True)
class Benchmark:
    """A benchmark's columns.

    Args:
        table: that they are of.
        model: whose score it is.
        score: how well it did, in percent.
        cost: what the whole run cost.
        cases: how many there were to solve; None where it is not said.
    """

    table: Table
    model: Column
    score: Column
    cost: Column
    cases: Column | None

    @property
    def recorded(self) -> str:
        """SQL that is true where a cost was recorded: 0 means that it was not, not that it was free."""
        return f"({identifier(self.cost.name)} > 0 AND {identifier(self.score.name)} IS NOT NULL)"

    @property
    def cost_per_solved(self) -> str | None:
        """SQL for the cost of one solved case; None where it is not said how many cases there were."""
        if self.cases is None:
            return None
        solved = f"{identifier(self.score.name)} * {identifier(self.cases.name)}"
        return f"100.0 * {identifier(self.cost.name)} / nullif({solved}, 0)"


def find_benchmark(catalogue: Catalogue, only: str | None = None) -> Benchmark | None:
    """The first table with a model, a score and a cost; ``only`` restricts it to the table of that name."""
    tables = [table for table in catalogue.tables if only in (None, table.name)]
    return next((found for table in tables if (found := _benchmark(table)) is not None), None)


def _benchmark(table: Table) -> Benchmark | None:
    model, cost, score = table.column(Meaning.MODEL), table.column(Meaning.COST), _score(table)
    if model is None or cost is None or score is None:
        return None
    return Benchmark(table=table, model=model, score=score, cost=cost, cases=_cases(table))


def _score(table: Table) -> Column | None:
    """The score: of several of one name, as ``pass_rate_1`` and ``pass_rate_2``, the last."""
    numbers = [column for column in table.columns if column.family is Family.NUMBER]
    for words in _SCORES:
        found = sorted(column.name for column in numbers if words <= set(name_words(column.name)))
        if found:
            return table.named(found[-1])
    return None


def _cases(table: Table) -> Column | None:
    for column in table.columns:
        words = set(name_words(column.name))
        if column.family is Family.NUMBER and words & _CASES and not words & _NO_COUNT:
            return column
    return None
