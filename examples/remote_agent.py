"""An agent that passes questions on to an agent of another chatcore server, and back what it does.

::

    REMOTE_URL=http://127.0.0.1:8000 chatcore serve remote_agent:app --bind 127.0.0.1:8001

Its words, tools and refusals arrive here as they happen there. Who cancels here ends the run there. A remote that is
away, fails or loses its way ends the run as failed: there is nothing here that could answer in its place.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import ClassVar

import attrs
import trio

from chatcore import (
    AgentFailure,
    Answer,
    Application,
    ConfigurationError,
    Phase,
    Run,
    ServiceGraph,
    ToolCall,
    ToolError,
    UserExecutionContext,
    UserMessage,
)
from chatcore.client import Chat, ConnectionRefused, HistoryLost, connect
from chatcore.errors import ErrorCode, RequestRefused, TransportError
from chatcore.protocol.messages import (
    AgentCompleted,
    AgentDelta,
    AgentFailed,
    AgentRestarted,
    AgentThinking,
    AnyRunEvent,
    ToolCompleted,
    ToolExecuting,
)

AWAY_SECONDS = 5.0
"""How long the remote may be away before the run here fails."""

LET_GO_SECONDS = 1.0
"""What a run that is cancelled here may take to end there."""

services = ServiceGraph()


@attrs.frozen
class Remote:
    """An agent elsewhere.

    Args:
        url: of its server.
        agent: its name there, None for the default one.
        token: a bearer token, None where the server wants none; with one, everyone here is the same user there.
    """

    url: str
    agent: str | None = None
    token: str | None = attrs.field(default=None, repr=False)

    @asynccontextmanager
    async def chat(self, user_id: str) -> AsyncIterator[Chat]:
        """A connection for one run.

        Raises:
            AgentFailure: the remote is away, or wants nothing to do with this client or this message.
        """
        try:
            async with connect(
                self.url,
                None if self.token else user_id,
                self.token,
                connect_timeout_seconds=AWAY_SECONDS,
                give_up_after_seconds=AWAY_SECONDS,
            ) as chat:
                yield chat
        except RequestRefused as refused:
            raise AgentFailure(ErrorCode.AGENT_FAILED, refused.error_code.meaning.retryable) from None
        except ConnectionRefused as refused:
            raise AgentFailure(ErrorCode.AGENT_FAILED, refused.error is not None and refused.error.retryable) from None
        except (TransportError, HistoryLost):
            raise AgentFailure(ErrorCode.AGENT_FAILED, retryable=True) from None


@services.provide(phase=Phase.DEPENDENCIES, label="address of the remote agent")
async def remote() -> AsyncIterator[Remote]:
    """Where the environment says. Nobody is asked there before there is a question."""
    url = os.environ.get("REMOTE_URL")
    if not url:
        raise ConfigurationError("REMOTE_URL", "is not set", "name a chatcore server, as http://HOST:PORT")
    yield Remote(url, os.environ.get("REMOTE_AGENT"), os.environ.get("REMOTE_TOKEN"))


@attrs.frozen
class RemoteAgent:
    """Has an agent of another server answer."""

    remote: Remote

    restartable: ClassVar[bool] = True  # begun again, a run asks for the same run there: nothing is done twice
    engine: ClassVar[str] = "remote"

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        """Ask there, and tell here what happens."""
        try:
            return await self._pass_on(message, run)
        except BaseException as end:
            if not isinstance(end, Exception):  # cancelled; out of a nursery that comes as a group
                await self._give_up(message, run.context)
            raise

    async def _pass_on(self, message: UserMessage, run: Run) -> Answer:
        async with self.remote.chat(run.context.user_id) as chat:
            thread_id = await self._thread(chat, run)
            asked = await chat.send(message.content, thread_id, self.remote.agent, message_id=run.context.run_id)
            async with AsyncExitStack() as tools:
                relay = Relay(run, tools)
                async for event in asked:
                    await relay.take(event)
            return relay.answer()

    async def _give_up(self, message: UserMessage, context: UserExecutionContext) -> None:
        """End the run there. The connection was cancelled with the run here, so this takes another."""
        with trio.move_on_after(LET_GO_SECONDS, shield=True), suppress(AgentFailure):
            async with self.remote.chat(context.user_id) as chat:
                asked = await chat.send(message.content, agent=self.remote.agent, message_id=context.run_id)
                await chat.cancel(asked.run_id)
                async for _ in asked:
                    pass

    async def _thread(self, chat: Chat, run: Run) -> str | None:
        """The thread there, which a thread here goes on in: the server there knows it by the last answered message."""
        history = await run.history()
        answered = {message.run_id for message in history if message.role == "agent" and message.status == "completed"}
        for message in reversed(history):
            if message.role == "user" and message.run_id in answered:
                known = await chat.send(message.content, agent=self.remote.agent, message_id=message.run_id)
                return known.thread_id
        return None


@attrs.define
class Relay:
    """Does in a run here what is done in a run there.

    Args:
        run: the one here.
        tools: closes those that are open at the end.
    """

    run: Run
    tools: AsyncExitStack
    _open: dict[str, tuple[ToolCall, AsyncExitStack]] = attrs.field(factory=dict)
    _end: AnyRunEvent | None = None

    async def take(self, event: AnyRunEvent) -> None:
        """Do here what was done there.

        Raises:
            AgentFailure: the run there begins again: what was said here cannot be taken back.
        """
        match event:
            case AgentThinking():
                await self.run.thinking(event.text)
            case AgentDelta():
                await self.run.say(event.text)
            case ToolExecuting():
                await self._open_tool(event)
            case ToolCompleted():
                await self._close_tool(event)
            case AgentRestarted():
                raise AgentFailure(ErrorCode.AGENT_FAILED, retryable=True)
            case _:
                self._end = event

    async def _open_tool(self, event: ToolExecuting) -> None:
        tool = await self.tools.enter_async_context(AsyncExitStack())
        call = await tool.enter_async_context(self.run.tool(event.tool, **event.arguments))
        self._open[event.tool_call_id] = call, tool

    async def _close_tool(self, event: ToolCompleted) -> None:
        call, tool = self._open.pop(event.tool_call_id)
        with suppress(ToolError):
            async with tool:
                call.summary = event.summary
                if event.status == "error":
                    raise ToolError(event.tool, event.summary)

    def answer(self) -> Answer:
        """The answer that was given there.

        Raises:
            AgentFailure: none was; with the code and the word on another try that were given there.
        """
        match self._end:
            case AgentCompleted(answer=answer):
                return answer
            case AgentFailed(error_code=code, retryable=retryable) if code in ErrorCode.__members__:
                raise AgentFailure(ErrorCode(code), retryable)
            case AgentFailed(retryable=retryable):
                raise AgentFailure(ErrorCode.AGENT_FAILED, retryable)
            case _:  # somebody cancelled it there
                raise AgentFailure(ErrorCode.AGENT_FAILED, retryable=True)


@services.provide(phase=Phase.SERVICES, label="remote agent")
async def remote_agent(remote: Remote) -> AsyncIterator[RemoteAgent]:
    """The agent."""
    yield RemoteAgent(remote)


app = Application(services, agents={"remote": RemoteAgent})
