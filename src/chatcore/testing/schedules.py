"""Seeded schedules: the order in which Trio runs tasks, made repeatable, so that a race is found again by its seed.

Trio orders the tasks of each step at random. It keeps a switch and a random source for tests of itself, both private;
this module is the only place that touches them, and says so where a later Trio has moved them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trio._core import _run

SWITCH = "_ALLOW_DETERMINISTIC_SCHEDULING"
SOURCE = "_r"


@contextmanager
def seeded_schedule(seed: int) -> Iterator[None]:
    """Have Trio, when it is run within the block, order its tasks by ``seed``: each batch is shuffled by it.

    Raises:
        RuntimeError: this version of Trio has no such switch.
    """
    core: Any = _run
    source = getattr(core, SOURCE, None)
    if not isinstance(source, random.Random) or not isinstance(getattr(core, SWITCH, None), bool):
        raise RuntimeError(f"this Trio has no {_run.__name__}.{SWITCH} and {SOURCE}; pin the version chatcore names")
    switched, state = getattr(core, SWITCH), source.getstate()
    setattr(core, SWITCH, True)
    source.seed(seed)
    try:
        yield
    finally:
        setattr(core, SWITCH, switched)
        source.setstate(state)
