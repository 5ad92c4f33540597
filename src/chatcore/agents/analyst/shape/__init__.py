"""Kinds of questions about how the spend is made up: spread, concentrated, when, of what tokens. Each a module."""

from __future__ import annotations

from chatcore.agents.analyst.intents.base import IntentKind
from chatcore.agents.analyst.shape import clock, concentration, distribution, token_ratio

KINDS: tuple[IntentKind, ...] = tuple(module.KIND for module in (concentration, clock, token_ratio, distribution))
"""In the order in which a question is tried against them."""
