"""``chatcore chat``: one question, or a conversation, in the terminal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from chatcore.cli_screen import Screen
from chatcore.client import Chat, ConnectionLost, HistoryLost, Run, connect
from chatcore.client.verdict import closing_error
from chatcore.client.wire import FreshToken, ungrouped
from chatcore.errors import ConfigurationError, RequestRefused, TransportError
from chatcore.protocol.messages import (
    AgentCancelled,
    AgentCompleted,
    AgentFailed,
    Answer,
    AnyRunEvent,
    Draining,
    Error,
    InitializationProgress,
    Initializing,
    Ready,
    Recovering,
    ThreadMessage,
)

ANSWERED: Final = 0
FAILED: Final = 1
INTERRUPTED: Final = 130
"""As shells have it for a program that Ctrl-C ended: 128 and the number of the signal."""

CONNECT_SECONDS: Final = 5.0
"""The port of a server that is there answers within a second of its start."""

GIVE_UP_SECONDS: Final = 120.0
"""Longer than a restart with its slowest start of the services; after that a person decides."""

READ_BYTES: Final = 65536
HELP: Final = "Ctrl-C ends an answer, Ctrl-D this conversation; /evidence shows what the last answer rests on"


def token_from(file: Path) -> FreshToken:
    """Reads a token from a file, each time it is asked.

    Raises:
        ConfigurationError: the file cannot be read, or holds none; also raised when it is asked.
    """

    async def fresh() -> str:
        return _read_token(file)

    _read_token(file)
    return fresh


def _read_token(file: Path) -> str:
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError("token_file", f"{file} cannot be read", "name a file with a token in it") from None
    if not token:
        raise ConfigurationError("token_file", f"{file} is empty", "name a file with a token in it")
    return token


async def chat(
    url: str, thread: str | None, message: str | None, user_id: str | None, token: FreshToken | None = None
) -> int:
    """Talk to an agent.

    Args:
        url: ``http(s)://HOST:PORT`` or ``ws(s)://HOST:PORT[/ws]``.
        thread: the thread to go on with, None for a new one.
        message: one question, its answer goes to standard output; None asks for questions until there are no more.
        user_id: who asks, on a server without authentication.
        token: gives who asks a token, before each connection.

    Returns:
        the exit code: 0 for an answer, or for the end of a conversation.

    Raises:
        ConfigurationError: when ``url`` is no address of a server.
    """
    screen = Screen.open()
    code = INTERRUPTED
    with trio.open_signal_receiver(signal.SIGINT) as signals, ungrouped():
        async with trio.open_nursery() as nursery:
            interrupt = Interrupt(nursery.cancel_scope)
            nursery.start_soon(interrupt.listen, signals)
            connection = partial(connect, url, user_id, token)
            code = await _converse(screen, interrupt, connection, thread, message)
            nursery.cancel_scope.cancel()
    return code


@attrs.define
class Interrupt:
    """What Ctrl-C does: it cancels the run that is going on, else, and when pressed again, it ends the program.

    Args:
        program: what ends.
    """

    program: trio.CancelScope
    _cancel: Callable[[], Awaitable[None]] | None = attrs.field(default=None, init=False)

    def cancels(self, cancel: Callable[[], Awaitable[None]] | None) -> None:
        """The next Ctrl-C does this; None: it ends the program."""
        self._cancel = cancel

    async def listen(self, signals: AsyncIterator[int]) -> None:
        """Take each Ctrl-C."""
        async for _ in signals:
            cancel, self._cancel = self._cancel, None
            if cancel is None:
                self.program.cancel()
            else:
                await cancel()


async def _converse(
    screen: Screen,
    interrupt: Interrupt,
    connection: Callable[..., AbstractAsyncContextManager[Chat]],
    thread: str | None,
    message: str | None,
) -> int:
    try:
        async with connection(
            connect_timeout_seconds=CONNECT_SECONDS,
            give_up_after_seconds=GIVE_UP_SECONDS,
            on_disconnect=lambda lost, seconds: _tell_lost(screen, lost, seconds),
        ) as chat:
            with ungrouped():
                async with trio.open_nursery() as nursery:
                    talk = Talk(screen, chat, interrupt, thread)
                    nursery.start_soon(talk.follow)
                    code = await (talk.converse() if message is None else talk.ask_once(message))
                    nursery.cancel_scope.cancel()
            return code
    except (TransportError, RequestRefused) as error:
        screen.fail(str(error))
        return FAILED


def _tell_lost(screen: Screen, lost: ConnectionLost, seconds: float) -> None:
    screen.note(f"{lost.reason or 'the connection was lost'}; trying again in {seconds:.1f} s")


@attrs.define(eq=False)
class Talk:
    """One conversation.

    Args:
        screen: shows it.
        chat: carries it.
        interrupt: is told what Ctrl-C means now.
        thread: where it goes on, None before the first answer of a new one.
    """

    screen: Screen
    chat: Chat
    interrupt: Interrupt
    thread: str | None
    _last: Answer | None = attrs.field(default=None, init=False)
    _began: bool = attrs.field(default=False, init=False)
    _ready: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def follow(self) -> None:
        """Show what the server says of itself."""
        try:
            async for frame in self.chat:
                match frame:
                    case Initializing() | InitializationProgress() | Recovering():
                        self.screen.starting(frame)
                    case Ready():
                        self.screen.ready()
                        self._ready.set()
                    case Draining():
                        self.screen.note(frame.message)
                    case Error(message_id=None) if frame.retryable or closing_error(frame) is None:
                        self.screen.note(frame.message)  # one that ends everything is told as the end
        except TransportError:
            self._ready.set()  # whoever waits for it is told by the next call

    async def ask_once(self, question: str) -> int:
        """One question; its answer alone goes to standard output."""
        with self.screen.busy():
            end = await self._answer_to(question)
        return self._conclude(end, self.screen.plain_answer)

    async def converse(self) -> int:
        """Questions from standard input until there are no more."""
        with self.screen.busy():
            await self._ready.wait()
        self.screen.note(HELP)
        lines = Lines(sys.stdin.fileno())
        while (line := await self._next(lines)) is not None:
            if line == "/evidence":
                self.screen.evidence(self._last)
            elif line.startswith("/"):
                self.screen.note(HELP)
            elif line:
                await self._turn(line)
        return ANSWERED

    async def _next(self, lines: Lines) -> str | None:
        self.screen.prompt()
        line = await trio.to_thread.run_sync(lines.read, abandon_on_cancel=True)
        return line.strip() if line is not None else None

    async def _turn(self, question: str) -> None:
        try:
            with self.screen.busy():
                end = await self._answer_to(question)
        except RequestRefused as refused:
            self.screen.fail(str(refused))
        else:
            self._conclude(end, self.screen.drawn_answer)

    async def _answer_to(self, question: str) -> AnyRunEvent | HistoryLost | None:
        """The last event of the run that answers, or what is known where its events are lost."""
        run = await self.chat.send(question, self.thread)
        self._began = self.thread is None
        self.thread = run.thread_id
        self.interrupt.cancels(lambda: self._cancel(run))
        end: AnyRunEvent | None = None
        try:
            async for event in run:
                self.screen.event(event)
                end = event
        except HistoryLost as lost:
            return lost
        finally:
            self.interrupt.cancels(None)
        return end

    async def _cancel(self, run: Run) -> None:
        self.screen.note("cancelling; again to leave at once")
        await self.chat.cancel(run.run_id)

    def _conclude(self, end: AnyRunEvent | HistoryLost | None, show: Callable[[Answer], None]) -> int:
        """Show how a run ended, and once the thread that it began; the exit code that stands for it."""
        code = self._show_end(end, show)
        if self._began and self.thread is not None:
            self.screen.thread(self.thread)
        return code

    def _show_end(self, end: AnyRunEvent | HistoryLost | None, show: Callable[[Answer], None]) -> int:
        match end:
            case AgentCompleted():
                self._last = end.answer
                show(end.answer)
                self.screen.about(end)
                return ANSWERED
            case HistoryLost(message=ThreadMessage(status="completed", answer=Answer() as answer)):
                self._last = answer
                show(answer)
                self.screen.note(str(end))
                return ANSWERED
            case AgentFailed():
                again = "; the same question may succeed later" if end.retryable else ""
                self.screen.fail(f"{end.message} ({end.error_code}){again}")
            case AgentCancelled():
                self.screen.fail(f"cancelled: {end.reason}")
            case _:
                self.screen.fail(str(end))
        return FAILED


@attrs.define
class Lines:
    """Lines of a file descriptor. Its buffer is its own: a thread that is left behind in the interpreter's own buffer
    would keep the process from ending in order.

    Args:
        descriptor: what is read.
    """

    descriptor: int
    _rest: bytes = attrs.field(default=b"", init=False)
    _ended: bool = attrs.field(default=False, init=False)

    def read(self) -> str | None:
        """The next line, without its end; None after the last. Blocks."""
        while b"\n" not in self._rest and not self._ended:
            data = os.read(self.descriptor, READ_BYTES)
            self._rest += data
            self._ended = not data
        line, _, self._rest = self._rest.partition(b"\n")
        return None if self._ended and not line and not self._rest else line.decode(errors="replace")
