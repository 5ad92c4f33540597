"""Kinds of questions about what stands out and what was wasted, each a module."""

from __future__ import annotations

from chatcore.agents.analyst.intents.base import IntentKind
from chatcore.agents.analyst.waste import empty_outputs, errors, free_calls, implausible_calls, odd_days

KINDS: tuple[IntentKind, ...] = tuple(
    module.KIND for module in (odd_days, implausible_calls, empty_outputs, free_calls, errors)
)
"""In the order in which a question is tried against them."""
