"""Who asks the same at the same time shares one execution, and nobody's end is another's."""

from __future__ import annotations

import threading
from pathlib import Path

import attrs
import duckdb
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from chatcore.agents.analyst.evidence import Query, Rows, digest_of
from chatcore.agents.analyst.flights import SingleFlight
from chatcore.agents.analyst.keeping import Kept
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.planner import plan

from .conftest import loaded, write_csv
from .test_planner import ALL


@attrs.define(eq=False)
class Work:
    """Something that is done when it is let, and counts how often it was begun."""

    fails: bool = False
    begun: int = 0
    let: trio.Event = attrs.field(factory=trio.Event)

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.let.wait()
        if self.fails:
            raise LookupError(number)
        return number


@attrs.define(eq=False)
class Waiters:
    """Tasks that ask the same."""

    flight: SingleFlight[int]
    work: Work
    had: dict[str, int | str] = attrs.field(factory=dict)
    scopes: dict[str, trio.CancelScope] = attrs.field(factory=dict)

    async def wait(self, name: str) -> None:
        with trio.CancelScope() as self.scopes[name]:
            try:
                self.had[name] = await self.flight.do("the same", self.work)
            except LookupError as error:
                self.had[name] = f"failed {error}"


def flight() -> SingleFlight[int]:
    return SingleFlight(Kept(2))


async def test_fifty_who_ask_the_same_share_one_execution() -> None:
    waiters = Waiters(flight(), Work())
    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(waiters.wait, str(number))
        await wait_all_tasks_blocked()
        waiters.work.let.set()
    assert waiters.work.begun == 1
    assert waiters.had == {str(number): 1 for number in range(50)}
    await waiters.wait("later")
    assert (waiters.had["later"], waiters.work.begun) == (1, 1)


@pytest.mark.parametrize("gone", ["first", "second"])
async def test_one_of_two_is_cancelled_and_the_other_has_the_rows(gone: str) -> None:
    waiters = Waiters(flight(), Work())
    async with trio.open_nursery() as nursery:
        for name in ("first", "second"):
            nursery.start_soon(waiters.wait, name)
            await wait_all_tasks_blocked()
        waiters.scopes[gone].cancel()
        await wait_all_tasks_blocked()
        waiters.work.let.set()
    (stays,) = {"first", "second"} - {gone}
    assert waiters.had == {stays: waiters.work.begun}
    assert waiters.work.begun == (2 if gone == "first" else 1)


async def test_an_error_reaches_both_and_is_not_kept() -> None:
    waiters = Waiters(flight(), Work(fails=True))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiters.wait, "first")
        nursery.start_soon(waiters.wait, "second")
        await wait_all_tasks_blocked()
        waiters.work.let.set()
    assert waiters.had == {"first": "failed 1", "second": "failed 1"}
    waiters.work.fails = False
    await waiters.wait("third")
    assert waiters.had["third"] == 2


async def test_what_nobody_has_asked_for_longest_is_given_up_first() -> None:
    shared, work = flight(), Work()
    work.let.set()
    assert [await shared.do(key, work) for key in ("a", "b", "a", "c", "a", "b")] == [1, 2, 1, 3, 1, 4]


async def test_a_result_that_is_too_large_to_keep_is_shared_all_the_same() -> None:
    waiters = Waiters(SingleFlight(Kept(2, weigh=lambda _: 3)), Work())
    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(waiters.wait, str(number))
        await wait_all_tasks_blocked()
        waiters.work.let.set()
    assert set(waiters.had.values()) == {1}
    await waiters.wait("later")
    assert (waiters.had["later"], waiters.work.begun) == (2, 2)


def test_what_is_kept_weighs_no_more_than_it_may() -> None:
    kept = Kept(10, weigh=len)
    for text in ("aaaa", "bbbb", "cc", "dddd"):
        kept.keep(text, text)
    assert [text in kept for text in ("aaaa", "bbbb", "cc", "dddd")] == [False, True, True, True]
    kept.keep("bbbb", "b")
    kept.keep("eeeee", "eeeee")
    assert [text in kept for text in ("bbbb", "cc", "dddd", "eeeee")] == [True, False, True, True]
    kept.keep("f", "f" * 11)
    assert ("f" in kept, len(kept)) == (False, 3)


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "t.csv", ("n", "cost"), [(n, n / 4) for n in range(10)])


COUNTED = "SELECT count(*) AS n FROM range(3000000) a, t WHERE (a.range + t.n) % 7 = 1"


async def test_a_query_that_many_ask_at_once_is_run_once(numbers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    original = Rows.of

    def counted(*arguments: object) -> Rows:
        begun.append(threading.current_thread().name)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Rows, "of", staticmethod(counted))
    found: list[Rows] = []

    async def ask(ledger: Ledger) -> None:
        found.append(await ledger.query(Query("n", COUNTED)))

    async with loaded(numbers) as ledger, trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask, ledger)
    assert len(begun) == 1
    assert len(found) == 20
    assert {id(rows) for rows in found} == {id(found[0])}
    assert found[0].digest == digest_of(found[0])


async def test_a_cancelled_query_is_run_for_the_one_who_still_waits(numbers: Path) -> None:
    async with loaded(numbers) as ledger:
        expected = await ledger.query(Query("n", f"{COUNTED} AND true"))
        async with trio.open_nursery() as nursery:
            impatient = trio.CancelScope()
            nursery.start_soon(_ask_within, impatient, ledger)
            await wait_all_tasks_blocked()
            nursery.start_soon(_ask_within, trio.CancelScope(), ledger)
            await wait_all_tasks_blocked()
            impatient.cancel()
        rows = await ledger.query(Query("n", COUNTED))
    assert rows.rows == expected.rows


async def _ask_within(scope: trio.CancelScope, ledger: Ledger) -> None:
    with scope:
        await ledger.query(Query("n", COUNTED))


async def test_a_wrong_query_fails_for_everyone(numbers: Path) -> None:
    failed: list[str] = []

    async def ask(ledger: Ledger) -> None:
        with pytest.raises(duckdb.Error) as caught:
            await ledger.query(Query("n", "SELECT error('no') FROM t"))
        failed.append(str(caught.value))

    async with loaded(numbers) as ledger, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask, ledger)
    assert len(failed) == 3


def test_a_question_that_is_planned_again_is_the_same_plan() -> None:
    assert plan("Spend by model in 2025", ALL) is plan("Spend by model in 2025", ALL)
    assert plan("and by month?", ALL, ["Spend by model"]) != plan("and by month?", ALL, ["How many calls by user?"])
