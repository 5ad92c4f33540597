"""What an agent is, and what it is given for one run. App authors import these names from :mod:`chatcore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, runtime_checkable

import attrs

from chatcore.context import UserExecutionContext
from chatcore.protocol.messages import Answer, Evidence, ThreadMessage, UserMessage


@attrs.define
class ToolCall:
    """One use of a tool, while it lasts.

    Args:
        tool_call_id: unique within the server; ``provenance.tool_calls`` lists it.
        tool: the tool's name.
        arguments: what it was called with, as the client sees it.
        summary: words for a person about what came out; set it before the block ends.
        evidence: the queries whose rows came out; an answer of an agent that proves its numbers cites these.
    """

    tool_call_id: str
    tool: str
    arguments: Mapping[str, Any]
    summary: str = ""
    evidence: list[Evidence] = attrs.field(factory=list)


class Run(Protocol):
    """What an agent may do while it answers one message.

    Every method is a checkpoint, and each event is kept before anyone sees it (deltas aside).
    """

    @property
    def context(self) -> UserExecutionContext:
        """The user, thread, run and connection this run belongs to."""

    async def thinking(self, text: str) -> None:
        """Tell the watchers what comes next, in words for a person."""

    async def say(self, text: str) -> None:
        """Stream a part of the answer's text (Markdown). Parts are joined as they are, without a separator."""

    def tool(self, name: str, /, **arguments: Any) -> AbstractAsyncContextManager[ToolCall]:
        """Announce the use of a tool; the block is its execution. An exception in it is shown as status ``error``.

        The block begins when the announcement is kept. An agent does not wait for its other events to be.

        Args:
            name: the tool's name.
            arguments: what it is called with; JSON values.
        """

    async def history(self) -> Sequence[ThreadMessage]:
        """The messages of this thread before this one, oldest first."""


@runtime_checkable
class Agent(Protocol):
    """Answers messages. An agent is a service: it is made once a generation, by a factory of the graph.

    Optional attributes of the class: ``proves_numbers`` (every number of an answer traces to its evidence, else the
    supervisor withholds it), ``restartable`` (a run may be begun again after a crash), ``description`` (one sentence
    for clients; the first line of the docstring unless set). Optional attributes of the class or the instance:
    ``engine`` and ``model`` (named in the provenance). Optional method: ``opening_questions(context)``, questions
    that it can answer this user now, for an empty page.
    """

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        """Answer ``message``. An :class:`Answer` without text takes the text that was said."""


def describe_agent(kind: type[object]) -> str:
    """What clients are told of an agent: its ``description``, else the first line of its docstring, else nothing."""
    description = getattr(kind, "description", None)
    if isinstance(description, str):
        return description
    return (kind.__doc__ or "").strip().partition("\n")[0]
