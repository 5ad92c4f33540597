"""``chatcore verify``: which of a stored thread still holds, in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

import msgspec

from chatcore.cli_text import one_line
from chatcore.settings import Settings
from chatcore.threads.chain import LogReport
from chatcore.verify import AnswerReport, ThreadReport
from chatcore.verify import verify as check

QUESTION_CHARACTERS: Final = 80
"""Of a question that stands over its answer's lines: one line of an ordinary terminal."""


async def verify(settings: Settings, thread_id: str, as_json: bool) -> int:
    """Check a thread and say what holds.

    Args:
        settings: where the database is, its key, and the data.
        thread_id: which.
        as_json: print the report as JSON instead of lines.

    Returns:
        0 if all of it holds, else 1.
    """
    report = await check(settings, thread_id)
    text = msgspec.json.format(msgspec.json.encode(report)).decode() if as_json else "\n".join(lines(report))
    sys.stdout.write(text + "\n")
    return 0 if report.holds else 1


def lines(report: ThreadReport) -> Iterator[str]:
    """A report for a person."""
    yield from _log(report.log)
    for fault in report.runs:
        yield f"  ✗ {one_line(fault.where)}: {one_line(fault.problem)}"
    for answer in report.answers:
        yield from _answer(answer)
    yield "all of it holds" if report.holds else "not all of it holds"


def _log(log: LogReport) -> Iterator[str]:
    if log.whole:
        yield f"the log is whole: {log.events} events, {log.signed} signatures"
    else:
        yield f"the log is not proven: {log.events} events, {log.signed} signatures"
    if log.unsigned:
        yield f"  ✗ {log.unsigned} rows carry no signature: older than signing is, or it was taken away"
    for fault in log.faults:
        yield f"  ✗ {one_line(fault.where)}: {one_line(fault.problem)}"


def _answer(answer: AnswerReport) -> Iterator[str]:
    yield f"{_mark(answer.holds)} {one_line(answer.question, QUESTION_CHARACTERS)}"
    for item in answer.evidence:
        yield f"  {_mark(item.holds)} evidence {one_line(item.id)} ({one_line(item.tool)}): {one_line(item.meaning)}"
    if answer.unproven:
        yield f"  ✗ not proven: {one_line(', '.join(answer.unproven))}"
    elif answer.evidence:
        yield "  ✓ every number traces to the evidence"


def _mark(holds: bool) -> str:
    return "✓" if holds else "✗"
