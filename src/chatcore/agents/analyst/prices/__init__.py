"""What models cost by a table of list prices: looked up, compared, and put beside what was logged."""

from __future__ import annotations

from chatcore.agents.analyst.intents.base import IntentKind
from chatcore.agents.analyst.prices import (
    against_list,
    history,
    lookup,
    on_models,
    ratio,
    repricing,
    workload,
    zero_cost,
)

KINDS: tuple[IntentKind, ...] = tuple(
    module.KIND for module in (zero_cost, against_list, on_models, workload, ratio, repricing, history, lookup)
)
