"""Who guesses is not listened to for a moment; everybody else is, and the table stays small."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcore.addresses import networks, sender
from chatcore.auth import guesses
from chatcore.auth.guesses import Guesses
from chatcore.errors import ConfigurationError


def test_past_its_share_an_address_waits_and_others_do_not() -> None:
    door = Guesses(per_minute=60)
    told = [door.wrong("mallory", 100.0) for _ in range(60)]
    assert told == [False] * 59 + [True], "it is told once that there was the last one"
    assert door.wait("mallory", 100.0) == pytest.approx(1.0)
    assert door.wait("ann", 100.0) == 0.0
    assert door.wait("mallory", 100.5) == pytest.approx(0.5)
    assert door.wait("mallory", 101.1) == 0.0
    door.wrong("mallory", 101.1)
    assert door.wait("mallory", 101.1) > 0
    assert door.wait("mallory", 200.0) == 0.0


def test_without_a_limit_nothing_is_counted() -> None:
    door = Guesses(per_minute=0)
    assert not any(door.wrong("mallory", 1.0) for _ in range(1000))
    assert door.wait("mallory", 1.0) == 0.0
    assert len(door) == 0


def test_a_token_that_was_right_is_known_again() -> None:
    door = Guesses(per_minute=1)
    door.right("a.b.c")
    assert door.was_right("a.b.c")
    assert not door.was_right("a.b.d")
    assert not door.was_right("\ud800")


def test_the_tables_are_bounded_and_who_was_quiet_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "MOST_ADDRESSES", 3)
    monkeypatch.setattr(guesses, "MOST_TOKENS", 2)
    door = Guesses(per_minute=1)
    for address in ("a", "b", "c", "a", "d"):
        door.wrong(address, 0.0)
    assert len(door) == 3
    assert [door.wait(address, 0.0) > 0 for address in "abcd"] == [True, False, True, True]
    for token in ("1", "2", "1", "3"):
        door.right(token)
    assert [door.was_right(token) for token in "123"] == [True, False, True]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0, 40)), max_size=60),
)
def test_in_any_minute_no_more_than_twice_its_share_is_looked_at_and_nobody_pays_for_another(
    per_minute: int, shown: list[tuple[str, bool, float]]
) -> None:
    door, now = Guesses(per_minute), 0.0
    looked_at: dict[str, list[float]] = {address: [] for address in "abc"}
    for address, right, after in shown:
        now += after
        if door.wait(address, now) > 0:
            continue
        if not right:
            looked_at[address].append(now)
            door.wrong(address, now)
    for address, times in looked_at.items():
        assert all(sum(begin <= at < begin + 60 for at in times) <= 2 * per_minute for begin in times)
        assert times or door.wait(address, now) == 0.0


TRUSTED = networks(["127.0.0.1", "::1", "10.0.0.0/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "whose"),
    [
        ("192.0.2.7", None, "192.0.2.7"),
        ("192.0.2.7", "203.0.113.1", "192.0.2.7"),  # no proxy of ours: it may say what it likes
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.1", "203.0.113.1"),  # the first was invented by the second
        ("127.0.0.1", "203.0.113.1, 10.1.2.3", "203.0.113.1"),
        ("127.0.0.1", "10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "203.0.113.1:4711", "203.0.113.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.1, nonsense", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", ",", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.1," + "127.0.0.1," * 100, "127.0.0.1"),
        (None, "203.0.113.1", "203.0.113.1"),
        (None, None, "unix"),
        ("::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "[2001:db8:1:2::9]:4711", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", None, "fe80::/64"),
        ("::ffff:192.0.2.7", None, "192.0.2.7"),
        ("::ffff:10.0.0.1", "203.0.113.1", "203.0.113.1"),
    ],
)
def test_whose_request_it_is(peer: str | None, forwarded: str | None, whose: str) -> None:
    assert sender(peer, forwarded, TRUSTED) == whose


@given(st.text(max_size=200))
def test_whatever_a_stranger_forwards_it_is_the_stranger(forwarded: str) -> None:
    assert sender("192.0.2.7", forwarded, TRUSTED) == "192.0.2.7"
    assert sender("127.0.0.1", forwarded, TRUSTED)


def test_what_is_no_network_is_a_fault_of_the_configuration() -> None:
    for wrong in ("10.0.0.0/33", "proxy.internal", ""):
        with pytest.raises(ConfigurationError, match="trusted_proxies"):
            networks([wrong])
