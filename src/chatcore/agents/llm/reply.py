"""One reply of a model, put together from the bytes of its stream. Pure.

The stream is server-sent events, each a JSON chunk. A reply is whole when a chunk gave the reason why it ended; a
stream that ends before that broke off.
"""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

MAX_REPLY_CHARACTERS = 64_000
"""Of text and arguments together. No answer is so long; a model that goes on is cut there."""

MAX_CALLS = 32
"""Of tools in one reply."""

MAX_LINE_BYTES = 1_048_576
"""Of one event; a chunk has a few hundred."""

MOST_TOKENS = 2**40
"""Of one reply. What a server counts beyond it, or below nothing, is no count, and would be no sum either."""

CUT = "length"
"""The reason of a reply that a limit of its length ended."""

FILTERED = "content_filter"
"""The reason of a reply that the server has left something out of."""


@attrs.frozen
class Call:
    """A tool that the model wants used.

    Args:
        call_id: the model's own name of this use.
        name: of the tool.
        arguments: JSON, as the model wrote it.
    """

    call_id: str
    name: str
    arguments: str


@attrs.frozen
class Usage:
    """Tokens, as the server counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


@attrs.frozen
class Reply:
    """What a model said in one turn.

    Args:
        text: Markdown, or nothing.
        calls: the tools it wants used, in order.
        finish: why it ended: ``stop``, ``length``, ``tool_calls``, ``content_filter`` or the server's own word.
        usage: None where the server does not say.
    """

    text: str
    calls: tuple[Call, ...] = ()
    finish: str = "stop"
    usage: Usage | None = None

    @property
    def cut(self) -> bool:
        """Whether it ended because it was too long."""
        return self.finish == CUT


class _Function(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Piece(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Piece] | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def counts(self) -> bool:
        return 0 <= self.prompt_tokens <= MOST_TOKENS and 0 <= self.completion_tokens <= MOST_TOKENS


class _Chunk(msgspec.Struct, frozen=True):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


@attrs.define
class _OpenCall:
    """A call of which more may come."""

    index: int | None
    call_id: str
    name: str = ""
    arguments: str = ""


@attrs.define
class ReplyBuilder:
    """Takes the bytes of a stream as they come.

    ``begun``: whether an event has come. ``ended``: whether nothing more is wanted. ``fault``: what is wrong with the
    stream, in our own words.
    """

    begun: bool = attrs.field(default=False, init=False)
    ended: bool = attrs.field(default=False, init=False)
    fault: str | None = attrs.field(default=None, init=False)
    _text: list[str] = attrs.field(factory=list, init=False)
    _characters: int = attrs.field(default=0, init=False)
    _calls: list[_OpenCall] = attrs.field(factory=list, init=False)
    _finish: str | None = attrs.field(default=None, init=False)
    _usage: Usage | None = attrs.field(default=None, init=False)
    _rest: bytes = attrs.field(default=b"", init=False)

    @property
    def whole(self) -> bool:
        """Whether the reply has its end."""
        return self._finish is not None and self.fault is None

    def feed(self, data: bytes) -> bool:
        """Take bytes; whether they brought an event. Comments that keep a connection alive are none, nor is anything
        after the end.
        """
        if self.ended:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        events = [line.removeprefix(b"data:").strip() for line in lines if line.startswith(b"data:")]
        for event in events:
            if not self.ended:
                self._take(event)
        if len(self._rest) > MAX_LINE_BYTES:
            self._fail("an event is too large")
        return bool(events)

    def reply(self) -> Reply:
        """The reply, once it is whole."""
        calls = tuple(
            Call(call.call_id or f"call-{number}", call.name, call.arguments)
            for number, call in enumerate(self._calls, 1)
        )
        return Reply("".join(self._text), calls, self._finish or "", self._usage)

    def _take(self, event: bytes) -> None:
        if event == b"[DONE]":
            self._finish, self.ended = self._finish or "stop", True
            return
        try:
            chunk = msgspec.json.decode(event, type=_Chunk)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._fail("an event cannot be read")
            return
        if chunk.error is not None:
            self._fail("the server reported an error")
            return
        self.begun = True
        if chunk.usage is not None and chunk.usage.counts:
            self._usage = Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        for choice in (chunk.choices or ())[:1]:
            self._add(choice)

    def _add(self, choice: _Choice) -> None:
        delta = choice.delta or _Delta()
        for text in (delta.content, delta.refusal):
            self._text.append(self._measured(text or ""))
        for piece in delta.tool_calls or ():
            self._add_piece(piece)
        self._finish = choice.finish_reason or self._finish
        if self._characters > MAX_REPLY_CHARACTERS:
            self._finish, self.ended = CUT, True

    def _add_piece(self, piece: _Piece) -> None:
        function = piece.function or _Function()
        call = self._call_of(piece)
        call.name += function.name or ""
        arguments = function.arguments or ""
        text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        call.arguments += self._measured(text)

    def _call_of(self, piece: _Piece) -> _OpenCall:
        """The call a piece belongs to. Servers number them, or name each anew, or only ever go on with the last."""
        if self._calls and not piece.id and piece.index is None:
            return self._calls[-1]
        for call in self._calls:
            if call.index == piece.index and (not piece.id or piece.id == call.call_id):
                return call
        if len(self._calls) == MAX_CALLS:
            self._fail("too many tools are called at once")
        self._calls.append(_OpenCall(piece.index, piece.id or ""))
        return self._calls[-1]

    def _measured(self, text: str) -> str:
        self._characters += len(text)
        return text

    def _fail(self, problem: str) -> None:
        self.fault, self.ended = self.fault or problem, True
