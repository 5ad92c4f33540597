"""The turns with a model: it asks for tools, they are used, it answers. All is bounded, and what is shown is proven."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs
import msgspec
import trio

from chatcore.agents.base import Run
from chatcore.agents.llm.budget import Budget, Limits
from chatcore.agents.llm.functions import DECLINE, Decline, function_name, functions_of
from chatcore.agents.llm.messages import Message, asked, found, instructed, remembered, replied, shortened
from chatcore.agents.llm.reply import Call, Reply
from chatcore.agents.llm.results import delimited, result_text
from chatcore.agents.llm.verdict import Defect, answer_text, defect_of, unproven
from chatcore.agents.tools import ToolError, ToolRegistry
from chatcore.errors import AgentFailure
from chatcore.protocol.messages import Evidence

MARK_BYTES = 6
"""Of chance in the mark around data: enough that nobody guesses it."""

MAX_THOUGHT_CHARACTERS = 500
"""Of what the model says before it calls tools, as far as watchers are told."""

MAX_ARGUMENT_BYTES = 16_384
"""Of one call."""

_SECOND_TIME = "You have called this with the same arguments before; its result is above. Do not call it again."
_NO_CALL_LEFT = "Not used: there is no tool call left. Answer with what you have, or decline."
_FAILED = "The tool failed with these arguments."


class Model(Protocol):
    """Who replies; :class:`~chatcore.agents.llm.client.LanguageModel` is one."""

    @property
    def name(self) -> str:
        """The server's name of the model."""

    async def reply(
        self, messages: Sequence[Mapping[str, Any]], functions: Sequence[Mapping[str, Any]], *, may_call: bool = True
    ) -> Reply:
        """What it says next."""


@attrs.frozen
class Said:
    """The model answered: this text, of which nothing has been shown yet."""

    text: str


@attrs.frozen
class Declined:
    """There is no answer.

    Args:
        decline: why; by the model, or because it came to none.
    """

    decline: Decline


@attrs.define
class Dialogue:
    """One question put to a model. Made for one run, and used once.

    Args:
        model: who is asked.
        tools: what it may use.
        run: who is told, and who asks.
        instructions: what the model is told first.
        proves_numbers: whether what it says must trace to what its tools found.
        limits: how much it may take.
    """

    model: Model
    tools: ToolRegistry
    run: Run
    instructions: str
    proves_numbers: bool = True
    limits: Limits = attrs.field(factory=Limits)
    evidence: list[Evidence] = attrs.field(factory=list, init=False)
    budget: Budget = attrs.field(init=False)
    _messages: list[Message] = attrs.field(factory=list, init=False)
    _called: set[tuple[str, str]] = attrs.field(factory=set, init=False)
    _mark: str = attrs.field(factory=lambda: secrets.token_hex(MARK_BYTES), init=False)

    def __attrs_post_init__(self) -> None:
        self.budget = Budget(self.limits)

    async def ask(self, question: str) -> Said | Declined:
        """Put the question; the outcome, of which nothing has been said to the user.

        Raises:
            ModelUnavailable: the model did not answer.
        """
        history = remembered(await self.run.history())
        self._messages = [instructed(self.instructions), *history, asked(question)]
        with trio.move_on_after(self.limits.seconds):
            return await self._converse(question)
        return _gave_up("The model came to no answer in the time it has.")

    async def _converse(self, question: str) -> Said | Declined:
        functions = functions_of(self.tools.tools.values())
        defect: Defect | None = None
        while not self.budget.exhausted:
            reply = await self._reply(functions)
            if reply.calls:
                declined = await self._use(reply, question)
                if declined is not None:
                    return declined
                continue
            defect = defect_of(reply, question, self._proof)
            if defect is None:
                return Said(answer_text(reply))
            if not self.budget.take_correction():
                break
            self._messages += [replied(reply), asked(defect.correction)]
        return _gave_up(defect.words if defect else "The model came to no answer in the turns it has.")

    async def _reply(self, functions: Sequence[Mapping[str, Any]]) -> Reply:
        await self.run.thinking("Asking the language model" + (" again" if self.budget.turns else ""))
        reply = await self.model.reply(self._messages, functions, may_call=self.budget.may_call)
        self.budget.spend_turn(reply, len(msgspec.json.encode(self._messages)))
        return reply

    @property
    def _proof(self) -> list[Evidence] | None:
        return self.evidence if self.proves_numbers else None

    # --- tools ------------------------------------------------------------------------------------------------------

    async def _use(self, reply: Reply, question: str) -> Declined | None:
        """Use the tools that a reply calls, in order, and tell the model what came out; or that it declined."""
        await self._tell_thought(reply, question)
        self._messages.append(replied(_speakable(reply)))
        for call in reply.calls:
            outcome = self._decline(call, question) if call.name == DECLINE else await self._result_of(call, reply)
            if isinstance(outcome, Declined):
                return outcome
            self._messages.append(found(call.call_id, outcome))
        return None

    async def _tell_thought(self, reply: Reply, question: str) -> None:
        """What the model says before it calls tools is for the watchers, where it holds no number unproven."""
        thought = shortened(answer_text(reply), MAX_THOUGHT_CHARACTERS)
        if thought and unproven(thought, question, self._proof) is None:
            await self.run.thinking(thought)

    async def _result_of(self, call: Call, reply: Reply) -> str:
        """What the model is told of a call. Whatever goes wrong with one is told, and ends nothing."""
        arguments = _arguments_of(call)
        if arguments is None:
            return _unreadable(call, reply)
        if not self.budget.take_tool_call():
            return _NO_CALL_LEFT
        key = (call.name, json.dumps(arguments, sort_keys=True))
        if key in self._called:
            return _SECOND_TIME
        self._called.add(key)
        try:
            result = await self.tools.call(self.run, self._tool_called(call), **arguments)
        except AgentFailure:
            raise
        except ToolError as error:
            return delimited(call.name, msgspec.json.encode({"error": error.problem}), self._mark)
        except Exception:  # a model may call a tool with anything, and the tool may raise anything
            return _FAILED
        self.evidence.extend(result.evidence)
        return result_text(call.name, result, self._mark)

    def _tool_called(self, call: Call) -> str:
        return next((name for name in self.tools.tools if function_name(name) == call.name), call.name)

    def _decline(self, call: Call, question: str) -> Declined | str:
        """The model's word that there is no answer; or what is wrong with it, for the model."""
        try:
            decline = msgspec.json.decode(call.arguments, type=Decline)
        except (msgspec.DecodeError, RecursionError) as error:
            return f"Error: {error}"
        defect = unproven("\n\n".join([decline.explanation, *decline.missing]), question, self._proof)
        if defect is None and decline.explanation.strip():
            return Declined(decline)
        if self.budget.take_correction():
            return defect.correction if defect else "Error: the explanation is empty"
        return _gave_up(defect.words if defect else "The model gave no answer.")


def _arguments_of(call: Call) -> dict[str, Any] | None:
    """The arguments, None where they are no JSON object; none at all are an empty one."""
    if len(call.arguments) > MAX_ARGUMENT_BYTES:
        return None
    try:
        return msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None


def _unreadable(call: Call, reply: Reply) -> str:
    if reply.cut:
        return "Not used: you were cut off before the arguments ended. Call it again with shorter ones."
    if len(call.arguments) > MAX_ARGUMENT_BYTES:
        return f"Not used: the arguments are longer than {MAX_ARGUMENT_BYTES // 1024} KiB. Call it with shorter ones."
    return "Not used: the arguments are not a JSON object."


def _speakable(reply: Reply) -> Reply:
    """The reply with arguments that servers can read again: some refuse a conversation in which they are broken."""
    calls = (attrs.evolve(c, arguments=c.arguments if _arguments_of(c) is not None else "{}") for c in reply.calls)
    return attrs.evolve(reply, calls=tuple(calls))


def _gave_up(words: str) -> Declined:
    return Declined(Decline(reason="not_supported", explanation=words))
