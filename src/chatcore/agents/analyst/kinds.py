"""Every kind of question that is answered, by its name, in the order in which a question is tried against them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chatcore.agents.analyst.decisions import KINDS as DECISIONS
from chatcore.agents.analyst.intents import KINDS as SPENDING
from chatcore.agents.analyst.intents.base import IntentKind
from chatcore.agents.analyst.prices import KINDS as PRICES
from chatcore.agents.analyst.savings import KINDS as SAVINGS
from chatcore.agents.analyst.shape import KINDS as SHAPE
from chatcore.agents.analyst.waste import KINDS as WASTE

FAMILIES: Mapping[str, tuple[IntentKind, ...]] = MappingProxyType(
    {
        "decisions": DECISIONS,
        "what if": SAVINGS,
        "prices": PRICES,
        "anomalies and waste": WASTE,
        "the shape of spend": SHAPE,
        "spend": SPENDING,
    }
)
"""By what they are about. The more telling a family's words are, the earlier it is asked."""

KINDS: Mapping[str, IntentKind] = MappingProxyType({kind.name: kind for family in FAMILIES.values() for kind in family})
