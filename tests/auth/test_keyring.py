"""When an issuer is asked for its keys, and what holds while it does not answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from chatcore.auth.documents import MAX_BYTES, reader_of
from chatcore.auth.keyring import (
    FETCH_SECONDS,
    REFETCH_SECONDS,
    REFRESH_SECONDS,
    RETRY_SECONDS,
    FetchPlan,
    KeyRing,
)
from chatcore.errors import ErrorCode, RequestRefused
from chatcore.observability import Recorder
from issuer import Document


class Log(Recorder):
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def log(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))


def words(document: bytes) -> Sequence[str]:
    if not document:
        raise ValueError("secret words")
    return document.decode().split()


def ring_of(document: Document, log: Recorder | None = None) -> KeyRing[str]:
    return KeyRing(document.read, words, log or Recorder())


def named(name: str) -> Callable[[Sequence[str]], str | None]:
    return lambda keys: name if name in keys else None


async def test_keys_are_fetched_when_the_first_is_wanted_and_then_kept(autojump_clock: MockClock) -> None:
    document = Document(b"a b")
    ring = ring_of(document)
    assert document.fetches == 0
    assert [await ring.find(named(name)) for name in "abab"] == ["a", "b", "a", "b"]
    assert document.fetches == 1


async def test_a_rotation_is_noticed_at_once(autojump_clock: MockClock) -> None:
    document = Document(b"old")
    ring = ring_of(document)
    await ring.find(named("old"))
    document.body = b"old new"
    assert await ring.find(named("new")) == "new"
    document.body = b"new"
    await trio.sleep(REFRESH_SECONDS)
    assert await ring.find(named("old")) is None, "a key that was withdrawn is believed no longer"


async def test_invented_keys_do_not_become_the_issuers_load(autojump_clock: MockClock) -> None:
    document = Document(b"a")
    ring = ring_of(document)
    with trio.fail_after(3600):
        for number in range(1200):
            assert await ring.find(named(f"invented{number}")) is None
            await trio.sleep(1)
    assert document.fetches <= 2 + 1200 / REFETCH_SECONDS
    assert await ring.find(named("a")) == "a"


async def test_keys_are_kept_while_newer_ones_cannot_be_had(autojump_clock: MockClock) -> None:
    document, log = Document(b"a"), Log()
    ring = ring_of(document, log)
    await ring.find(named("a"))
    for wrong in (OSError, ValueError):
        document.wrong = wrong
        await trio.sleep(REFRESH_SECONDS)
        assert await ring.find(named("a")) == "a"
    document.wrong, document.body = None, b""
    await trio.sleep(REFRESH_SECONDS)
    assert await ring.find(named("a")) == "a"
    assert document.fetches == 4
    assert [event for event, _ in log.lines] == ["keys_fetched"] + 3 * ["keys_not_fetched"]
    assert "secret words" not in str(log.lines)


async def test_without_any_key_nobody_is_told_that_their_token_is_bad(autojump_clock: MockClock) -> None:
    document = Document(b"a", wrong=OSError)
    ring = ring_of(document)
    for _ in range(3):
        with pytest.raises(RequestRefused) as raised:
            await ring.find(named("a"))
        assert raised.value.error_code is ErrorCode.SERVICES_UNAVAILABLE
    assert document.fetches == 1
    document.wrong = None
    await trio.sleep(raised.value.retry_after_seconds or 0.0)
    assert await ring.find(named("a")) == "a"


async def test_an_issuer_that_does_not_answer_holds_nobody_long(autojump_clock: MockClock) -> None:
    async def never() -> bytes:
        await trio.sleep(math.inf)
        return b""

    ring: KeyRing[str] = KeyRing(never, words, Recorder())
    begin = trio.current_time()

    async def ask() -> None:
        with pytest.raises(RequestRefused):
            await ring.find(named("a"))

    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(ask)
    assert trio.current_time() - begin == FETCH_SECONDS, "all wait for one fetch, not for one each"


async def test_known_keys_serve_while_others_are_fetched(autojump_clock: MockClock) -> None:
    document = Document(b"a")
    slow = trio.Event()

    async def read() -> bytes:
        if document.fetches:
            await slow.wait()
        return await document.read()

    ring: KeyRing[str] = KeyRing(read, words, Recorder())
    await ring.find(named("a"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ring.find, named("b"))
        await trio.testing.wait_all_tasks_blocked()
        begin = trio.current_time()
        assert await ring.find(named("a")) == "a"
        assert trio.current_time() == begin
        slow.set()


@given(st.lists(st.tuples(st.floats(0, 700), st.booleans()), max_size=60))
def test_however_it_is_asked_fetches_are_rare(asks: list[tuple[float, bool]]) -> None:
    plan, now = FetchPlan(), 1000.0
    fetched: list[float] = []
    for wait, known in asks:
        now += wait
        if plan.due(now, empty=not fetched, known=known):
            fetched.append(now)
            plan.tried(now)
    span = sum(wait for wait, _ in asks)
    assert len(fetched) <= 2 + span / REFETCH_SECONDS + span / REFRESH_SECONDS


def test_without_keys_it_is_tried_again_soon() -> None:
    plan = FetchPlan()
    assert plan.due(0.0, empty=True, known=False)
    plan.tried(0.0)
    assert not plan.due(RETRY_SECONDS - 0.1, empty=True, known=False)
    assert plan.retry_after_seconds(1.0) == RETRY_SECONDS - 1.0
    assert plan.due(RETRY_SECONDS, empty=True, known=False)


async def test_the_document_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    with pytest.raises(OSError, match="keys"):
        await reader_of(str(file))()
    file.write_bytes(b"a")
    assert await reader_of(str(file))() == b"a"
    file.write_bytes(b"a" * (MAX_BYTES + 1))
    with pytest.raises(ValueError, match="too large"):
        await reader_of(str(file))()
