"""What the tests of every part share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

T = TypeVar("T")

MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory."""


@pytest.fixture
def threads_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker threads do their work right where they are asked to.

    A clock that jumps ahead whenever every task waits knows nothing of threads; so, in virtual time, storage keeps its
    real files and takes no time; hardly any real time either, where a disk in memory can hold them.
    """
    if os.access(MEMORY, os.W_OK):
        monkeypatch.setattr(tempfile, "tempdir", str(MEMORY))

    async def run_in_place(work: Callable[..., T], *args: Any, **_: Any) -> T:
        await trio.lowlevel.checkpoint()
        return work(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_in_place)
