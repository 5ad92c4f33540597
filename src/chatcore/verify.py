"""Whether a stored thread still holds: its log, its evidence and its numbers, checked offline (``chatcore verify``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

from chatcore.agents.analyst.agent import Data
from chatcore.agents.analyst.ledger import Ledger, open_ledger, open_sample
from chatcore.agents.analyst.records import open_records
from chatcore.agents.analyst.rerun import MEANINGS, rerun
from chatcore.agents.analyst.sources import find_sources
from chatcore.agents.authenticity import AnswerGuard
from chatcore.builtin import SAMPLE, application_of
from chatcore.errors import ChatcoreError
from chatcore.protocol.messages import AgentCompleted, Evidence
from chatcore.settings import Settings
from chatcore.threads.chain import END_STATES, LogFault, LogReport, ThreadLog, check_log, check_runs

if TYPE_CHECKING:
    from chatcore.threads.archive import Archive


@attrs.define
class NoSuchThread(ChatcoreError):
    """The database has no thread of this id."""

    thread_id: str

    def __str__(self) -> str:
        return f"there is no thread {self.thread_id!r} in the database"


class EvidenceReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one piece of evidence: ``standing`` in a word, ``meaning`` in words."""

    id: str
    tool: str
    holds: bool
    standing: str
    meaning: str


class AnswerReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one answer.

    ``unproven`` is what in it may not leave: numbers that trace to none of its evidence or do not add up, or words that
    are no agent's own.
    """

    run_id: str
    seq: int
    question: str
    answered: bool
    evidence: list[EvidenceReport]
    unproven: list[str]

    @property
    def holds(self) -> bool:
        """Whether the answer could be given again."""
        return not self.unproven and all(item.holds for item in self.evidence)


class ThreadReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a thread. ``holds`` is whether all of it does."""

    thread_id: str
    holds: bool
    log: LogReport
    runs: list[LogFault]
    answers: list[AnswerReport]


async def verify(settings: Settings, thread_id: str) -> ThreadReport:
    """Check a stored thread without any server.

    Args:
        settings: where the database is, its key, the application, and the data that its evidence is asked of.
        thread_id: which.

    Raises:
        NoSuchThread: the database has none of this id.
        ConfigurationError: the database, the application or the data is none that can be read.
        StorageUnavailable: the database cannot be read now.
    """
    agents = (await trio.to_thread.run_sync(application_of, settings)).agents
    archive = await trio.to_thread.run_sync(_archive, settings)
    log: ThreadLog | None = await trio.to_thread.run_sync(archive.log, thread_id)
    if log is None:
        raise NoSuchThread(thread_id)
    chain = check_log(log, await trio.to_thread.run_sync(archive.signer))
    completions, unreadable = _completions(log)
    runs = [*check_runs(log), *unreadable]
    async with AsyncExitStack() as stack:
        ledger = None
        if any(completed.answer.evidence for completed in completions):
            data = await stack.enter_async_context(_open_data(settings.data, archive))
            ledger = await stack.enter_async_context(data.opened_for(log.user_id))
        questions = {message.run_id: message.content for message in log.messages if message.role == "user"}
        answers = [await _check(each, questions.get(each.run_id, ""), agents, ledger) for each in completions]
    holds = chain.whole and not runs and all(answer.holds for answer in answers)
    return ThreadReport(thread_id=thread_id, holds=holds, log=chain, runs=runs, answers=answers)


def _archive(settings: Settings) -> Archive:
    """Imported here, because SQLAlchemy takes long to import."""
    from chatcore.threads.archive import Archive

    return Archive(settings.database_url, settings.signing_key)


def _open_data(paths: Sequence[str], archive: Archive) -> AbstractAsyncContextManager[Data]:
    """The data that ``chatcore serve`` answers from with these paths."""
    if not paths:
        return open_records(lambda user_id: trio.to_thread.run_sync(archive.records, user_id))
    if list(paths) == [SAMPLE]:
        return open_sample(_unheard)
    return open_ledger(find_sources([Path(path) for path in paths]), _unheard)


def _unheard(fraction: float, words: str) -> None:
    """Progress that nobody is told of."""


def _completions(log: ThreadLog) -> tuple[list[AgentCompleted], list[LogFault]]:
    """Every answer of a thread, and the events of such that cannot be read."""
    completions, unreadable = [], []
    for event in log.events:
        if END_STATES.get(event.type) == "completed":
            try:
                completions.append(msgspec.json.decode(event.frame, type=AgentCompleted))
            except (msgspec.DecodeError, UnicodeDecodeError):
                unreadable.append(LogFault(where=f"event {event.seq}", problem="holds no answer that can be read"))
    return completions, unreadable


async def _check(
    completed: AgentCompleted, question: str, agents: Mapping[str, type[object]], ledger: Ledger | None
) -> AnswerReport:
    answer = completed.answer
    proves = getattr(agents.get(completed.provenance.agent), "proves_numbers", False)
    alarm = AnswerGuard(question, (lambda: answer.evidence) if proves else None).judge_answer(answer)
    return AnswerReport(
        run_id=completed.run_id,
        seq=completed.seq,
        question=question,
        answered=answer.answered,
        evidence=[await _rerun(ledger, item) for item in answer.evidence if ledger is not None],
        unproven=list(alarm.found) if alarm is not None else [],
    )


async def _rerun(ledger: Ledger, item: Evidence) -> EvidenceReport:
    found = await rerun(ledger, item)
    meaning = MEANINGS[found.standing] + (f": {found.detail}" if found.detail else "")
    return EvidenceReport(id=item.id, tool=item.tool, holds=found.holds, standing=found.standing, meaning=meaning)
