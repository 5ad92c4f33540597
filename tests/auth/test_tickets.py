"""Tickets: each opens one connection, for whom it was issued, for a while."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chatcore.auth import tickets
from chatcore.auth.claims import Identity
from chatcore.auth.tickets import TICKETS_PER_USER, TicketOffice
from chatcore.errors import ErrorCode, RequestRefused

ANN = Identity("ann", 1_900_000_000.0)
BOB = Identity("bob")


def test_a_ticket_stands_for_its_user_once() -> None:
    office = TicketOffice(30.0)
    office.issue("t", ANN, 0.0)
    office.issue("u", BOB, 0.0)
    assert office.redeem("t", 1.0) == ANN
    assert office.redeem("t", 1.0) is None
    assert office.redeem("u", 1.0) == BOB
    assert len(office) == 0


@pytest.mark.parametrize("ticket", ["", "T", "t ", "x", "ticket_" + "0" * 24])
def test_an_invented_one_stands_for_nobody(ticket: str) -> None:
    office = TicketOffice(30.0)
    office.issue("t", ANN, 0.0)
    assert office.redeem(ticket, 1.0) is None
    assert office.redeem("t", 1.0) == ANN


def test_it_is_valid_until_its_end() -> None:
    office = TicketOffice(30.0)
    office.issue("early", ANN, 0.0)
    office.issue("late", ANN, 0.5)
    assert office.redeem("early", 30.0) is None
    assert office.redeem("late", 30.0) == ANN


def test_a_user_who_takes_too_many_loses_the_oldest_of_their_own() -> None:
    office = TicketOffice(30.0)
    office.issue("bob's", BOB, 0.0)
    for number in range(TICKETS_PER_USER + 1):
        office.issue(f"t{number}", ANN, 0.0)
    assert office.redeem("t0", 0.0) is None
    assert office.redeem("t1", 0.0) == ANN
    assert office.redeem("bob's", 0.0) == BOB


def test_there_are_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "MAX_TICKETS", 2)
    office = TicketOffice(30.0)
    office.issue("a", ANN, 0.0)
    office.issue("b", BOB, 0.0)
    with pytest.raises(RequestRefused) as raised:
        office.issue("c", Identity("cyd"), 1.0)
    assert (raised.value.error_code, raised.value.retry_after_seconds) == (ErrorCode.SERVICES_UNAVAILABLE, 30.0)
    office.issue("c", Identity("cyd"), 30.0)
    assert office.redeem("c", 30.0) == Identity("cyd")


def test_no_ticket_is_shown() -> None:
    office = TicketOffice(30.0)
    office.issue("ticket_1", ANN, 0.0)
    assert "ticket_1" not in repr(office)


class Office(RuleBasedStateMachine):
    """Any history of issuing, redeeming and waiting: never twice, never late, never another's, never too many."""

    def __init__(self) -> None:
        super().__init__()
        self.office = TicketOffice(30.0)
        self.now = 0.0
        self.alive: dict[str, tuple[str, float]] = {}
        self.number = 0

    @rule(user=st.sampled_from(["ann", "bob", "cyd"]), count=st.integers(1, TICKETS_PER_USER + 2))
    def issue(self, user: str, count: int) -> None:
        for _ in range(count):
            self.number += 1
            self.office.issue(f"t{self.number}", Identity(user), self.now)
            self.alive[f"t{self.number}"] = (user, self.now + 30.0)
            own = [ticket for ticket, (name, end) in self.alive.items() if name == user and end > self.now]
            for ticket in own[:-TICKETS_PER_USER]:
                del self.alive[ticket]

    @rule(which=st.integers(0, 200))
    def redeem(self, which: int) -> None:
        user, end = self.alive.pop(f"t{which}", ("", 0.0))
        expected = Identity(user) if end > self.now else None
        assert self.office.redeem(f"t{which}", self.now) == expected

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def holds_no_more_than_what_is_alive_or_not_yet_dropped(self) -> None:
        assert len(self.office) <= 3 * TICKETS_PER_USER


TestOffice = Office.TestCase
TestOffice.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
