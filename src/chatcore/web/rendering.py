"""Markdown rendered for whoever asks, so that nobody waits for long because of what somebody else has rendered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from chatcore.web.markdown import render_markdown

MOST_RENDERED = 20_000
"""Characters rendered at once: more than an answer that anyone reads, and about half a second of a thread at most,
whatever they are. The parser takes time in the square of some texts: for 100,000 brackets, five seconds."""


@attrs.define(eq=False)
class Renderer:
    """Renders in one thread: several would take turns with the event loop too, each of them for as long as it may.

    Users take turns as well: of each, one request at a time waits for the thread.
    """

    _thread: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1))
    _users: dict[str, trio.Lock] = attrs.field(factory=dict)

    async def render(self, user_id: str, texts: Sequence[str], *, inline: bool) -> list[str]:
        """The HTML of each text; see :func:`~chatcore.web.markdown.render_markdown`."""
        async with self._turn(user_id):
            return await trio.to_thread.run_sync(_rendered, texts, inline, limiter=self._thread)

    @asynccontextmanager
    async def _turn(self, user_id: str) -> AsyncIterator[None]:
        lock = self._users.setdefault(user_id, trio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():  # it was handed over to whoever waits
                self._users.pop(user_id, None)


def _rendered(texts: Sequence[str], inline: bool) -> list[str]:
    return [render_markdown(text, inline=inline) for text in texts]
