"""The kinds of questions that are answered, each a module: its queries, and how its answer is worded."""

from __future__ import annotations

from chatcore.agents.analyst.intents import (
    average_per,
    column_groups,
    compare,
    coverage,
    cross,
    description,
    distinct,
    drivers,
    groups,
    groups_beyond,
    leaders,
    makers,
    quality,
    sessions,
    statistics,
    threshold,
    top_calls,
    totals,
    trend,
    unit_cost,
    versus,
)
from chatcore.agents.analyst.intents.base import IntentKind

KINDS: tuple[IntentKind, ...] = tuple(
    module.KIND
    for module in (
        drivers,
        threshold,
        groups_beyond,
        makers,
        sessions,
        unit_cost,
        coverage,
        totals,
        groups,
        versus,
        distinct,
        top_calls,
        trend,
        compare,
        statistics,
        column_groups,
        cross,
        leaders,
        average_per,
        quality,
        description,
    )
)
