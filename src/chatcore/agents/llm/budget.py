"""How much a run may ask of a model, and what it has used. Pure."""

from __future__ import annotations

import attrs

from chatcore.agents.llm.reply import Reply, Usage

CHARACTERS_A_TOKEN = 4
"""About; only for a server that does not count, and never shown."""


@attrs.frozen(kw_only=True)
class Limits:
    """The bounds of one run.

    Args:
        turns: replies of the model. In the last it may only answer.
        tool_calls: uses of tools.
        tokens: in and out, over all turns.
        seconds: from the first request to the answer.
        corrections: how often it is told what is wrong with its answer.
    """

    turns: int = 8
    tool_calls: int = 16
    tokens: int = 200_000
    seconds: float = 180.0
    corrections: int = 2


@attrs.define
class Budget:
    """What is left of the limits. One a run.

    Args:
        limits: of the run.
        counted: the tokens of each turn that the server counted.
    """

    limits: Limits
    turns: int = attrs.field(default=0, init=False)
    counted: list[Usage] = attrs.field(factory=list, init=False)
    _tool_calls: int = attrs.field(default=0, init=False)
    _corrections: int = attrs.field(default=0, init=False)
    _tokens: int = attrs.field(default=0, init=False)

    @property
    def exhausted(self) -> bool:
        """Whether the model may not be asked again."""
        return self.turns >= self.limits.turns or self._tokens >= self.limits.tokens

    @property
    def may_call(self) -> bool:
        """Whether the turn that comes next may use tools: not in the last one, and not without calls left."""
        return self.turns + 1 < self.limits.turns and self._tool_calls < self.limits.tool_calls

    def spend_turn(self, reply: Reply, told_characters: int) -> None:
        """Count a reply.

        Args:
            reply: of the model.
            told_characters: of the conversation that it replied to.
        """
        self.turns += 1
        if reply.usage is not None:
            self.counted.append(reply.usage)
            self._tokens += reply.usage.total_tokens
        else:
            said = len(reply.text) + sum(len(call.arguments) for call in reply.calls)
            self._tokens += (told_characters + said) // CHARACTERS_A_TOKEN

    def take_tool_call(self) -> bool:
        """Whether one more tool may be used, and the model be told what comes out; it is counted."""
        self._tool_calls += 1
        return self._tool_calls <= self.limits.tool_calls and not self.exhausted

    def take_correction(self) -> bool:
        """Whether the model may be told once more what is wrong; it is counted."""
        self._corrections += 1
        return self._corrections <= self.limits.corrections
