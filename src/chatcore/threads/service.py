"""The ThreadService: the conversations of every user, kept durably. What a method wrote is on the disk when it returns.

Reads run in a few worker threads, each in a transaction of its own. Writes go to one task (:mod:`.writer`), which
commits in groups. SQLAlchemy and Alembic are imported while storage is opened, in a worker thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import attrs
import trio

from chatcore.errors import InvalidMessage, StorageUnavailable
from chatcore.protocol.codec import MAX_SAFE_INTEGER
from chatcore.protocol.messages import ThreadMessage, UserMessage
from chatcore.threads.eraser import Eraser
from chatcore.threads.model import (
    ENDED_STATES,
    MAX_QUERY_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    Accepted,
    EndState,
    InitializationRecord,
    Page,
    RecordTable,
    RunIds,
    RunRecord,
    StoredEvent,
    Thread,
    ThreadOrder,
    check_contiguous,
    check_limit,
    check_line,
    decode_cursor,
    messages_of,
    size_bytes,
    threads_by,
)
from chatcore.threads.writer import GroupCommitWriter

if TYPE_CHECKING:
    from chatcore.threads.chain import LogReport
    from chatcore.threads.commands import Commands
    from chatcore.threads.database import Command, Database
    from chatcore.threads.queries import Queries

T = TypeVar("T")

READERS: Final = 4
"""Threads that read at once: a read takes less than a millisecond of a core, so more would only wait for one."""

INACTIVE_AT_ONCE: Final = 100
"""Threads that are looked up at once to be deleted one by one: little memory, and few queries."""


@attrs.frozen(eq=False)
class ThreadService:
    """Threads, messages, runs and events; made by :func:`~.opening.open_threads`. Times are Unix seconds.

    Every method raises :class:`~chatcore.errors.StorageUnavailable` when the database is away, full or closed. A
    thread or run of another user is not found, as one that does not exist.
    """

    _database: Database
    _writer: GroupCommitWriter[Command]
    _readers: trio.CapacityLimiter
    _clock: Callable[[], float]
    _eraser: Eraser

    # --- threads ----------------------------------------------------------------------------------------------------

    async def create_thread(self, user_id: str, title: str = "") -> Thread:
        """Open a thread without messages.

        Raises:
            InvalidMessage: the title is too long, or more than one line.
        """
        check_line("title", title, MAX_TITLE_CHARACTERS)
        now = self._clock()
        return await self._write(lambda commands: commands.create_thread(user_id, title, now), len(title))

    async def thread(self, user_id: str, thread_id: str) -> Thread:
        """One thread.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        return await self._read(lambda queries: queries.thread(user_id, thread_id))

    async def threads(
        self,
        user_id: str,
        *,
        query: str = "",
        order: ThreadOrder = "created",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Thread]:
        """The user's threads, or those of them in which a text occurs.

        Args:
            user_id: whose.
            query: occurs in the title or in a message, in whatever case; empty for every thread.
            order: ``created``: the newest first, each exactly once over all pages. ``active``: the one with the newest
                message first; one that gets a message while the pages are read moves to the front of them.
            limit: how many at most, 1 to 1000.
            cursor: ``next`` of the page before, of the same query and order; None for the first.

        Raises:
            InvalidMessage: ``query``, ``limit`` or ``cursor`` is none.
        """
        check_limit(limit)
        check_line("query", query, MAX_QUERY_CHARACTERS)
        before = MAX_SAFE_INTEGER if cursor is None else decode_cursor(threads_by(order, query), cursor)
        return await self._read(
            lambda queries: queries.threads(user_id, query=query, order=order, before=before, limit=limit)
        )

    async def rename_thread(self, user_id: str, thread_id: str, title: str) -> None:
        """Give a thread another title.

        Raises:
            InvalidMessage: the title is empty, too long or no line of text.
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        if not title.strip():
            raise InvalidMessage("title", "not empty")
        check_line("title", title, MAX_TITLE_CHARACTERS)
        await self._write(lambda commands: commands.rename_thread(user_id, thread_id, title), len(title))

    async def delete_thread(self, user_id: str, thread_id: str) -> None:
        """Delete a thread with its messages, runs and events. A run under way finds its thread gone.

        What it said is overwritten. Fragments may be left in the files until :meth:`keep_erasing` has removed them,
        here or, if this process ends first, after the next start; from a database of more than 32 MB only
        ``chatcore db compact`` removes them all.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        try:
            await self._write(lambda commands: commands.delete_thread(user_id, thread_id))
        finally:  # whoever is cancelled now may have deleted it all the same
            self._eraser.request()

    async def delete_inactive(self, inactive_seconds: float) -> int:
        """Delete every thread in which nothing has happened for so long and no run is under way; how many they were.

        One is deleted at a time, so that whoever else writes waits for no more than one.
        """
        before, after, deleted = self._clock() - inactive_seconds, 0, 0
        while found := await self._inactive(before, after):
            for after, thread_id in found:  # noqa: B007  the last is where the next page begins
                deleted += await self._delete_if_inactive(thread_id, before)
        return deleted

    async def keep_erasing(self) -> None:
        """Erase the last copies of what was deleted, here or by an earlier process; runs until it is cancelled."""
        await self._eraser.run()

    # --- messages ---------------------------------------------------------------------------------------------------

    async def accept_message(self, user_id: str, message: UserMessage, agent: str) -> Accepted:
        """Keep a message and a run for it that waits. A ``message_id`` known of this user answers with its first run.

        Args:
            user_id: who sent it.
            message: without a ``thread_id`` it opens a thread, titled with its beginning.
            agent: who is to answer, whatever ``message.agent`` says.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        now = self._clock()
        size_bytes = len(message.content.encode())
        return await self._write(lambda commands: commands.accept_message(user_id, message, agent, now), size_bytes)

    async def has_message(self, user_id: str, message_id: str) -> bool:
        """Whether a message was accepted of this user."""
        return await self._read(lambda queries: queries.has_message(user_id, message_id))

    async def messages(
        self, user_id: str, thread_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[ThreadMessage]:
        """A thread's messages, the oldest first; each run that ended has one of its agent.

        Args:
            user_id: whose thread.
            thread_id: which.
            limit: how many at most, 1 to 1000; fewer come where they are long.
            cursor: ``next`` of the page before, None for the first.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
            InvalidMessage: ``limit`` or ``cursor`` is none.
        """
        check_limit(limit)
        after = 0 if cursor is None else decode_cursor(messages_of(thread_id), cursor)
        return await self._read(lambda queries: queries.messages(user_id, thread_id, after=after, limit=limit))

    async def snapshot(self, user_id: str, thread_id: str) -> tuple[Thread, Sequence[ThreadMessage]]:
        """A thread with all its messages, the oldest first, both of one moment.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        return await self._read(lambda queries: queries.snapshot(user_id, thread_id))

    # --- runs and their events --------------------------------------------------------------------------------------

    async def start_run(self, run_id: str, generation: int) -> int:
        """Mark a run as running, for the first time or again after a crash; the ``seq`` of its thread's next event.

        Raises:
            RequestRefused: ``RUN_NOT_FOUND``.
            RunEnded: it is over.
        """
        now = self._clock()
        return await self._write(lambda commands: commands.start_run(run_id, generation, now))

    async def begin_run(self, run_id: str, generation: int, first: Callable[[int], StoredEvent]) -> StoredEvent:
        """The same, with its first event, made of its ``seq`` by ``first`` in another thread; the event.

        Raises:
            RequestRefused, RunEnded: as :meth:`start_run`.
        """
        now = self._clock()
        return await self._write(lambda commands: commands.begin_run(run_id, generation, first, now))

    async def request_cancel(self, user_id: str, run_id: str) -> None:
        """Keep that the user of a run does not want it any more; that alone ends nothing.

        Raises:
            RequestRefused: ``RUN_NOT_FOUND``.
        """
        await self._write(lambda commands: commands.request_cancel(user_id, run_id))

    async def append_events(self, thread_id: str, events: Sequence[StoredEvent]) -> None:
        """Add events of a run that is not over, all or none.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``, or ``RUN_NOT_FOUND``: the run is not one of this thread.
            SequenceBroken: they are not contiguous, or do not follow the thread's last event.
            RunEnded: their run is over.
        """
        check_contiguous(thread_id, events)
        kept, now = tuple(events), self._clock()
        await self._write(lambda commands: commands.append_events(thread_id, kept, now), size_bytes(kept))

    async def end_run(
        self,
        run: RunIds,
        events: Sequence[StoredEvent],
        *,
        state: EndState,
        answer: bytes | None,
        text: str,
        error_code: str | None,
    ) -> None:
        """Add a run's last events and the agent's message, and mark the run as over: all of it or none.

        Args:
            run: which; its ``run_id`` and ``thread_id`` are used.
            events: its last ones, contiguous; none where they were added before.
            state: how it ended: ``completed``, ``failed`` or ``cancelled``.
            answer: the JSON of the :class:`~chatcore.protocol.messages.Answer`, None where there is none.
            text: what the agent's message says.
            error_code: why it failed, None where it did not.

        Raises:
            RequestRefused, SequenceBroken, RunEnded: as :meth:`append_events`.
        """
        if state not in ENDED_STATES:
            raise ValueError(f"a run does not end as {state!r}")
        check_contiguous(run.thread_id, events)
        kept, now = tuple(events), self._clock()
        await self._write(
            lambda commands: commands.end_run(run, kept, state, answer, text, error_code, now),
            size_bytes(kept) + len(answer or b"") + len(text.encode()),
        )

    async def run(self, user_id: str, run_id: str) -> RunRecord:
        """One run.

        Raises:
            RequestRefused: ``RUN_NOT_FOUND``.
        """
        return await self._read(lambda queries: queries.run(user_id, run_id))

    async def unfinished_runs(self) -> tuple[RunRecord, ...]:
        """The runs of every user that have not ended, the oldest first: what a start after a crash goes on with."""
        return await self._read(lambda queries: queries.unfinished_runs())

    async def events(
        self, user_id: str, thread_id: str, *, after_seq: int = 0, limit: int = 500, run_id: str | None = None
    ) -> Page[StoredEvent]:
        """A thread's events in order. ``next`` is the ``after_seq`` of the next page.

        Args:
            user_id: whose thread.
            thread_id: which.
            after_seq: the last one that is not wanted; merged deltas that it lies inside are cut there.
            limit: how many at most, 1 to 1000; fewer come where they are large.
            run_id: whose alone; every run's where None.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
            InvalidMessage: ``limit`` or ``after_seq`` is none.
        """
        check_limit(limit)
        if not 0 <= after_seq <= MAX_SAFE_INTEGER:
            raise InvalidMessage("after_seq", f"an integer from 0 to {MAX_SAFE_INTEGER}")
        return await self._read(
            lambda queries: queries.events(user_id, thread_id, after=after_seq, limit=limit, run_id=run_id)
        )

    async def audit(self, user_id: str, thread_id: str) -> LogReport:
        """Whether a thread's log is as it was signed, to its end; of another user's thread, ``THREAD_NOT_FOUND``."""
        return await self._read(lambda queries: queries.audit(user_id, thread_id))

    # --- the server's own record ------------------------------------------------------------------------------------

    async def learned_durations(self) -> Mapping[str, float]:
        """How long each service takes to start, in seconds: the median of its last ten starts."""
        return await self._read(lambda queries: queries.learned_durations())

    async def record_initialization(self, record: InitializationRecord) -> None:
        """Keep how an attempt to start the services went."""
        await self._write(lambda commands: commands.record_initialization(record))

    async def records(self, user_id: str | None = None) -> tuple[RecordTable, ...]:
        """The server's own record: the tables ``runs``, ``tool_calls``, ``initializations`` and ``service_starts``.

        It holds no words of any user or agent. Times are ISO 8601 in UTC.

        Args:
            user_id: whose runs and tool calls; everyone's where None.
        """
        return await self._read(lambda queries: queries.records(user_id))

    async def check(self) -> None:
        """Return if a message could be made durable now: a probe is.

        Raises:
            StorageUnavailable: it could not.
        """
        await self._write(lambda commands: commands.probe())

    # --- parts ------------------------------------------------------------------------------------------------------

    async def _inactive(self, before: float, after: int) -> Sequence[tuple[int, str]]:
        return await self._read(lambda queries: queries.inactive_threads(before, after=after, limit=INACTIVE_AT_ONCE))

    async def _delete_if_inactive(self, thread_id: str, before: float) -> bool:
        try:
            return await self._write(lambda commands: commands.delete_inactive(thread_id, before))
        finally:
            self._eraser.request()

    async def _read(self, query: Callable[[Queries], T]) -> T:
        if self._writer.closed:
            raise StorageUnavailable()
        return await trio.to_thread.run_sync(self._database.read, query, limiter=self._readers)

    async def _write(self, command: Callable[[Commands], T], size_bytes: int = 0) -> T:
        written: T = await self._writer.write(command, size_bytes)
        return written
