"""Decisions that the rows alone allow: what is worth its money, what is left of a budget, at what rate."""

from __future__ import annotations

from chatcore.agents.analyst.decisions import budget, frontier, peak, run_rate
from chatcore.agents.analyst.intents.base import IntentKind

KINDS: tuple[IntentKind, ...] = tuple(module.KIND for module in (frontier, budget, run_rate, peak))
