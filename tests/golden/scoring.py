"""Asks every wording of every golden question, and judges the answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio

from chatcore.agents.analyst.agent import Analyst
from chatcore.agents.analyst.ledger import Ledger, open_ledger
from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.sources import find_sources, validate_sources
from chatcore.agents.base import ToolCall
from chatcore.agents.numbers import untraceable_numbers
from chatcore.context import UserExecutionContext
from chatcore.protocol.messages import Answer, ThreadMessage, UserMessage

from .facts import Facts
from .question import Golden, Number

DATA = Path(__file__).parents[2].parent / "shared" / "data"


class Mark(StrEnum):
    """How an answer came out."""

    RIGHT = "right"
    WRONG = "wrong numbers"
    UNPROVEN = "unproven numbers"
    REFUSED = "refused wrongly"
    ANSWERED = "answered wrongly"
    REASON = "wrong reason"


@attrs.frozen
class Score:
    """One wording and how it was answered."""

    golden: Golden
    wording: str
    mark: Mark
    why: str = ""


@attrs.define
class Asked:
    """A run that keeps what is said."""

    context: UserExecutionContext
    earlier: Sequence[str] = ()
    text: str = ""

    async def thinking(self, text: str) -> None:
        await trio.lowlevel.checkpoint()

    async def say(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        self.text += text

    @asynccontextmanager
    async def tool(self, name: str, /, **arguments: Any) -> AsyncIterator[ToolCall]:
        await trio.lowlevel.checkpoint()
        yield ToolCall("call", name, arguments)

    async def history(self) -> Sequence[ThreadMessage]:
        await trio.lowlevel.checkpoint()
        return [
            ThreadMessage(message_id=None, role="user", content=each, run_id="r", created_at=0.0, status="completed")
            for each in self.earlier
        ]


@asynccontextmanager
async def shared_ledger() -> AsyncIterator[Ledger]:
    """The ledger of all the shared files."""
    sources = find_sources([DATA])
    validate_sources(sources)
    async with open_ledger(sources, lambda fraction, words: None) as ledger:
        yield ledger


async def score_all(goldens: Iterable[Golden], facts: Facts, ledger: Ledger) -> list[Score]:
    """The score of every wording."""
    scorer = Scorer(facts, ledger)
    return [await scorer.score(golden, words) for golden in goldens for words in golden.wordings]


@attrs.frozen
class Expected:
    """What an answer has to hold: the reason it is refused for, or numbers and names."""

    refused: str
    numbers: tuple[Number, ...]
    names: tuple[str, ...]


@attrs.frozen
class Scorer:
    """Asks, and asks once what comes to the same intent: that answer is the same to the letter."""

    facts: Facts
    ledger: Ledger
    told: dict[bytes, tuple[Answer, str]] = attrs.field(factory=dict)
    expected: dict[str, Expected] = attrs.field(factory=dict)

    async def score(self, golden: Golden, wording: str) -> Score:
        """How one wording is answered."""
        planned = plan(wording, self.ledger.catalogue, golden.after)
        key = msgspec.json.encode(planned) if isinstance(planned, Intent) else wording.encode()
        if key not in self.told:
            self.told[key] = await self._ask(golden, wording)
        first = f"{golden.after} {golden.asked}"
        if first not in self.expected:
            numbers = tuple(golden.numbers(self.facts)) if golden.numbers else ()
            self.expected[first] = Expected(golden.refused, numbers, tuple(golden.names(self.facts)))
        mark, why = judge(self.expected[first], *self.told[key], wording)
        return Score(golden, wording, mark, why)

    async def _ask(self, golden: Golden, wording: str) -> tuple[Answer, str]:
        run = Asked(UserExecutionContext(user_id="golden"), golden.after)
        answer = await Analyst(self.ledger).respond(UserMessage(message_id="m", content=wording), run)
        return answer, run.text


def judge(expected: Expected, answer: Answer, text: str, wording: str) -> tuple[Mark, str]:
    """Right where every expected number is told and proven, and where what has no answer is refused."""
    if expected.refused:
        if answer.answered:
            return Mark.ANSWERED, text[:200]
        right = answer.reason in expected.refused.split("|")
        return (Mark.RIGHT, "") if right else (Mark.REASON, f"{answer.reason}: {text[:200]}")
    if not answer.answered:
        return Mark.REFUSED, f"{answer.reason} {answer.missing}: {text[:200]}"
    whole = "\n".join([text, *answer.insights, *answer.action_items])
    unproven = untraceable_numbers(whole, question=wording, evidence=answer.evidence)
    if unproven:
        return Mark.UNPROVEN, str(unproven)
    lacking = _lacking(expected, answer, whole)
    return (Mark.WRONG, f"{lacking} not in: {whole[:600]}") if lacking else (Mark.RIGHT, "")


def _lacking(expected: Expected, answer: Answer, text: str) -> list[str]:
    told = [(float(m[1].replace(",", "")), len(m[2] or ".") - 1) for m in _NUMBER.finditer(text)]
    cells = list(_cells([item.rows for item in answer.evidence]))
    lacking = [f"{number} (told)" for number in expected.numbers if not any(_shows(number, *each) for each in told)]
    lacking += [f"{number} (cell)" for number in expected.numbers if not any(_equals(number, cell) for cell in cells)]
    return lacking + [name for name in expected.names if name not in text]


_NUMBER = re.compile(r"(?<![\w.])[-−]?[$€]?(\d[\d,]*(\.\d+)?)(?![\d])")


def _shows(number: Number, shown: float, decimals: int) -> bool:
    """Whether a number of the text is this one, rounded to what the text shows."""
    exact = abs(float(number))
    coarse = decimals == 0 and exact < 1000 and not exact.is_integer()
    return not coarse and abs(exact - shown) <= 0.5000001 * 10.0**-decimals


def _equals(number: Number, cell: float) -> bool:
    return abs(abs(float(number)) - abs(cell)) <= 1e-6 * max(1.0, abs(cell))


def _cells(rows: Any) -> Iterable[float]:
    if isinstance(rows, list | tuple):
        for each in rows:
            yield from _cells(each)
    elif isinstance(rows, int | float) and not isinstance(rows, bool):
        yield float(rows)


def table(scores: Sequence[Score]) -> str:
    """The scores by kind of question."""
    kinds = list(dict.fromkeys(score.golden.kind for score in scores))
    lines = [("kind", "asked", *map(str, Mark))]
    lines += [_line(kind, [score for score in scores if score.golden.kind == kind]) for kind in kinds]
    lines.append(_line("together", scores))
    width = max(len(line[0]) for line in lines)
    return "\n".join(
        line[0].ljust(width) + "".join(cell.rjust(max(len(head), 5) + 2) for head, cell in zip(lines[0][1:], line[1:]))  # noqa: B905
        for line in lines
    )


def _line(kind: str, scores: Sequence[Score]) -> tuple[str, ...]:
    marks = Counter(score.mark for score in scores)
    return (kind, str(len(scores)), *(str(marks[mark]) for mark in Mark))
