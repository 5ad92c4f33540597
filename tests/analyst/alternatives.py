"""What a refusal offers instead must have an answer."""

from __future__ import annotations

from chatcore.agents.analyst.ledger import Ledger

from .conftest import Told, ask


async def check_alternatives(ledger: Ledger, told: Told) -> None:
    """Put each alternative of a refusal to the analyst."""
    assert isinstance(told.answer.alternatives, list)
    for each in told.answer.alternatives:
        assert (await ask(ledger, each)).answer.answered, each
