"""The server as a whole, without sockets: what it keeps of its starts, how it goes, and that it never limps."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from chatcore import server as module
from chatcore.errors import ConfigurationError, StorageUnavailable
from chatcore.observability import Recorder
from chatcore.protocol import messages as m
from chatcore.services import Phase
from chatcore.store import OPEN_SECONDS, StoreKeeper
from chatcore.testing import Script, ScriptedServices, in_virtual_time
from chatcore.testing.agents import Say, ScriptedAgent, Wait
from chatcore.testing.clock import run_in_virtual_time
from chatcore.testing.servers import serving
from chatcore.threads.service import ThreadService
from scenes import application, staged, two_services

pytestmark = pytest.mark.usefixtures("threads_in_place")


@attrs.define
class Log(Recorder):
    """What was logged."""

    lines: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)

    def log(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


@in_virtual_time
async def test_what_became_of_each_attempt_is_kept_for_the_next_estimate(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kept.db"
    services = ScriptedServices()
    services.add("database", Script(seconds=4, fail_at=1), Script(seconds=4), phase=Phase.DATABASE)
    async with staged(application(services), database_url=url) as stage:
        line = await stage.line()
        await line.close()
        line = await stage.line()
        await line.next(m.Ready)
        assert stage.server.history[0].outcome == "failed"
    kept = rows(tmp_path / "kept.db", "SELECT outcome, generation, error_code, failed_service FROM initializations")
    assert kept == [("failed", None, "SERVICE_INIT_FAILED", "database"), ("succeeded", 1, None, None)]

    services = ScriptedServices()
    services.add("database", Script(seconds=4), phase=Phase.DATABASE)
    async with staged(application(services), database_url=url) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        told = [frame.eta_seconds for frame in line.of(m.InitializationProgress) if frame.service == "database"]
    assert told[0] == pytest.approx(4, abs=0.2), "it knows from the start before"
    assert told == sorted(told, key=lambda eta: -(eta or 0)), "and it runs down"


@in_virtual_time
async def test_prewarmed_services_start_with_the_server_and_lazy_ones_with_the_first_caller() -> None:
    for prewarm, entered in ((True, 2), (False, 0)):
        services = two_services(0.1)
        async with staged(application(services), prewarm=prewarm):
            await trio.sleep(5)
            assert len(services.names("entered")) == entered


@in_virtual_time
async def test_draining_is_final_and_happens_once() -> None:
    log = Log()
    async with staged(application(two_services(0.1)), recorder=log) as stage:
        await stage.local.ready()
        await stage.server.drain()
        await stage.server.drain()
        assert stage.server.state == "draining"
        await trio.sleep(60)
        assert stage.server.state == "draining"
    assert log.events.count("draining") == 1


@pytest.mark.parametrize("drain_seconds", [0.5, 3.0, 10.0])
@in_virtual_time
async def test_the_budget_is_kept_and_leaves_the_exits_their_share(drain_seconds: float) -> None:
    """A run that would take for ever and a client that never reads leave time for what the services do at their end."""
    services = ScriptedServices()
    services.add("database", Script(seconds=0.1, exit_seconds=0.2 * drain_seconds), phase=Phase.DATABASE)
    agent = ScriptedAgent([Say("One "), Wait()])
    async with staged(application(services, agent), drain_seconds=drain_seconds) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        await line.ask("hello")
        await stage.silent("bob")
        await trio.sleep(0.1)
        began_at = trio.current_time()
        await stage.server.drain()
        assert trio.current_time() - began_at == pytest.approx(0.6 * drain_seconds, abs=0.2)
        left = stage.server.seconds_left
        assert left == pytest.approx(0.3 * drain_seconds, abs=0.2)
    assert services.held == set()


@in_virtual_time
async def test_a_second_request_to_go_waits_for_no_run() -> None:
    async with staged(application(two_services(0.1), ScriptedAgent([Say("One "), Wait()]))) as stage:
        line = await stage.line()
        await line.next(m.Ready)
        await line.ask("hello")
        await line.next(m.AgentDelta)
        began_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.server.drain)
            await trio.sleep(0.5)
            stage.server.hurry()
        assert trio.current_time() - began_at == pytest.approx(0.5, abs=0.1)
        assert stage.server.seconds_left <= 2


class Broken(Exception):
    """A defect of our own."""


async def _break(_: Recorder) -> None:
    await trio.sleep(1)
    raise Broken


@in_virtual_time
async def test_a_crash_inside_ends_the_server_with_that_error_and_its_services_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It never leaves a port that answers with nothing behind it (guarantees.md, 38)."""
    monkeypatch.setattr(module, "_measure_lag", _break)
    services = two_services(0.1)

    async def live() -> None:
        async with serving(application(services)) as local:
            await local.ready()
            await trio.sleep_forever()

    with pytest.raises(Broken):
        await live()
    assert services.held == set()
    assert services.names("left") == ["cache", "database"]


# --- the database ---------------------------------------------------------------------------------------------------


def keeper(url: str, log: Log, **fields: Any) -> StoreKeeper:
    return StoreKeeper(url, log, lambda: 0.5, **fields)


async def held(store: StoreKeeper, check: Callable[[], Any]) -> None:
    """Run ``check`` while the store is kept."""
    with trio.fail_after(600):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.keep)
            await check()
            store.close()


@in_virtual_time
async def test_it_is_opened_once_what_is_to_be_done_first_is_done(tmp_path: Path) -> None:
    log = Log()
    first_with: list[ThreadService] = []

    async def first(threads: ThreadService) -> None:
        assert not store.available
        await trio.sleep(1)
        first_with.append(threads)

    store = keeper(f"sqlite:///{tmp_path}/x.db", log, first=first)

    async def check() -> None:
        assert await store.opened() is first_with[0]
        assert trio.current_time() == pytest.approx(1, abs=0.1)
        assert store.available

    await held(store, check)
    assert not store.available
    with pytest.raises(StorageUnavailable):
        _ = store.current


@in_virtual_time
async def test_a_database_that_is_away_is_tried_again_until_it_is_back(tmp_path: Path) -> None:
    log, away = Log(), 5

    async def first(_: ThreadService) -> None:
        nonlocal away
        away -= 1
        if away > 0:
            raise StorageUnavailable

    store = keeper(f"sqlite:///{tmp_path}/x.db", log, first=first)

    async def check() -> None:
        await store.opened()

    await held(store, check)
    assert log.events.count("storage_unavailable") == 4


@in_virtual_time
async def test_whoever_waits_for_it_is_refused_in_time(tmp_path: Path) -> None:
    async def first(_: ThreadService) -> None:
        raise StorageUnavailable

    store = keeper(f"sqlite:///{tmp_path}/x.db", Log(), first=first)

    async def check() -> None:
        with pytest.raises(StorageUnavailable):
            await store.opened()
        assert trio.current_time() == pytest.approx(OPEN_SECONDS, abs=0.1)

    await held(store, check)


@in_virtual_time
async def test_a_full_disk_is_known_and_so_is_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = False

    async def check_room(_: ThreadService) -> None:
        await trio.lowlevel.checkpoint()
        if full:
            raise StorageUnavailable

    monkeypatch.setattr(ThreadService, "check", check_room)
    log = Log()
    store = keeper(f"sqlite:///{tmp_path}/x.db", log)

    async def check() -> None:
        nonlocal full
        await store.opened()
        for full in (False, True, False):
            await trio.sleep(6)
            assert store.available is not full

    await held(store, check)
    assert log.events == ["storage_unavailable", "storage_available"], "and said"


def test_threads_whose_time_is_over_are_deleted_while_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, url, day = Log(), f"sqlite:///{tmp_path}/x.db", 86_400

    async def check(store: StoreKeeper) -> None:
        threads = await store.opened()
        await threads.create_thread("ann")
        await trio.sleep(29 * day)
        kept = await threads.create_thread("ann")
        assert len((await threads.threads("ann")).items) == 2
        await trio.sleep(1.1 * day)
        assert [thread.thread_id for thread in (await threads.threads("ann")).items] == [kept.thread_id]

    async def main() -> None:
        store = keeper(url, log, retention_seconds=30 * day, clock=trio.current_time)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.keep)
            await check(store)
            store.close()

    monkeypatch.setattr("chatcore.store.PROBE_SECONDS", day)  # else most of a month is probes
    run_in_virtual_time(main, limit_seconds=40 * day)
    assert [line for line in log.lines if line[0] == "threads_expired"] == [("threads_expired", {"threads": 1})]


@in_virtual_time
async def test_a_database_that_can_never_be_opened_fails_the_start_for_good(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"this is no database, it is a letter to a friend" * 100)
    async with staged(application(two_services(0.1)), database_url=f"sqlite:///{tmp_path}/x.db") as stage:
        line = await stage.line()
        close = await line.close()
        (error,) = line.of(m.Error)
        assert (error.error_code, error.retryable, close.code) == ("SERVICE_INIT_FAILED", False, 1011)
        assert str(tmp_path) not in str(line.frames)
        assert stage.server.state == "failed"
        with pytest.raises(ConfigurationError, match="is not an SQLite database"):
            raise stage.server.keeper.wrong
