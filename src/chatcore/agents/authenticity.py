"""What may leave as an agent's answer, decided on the text alone, however an agent splits it. Pure.

Two rules (guarantees.md, 45 and 46): no placeholder content; and, for an agent that declares that it proves its
numbers, no number that does not trace to its evidence. A user's words quoted back, and mentions in code, are honest.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import attrs

from chatcore.agents.numbers import Proof, proof_of
from chatcore.agents.placeholders import (
    LONGEST,
    STIRRING,
    STIRRING_IN_CODE,
    Found,
    find_begun,
    find_placeholders,
    may_hold_placeholder,
    plain,
)
from chatcore.agents.quantities import may_say_numbers
from chatcore.agents.rendered import code_is_closed
from chatcore.protocol.messages import Answer, Evidence, Recommendation

_FENCE = r"(?P<fence>`{3,})(?=[^`\n]*(?:\n|\Z)).*?(?:^[ \t>]*(?P=fence)`*|(?P<unclosed>\Z))"
_CODE = r"(?<![\\`])(?P<ticks>`+)(?!`)[^\n]+?(?<!`)(?P=ticks)(?!`)"
_QUOTE = r"\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»"
_QUOTED_LINE = r">(?<=^>)[^\n]*"
_SPANS = rf"(?P<code>{{fence}}{_CODE})|(?P<quote>{_QUOTE})|(?P<line>{_QUOTED_LINE})"
_OPEN = r"|(?P<open>[`\"“«][^\n]*\Z)"


class _Spans(NamedTuple):
    """Patterns of code and quotations, for where a block of code may begin and for where none can."""

    anywhere: re.Pattern[str]
    within: re.Pattern[str]


def _spans(more: str = "") -> _Spans:
    compiled = [re.compile(_SPANS.format(fence=f) + more, re.DOTALL | re.MULTILINE) for f in (f"{_FENCE}|", _NEVER)]
    return _Spans(*compiled)


_NEVER = r"(?!)(?P<fence>)(?P<unclosed>)|"
_SPAN = _spans()
_SPAN_OR_OPEN = _spans(_OPEN)
"""… and what may become one of them by what is said next."""
_BEFORE_FENCE = re.compile(r"(?:[ \t]*(?:>|[-*+][ \t]|\d{1,9}[.)][ \t]))*[ \t]*")
"""What a line may have before a block of code; ticks in the middle of one begin none."""
_OPENING = re.compile(r"[`\"“«>]")
"""What each of them begins with; looking for it is many times as fast."""
_SENTENCE_END = re.compile(r"[.!?][\"'”»)*_]*\s|\n")
_SENTENCE_ENDING = re.compile(r"[.!?][\"'”»)*_]*\Z")


_CENT = 0.01
"""Each quantity may have been rounded to one…"""
_ROUNDED = 0.001
"""… unless that is much of it."""
_PRECISION = 1e-9
"""What binary fractions lose."""


TOLD_NUMBERS: Final = 5
"""As many as it takes to find the sentence; a line of a log is no answer."""
NUMBER_CHARACTERS: Final = 40
"""Longer than any figure that a person reads."""


@attrs.frozen
class Alarm:
    """Why a text may not leave.

    Args:
        rule: ``placeholder`` or ``number``.
        found: the words or the numbers.
    """

    rule: str
    found: tuple[str, ...]

    def told(self) -> dict[str, str]:
        """What a log may say of it: which numbers are not proven, as they stand in the answer, and no other words."""
        told = {"rule": self.rule}
        if self.rule == "number":
            told["numbers"] = ", ".join(number[:NUMBER_CHARACTERS] for number in self.found[:TOLD_NUMBERS])
        return told


def _find_spans(spans: _Spans, text: str, at: int) -> Iterator[re.Match[str]]:
    """As ``finditer`` of a pattern."""
    while (opening := _OPENING.search(text, at)) is not None:
        start = opening.start()
        begins = _BEFORE_FENCE.fullmatch(text, text.rfind("\n", 0, start) + 1, start) is not None
        span = (spans.anywhere if begins else spans.within).match(text, start)
        at = opening.end() if span is None else span.end()
        if span is not None:
            yield span


def dishonest_placeholders(text: str, question: str) -> list[Found]:
    """The placeholders of ``text`` that stand neither in code nor, quoted, for what the user wrote in ``question``."""
    found = list(find_placeholders(text))
    if not found:
        return []
    asked = plain(question).text
    spans = [(span.start(), span.end(), span["code"] is not None) for span in _find_spans(_SPAN, text, 0)]
    return [
        each
        for each in found
        if not any(
            begin <= each.start and each.end <= end and (code or each.shown in asked) for begin, end, code in spans
        )
    ]


@attrs.define
class AnswerGuard:
    """Lets through what an agent says as far as it is decided, and holds the rest back until it is.

    Args:
        question: the user's message.
        evidence: what the run has found so far, asked for anew each time; None where numbers need no proof.
    """

    question: str
    evidence: Callable[[], Sequence[Evidence]] | None
    _text: str = ""
    _later: list[str] = attrs.field(factory=list)
    _passed: int = 0
    _scanned: int = 0
    _calm: bool = True
    _in_fence: bool = False
    _proven_from: int = 0
    _proof: Proof | None = None
    _proven_by: Sequence[Evidence] = ()

    def feed(self, part: str) -> str | Alarm:
        """Add what the agent says; what may be sent of it, possibly nothing yet, or why nothing may."""
        stirring = STIRRING_IN_CODE if self._in_fence else STIRRING
        if self.evidence is None and self._calm and stirring.search(part) is None:
            self._later.append(part)
            return part
        if self.evidence is not None and not self._ends_a_sentence(part):
            self._later.append(part)
            return ""
        self._take(part)
        return self._pass(self._decided())

    def finish(self) -> str | Alarm:
        """The agent has said everything: what is left to be sent."""
        self._take("")
        return self.judge(self._text) or self._pass(len(self._text))

    @property
    def text(self) -> str:
        """Everything that the agent has said."""
        return self._text + "".join(self._later)

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return len(self._text) - self._passed + (sum(map(len, self._later)) if self.evidence is not None else 0)

    def _take(self, part: str) -> None:
        """Have everything in one text; what came since the last time was sent at once, or decides nothing."""
        calm = "".join(self._later)
        self._later.clear()
        self._text += calm + part
        if self.evidence is None:
            self._passed += len(calm)
            self._scanned += 0 if self._in_fence else len(calm)

    def _ends_a_sentence(self, part: str) -> bool:
        """Whether a sentence may end in it, or just before it."""
        if "\n" in part or _SENTENCE_END.search(part) is not None:
            return True
        before = self._later[-1] if self._later else self._text
        return part[:1].isspace() and _SENTENCE_ENDING.search(before[-16:]) is not None

    def _pass(self, end: int) -> str | Alarm:
        passed = self._text[self._passed : end]
        if passed:
            alarm = self.judge_words(self._text, known=self._passed, end=end) or self._judge_new_numbers(end)
            if alarm is not None:
                return alarm
            self._passed = end
        self._calm = self._passed == len(self._text) and (self._in_fence or self._scanned == len(self._text))
        return passed

    def judge(self, text: str) -> Alarm | None:
        """Whether a text may leave."""
        return self.judge_words(text) or self._judge_numbers(text)

    def judge_words(self, text: str, *, known: int = 0, end: int | None = None) -> Alarm | None:
        """Whether a text is free of placeholder content; its numbers are not looked at.

        Args:
            text: to be judged up to ``end``.
            known: how many characters were judged before.
            end: where it ends; the end of the text unless given.
        """
        end = len(text) if end is None else end
        if not may_hold_placeholder(text[max(0, known - LONGEST) : end]):
            return None
        found = dishonest_placeholders(text[:end], self.question)
        return Alarm("placeholder", tuple(each.words for each in found)) if found else None

    def _judge_new_numbers(self, end: int) -> Alarm | None:
        """Judge the numbers of what is to be passed now, with the words around them, or with all the text in doubt."""
        if self.evidence is None or not may_say_numbers(self._text[self._passed : end]):
            return None
        alarm = self._judge_numbers(self._text[self._proven_from : end]) and self._judge_numbers(self._text[:end])
        paragraph = self._text.rfind("\n\n", self._proven_from, self._passed) + 2
        row = (
            self._text.rfind("\n|", self._proven_from, self._passed) + 1
        )  # the last one: its rank tells the next one's
        begin = max(paragraph, row)
        if begin > self._proven_from and code_is_closed(self._text[self._proven_from : begin]):
            self._proven_from = begin
        return alarm

    def _judge_numbers(self, text: str) -> Alarm | None:
        if self.evidence is None:
            return None
        numbers = self._proof_of(self.evidence()).untraceable_numbers(text)
        return Alarm("number", numbers) if numbers else None

    def _proof_of(self, evidence: Sequence[Evidence]) -> Proof:
        """What the evidence proves; read anew only where it is not what it was."""
        known = self._proven_by
        if self._proof is None or len(known) != len(evidence) or any(map(operator.is_not, known, evidence)):
            self._proof, self._proven_by = proof_of(self.question, evidence), tuple(evidence)
        return self._proof

    def judge_answer(self, answer: Answer) -> Alarm | None:
        """Whether a whole answer may leave: its text, and what stands beside it.

        Its numbers must trace to the evidence that it shows, what it shows must be what its tools found, and what a
        recommendation saves must be what is between its quantities.
        """
        beside = [*answer.insights, *answer.action_items]
        beside += [*(answer.alternatives or ()), *(answer.missing or ())]
        beside += [when for when in ((answer.covered.from_, answer.covered.to) if answer.covered else ()) if when]
        for proposal in answer.recommendations:
            amounts = (proposal.baseline, proposal.projected, proposal.saving)
            quantities = "; ".join(f"{amount!r} {proposal.unit}" for amount in amounts)
            beside += [proposal.text, proposal.unit, *proposal.assumptions, quantities]
        judge = AnswerGuard(self.question, self._cited(answer), proof=self._proof, proven_by=self._proven_by).judge
        return next(filter(None, map(judge, [answer.text, *beside])), None) or self._judge_sums(answer)

    def _judge_sums(self, answer: Answer) -> Alarm | None:
        if self.evidence is None:
            return None
        wrong = [f"{each.saving!r}" for each in answer.recommendations if not adds_up(each)]
        return Alarm("number", tuple(wrong)) if wrong else None

    def _cited(self, answer: Answer) -> Callable[[], Sequence[Evidence]] | None:
        if self.evidence is None:
            return None
        cited = [item for item in self.evidence() if item in answer.evidence]
        return lambda: cited

    def _decided(self) -> int:
        """Up to where the text cannot change its meaning by what is said next."""
        spans, end = self._scan()
        if self.evidence is not None:  # what a number says depends on the words around it: "15" on "March", "million"
            ends = [match.end() for match in _SENTENCE_END.finditer(self._text, self._passed, end)]
            end = next((at for at in reversed(ends) if not any(s.start() < at < s.end() for s in spans)), 0)
        begun = find_begun(self._text[:end], self._passed)
        if begun is not None:  # it may become a placeholder
            end = min(end, begun)
        end = max(self._passed, end)
        self._in_fence = bool(spans) and spans[-1]["unclosed"] is not None
        self._scanned = next((span.start() for span in spans if end < span.end() or span["unclosed"] is not None), end)
        return end

    def _scan(self) -> tuple[list[re.Match[str]], int]:
        """The code and quotations since the last scan, and up to where what is said next cannot change them."""
        spans: list[re.Match[str]] = []
        for span in _find_spans(_SPAN_OR_OPEN, self._text, self._scanned):
            at_the_end = span.end() == len(self._text) and (span["line"] is not None or span["ticks"] is not None)
            if span["open"] is not None or at_the_end:
                return spans, span.start()
            spans.append(span)
        return spans, len(self._text)


def adds_up(proposal: Recommendation) -> bool:
    """Whether a recommendation saves what is between its baseline and what it projects, to the precision of sums."""
    largest = max(abs(proposal.baseline), abs(proposal.projected))
    allowed = min(_CENT, _ROUNDED * largest) + _PRECISION * largest
    return abs(proposal.baseline - proposal.projected - proposal.saving) <= allowed
