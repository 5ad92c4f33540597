"""What may leave as an agent's answer, decided on the text alone, however an agent splits it. Pure.

Two rules (guarantees.md, 45 and 46): no placeholder content; and, for an agent that declares that it proves its
numbers, no number that does not trace to its evidence. A user's words quoted back, and mentions in code, are honest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import attrs

from chatcore.agents.numbers import untraceable_numbers
from chatcore.protocol.messages import Answer, Evidence

PLACEHOLDERS = (
    "Agent processed your message:",
    "Processing your message:",
    "FallbackAgentHandler",
    "EmergencyWebSocketManager",
    "emergency_mode",
    "degraded functionality",
    "response_generator",
    "ChatAgent",
)
"""What servers of this kind have answered with instead of an agent (guarantees.md, 46)."""


def _characters(words: str) -> list[str]:
    """A pattern for each character; between words there may be any space, in whichever amount."""
    return [r"\s+" if character == " " else re.escape(character) for character in words]


def _whole(words: str) -> str:
    """A pattern for these words; letters right after them make other words, unless a colon ends them."""
    return "".join(_characters(words)) + (r"(?!\w)" if words[-1].isalnum() else "")


def _begun(words: str) -> str:
    """A pattern for any beginning of these words at the end of a text."""
    first, *rest = _characters(words)
    return first + "".join(rf"(?:\Z|{character}" for character in rest) + r"\Z" + ")" * len(rest)


_PLACEHOLDER = re.compile(rf"(?<!\w)(?:{'|'.join(map(_whole, PLACEHOLDERS))})", re.IGNORECASE)
_BEGUN = re.compile(rf"(?<!\w)(?:{'|'.join(map(_begun, PLACEHOLDERS))})", re.IGNORECASE)
_LAST = 3
_BEGINNINGS = [words.casefold()[:end] for words in PLACEHOLDERS for end in range(1, len(words) + 1)]
_LAST_OF_BEGUN = frozenset(beginning[-_LAST:] for beginning in _BEGINNINGS)
_SHORT_BEGINNINGS = tuple(beginning for beginning in _BEGINNINGS if len(beginning) < _LAST)
_PIECES = frozenset(max(re.split(r"[iks\s]", words.casefold()), key=len) for words in PLACEHOLDERS)
"""A piece of each. Where none of them is there is no placeholder, and that is told at a tenth of the pattern's cost.
They are without the letters to which other letters are equal when case is ignored: ``ı``, ``İ``, ``ſ``, ``K``."""
_LONGEST = max(map(len, PLACEHOLDERS)) + 32
"""A placeholder that ends in what is judged now begins no further back; what runs of spaces hide from this, the
judgement of the whole answer finds."""

_FENCE = r"```.*?(?:```|(?P<unclosed>\Z))"
_CODE = r"(?P<ticks>`{1,2})(?!`)[^\n]+?(?<!`)(?P=ticks)(?!`)"
_QUOTE = r"\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»"
_QUOTED_LINE = r"^>[^\n]*"
_SPANS = rf"(?P<code>{_FENCE}|{_CODE})|(?P<quote>{_QUOTE})|(?P<line>{_QUOTED_LINE})"
_SPAN = re.compile(_SPANS, re.DOTALL | re.MULTILINE)
"""Code and quotations."""
_SPAN_OR_OPEN = re.compile(rf"{_SPANS}|(?P<open>[`\"“«][^\n]*\Z)", re.DOTALL | re.MULTILINE)
"""… and what may become one of them by what is said next."""
_MARK = re.compile(r"[`\"“«>]")
"""What code or a quotation begins with. Most words have none, and that is told at a hundredth of the patterns' cost."""
_SENTENCE_END = re.compile(r"[.!?][\"'”»)*_]*\s|\n")


def _may_be_begun(last: str) -> bool:
    """Whether a text with these last characters can end in the beginning of a placeholder: few can.

    Told by the characters alone where they are plain; where case is ignored some others are equal to letters, and
    spaces of any kind and number to one.
    """
    if not last.isascii() or not last.isprintable() or "  " in last:
        return True
    last = last.lower()
    return last in _LAST_OF_BEGUN or last.endswith(_SHORT_BEGINNINGS)


@attrs.frozen
class Alarm:
    """Why a text may not leave.

    Args:
        rule: ``placeholder`` or ``number``.
        found: the words or the numbers.
    """

    rule: str
    found: tuple[str, ...]


def placeholders_in(text: str, question: str) -> Iterator[re.Match[str]]:
    """The places of ``text`` that are placeholder content; ``question`` is what the user wrote."""
    asked = question.casefold()
    honest = [
        span.span()
        for span in _SPAN.finditer(text)
        if span["code"] is not None
        or all(match.group().casefold() in asked for match in _PLACEHOLDER.finditer(span.group()))
    ]
    for match in _PLACEHOLDER.finditer(text):
        if not any(start <= match.start() and match.end() <= end for start, end in honest):
            yield match


@attrs.define
class AnswerGuard:
    """Lets through what an agent says as far as it is decided, and holds the rest back until it is.

    Args:
        question: the user's message.
        evidence: what the run has found so far, asked for anew each time; None where numbers need no proof.
    """

    question: str
    evidence: Callable[[], Sequence[Evidence]] | None
    text: str = ""
    _passed: int = 0
    _scanned: int = 0

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return len(self.text) - self._passed

    def feed(self, part: str) -> str | Alarm:
        """Add what the agent says; what may be sent of it, possibly nothing yet, or why nothing may."""
        self.text += part
        return self._pass(self._decided())

    def finish(self) -> str | Alarm:
        """The agent has said everything: what is left to be sent."""
        return self._pass(len(self.text))

    def _pass(self, end: int) -> str | Alarm:
        alarm = self.judge_words(self.text, known=self._passed, end=end)
        if alarm is None and self.evidence is not None:
            alarm = self._judge_numbers(self.text[:end])
        if alarm is not None:
            return alarm
        passed, self._passed = self.text[self._passed : end], max(end, self._passed)
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
        begin = max(0, known - _LONGEST)
        heard = text[begin:end].casefold()
        if not any(piece in heard for piece in _PIECES) or not _PLACEHOLDER.search(text, begin, end):
            return None
        words = tuple(match.group() for match in placeholders_in(text[:end], self.question))
        return Alarm("placeholder", words) if words else None

    def _judge_numbers(self, text: str) -> Alarm | None:
        if self.evidence is None:
            return None
        numbers = untraceable_numbers(text, question=self.question, evidence=self.evidence())
        return Alarm("number", numbers) if numbers else None

    def judge_answer(self, answer: Answer) -> Alarm | None:
        """Whether a whole answer may leave: its text, and what stands beside it.

        Its numbers must trace to the evidence that it shows, and what it shows must be what its tools found.
        """
        beside = [*answer.insights, *answer.action_items]
        beside += [*(answer.alternatives or ()), *(answer.missing or ())]
        for proposal in answer.recommendations:
            quantities = f"{proposal.baseline!r} {proposal.projected!r} {proposal.saving!r}"
            beside += [proposal.text, *proposal.assumptions, quantities]
        judge = AnswerGuard(self.question, self._cited(answer)).judge
        return next(filter(None, map(judge, [answer.text, *beside])), None)

    def _cited(self, answer: Answer) -> Callable[[], Sequence[Evidence]] | None:
        if self.evidence is None:
            return None
        found = self.evidence()
        cited = [item for item in answer.evidence if item in found]
        return lambda: cited

    def _decided(self) -> int:
        """Up to where the text cannot change its meaning by what is said next."""
        spans, end = self._scan()
        if self.evidence is not None:  # what a number says depends on the words around it: "15" on "March", "million"
            ends = (match.end() for match in _SENTENCE_END.finditer(self.text, self._passed, end))
            end = max((at for at in ends if not any(span.start() < at < span.end() for span in spans)), default=0)
        begun = self._begun()
        if begun is not None:  # it may become a placeholder
            end = min(end, begun.start())
        end = max(self._passed, end)
        self._scanned = next((span.start() for span in spans if end < span.end() or span["unclosed"] is not None), end)
        return end

    def _begun(self) -> re.Match[str] | None:
        """What of the end may become a placeholder."""
        return _BEGUN.search(self.text, self._passed) if _may_be_begun(self.text[-_LAST:]) else None

    def _scan(self) -> tuple[list[re.Match[str]], int]:
        """The code and quotations since the last scan, and up to where what is said next cannot change them."""
        spans: list[re.Match[str]] = []
        if _MARK.search(self.text, self._scanned) is None:
            return spans, len(self.text)
        for span in _SPAN_OR_OPEN.finditer(self.text, self._scanned):
            at_the_end = span.end() == len(self.text) and (span["line"] is not None or span["ticks"] is not None)
            if span["open"] is not None or at_the_end:
                return spans, span.start()
            spans.append(span)
        return spans, len(self.text)
