"""An MCP server at an address, by the SDK's streamable HTTP; what it may send at once is bounded.

Imported in a thread, when a server starts: the SDK takes its time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
from mcp.client.streamable_http import streamable_http_client

from chatcore.agents.mcp.stdio import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

CONNECT_SECONDS = 10.0
"""To connect, and to write; a local server takes none of it, a remote one that needs more is away."""

SILENCE_SECONDS = 300.0
"""A stream of events may be quiet for so long; a call has a limit of its own."""


@asynccontextmanager
async def connected_to(url: str) -> AsyncIterator[TransportStreams]:
    """The two streams of messages that the SDK's session needs.

    Args:
        url: where the server is.
    """
    timeout = httpx2.Timeout(CONNECT_SECONDS, read=SILENCE_SECONDS)
    async with (
        httpx2.AsyncClient(transport=_Bounded(), timeout=timeout, trust_env=False) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES) as streams,
    ):
        yield streams


class _Bounded(httpx2.AsyncHTTPTransport):
    """Answers for a server that cannot be reached: a failed call is no reason to end the session."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await super().handle_async_request(request)
        except httpx2.TransportError:
            return httpx2.Response(502, request=request)
        is_stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        if not is_stream and isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Capped(response.stream)
        return response


class _Capped(httpx2.AsyncByteStream):
    """A body that may not be longer than a message."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for part in self._body:
                size += len(part)
                if size > MAX_MESSAGE_BYTES:
                    raise httpx2.StreamError("the message is too long")
                yield part
        except httpx2.TransportError:  # the SDK takes the one for a fault of the answer, the other for its own
            raise httpx2.StreamError("the connection was lost") from None

    async def aclose(self) -> None:
        await self._body.aclose()
