"""What would have been saved: calls priced again on another model, capped, batched, cached; never added up twice."""

from __future__ import annotations

from chatcore.agents.analyst.intents.base import IntentKind
from chatcore.agents.analyst.savings import plan, prefix, prefix_worth, what_ifs

KINDS: tuple[IntentKind, ...] = (prefix_worth.KIND, prefix.KIND, *what_ifs.KINDS, plan.KIND)
