"""The parts of an answer, made for the first who asks and kept for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import trio

from chatcore.agents.analyst.evidence import Query, Sheet
from chatcore.agents.analyst.intents.base import Draft
from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.one_currency import mixed_currencies, told_in_one
from chatcore.agents.analyst.remembering import key_of
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.suggesting import next_questions
from chatcore.agents.numbers import proof_of
from chatcore.protocol.messages import Evidence


def queries_of(intent: Intent, ledger: Ledger) -> Sequence[Query]:
    """What an intent asks the ledger."""
    kind = KINDS[intent.kind]

    def asked() -> Sequence[Query]:
        mixed = mixed_currencies(intent, ledger.catalogue)
        return [] if mixed else kind.queries(intent, told_in_one(intent, ledger.catalogue))

    return ledger.remembered.queries.find(key_of(intent), asked)


def words_of(intent: Intent, ledger: Ledger, found: Mapping[str, Evidence]) -> Draft | Refusal:
    """The words that are made of what its queries found."""
    kind, sheets = KINDS[intent.kind], {name: Sheet(evidence) for name, evidence in found.items()}

    def worded() -> Draft | Refusal:
        mixed = mixed_currencies(intent, ledger.catalogue)
        return mixed or kind.word(intent, told_in_one(intent, ledger.catalogue), sheets)

    return ledger.remembered.words.find(key_of(intent), worded)


async def questions_after(intent: Intent, ledger: Ledger) -> Sequence[str]:
    """What may be asked next. Each is planned, which takes some milliseconds, and others have their turn between."""
    kept, key = ledger.remembered.next_questions, key_of(intent)
    await trio.lowlevel.checkpoint()
    if key in kept:
        return kept[key]
    found = []
    for each in next_questions(intent, ledger.catalogue):
        found.append(each)
        await trio.lowlevel.checkpoint()
    return kept.keep(key, tuple(found))


async def proven_questions_after(
    intent: Intent, question: str, evidence: Sequence[Evidence], ledger: Ledger
) -> Sequence[str]:
    """Those of them that say no number that nothing here proves: such a one is not put into anybody's mouth."""
    offered, kept = await questions_after(intent, ledger), ledger.remembered.proven_questions

    def proven() -> tuple[str, ...]:
        proof = proof_of(question, evidence)
        return tuple(each for each in offered if not proof.untraceable_numbers(each))

    return kept.find(f"{key_of(intent)} {question}", proven)
