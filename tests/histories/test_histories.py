"""Seeded histories: whatever happens to connections and servers, each event is heard once, in order, by its user alone.

Ten thousand of them: ``nox -s histories``. One: the command that a failure prints.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

import attrs
import msgspec
import pytest
from history_checker import Record
from history_run import History, run_history
from history_storage import Disk, disk_in_memory
from history_world import Connection
from run_histories import command_for

from chatcore.protocol import messages as m

SEEDS = range(300)
ENOUGH_SECONDS = 20.0
"""Of real time: a slow machine plays fewer of them, and at least the first few."""

AT_LEAST = 40


@pytest.fixture(scope="module")
def disk() -> Iterator[Disk]:
    with disk_in_memory() as disk:
        yield disk


def test_every_history_is_as_promised(disk: Disk) -> None:
    began_at = time.monotonic()
    for seed in SEEDS:
        verdict = run_history(seed, disk)
        assert verdict.broken is None, f"{verdict}\n{command_for(seed)}"
        if seed >= AT_LEAST and time.monotonic() - began_at > ENOUGH_SECONDS:
            break


@pytest.mark.parametrize("seed", range(5))
def test_a_history_is_the_same_each_time(seed: int, disk: Disk) -> None:
    first, again = (_without_ids(str(run_history(seed, disk))) for _ in range(2))
    assert first == again


def _without_ids(text: str) -> str:
    """Ids are drawn by the operating system: each becomes the number of its first appearance."""
    seen: dict[str, str] = {}
    return re.sub(r"\b[0-9a-f]{5,32}\b", lambda found: seen.setdefault(found[0], f"<{len(seen)}>"), text)


# --- the judge --------------------------------------------------------------------------------------------------------

Place: TypeAlias = tuple[Connection, int]
T = TypeVar("T")
F = TypeVar("F", bound=msgspec.Struct)


class NothingToSpoil(Exception):
    """This history has not what is to be falsified."""


def first(found: Iterable[T]) -> T:
    for each in found:
        return each
    raise NothingToSpoil


def heard(history: History, kind: type[F]) -> Iterator[tuple[Connection, int, F]]:
    """Where a frame of this kind was heard."""
    for connection in history.world.connections:
        for at, frame in enumerate(connection.frames):
            if isinstance(frame, kind):
                yield connection, at, frame


def pairs(history: History) -> Iterator[Place]:
    """Where two events of a thread were heard one after another, and one before them."""
    for connection, at, event in heard(history, m.RunEvent):
        around = [*connection.frames[max(0, at - 1) : at], *connection.frames[at + 1 : at + 2]]
        seqs = [each.seq for each in around if isinstance(each, m.RunEvent) and each.thread_id == event.thread_id]
        if seqs == [event.seq - 1, event.seq + 1]:
            yield connection, at


def lose_one(history: History, record: Record) -> None:
    connection, at = first(pairs(history))
    del connection.frames[at]


def repeat_one(history: History, record: Record) -> None:
    connection, at = first(pairs(history))
    connection.frames.insert(at, connection.frames[at])


def swap_two(history: History, record: Record) -> None:
    connection, at = first(pairs(history))
    connection.frames[at : at + 2] = connection.frames[at + 1], connection.frames[at]


def lose_the_last(history: History, record: Record) -> None:
    last = ((each, at) for each, at in pairs(history) if each.open and each.honest and at == len(each.frames) - 2)
    connection, _ = first(last)
    connection.frames.pop()


def lie_about_completeness(history: History, record: Record) -> None:
    connection, at, frame = first(heard(history, m.Resumed))
    connection.frames[at] = msgspec.structs.replace(frame, complete=not frame.complete)


def tell_another_user(history: History, record: Record) -> None:
    _, _, frame = first(heard(history, m.AgentThinking))
    others = [each for each in history.world.connections if each.user != frame.user_id and each.frames]
    first(others).frames.append(msgspec.structs.replace(frame, user_id="another"))


def show_what_came_later(history: History, record: Record) -> None:
    shown = (each for each in heard(history, m.ThreadSnapshot) if each[2].messages and each[2].seq)
    connection, at, frame = first(shown)
    connection.frames[at] = msgspec.structs.replace(frame, seq=0)


def keep_another_text(history: History, record: Record) -> None:
    everywhere = ((held, at) for tab in history.tabs for held in tab.held.values() for at in range(len(held.events)))
    held, at = first((held, at) for held, at in everywhere if getattr(held.events[at], "offset", 0))
    event = held.events[at]
    assert isinstance(event, m.AgentDelta)
    held.events[at] = msgspec.structs.replace(event, text=f"{event.text}#")


def keep_one_less(history: History, record: Record) -> None:
    held = first(held for tab in history.tabs for held in tab.held.values() if len(held.events) > 2)
    del held.events[1], held.heard[1]


def store_no_end(history: History, record: Record) -> None:
    thread = first(record.threads.values())
    end = thread.events[-1]
    names = ("timestamp", "user_id", "thread_id", "run_id", "seq", "epoch")
    thread.events[-1] = m.AgentThinking(text="", **{name: getattr(end, name) for name in names})


def store_two_ends(history: History, record: Record) -> None:
    thread = first(record.threads.values())
    end = thread.events[-1]
    thread.events.append(msgspec.structs.replace(end, seq=end.seq + 1))


def store_two_runs(history: History, record: Record) -> None:
    record.runs.append(attrs.evolve(first(record.runs), run_id="another"))


def forget_a_message(history: History, record: Record) -> None:
    record.runs.remove(first(record.runs))


def cancel_by_itself(history: History, record: Record) -> None:
    first(run for run in record.runs if run.state == "cancelled" and run.run_id in history.world.cancelled)
    history.world.cancelled.clear()


SPOILS: tuple[Callable[[History, Record], None], ...] = (
    lose_one,
    repeat_one,
    swap_two,
    lose_the_last,
    lie_about_completeness,
    tell_another_user,
    show_what_came_later,
    keep_another_text,
    keep_one_less,
    store_no_end,
    store_two_ends,
    store_two_runs,
    forget_a_message,
    cancel_by_itself,
)


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
def test_the_judge_finds_a_falsified_history(spoil: Callable[[History, Record], None], disk: Disk) -> None:
    for seed in range(1000, 1040):
        verdict = run_history(seed, disk, spoil)
        assert verdict.broken is not None, f"{spoil.__name__} was not found\n{command_for(seed)}"
        if not verdict.broken.startswith(NothingToSpoil.__name__):
            assert " ended it" not in verdict.broken, verdict.broken
            return
    pytest.fail("no history has what this falsifies")
