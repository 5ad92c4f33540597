"""Keeps the ThreadService open for as long as the server lives; it is opened beside everything else, so that the port
answers first.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import attrs
import trio

from chatcore.backoff import Backoff
from chatcore.errors import ANOTHER_SERVER, ConfigurationError, StorageUnavailable
from chatcore.observability import Recorder, describe_error
from chatcore.threads.opening import open_threads
from chatcore.threads.service import ThreadService

OPEN_SECONDS = 10.0
"""How long a request waits for the database to be opened before it is refused; a first migration takes under one."""

RETRY = Backoff(first_seconds=0.5, factor=2.0, cap_seconds=10.0)
"""How soon storage that fails is tried again: at once after a blip, and no burden in an outage or on a full disk."""

PROBE_SECONDS = 5.0
"""How often it is asked whether a message could be kept: readiness follows a full disk within this time."""


EXPIRY_SECONDS = 3600.0
"""How often threads are looked for whose time is over: days count, so an hour more or less does not."""


async def _nothing_first(_: ThreadService) -> None:
    """What has to be done first where nothing has."""


@attrs.define(eq=False)
class StoreKeeper:
    """Opens the database, and tries again while it is away.

    Args:
        database_url: where it is.
        recorder: hears of failures.
        random: gives numbers in [0, 1), for the back-off.
        first: what is done with the database before anyone else has it.
        signing_key: signs what is kept; None for that of the file beside the database.
        retention_seconds: threads in which nothing has happened for so long are deleted; 0: none is.
        clock: tells Unix seconds.
    """

    database_url: str
    recorder: Recorder
    random: Callable[[], float]
    first: Callable[[ThreadService], Awaitable[None]] = _nothing_first
    signing_key: str | None = attrs.field(default=None, repr=False)
    retention_seconds: float = 0.0
    clock: Callable[[], float] = time.time
    wrong: ConfigurationError | None = attrs.field(default=None, init=False)
    """Why the database can never be opened; None while it can, as far as is known."""
    faulty: bool = attrs.field(default=False, init=False)
    """Whether it did not work when it was last tried."""
    taken: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set once it was another server's."""
    _writable: bool = attrs.field(default=False, init=False)
    _store: ThreadService | None = attrs.field(default=None, init=False)
    _opened: trio.Event = attrs.field(factory=trio.Event, init=False)
    _closing: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def keep(self) -> None:
        """Open the database and keep it open until :meth:`close`, whatever is cancelled around it meanwhile."""
        failures = 0
        with trio.CancelScope(shield=True):
            while not self._closing.is_set():
                try:
                    await self._hold()
                except ConfigurationError as error:  # it stays wrong, however often it is tried
                    self.recorder.log("storage_unavailable", **describe_error(error))
                    self.wrong, self.faulty = error, True
                    self._opened.set()
                    await self._closing.wait()
                except StorageUnavailable as error:
                    failures += 1
                    self.faulty = True
                    self.recorder.log("storage_unavailable", **describe_error(error))
                    if ANOTHER_SERVER in getattr(error, "__notes__", ()):
                        self.taken.set()
                    with trio.move_on_after(RETRY.delay(failures, self.random)):
                        await self._closing.wait()

    async def _hold(self) -> None:
        opened = open_threads(self.database_url, clock=self.clock, alone=True, signing_key=self.signing_key)
        async with opened as store:
            await self.first(store)
            self._store, self._writable, self.faulty = store, True, False
            self._opened.set()
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(store.keep_erasing)
                    nursery.start_soon(self._expire, store)
                    await self._probe(store)
                    nursery.cancel_scope.cancel()
            finally:
                self._store = None

    async def _probe(self, store: ThreadService) -> None:
        """Know whether messages can be kept, until this is closed."""
        while not self._closing.is_set():
            with trio.move_on_after(PROBE_SECONDS):
                await self._closing.wait()
                return
            try:
                await store.check()
                if not self._writable:
                    self.recorder.log("storage_available")
                self._writable, self.faulty = True, False
            except StorageUnavailable as error:
                self._writable, self.faulty = False, True
                self.recorder.log("storage_unavailable", **describe_error(error))

    async def _expire(self, store: ThreadService) -> None:
        """Delete threads whose time is over, now and then."""
        while self.retention_seconds > 0:
            try:
                if deleted := await store.delete_inactive(self.retention_seconds):
                    self.recorder.log("threads_expired", threads=deleted)
            except StorageUnavailable as error:
                self.recorder.log("storage_unavailable", **describe_error(error))
            await trio.sleep(EXPIRY_SECONDS)

    async def opened(self) -> ThreadService:
        """The ThreadService, once it is open.

        Raises:
            StorageUnavailable: it could not be opened in time.
        """
        with trio.move_on_after(OPEN_SECONDS):
            await self._opened.wait()
        return self.current

    @property
    def current(self) -> ThreadService:
        """The ThreadService, which is open.

        Raises:
            StorageUnavailable: it is not.
        """
        if self._store is None:
            raise StorageUnavailable
        return self._store

    @property
    def available(self) -> bool:
        """Whether the database is open, and could keep a message when it was last asked."""
        return self._store is not None and self._writable

    def close(self) -> None:
        """Let go of the database; :meth:`keep` returns when it is closed."""
        self._closing.set()
