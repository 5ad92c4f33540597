"""``chatcore`` with deltas that are not durable: ``python -m bench.unlogged serve …``.

Not for use: who comes back finds no delta of a run that goes on. It is there to tell what the event log costs. A run's
first event, its end and its answer are stored as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import trio

from chatcore.cli import main
from chatcore.threads.model import StoredEvent
from chatcore.threads.service import ThreadService

DELTA = "agent_delta"

_append_events, _end_run = ThreadService.append_events, ThreadService.end_run


async def append_events(store: ThreadService, thread_id: str, events: Sequence[StoredEvent]) -> None:
    """Forget what is nothing but deltas."""
    if all(event.type == DELTA for event in events):
        return await trio.lowlevel.checkpoint()
    await _append_events(store, thread_id, events)


async def end_run(store: ThreadService, run: Any, events: Sequence[StoredEvent], **how: Any) -> None:
    """Store the end and the answer without events: the last one would have to follow the deltas."""
    del events
    await _end_run(store, run, (), **how)


if __name__ == "__main__":
    with patch.object(ThreadService, "append_events", append_events), patch.object(ThreadService, "end_run", end_run):
        main(sys.argv[1:])
