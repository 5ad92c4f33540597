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

_FAMILIES: tuple[tuple[IntentKind, ...], ...] = (DECISIONS, SAVINGS, PRICES, WASTE, SHAPE, SPENDING)
"""The more telling a family's words are, the earlier it is asked."""

KINDS: Mapping[str, IntentKind] = MappingProxyType({kind.name: kind for family in _FAMILIES for kind in family})
