"""The chat page when the network goes or the machine sleeps: it comes back at once, and shows each event once."""

from __future__ import annotations

import re
import time

import pytest
from browser_network import network_to
from browser_server import Served
from page_objects import AWAY, Visit, ask, expect_state
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser
pytest_plugins = ("browser_fixtures",)

WAKE = "document.dispatchEvent(new Event('visibilitychange'))"
NOTICED_WITHIN_SECONDS = 10
"""The page asks at once and waits 4 s for the answer; without being woken it would ask after 20 s of silence."""


def expect_whole(turn: Locator) -> None:
    """The answer, each part of it once."""
    expect(turn.locator(".provenance")).to_be_visible()
    expect(turn.locator(".prose").get_by_role("table")).to_have_count(1)
    expect(turn.get_by_role("heading", name="Orders", exact=True)).to_have_count(1)
    expect(turn.locator(".steps li")).to_have_text(["Looking through the order history", re.compile("find_orders")])


def asked_slowly(page: Page) -> Locator:
    turn = ask(page, "Which orders, slowly?")
    expect(turn.locator("strong")).to_have_text("three")
    return turn


def test_a_network_that_went_silent_is_noticed_on_waking(shop: Served, visit: Visit) -> None:
    with network_to(shop) as network:
        page = visit(network, "/?user_id=sleeper", expects=AWAY)
        turn = asked_slowly(page)
        network.stall()
        shop.tell("sleeper.hears_on")
        began = time.monotonic()
        page.evaluate(WAKE)
        expect(page.locator("#state")).not_to_have_attribute("data-state", "ready")
        assert time.monotonic() - began < NOTICED_WITHIN_SECONDS
        expect(turn.get_by_text("The connection is lost")).to_be_visible()
        network.flow()
        expect_state(page, "ready")
        expect_whole(turn)
        page.evaluate(WAKE)  # with an answer, nothing happens
        page.wait_for_timeout(200)
        expect_state(page, "ready")


def test_a_browser_that_was_offline_connects_when_it_is_online(shop: Served, visit: Visit) -> None:
    with network_to(shop) as network:
        page = visit(network, "/?user_id=traveller", expects=AWAY)
        turn = asked_slowly(page)
        page.context.set_offline(True)
        network.reset()  # Chromium's own switch leaves WebSockets alone
        expect(page.get_by_text("This device is offline. Trying again in")).to_be_visible()
        unsent = ask(page, "Which orders now?")
        expect(unsent).to_contain_text("Not sent yet: waits for the connection.")
        shop.tell("traveller.hears_on")
        page.context.set_offline(False)
        expect_state(page, "ready")
        expect_whole(turn)
        expect(unsent.locator(".provenance")).to_be_visible()
        expect(page.get_by_role("article")).to_have_count(2)


def test_waking_does_not_wait_for_the_back_off(shop: Served, visit: Visit) -> None:
    """A wait that this page chose itself is cut short, however long it has become."""
    with network_to(shop) as network:
        page = visit(network, "/?user_id=hurried", expects=AWAY)
        turn = asked_slowly(page)
        page.evaluate("Math.random = () => 20")  # the first wait is 10 s
        page.context.set_offline(True)
        network.reset()
        expect(page.get_by_text(re.compile(r"Trying again in ([7-9]|10) s"))).to_be_visible()
        page.context.set_offline(False)
        began = time.monotonic()
        expect_state(page, "ready")
        assert time.monotonic() - began < 5
        shop.tell("hurried.hears_on")
        expect_whole(turn)


LIMIT_AFTER = """async lostSeconds => {
  const { afterClose } = await import('/static/backoff.js');
  const error = { error_code: 'CONNECTION_LIMIT', message: 'Too many', retryable: false };
  return afterClose(1008, error, null, lostSeconds);
}"""


def test_a_connection_that_was_lost_does_not_keep_its_own_page_out(shop: Served, visit: Visit) -> None:
    """The server counts it until its own ping goes unanswered; without one that was lost, the limit is final."""
    page = visit(shop, "/status")
    assert page.evaluate(LIMIT_AFTER, 20)["reconnect"] is True
    assert page.evaluate(LIMIT_AFTER, 20)["afterSeconds"] > 0
    assert page.evaluate(LIMIT_AFTER, 120)["reconnect"] is False
