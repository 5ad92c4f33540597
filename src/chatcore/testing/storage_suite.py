"""What the parts of the conformance suite for storage share: how it is opened, and how all of it is run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from chatcore.testing.groups import lone_exceptions
from chatcore.threads.service import ThreadService


class StorageSuite:
    """Checks of a storage, each a method whose name begins with ``test_``."""

    def open_storage(self, place: Path) -> AbstractAsyncContextManager[ThreadService]:
        """The storage at ``place``, open for as long as the block lasts.

        Args:
            place: a path that nothing is at when it is first used; what was written there is there the next time. A
                backend that keeps nothing in files takes it for a name.
        """
        raise NotImplementedError

    async def run_all(self) -> None:
        """Every check."""
        for name in dir(self):
            if name.startswith("test_"):
                await getattr(self, name)()

    @asynccontextmanager
    async def _storage(self) -> AsyncIterator[ThreadService]:
        with TemporaryDirectory(prefix="chatcore-") as folder, lone_exceptions():
            async with self.open_storage(Path(folder, "storage")) as threads:
                yield threads
