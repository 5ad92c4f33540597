"""What models cost by a table of list prices: looked up, compared, and put beside what was logged."""

from __future__ import annotations

from chatcore.agents.analyst.intents.base import IntentKind
from chatcore.agents.analyst.prices import lookup

KINDS: tuple[IntentKind, ...] = tuple(module.KIND for module in (lookup,))
