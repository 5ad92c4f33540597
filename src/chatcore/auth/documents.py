"""Where a JWK set is read from: a file, or the issuer's URL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import trio

from chatcore.addresses import is_loopback

if TYPE_CHECKING:
    import httpx2

MAX_BYTES: Final = 1_048_576
"""Of a JWK set; real ones have a few kilobytes."""


def is_url(place: str) -> bool:
    """Whether a JWK set is fetched over HTTP."""
    return place.startswith(("http://", "https://"))


def is_exposed(place: str) -> bool:
    """Whether keys come over a network unprotected, where anyone on the way can put in their own."""
    return place.startswith("http://") and not is_loopback(urlsplit(place).hostname or "")


def reader_of(place: str) -> Callable[[], Awaitable[bytes]]:
    """What reads the document at a path or URL; it raises OSError or ValueError where it cannot."""

    async def read() -> bytes:
        return await (_download(place) if is_url(place) else _read_file(place))

    return read


async def _read_file(path: str) -> bytes:
    async with await trio.open_file(path, "rb") as file:
        return _bounded(await file.read(MAX_BYTES + 1))


async def _download(url: str) -> bytes:
    """GET it. A redirect is not followed: keys come from where the operator said, or not at all."""
    import httpx2

    try:
        async with await trio.to_thread.run_sync(_client) as client, client.stream("GET", url) as response:
            if response.status_code != 200:
                raise ValueError(f"HTTP status {response.status_code}")
            return await _body(response)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise OSError(type(error).__name__) from None


async def _body(response: httpx2.Response) -> bytes:
    """The body. One that is too long is left by a cancellation, which reaches the generators inside the client."""
    body = bytearray()
    with trio.CancelScope() as reading:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                reading.cancel()
    return _bounded(bytes(body))


def _client() -> httpx2.AsyncClient:
    """A client for one fetch, made in a thread: its import and the certificates it reads take long."""
    import httpx2

    return httpx2.AsyncClient(headers={"accept": "application/json"}, timeout=None)  # the caller has a deadline


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_BYTES:
        raise ValueError("too large for a JWK set")
    return body
