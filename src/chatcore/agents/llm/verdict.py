"""Whether what a model wants to answer may be shown, and what it is told where it may not. Pure.

It is judged as the supervisor will judge it, before anyone sees it: what does not pass is the model's to mend, and
never a run that failed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from chatcore.agents.authenticity import Alarm, AnswerGuard
from chatcore.agents.llm.reply import FILTERED, Reply
from chatcore.protocol.messages import Evidence

_THOUGHTS = re.compile(r"\A\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL)
"""What some models say to themselves first; it is no part of an answer, and proves nothing."""


@attrs.frozen
class Defect:
    """Why a text may not be shown.

    Args:
        correction: what the model is told.
        words: what the user is told where the model cannot mend it.
    """

    correction: str
    words: str


def answer_text(reply: Reply) -> str:
    """What a reply says to the user."""
    return _THOUGHTS.sub("", reply.text).strip()


def defect_of(reply: Reply, question: str, evidence: Sequence[Evidence] | None) -> Defect | None:
    """What keeps a reply from being the answer; None where it may be shown.

    Args:
        reply: without calls.
        question: the user's message.
        evidence: what the tools have found; None for an agent that does not prove its numbers.
    """
    text = answer_text(reply)
    if reply.cut:
        return _CUT
    if reply.finish == FILTERED:
        return _FILTERED
    if not text:
        return _EMPTY
    return unproven(text, question, evidence)


def unproven(text: str, question: str, evidence: Sequence[Evidence] | None) -> Defect | None:
    """What the supervisor would refuse in a text."""
    guard = AnswerGuard(question, None if evidence is None else lambda: evidence)
    for heard in (guard.feed(text), guard.finish()):
        if isinstance(heard, Alarm):
            return _alarmed(heard)
    return None


def _alarmed(alarm: Alarm) -> Defect:
    if alarm.rule != "number":
        return _NOT_ITS_OWN
    numbers = ", ".join(f"`{number}`" for number in alarm.found)
    return Defect(
        f"Your answer was not shown: these numbers are in no result of a tool: {numbers}. Do not calculate. Use "
        "numbers as results have them, rounded at most; call a tool for those you lack, or leave them out. Then answer "
        "again.",
        "The model's answer had numbers that nothing in the data proves, so it is not shown.",
    )


_CUT = Defect(
    "Your answer was cut off because it was too long, and was not shown. Answer again, much shorter.",
    "The model's answer was cut off before its end, so it is not shown.",
)
_FILTERED = Defect(
    "Your answer was broken off by a filter of its content, and was not shown. Answer again, in other words.",
    "The model's server broke its answer off, so it is not shown.",
)
_EMPTY = Defect(
    "Your answer was empty. Answer the question, call a tool, or decline.",
    "The model gave no answer.",
)
_NOT_ITS_OWN = Defect(
    "Your answer was not shown: it has words that stand for an answer and are none. Answer in your own.",
    "The model gave no answer of its own.",
)
