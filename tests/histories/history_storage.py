"""The storage of a history: the product's own, on files in memory, in virtual time, and with a plug that can be pulled.

Worker threads do their work in place, after and before a pause drawn from the seed, in which everything else goes on.
What is left out for speed is said here: a database is a copy of one that has been migrated already, and the engines of
a path are kept from one history to the next, because SQLAlchemy would compile every statement anew.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from unittest.mock import patch

import attrs
import trio
from sqlalchemy import Engine

from chatcore.threads.database import Database, upgrade_database
from chatcore.threads.sqlite import create_sqlite_engine

T = TypeVar("T")

MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory."""

SLOTS = 3
"""Paths: after a crash the next server has another one, as what the dead one still does must not be seen."""

JOURNALS = ("", "-wal")
"""The files that a database is made of. What is in the third, SQLite makes from these after a crash."""


@attrs.define(eq=False)
class Disk:
    """The disk of one history at a time.

    Args:
        folder: of its files.
        rng: draws how long it takes.
        slowness: the longest pause in seconds before and after each access; 0 for none.
        slot: where the running server has its database.
        commits: so far.
        at_commit: called after each commit, before anyone knows that it is made; and with False right before it.
    """

    folder: Path
    rng: Random = attrs.field(factory=Random)
    slowness: float = 0.0
    slot: int = 0
    commits: int = 0
    at_commit: Callable[[bool], None] = lambda _: None
    _engines: dict[tuple[Path, bool], Engine] = attrs.field(factory=dict)

    def begin(self, seed: int) -> None:
        """A new history, on an empty database."""
        self.rng = Random(f"disk {seed}")
        self.slowness = self.rng.choice((0.0, 0.002, 0.02, 0.05))
        self.slot, self.commits = 0, 0
        self.at_commit = lambda _: None
        self._copy(self.folder / "template.db", self.path)

    @property
    def path(self) -> Path:
        """Of the database that is in use."""
        return self.folder / f"{self.slot}.db"

    @property
    def url(self) -> str:
        """Of the database that is in use."""
        return f"sqlite:///{self.path}"

    def pull_the_plug(self) -> None:
        """What is on the disk now is all that the next server finds."""
        before = self.path
        self.slot = (self.slot + 1) % SLOTS
        self._copy(before, self.path)

    @staticmethod
    def _copy(before: Path, after: Path) -> None:
        for ending in ("", "-wal", "-shm"):
            Path(f"{after}{ending}").unlink(missing_ok=True)
        for ending in JOURNALS:
            if Path(f"{before}{ending}").exists():
                shutil.copyfile(f"{before}{ending}", f"{after}{ending}")

    def create_engine(self, path: Path, *, connections: int, writes: bool) -> Engine:
        """In place of ``create_sqlite_engine``: an engine whose connections are closed opens others when it is used."""
        if (path, writes) not in self._engines:
            self._engines[path, writes] = create_sqlite_engine(path, connections=connections, writes=writes)
        return self._engines[path, writes]

    async def run_in_place(self, work: Callable[..., T], *args: Any, **_: Any) -> T:
        """In place of ``trio.to_thread.run_sync``."""
        await trio.lowlevel.checkpoint()
        await self._pause()
        commits = getattr(work, "__func__", None) is Database.commit
        if commits:
            self.at_commit(False)
        result = work(*args)
        if commits:
            self.commits += 1
            self.at_commit(True)
        await self._pause()
        return result

    async def _pause(self) -> None:
        if self.slowness:
            with trio.CancelScope(shield=True):
                await trio.sleep(self.rng.random() * self.slowness)


@contextmanager
def disk_in_memory() -> Iterator[Disk]:
    """A disk for the histories of this process, one after another."""
    with ExitStack() as stack:
        place = str(MEMORY) if os.access(MEMORY, os.W_OK) else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="histories-", dir=place)))
        upgrade_database(f"sqlite:///{folder / 'template.db'}")
        disk = Disk(folder)
        stack.enter_context(patch("chatcore.threads.database.create_sqlite_engine", disk.create_engine))
        stack.enter_context(patch("chatcore.threads.database._migrate"))
        stack.enter_context(patch("trio.to_thread.run_sync", disk.run_in_place))
        stack.enter_context(patch("chatcore.server.LAG_SECONDS", 60.0))  # nobody looks, and it wakes ten times a second
        yield disk
