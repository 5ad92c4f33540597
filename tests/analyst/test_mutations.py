"""Any digit of any figure in any answer, changed, is caught before it is sent: for every kind of question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.request import Intent
from chatcore.agents.authenticity import AnswerGuard
from chatcore.protocol.messages import Answer, Covered, Evidence, Recommendation

from .conftest import ask, loaded, write_csv

HEADER = ("ts_utc", "user_id", "model", "feature", "prompt_tokens", "completion_tokens", "cost_usd", "latency_ms")
MODELS = ("gpt-4o", "gpt-4o-mini", "o3", "claude-3-7-sonnet-20250219")
USAGE = [
    (
        f"2025-0{1 + n % 3}-{1 + n * 7 % 28:02d} {n * 5 % 24:02d}:{n * 11 % 60:02d}:00",
        f"user-{n % 3}",
        MODELS[n * n % 4],
        ("ask", "diff")[n % 2],
        1013 + 377 * n,
        97 + 41 * (n % 17),
        0.0137 * (n % 23 + 1) + 1.731 * (n % 5),
        812.5 + 3 * n,
    )
    for n in range(120)
]
QUESTIONS = {
    "total": "How much did we spend in total?",
    "by": "How much did we spend by model?",
    "trend": "How much did we spend by month?",
    "compare": "Compare February 2025 with March 2025",
    "versus": "cost of diff versus ask",
    "top_calls": "What were the most expensive calls?",
    "quality": "How good is the data quality?",
    "statistics": "What is the median of prompt_tokens?",
    "column_by": "average latency_ms by model",
    "distinct": "How many models are there?",
    "description": "What data do you have?",
}
"""By the kind that each is of."""

FIGURE = re.compile(
    r"(?P<money>\$)?(?<![\w`.,:-])(?P<number>\d[\d,]*(?P<decimals>\.\d+)?)(?P<unit>%| (?:calls|tokens)\b)?"
)
"""What is surely a quantity: an amount of money, a percentage, a count of calls or tokens."""


def quantities(text: str) -> Iterator[re.Match[str]]:
    for figure in FIGURE.finditer(re.sub(r"`[^`]*`", lambda code: "`" * len(code.group()), text)):
        if figure["money"] or figure["unit"]:
            yield figure


def holds_anyway(figure: re.Match[str], evidence: Sequence[Evidence]) -> bool:
    """Whether a figure needs no proof, or some cell shows as it does when rounded; in decimals alone."""
    value, places = Decimal(figure["number"].replace(",", "")), len(figure["decimals"] or ".") - 1
    if places == 0 and value < 10:
        return True
    cells = (
        abs(Decimal(repr(cell))) for item in evidence for row in item.rows for cell in row if type(cell) in (int, float)
    )
    return any(abs(cell - value) <= Decimal(5).scaleb(-places - 1) for cell in cells)


def mutations(answer: Answer, text: str) -> Iterator[tuple[str, Answer]]:
    """The answer with one digit of one of its texts or quantities another, and where."""
    whole = msgspec.structs.replace(answer, text=text)
    for at, digit in digits(text):
        yield f"text {at}", msgspec.structs.replace(whole, text=put(text, at, digit))
    for number, insight in enumerate(answer.insights):
        for at, digit in digits(insight):
            changed = [*answer.insights]
            changed[number] = put(insight, at, digit)
            yield f"insight {number} at {at}", msgspec.structs.replace(whole, insights=changed)
    for number, proposal in enumerate(answer.recommendations):
        for field in ("baseline", "projected", "saving"):
            value = getattr(proposal, field)
            given = [*answer.recommendations]
            given[number] = msgspec.structs.replace(proposal, **{field: value * 1.1 + 1})
            yield f"recommendation {number} {field}", msgspec.structs.replace(whole, recommendations=given)


def digits(text: str) -> Iterator[tuple[int, str]]:
    for at, character in enumerate(text):
        if character in "0123456789":
            yield at, str((int(character) + 1 + at % 9) % 10)


def put(text: str, at: int, digit: str) -> str:
    return text[:at] + digit + text[at + 1 :]


@pytest.mark.parametrize("kind", QUESTIONS)
async def test_a_changed_digit_is_caught(tmp_path: Path, kind: str) -> None:
    """Every digit of every quantity, unless what it makes of it is true of another cell."""
    question = QUESTIONS[kind]
    async with loaded(write_csv(tmp_path / "usage.csv", HEADER, USAGE)) as ledger:
        planned = plan(question, ledger.catalogue)
        assert isinstance(planned, Intent)
        assert planned.kind == kind
        told = await ask(ledger, question)
    guard = AnswerGuard(question, lambda: told.run.evidence)
    assert guard.judge_answer(msgspec.structs.replace(told.answer, text=told.text)) is None
    for where, mutated in mutations(told.answer, told.text):
        if guard.judge_answer(mutated) is None:
            assert not where.startswith("recommendation"), where
            texts = (mutated.text, *mutated.insights, *(each.text for each in mutated.recommendations))
            wrong = [
                figure.group()
                for text in texts
                for figure in quantities(text)
                if not holds_anyway(figure, told.answer.evidence)
            ]
            assert not wrong, (where, wrong)


async def test_every_answer_with_figures_has_some_that_are_changed(tmp_path: Path) -> None:
    """The check above is not about nothing."""
    async with loaded(write_csv(tmp_path / "usage.csv", HEADER, USAGE)) as ledger:
        found = {kind: [*quantities((await ask(ledger, question)).text)] for kind, question in QUESTIONS.items()}
    assert {kind for kind, figures in found.items() if figures} >= {
        "total",
        "by",
        "trend",
        "compare",
        "versus",
        "top_calls",
    }


PROPOSAL = Recommendation(
    text="Use o3: $60.00 instead of $100.00 saves $40.00.",
    baseline=100.0, projected=60.0, saving=40.0, unit="USD", basis="what_if", assumptions=["the same 12 calls"],
)  # fmt: skip
CELLS = Evidence(
    id="e1", tool="t", query="SELECT 1", parameters={}, columns=["a", "b", "c", "n"], rows=[[100.0, 60.0, 40.0, 12]],
    row_count=1, sha256="", data_version="",
)  # fmt: skip


def test_any_part_of_a_recommendation_that_is_changed_is_caught() -> None:
    guard = AnswerGuard("", lambda: [CELLS])
    whole = Answer(text="Here.", recommendations=[PROPOSAL], evidence=[CELLS])
    assert guard.judge_answer(whole) is None
    swapped = [("baseline", 60.0), ("projected", 40.0), ("saving", 60.0), ("saving", 12.0), ("saving", 40.02)]
    changed: list[dict[str, object]] = [{field: value} for field, value in swapped]
    changed += [{"text": put(PROPOSAL.text, at, digit)} for at, digit in digits(PROPOSAL.text) if at > 6]
    changed += [{"assumptions": ["the same 13 calls"]}, {"baseline": 110.0, "saving": 50.0}, {"unit": "million USD"}]
    for fields in changed:
        proposal = msgspec.structs.replace(PROPOSAL, **fields)
        assert guard.judge_answer(msgspec.structs.replace(whole, recommendations=[proposal])) is not None, fields


def test_words_in_place_of_the_covered_period_are_read_too() -> None:
    guard = AnswerGuard("", lambda: [CELLS])
    refusal = Answer(answered=False, text="No.", reason="no_rows", missing=["rows"], alternatives=["What?"])
    for covered, may_leave in [("2024-08-13", True), ("2025-01-02 03:04:05", True), ("77 calls", False)]:
        answer = msgspec.structs.replace(refusal, covered=Covered(from_=covered))
        assert (guard.judge_answer(answer) is None) == may_leave
