"""Both pages over the life of a server: it starts, fails, loses a service, goes away, is killed, and comes back."""

from __future__ import annotations

import re

import pytest
from browser_server import EVERYTHING_UP, Serve
from page_objects import AWAY, BARS, NOTE_WORDS, PIXELS_PER_SECOND, Visit, ask, expect_state, fact
from playwright.sync_api import Page, expect
from staged_shop import LABEL, SECRET

pytestmark = pytest.mark.browser
pytest_plugins = ("browser_fixtures",)


def test_a_start_is_shown_as_it_is(serve: Serve, visit: Visit) -> None:
    served = serve()
    page, status = (visit(served, path) for path in ("/?user_id=early", "/status"))
    bar = page.get_by_role("progressbar", name="Starting")
    expect(bar).to_have_attribute("aria-valuenow", "0")
    expect(fact(page, "Service")).to_have_text("order history")
    turn = ask(page, "Which orders?")
    served.tell("orders.half")
    expect(bar).to_have_attribute("aria-valuenow", "25")
    expect(page.get_by_text("order history: half of the orders are read")).to_be_visible()
    expect(fact(page, "Time left")).to_have_text("unknown")  # this database has not seen a start
    expect(bar.locator(".fill")).to_have_css("width", f"{bar.evaluate('bar => bar.clientWidth') / 4:g}px")
    served.tell("orders.up")
    expect(fact(page, "Service")).to_have_text(LABEL)
    expect(bar).to_have_attribute("aria-valuenow", "50")
    up, coming = re.compile("order history.*ready"), re.compile("search index.*starting")
    expect(page.locator(".situation .service")).to_have_text([up, coming])
    expect(turn).to_contain_text("Held: runs when the services are up.")
    index = status.get_by_role("img", name="1 starting").locator(".words").nth(1)
    expect(index).to_have_text(re.compile(r"^starting, (0\.[4-9]\d|[1-9].*) s$"))
    served.tell("index.up")
    expect(turn.locator(".prose").get_by_role("table")).to_be_visible()
    expect(bar).to_be_hidden()
    expect_timeline_to_scale(status)


def expect_timeline_to_scale(status: Page) -> None:
    """The picture, the table and the history of a start that has succeeded say the same."""
    expect(status.get_by_role("rowheader", name=LABEL)).to_be_visible()
    expect(status.get_by_role("img", name="3 ready").locator("rect.bar-ready")).to_have_count(3)
    services = status.request.get("/status.json").json()["services"]
    per_second = status.evaluate(PIXELS_PER_SECOND)
    for service, bar in zip(services, status.evaluate(BARS), strict=True):
        assert bar["x"] == pytest.approx(service["started_seconds"] * per_second, abs=1.5)
        assert bar["width"] == pytest.approx(max(2, service["duration_seconds"] * per_second), abs=1.5)
    assert sorted(services, key=lambda service: -service["duration_seconds"])[0]["label"] == "order history"
    rows = status.get_by_role("region", name="Table of services").get_by_role("row")
    expect(rows).to_have_count(4)
    for service, row in zip(services, rows.all()[1:], strict=True):
        times = [f"{service[name]:.2f}" for name in ("started_seconds", "ended_seconds")]
        expect(row.get_by_role("cell")).to_have_text([service["phase"], "ready", *times, re.compile(r"^[\d.]+ m?s$")])
    history = status.get_by_role("region", name="Table of attempts").get_by_role("row")
    expect(history.last).to_have_text(re.compile("1succeeded"))


def test_a_start_that_fails_is_tried_again_by_itself(serve: Serve, visit: Visit) -> None:
    served = serve()
    page = visit(served, "/?user_id=patient")
    page.evaluate(NOTE_WORDS)
    turn = ask(page, "Which orders?")
    for attempt in ("1", "2"):
        expect(fact(page, "Attempt")).to_have_text(attempt)
        served.tell("orders.fails")
        expect(page.get_by_text("Service initialization failed. Trying again in")).to_be_visible()
        expect(page.locator(".situation button")).to_be_hidden()
    expect(fact(page, "Attempt")).to_have_text("3")
    told = re.findall(r"Trying again in (\d+) s, as the server asked", page.evaluate("noted.join()"))
    counted = [int(seconds) for seconds in told]
    assert counted[-2:] == [2, 1] or counted[-3:] == [2, 1, 0], counted
    served.tell(*EVERYTHING_UP)
    expect(turn.locator(".prose").get_by_role("table")).to_be_visible()
    assert SECRET not in page.content()


def test_a_lost_service_comes_back(serve: Serve, visit: Visit) -> None:
    served = serve(*EVERYTHING_UP)
    page = visit(served, "/?user_id=watcher")
    turn = ask(page, "Which orders, slowly?")
    expect(turn.locator("strong")).to_have_text("three")
    served.hold("orders.up")
    served.tell("orders.dies")
    expect(page.get_by_role("heading", name="Recovering")).to_be_visible()
    expect(page.get_by_text("SERVICE_LOST")).to_be_visible()
    held = ask(page, "Which orders?")
    expect(held).to_contain_text("Held: runs when the services are up.")
    served.tell("orders.half")
    expect(page.get_by_role("progressbar", name="Recovering")).to_have_attribute("aria-valuenow", "25")
    expect(fact(page, "Service")).to_have_text("order history")
    expect(page.locator(".situation .service")).to_have_text([re.compile("order history.*starting")])
    served.tell("orders.up")
    expect_state(page, "ready")
    expect(page.locator("#fact-generation")).to_have_text("2")
    expect(held.locator(".prose").get_by_role("table")).to_be_visible()
    assert SECRET not in page.content()


def test_the_page_outlives_a_killed_server(serve: Serve, visit: Visit) -> None:
    served = serve(*EVERYTHING_UP)
    page = visit(served, "/?user_id=loyal", expects=AWAY)
    first = ask(page, "Which orders?")
    expect(first.locator(".provenance")).to_be_visible()
    lost = ask(page, "Which orders, slowly?")
    expect(lost.get_by_text("find_orders")).to_be_visible()
    served.kill()
    expect(page.get_by_text("The server cannot be reached. Trying again in")).to_be_visible()
    expect(lost.get_by_text("The connection is lost")).to_be_visible()
    unsent = ask(page, "Which orders now?")
    expect(unsent).to_contain_text("Not sent yet: waits for the connection.")
    served.hold("orders.up")
    served.start()
    expect(page.get_by_role("progressbar", name="Starting")).to_have_attribute("aria-valuenow", "0")
    served.tell("orders.half")
    expect(fact(page, "Time left")).to_have_text(re.compile(r"^(about \d+ s|under 1 s)$"))
    served.tell("orders.up")
    expect_state(page, "ready")
    expect(lost).to_contain_text("SERVICE_LOST")
    expect(unsent.locator(".prose").get_by_role("table")).to_be_visible()
    expect(first.locator(".prose").get_by_role("table")).to_have_count(1)
    expect(page.locator(".words")).to_have_text(["Which orders?", "Which orders, slowly?", "Which orders now?"])


def test_a_server_that_goes_away_says_so(serve: Serve, visit: Visit) -> None:
    served = serve(*EVERYTHING_UP)
    page = visit(served, "/?user_id=guest", expects=AWAY)
    status = visit(served, "/status", expects=AWAY)
    turn = ask(page, "Which orders, slowly?")
    expect(turn.locator("strong")).to_have_text("three")
    page.evaluate(NOTE_WORDS)
    served.terminate()
    expect(page.locator(".situation-words")).to_contain_text("This instance finishes what it is doing and stops.")
    assert "This server is going away; another is taking over." in page.evaluate("noted.join()")
    expect(status.get_by_role("heading", name="Going away")).to_be_visible()
    served.tell("guest.hears_on")
    assert served.exit_code() == 0
    for seen in (page.locator(".situation-words"), status.get_by_role("alert")):
        expect(seen).to_contain_text("The server cannot be reached.")
