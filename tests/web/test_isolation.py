"""Over random interleavings of many users, nobody gets anything of anybody else's (guarantees.md, 47 and 48).

Each user has words, a name and ids that nobody else has; in the end all that reached each of them, all that everybody
can get, and the log are searched for those of the others.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from isolation_script import ACTS, HOSTILE, Line, check_untouched, play
from isolation_world import USERS, inhabited, leaks

from chatcore.testing import run_in_virtual_time

EXAMPLES = 12
LINES = 30

LINE = st.builds(
    Line,
    actor=st.integers(0, len(USERS) - 1),
    act=st.sampled_from(sorted(ACTS)),
    owner=st.integers(0, len(USERS) - 1),
    which=st.integers(0, 200),
    hostile=st.booleans(),
    pause=st.sampled_from((0.0, 0.0, 0.05, 0.5)),
)


@pytest.fixture(autouse=True)
def quiet_libraries(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


async def perform(folder: Path, script: list[Line]) -> None:
    """Play a script: lines without a pause between them go on side by side."""
    async with inhabited(folder) as world:
        for person in world.people[:3]:
            await play(world, Line(world.people.index(person), "begin", 0, 0, False, 0))
        await trio.sleep(1.0)
        async with trio.open_nursery() as nursery:
            for line in script:
                nursery.start_soon(play, world, line)
                await trio.sleep(line.pause)
        await world.look()
        await check_untouched(world)
        found = leaks(world)
        assert not found, "\n".join(found[:5])
        assert all(person.heard for person in world.people)


@pytest.mark.usefixtures("threads_in_place")
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # a script is short enough to be read as it is, and to make it shorter takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=st.lists(LINE, min_size=5, max_size=LINES), seed=st.integers(0, 1000))
def test_nobody_gets_anything_of_anybody_elses(
    tmp_path_factory: pytest.TempPathFactory, script: list[Line], seed: int
) -> None:
    run_in_virtual_time(partial(perform, tmp_path_factory.mktemp("site"), script), seed=seed)


ABOUT_IDS = ("go_on", "address", "resume", "cancel", "cancel_over_http", "post", "rename", "delete", "read", "follow")


@pytest.mark.usefixtures("threads_in_place")
@pytest.mark.parametrize("act", ABOUT_IDS)
def test_every_hostile_id_is_answered_in_known_words(tmp_path: Path, act: str) -> None:
    """As an id of every frame and path. What comes back does not have the id in it."""
    run_in_virtual_time(partial(use_hostile_ids, tmp_path, act))


async def use_hostile_ids(folder: Path, act: str) -> None:
    async with inhabited(folder, max_frames_per_second=0) as world:
        mallory = world.people[-1]
        await play(world, Line(0, "open_thread", 0, 0, False, 0))
        for which in range(len(HOSTILE)):
            await play(world, Line(len(USERS) - 1, act, 0, which, True, 0))
        assert leaks(world) == []
        told = "\n".join(mallory.heard)
        assert told
        for hostile in ("etc/passwd", "DROP TABLE", "<script>", "jndi"):
            assert hostile not in told


async def test_a_leak_would_be_found(tmp_path: Path) -> None:
    async with inhabited(tmp_path) as world:
        ann, bob = world.people[:2]
        await play(world, Line(0, "open_thread", 0, 0, False, 0))
        assert leaks(world) == []
        for where, what in (
            (bob.heard, ann.heard[0]),
            (world.public, ann.ids["thread_id"][0]),
            (world.log, ann.canary),
        ):
            where.append(what)
            assert leaks(world)
            where.pop()
        assert leaks(world) == []
