"""A model behind an OpenAI-compatible endpoint.

The SDK makes the request; what comes back is read here, byte by byte as it comes, so that a server that falls silent,
breaks off or talks nonsense is told from one that answers.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import attrs
import trio

from chatcore.agents.llm.failures import ModelUnavailable, unavailable
from chatcore.agents.llm.reply import Reply, ReplyBuilder
from chatcore.agents.llm.retrying import refused, retry_wait
from chatcore.settings import Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

NO_KEY = "none"
"""What is sent where no key is set: servers of one's own ask for none, and the SDK takes none for an answer."""

LAST_WORDS_SECONDS = 0.2
"""How long a stream may take to end after it said that it has: then its connection can be used again."""


@attrs.frozen
class LanguageModel:
    """Asks one model. Made by :func:`open_language_model`.

    Args:
        name: the server's name of the model.
        silence_seconds: how long the server may say nothing.
    """

    name: str
    silence_seconds: float
    _client: AsyncOpenAI = attrs.field(repr=False)

    async def reply(
        self, messages: Sequence[Mapping[str, Any]], functions: Sequence[Mapping[str, Any]], *, may_call: bool = True
    ) -> Reply:
        """What the model says next. Cancelling it closes the connection, so that the server can stop.

        Args:
            messages: the conversation, as the API has it.
            functions: the tools it may call, as the API has them.
            may_call: whether it may; where not, it is told to answer.

        Raises:
            ModelUnavailable: it did not answer, whole and readable, after as many tries as make sense.
        """
        request = self._request(messages, functions, may_call)
        for tries in count(1):
            builder = ReplyBuilder()
            try:
                await self._listen(request, builder)
                return builder.reply()
            except ModelUnavailable as error:
                wait = None if builder.begun else retry_wait(error, tries, random.random)
                if wait is None:
                    raise
            await trio.sleep(wait)
        raise AssertionError("counting never ends")

    def _request(
        self, messages: Sequence[Mapping[str, Any]], functions: Sequence[Mapping[str, Any]], may_call: bool
    ) -> dict[str, Any]:
        request = {"model": self.name, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
        if functions:
            request |= {"tools": functions, "tool_choice": "auto" if may_call else "none"}
        return request

    async def _listen(self, request: dict[str, Any], builder: ReplyBuilder) -> None:
        """Make the request, and take its stream until the reply is whole."""
        import httpx2
        import openai

        with trio.CancelScope(deadline=trio.current_time() + self.silence_seconds) as listening:
            try:
                create = self._client.chat.completions.with_streaming_response.create
                async with create(**request) as response:
                    async for data in response.iter_bytes():
                        self._take(data, builder, listening)
            except openai.APIStatusError as error:
                raise refused(error.status_code, error.response.headers.get("retry-after")) from None
            except (openai.APIError, httpx2.HTTPError, OSError):
                if not builder.whole:
                    raise unavailable(builder.fault or "the connection was lost") from None
        if not builder.whole:
            if listening.cancelled_caught and builder.fault is None:
                raise unavailable("it fell silent", final=True)  # who waits has waited long enough
            raise unavailable(builder.fault or "the stream broke off")

    def _take(self, data: bytes, builder: ReplyBuilder, listening: trio.CancelScope) -> None:
        """Take what came. The scope, not the loop, ends the reading: what the SDK has open is closed only so."""
        heard = builder.feed(data)
        if builder.fault is not None:
            listening.cancel()
        elif heard:
            within = LAST_WORDS_SECONDS if builder.ended else self.silence_seconds
            listening.deadline = trio.current_time() + within


@asynccontextmanager
async def open_language_model(settings: Settings) -> AsyncIterator[LanguageModel]:
    """The model that the settings name. Its server is not asked for anything before there is a question.

    Args:
        settings: ``llm_model`` is set.
    """
    client = await trio.to_thread.run_sync(_make_client, settings)
    try:
        yield LanguageModel(str(settings.llm_model), settings.llm_timeout_seconds, client)
    finally:
        with trio.CancelScope(shield=True):
            await client.close()


def _make_client(settings: Settings) -> AsyncOpenAI:
    """Blocks: it imports the SDK."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key or NO_KEY,
        max_retries=0,  # here it is known what may be repeated
        timeout=None,  # silence is what is measured
    )
    client.organization = client.project = client.admin_api_key = None  # the SDK takes them from the environment
    client.chat.completions.with_streaming_response  # noqa: B018  imported by its first use
    return client
