"""The analyst: a question becomes an intent, the intent queries, their cells the answer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Protocol

import attrs
import msgspec
import trio

from chatcore.agents.analyst.account import ModelPrice
from chatcore.agents.analyst.answering import proven_questions_after, words_of
from chatcore.agents.analyst.catalogue import Catalogue, Origin, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.earlier import questions_before
from chatcore.agents.analyst.intents.base import Draft
from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.making import maker_notes
from chatcore.agents.analyst.model_engine import ModelInquiry
from chatcore.agents.analyst.offering import answered_questions
from chatcore.agents.analyst.planner import leans_on_earlier, plan
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.toolbox import tools_for
from chatcore.agents.analyst.units import unit_notes
from chatcore.agents.base import Run
from chatcore.agents.llm.dialogue import Model
from chatcore.agents.numbers import proof_of
from chatcore.agents.tools import Tool, ToolRegistry, ToolResult
from chatcore.context import UserExecutionContext
from chatcore.protocol.messages import Answer, Covered, Evidence, UserMessage

_NOTES = {
    Origin.GENERATED: "The data is the sample: generated from a seed, not real.",
    Origin.RECORDS: "This is the server's own record; attach usage data with `chatcore serve --data usage.csv`.",
}
"""What every answer says over data that nobody attached."""

THOUGHT_AT_ONCE = 2
"""Questions that are read, and as many that are put into words, side by side: while some of them wait for a commit,
others are thought about. One thread does all of it, so that with more at once none is answered earlier, and each turn
of the event loop takes longer, for everybody. Who has what the words are made of does not wait for those whose question
is yet to be read: of fifty who ask at once, the first have their answers while the last are read."""


class Data(Protocol):
    """What the analyst asks: loaded files, or the server's own record."""

    def opened_for(self, user_id: str) -> AbstractAsyncContextManager[Ledger]:
        """The data as this user may see it now."""


def _few() -> trio.CapacityLimiter:
    return trio.CapacityLimiter(THOUGHT_AT_ONCE)


@attrs.frozen
class Places:
    """To be had for reading, and for wording, each in the order of coming; not while the database is asked."""

    reading: trio.CapacityLimiter = attrs.field(factory=_few)
    wording: trio.CapacityLimiter = attrs.field(factory=_few)


@attrs.frozen
class Analyst:
    """Answers questions about usage data with numbers computed from rows, and shows the evidence.

    Args:
        data: what it answers from.
        language_model: who puts the words; None for the planner, which needs nobody.
        more_tools: of others, for the language model.
        model_price: of the language model, where the operator says so.
    """

    data: Data
    language_model: Model | None = None
    more_tools: Sequence[Tool[Any]] = ()
    model_price: ModelPrice | None = None
    _places: Places = attrs.field(factory=Places, init=False)

    proves_numbers: ClassVar[bool] = True
    restartable: ClassVar[bool] = True
    description: ClassVar[str] = "Answers questions about usage data with numbers from the rows, and shows the evidence"

    @property
    def engine(self) -> str:
        """What provenance names as the means of its answers."""
        return "planner" if self.language_model is None else "llm"

    @property
    def model(self) -> str | None:
        """The language model that provenance names."""
        return None if self.language_model is None else self.language_model.name

    async def opening_questions(self, context: UserExecutionContext) -> Sequence[str]:
        """Questions that this user's data answers."""
        async with self.data.opened_for(context.user_id) as ledger:
            return await answered_questions(ledger)

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        """Answer a question, or say why it has no answer and what would have one."""
        async with self.data.opened_for(run.context.user_id) as ledger:
            if self.language_model is not None:
                note = _NOTES.get(ledger.catalogue.origin)
                inquiry = ModelInquiry(ledger, run, self.language_model, note, self.more_tools, self.model_price)
                return await inquiry.answer(message.content)
            return await Inquiry(ledger, run, self._places).answer(message.content)


def _proven(refusal: Refusal, question: str) -> Refusal:
    """A refusal without the questions that have a number nobody said: ``Top 10`` where the ten was spelt out."""
    proof = proof_of(question, ())
    kept = tuple(each for each in refusal.alternatives if not proof.untraceable_numbers(each))
    return attrs.evolve(refusal, alternatives=kept)


@attrs.frozen
class Inquiry:
    """One question put to one ledger.

    Args:
        ledger: what is asked.
        run: who is told.
        places: of all who ask.
    """

    ledger: Ledger
    run: Run
    places: Places

    @property
    def _catalogue(self) -> Catalogue:
        return self.ledger.catalogue

    async def answer(self, question: str) -> Answer:
        """The whole way from a question to its answer."""
        tools = tools_for(self.ledger)
        async with self.places.reading:
            planned = await self._read(question, tools)
        if isinstance(planned, Refusal):
            return await self._refuse(_proven(planned, question), ())
        found = await tools.call(self.run, "run_intent", **msgspec.to_builtins(planned))
        async with self.places.wording:
            return await self._say(question, planned, found)

    async def _read(self, question: str, tools: ToolRegistry) -> Intent | Refusal:
        """What a question asks for; whoever watches is told."""
        await self.run.thinking("Reading the question against the tables")
        await tools.call(self.run, "list_tables")
        earlier = await self._earlier(question)
        planned = plan(question, self._catalogue, earlier)
        if isinstance(planned, Intent):
            lead = "Going on from the question before: " if earlier else ""
            await self.run.thinking(lead + self._understood(planned))
            await tools.call(self.run, "describe_table", table=planned.table)
        return planned

    async def _say(self, question: str, intent: Intent, found: ToolResult) -> Answer:
        """Put what was found into words."""
        worded = words_of(intent, self.ledger, found.value)
        if isinstance(worded, Refusal):
            return await self._refuse(worded, found.evidence)
        await self._tell(worded)
        following = await proven_questions_after(intent, question, found.evidence, self.ledger)
        return Answer(
            insights=[*worded.insights, *maker_notes(intent), *unit_notes(question, self._table(intent))],
            recommendations=list(worded.recommendations),
            action_items=[*worded.action_items, *(f"Ask: “{each}”" for each in following)],
            evidence=list(found.evidence),
        )

    async def _earlier(self, question: str) -> list[str]:
        """The questions before this one, where it leans on them: a whole question is not worth reading a thread."""
        if not leans_on_earlier(question, self._catalogue):
            return []
        return await questions_before(self.run)

    def _table(self, intent: Intent) -> Table:
        return self._catalogue.table(intent.table)

    def _understood(self, intent: Intent) -> str:
        """What the question is taken for, and which column for the cost."""
        table = self._catalogue.table(intent.table)
        words = [KINDS[intent.kind].description, f"in {table.name}"]
        words += [f"by {intent.by}"] if intent.by else []
        words += [f"by {intent.grain}"] if intent.grain else []
        words += [f"for {' and '.join(period.words for period in intent.periods)}"] if intent.periods else []
        words += [f"where {each.column} is {'not ' if each.exclude else ''}{each.words}" for each in intent.filters]
        cost = table.column(Meaning.COST)
        words += [f"(taking {cost.name} for the cost)"] if cost else []
        return " ".join(words)

    async def _tell(self, draft: Draft) -> None:
        for part in draft.parts:
            await self.run.say(part)
        await self._note()

    async def _refuse(self, refusal: Refusal, evidence: Sequence[Evidence]) -> Answer:
        await self.run.say(f"{refusal.text}\n")
        if refusal.alternatives:
            await self.run.say(
                "\nI can answer, for example:\n\n" + "".join(f"- {each}\n" for each in refusal.alternatives)
            )
        await self._note()
        return Answer(
            answered=False,
            evidence=list(evidence),
            reason=refusal.reason,
            missing=list(refusal.missing),
            covered=refusal.covered or ranked(self._catalogue.tables)[0].covered or Covered(),
            alternatives=list(refusal.alternatives),
        )

    async def _note(self) -> None:
        note = _NOTES.get(self._catalogue.origin)
        if note is not None:
            await self.run.say(f"\n{note}\n")
