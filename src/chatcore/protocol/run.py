"""The grammar of a run: one table, and the tools that are open.

::

    agent_started
      (agent_thinking | agent_delta | agent_restarted | tool_executing … tool_completed)*
    (agent_completed | agent_failed | agent_cancelled)

Whoever drives a run closes the tools that are open before it ends the run; the grammar refuses an end that leaves one.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
from msgspec import UNSET

from chatcore.errors import IllegalRunEvent
from chatcore.protocol.messages import (
    AgentCancelled,
    AgentCompleted,
    AgentDelta,
    AgentFailed,
    AgentRestarted,
    AgentStarted,
    AgentThinking,
    AnyRunEvent,
    ToolCompleted,
    ToolExecuting,
)


class RunState(enum.StrEnum):
    """Where a run is in its life."""

    PENDING = "pending"
    RUNNING = "running"
    ENDED = "ended"


TRANSITIONS: Mapping[tuple[RunState, type], RunState] = MappingProxyType(
    {
        (RunState.PENDING, AgentStarted): RunState.RUNNING,
        (RunState.RUNNING, AgentThinking): RunState.RUNNING,
        (RunState.RUNNING, AgentDelta): RunState.RUNNING,
        (RunState.RUNNING, AgentRestarted): RunState.RUNNING,
        (RunState.RUNNING, ToolExecuting): RunState.RUNNING,
        (RunState.RUNNING, ToolCompleted): RunState.RUNNING,
        (RunState.RUNNING, AgentCompleted): RunState.ENDED,
        (RunState.RUNNING, AgentFailed): RunState.ENDED,
        (RunState.RUNNING, AgentCancelled): RunState.ENDED,
    }
)
"""Every step there is, by the state and the event."""

_STEPS: Mapping[RunState, Mapping[type, RunState]] = MappingProxyType(
    {state: {kind: after for (before, kind), after in TRANSITIONS.items() if before is state} for state in RunState}
)
"""The same, by the state alone: it is looked up for every word that is said."""

ENDS: Final = (AgentCompleted, AgentFailed, AgentCancelled)
"""The events that end a run."""


def first_seq(event: AnyRunEvent) -> int:
    """The first ``seq`` that ``event`` stands for; its own, save for a merged delta."""
    if isinstance(event, AgentDelta) and event.first_seq is not UNSET:
        return event.first_seq
    return event.seq


@attrs.define
class RunGrammar:
    """What may come next in one run. The first event fixes whose events these are."""

    _state: RunState = attrs.field(default=RunState.PENDING, init=False)
    _steps: Mapping[type, RunState] = attrs.field(default=_STEPS[RunState.PENDING], init=False)
    _identity: tuple[str, str, str] | None = attrs.field(default=None, init=False)
    _seq: int = attrs.field(default=0, init=False)
    _attempt: int = attrs.field(default=1, init=False)
    _parts: list[str] = attrs.field(factory=list, init=False)
    _length: int = attrs.field(default=0, init=False)
    _tools: dict[str, str] = attrs.field(factory=dict, init=False)
    _open: dict[str, None] = attrs.field(factory=dict, init=False)

    @property
    def attempt(self) -> int:
        """The attempt that the last restart began, 1 before any."""
        return self._attempt

    @property
    def ended(self) -> bool:
        """Whether the last event has come."""
        return self._state is RunState.ENDED

    @property
    def text(self) -> str:
        """What the deltas spell, since the last restart."""
        return "".join(self._parts)

    @property
    def characters(self) -> int:
        """How many characters the text has."""
        return self._length

    @property
    def open_tools(self) -> tuple[str, ...]:
        """The ids of the tool calls that have not been completed, in the order they began."""
        return tuple(self._open)

    def advance(self, event: AnyRunEvent) -> None:
        """Accept the next event.

        Raises:
            IllegalRunEvent: when it may not come now; nothing has changed then.
        """
        after = self._steps.get(type(event))
        if after is None:
            raise _illegal(self._state, event)
        self._check_place(event)
        rule = _RULES.get(type(event))
        if rule is not None:
            rule(self, event)
        if after is not self._state:
            self._state, self._steps = after, _STEPS[after]
        self._seq = event.seq

    def _check_place(self, event: AnyRunEvent) -> None:
        """Each event belongs to the same run, and its numbers begin where the last one's ended."""
        identity = (event.thread_id, event.run_id, event.epoch)
        if self._identity is None:
            self._identity = identity
        elif identity != self._identity:
            raise _illegal(f"that of run {self._identity[1]} in epoch {self._identity[2]}", event)
        elif not self._seq + 1 == first_seq(event) <= event.seq:
            raise _illegal(f"at seq {self._seq}", event)

    def _say(self, event: AgentDelta) -> None:
        if event.offset != self._length:
            raise _illegal(f"at offset {self._length}", event)
        self._parts.append(event.text)
        self._length += len(event.text)

    def _restart(self, event: AgentRestarted) -> None:
        self._attempt = event.attempt
        self._parts.clear()
        self._length = 0

    def _open_tool(self, event: ToolExecuting) -> None:
        if event.tool_call_id in self._tools:
            raise _illegal(f"past tool call {event.tool_call_id}", event)
        self._tools[event.tool_call_id] = event.tool
        self._open[event.tool_call_id] = None

    def _close_tool(self, event: ToolCompleted) -> None:
        if event.tool_call_id not in self._open or self._tools[event.tool_call_id] != event.tool:
            raise _illegal(f"not using {event.tool} as {event.tool_call_id}", event)
        del self._open[event.tool_call_id]

    def _complete(self, event: AgentCompleted) -> None:
        self._end(event)
        if self._length and event.answer.text != self.text:
            raise _illegal("saying another text", event)

    def _end(self, event: AnyRunEvent) -> None:
        if self._open:
            raise _illegal(f"using {', '.join(self._tools[call] for call in self._open)}", event)


_RULES: Mapping[type, Callable[[RunGrammar, Any], None]] = MappingProxyType(
    {
        AgentDelta: RunGrammar._say,
        AgentRestarted: RunGrammar._restart,
        ToolExecuting: RunGrammar._open_tool,
        ToolCompleted: RunGrammar._close_tool,
        AgentCompleted: RunGrammar._complete,
        AgentFailed: RunGrammar._end,
        AgentCancelled: RunGrammar._end,
    }
)
"""What the table cannot say of an event: its text, its tool."""


def _illegal(state: str, event: AnyRunEvent) -> IllegalRunEvent:
    return IllegalRunEvent(state, str(type(event).__struct_config__.tag))
