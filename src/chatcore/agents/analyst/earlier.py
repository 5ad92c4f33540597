"""The questions of a thread that a new one may lean on."""

from __future__ import annotations

from chatcore.agents.base import Run


async def questions_before(run: Run) -> list[str]:
    """What the user has asked in this thread before, oldest first."""
    return [message.content for message in await run.history() if message.role == "user"]
