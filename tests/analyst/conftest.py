"""Data made by the tests, the shared data where it is there, and a run that keeps what an agent does."""

from __future__ import annotations

import atexit
import csv
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import trio

from chatcore.agents.analyst.agent import Analyst
from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.ledger import Ledger, open_filled, open_ledger, private_directory
from chatcore.agents.analyst.sources import find_sources, validate_sources
from chatcore.agents.base import ToolCall
from chatcore.agents.numbers import untraceable_numbers
from chatcore.context import UserExecutionContext
from chatcore.protocol.messages import Answer, Evidence, ThreadMessage, UserMessage

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@attrs.define
class RecordedRun:
    """A run that keeps every event, and refuses a number that does not trace as the supervisor does."""

    question: str
    context: UserExecutionContext
    events: list[tuple[str, Any]] = attrs.field(factory=list)
    evidence: list[Evidence] = attrs.field(factory=list)
    earlier: Sequence[str] = ()

    @property
    def text(self) -> str:
        return "".join(detail for kind, detail in self.events if kind == "say")

    async def thinking(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        self.events.append(("thinking", text))

    async def say(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        self.events.append(("say", text))
        found = untraceable_numbers(self.text, question=self.question, evidence=self.evidence)
        assert found == (), (found, self.text)

    @asynccontextmanager
    async def tool(self, name: str, /, **arguments: Any) -> AsyncIterator[ToolCall]:
        await trio.lowlevel.checkpoint()
        msgspec.json.encode(arguments)
        call = ToolCall(f"call-{len(self.events)}", name, arguments)
        self.events.append(("tool", name))
        try:
            yield call
            self.events.append(("done", call.summary))
        finally:
            self.evidence.extend(call.evidence)

    async def history(self) -> Sequence[ThreadMessage]:
        await trio.lowlevel.checkpoint()
        self.events.append(("history", len(self.earlier)))
        return [_asked(number, question) for number, question in enumerate(self.earlier)]


def _asked(number: int, question: str) -> ThreadMessage:
    return ThreadMessage(
        message_id=f"m{number}", role="user", content=question, run_id="r", created_at=0.0, status="completed"
    )


@attrs.frozen
class Told:
    """An answer, its whole text, and the run it came from."""

    answer: Answer
    text: str
    run: RecordedRun

    def sheet(self, *columns: str) -> list[dict[str, Any]]:
        """The rows of the first evidence that has these columns."""
        for evidence in self.answer.evidence:
            if set(columns) <= set(evidence.columns):
                return [dict(zip(evidence.columns, row, strict=True)) for row in evidence.rows]
        raise AssertionError(f"no evidence has {columns}: {[each.columns for each in self.answer.evidence]}")


async def ask(data: Any, question: str, earlier: Sequence[str] = ()) -> Told:
    """Put a question to the analyst, after those of its thread, and check what must hold of every answer."""
    run = RecordedRun(question, UserExecutionContext(user_id="tester"), earlier=earlier)
    answer = await Analyst(data).respond(UserMessage(message_id="m1", content=question), run)
    check(answer, run, question)
    return Told(answer, run.text, run)


def check(answer: Answer, run: RecordedRun, question: str) -> None:
    assert run.text.strip()
    assert answer.text == ""
    msgspec.json.encode(answer)
    for text in (run.text, *answer.insights, *answer.action_items):
        found = untraceable_numbers(text, question=question, evidence=answer.evidence)
        assert found == (), (found, text)
    if not answer.answered:
        assert answer.reason in ("no_such_column", "out_of_range", "no_rows", "ambiguous", "not_supported")
        assert answer.alternatives


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """A CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


@attrs.frozen
class Loaded:
    """What loading came to: the database, and what it holds."""

    file: Path
    catalogue: Catalogue


_LOADED: dict[tuple[Path, ...], Loaded] = {}
"""Of the shared data, which does not change, and takes longer to load than most questions to answer."""


@asynccontextmanager
async def loaded(*paths: Path) -> AsyncIterator[Ledger]:
    """The ledger of some files; each has a connection and a memory of its own."""
    if paths in _LOADED:
        async with _opened_again(_LOADED[paths]) as ledger:
            yield ledger
        return
    sources = find_sources(paths)
    validate_sources(sources)
    async with open_ledger(sources, lambda fraction, words: None) as ledger:
        if all(path.is_relative_to(SHARED) for path in paths):
            _LOADED[paths] = await _kept(ledger)
        yield ledger


async def _kept(ledger: Ledger) -> Loaded:
    """A copy of its database, whose name is gone, for as long as the tests run."""
    directory = Path(tempfile.mkdtemp(prefix="chatcore-tests-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    file = directory / "ledger.duckdb"
    shutil.copyfile(f"/dev/fd/{await ledger.apart.database()}", file)
    return Loaded(file, ledger.catalogue)


@asynccontextmanager
async def _opened_again(kept: Loaded) -> AsyncIterator[Ledger]:
    async def look(_: object) -> Catalogue:
        await trio.lowlevel.checkpoint()
        return kept.catalogue

    async with private_directory() as directory:
        file = directory / kept.file.name
        file.hardlink_to(kept.file)
        async with open_filled(file, look) as ledger:
            yield ledger


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared data."""
    if not (SHARED / "llm_usage.csv").exists():
        pytest.skip("shared/data is not here")
    return SHARED


@pytest.fixture
def usage_rows(shared: Path) -> Iterator[list[dict[str, str]]]:
    """The rows of ``llm_usage.csv`` as the csv module reads them."""
    with (shared / "llm_usage.csv").open(encoding="utf-8", newline="") as file:
        yield list(csv.DictReader(file))
