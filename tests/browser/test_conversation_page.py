"""The chat page while the services are up: what is asked, how the answer looks, and what it can't do to the reader."""

from __future__ import annotations

import importlib.util
import re
from urllib.parse import urlsplit

import pytest
from browser_server import Serve, Served
from page_objects import FAINT, INSERT_MARKUP, TOO_WIDE, Visit, ask, expect_state, focused
from playwright.sync_api import Locator, expect
from staged_shop import HOSTILE, SECRET

pytestmark = pytest.mark.browser
pytest_plugins = ("browser_fixtures",)

HAS_ANALYST = importlib.util.find_spec("chatcore.agents.analyst.agent") is not None

DANGERS = """
    #log :is(.words, .reply)
    :is(img, script, style, svg, iframe, object, form, [onerror], [onload], [style],
    [href]:not([href^='https://'], .download))
"""
"""What no answer may bring into the page."""


def test_streamed_markdown_becomes_a_page_with_its_proof(shop: Served, visit: Visit) -> None:
    page = visit(shop, "/?user_id=reader")
    turn = ask(page, "Which orders do I have? Answer slowly.")
    expect(turn.locator("strong")).to_have_text("three")
    expect(turn.get_by_role("button", name="Cancel")).to_be_enabled()
    steps = turn.locator(".steps li")
    expect(steps).to_have_text(["Looking through the order history", re.compile(r"ok.*find_orders.*3 orders")])
    shop.tell("reader.hears_on")

    table = turn.get_by_role("region", name="Table in the answer").get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(4)
    expect(table.get_by_role("cell", name="310.50")).to_have_css("text-align", "right")
    expect(turn.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
    link = turn.get_by_role("link", name="late")
    expect(link).to_have_attribute("href", "https://example.org/late")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(turn.get_by_role("listitem").filter(has_text="The chair is the dearest.").locator("code")).to_have_text(
        "chair"
    )
    expect(turn.locator(".recommendation em")).to_have_text("together")
    expect(turn.locator(".recommendation code")).to_have_text("total")
    expect(turn.get_by_text("10 EUR", exact=True)).to_be_visible()
    expect(turn.locator(".provenance")).to_contain_text("Answered by orders")
    heard = page.get_by_role("status")
    expect(heard).to_have_text(re.compile("^orders has answered: Orders\\s+You have three orders, one of them late"))
    expect(steps.first).to_be_hidden()
    turn.get_by_text("2 steps").click()
    expect(steps.first).to_be_visible()
    expect_evidence(turn)


def expect_evidence(turn: Locator) -> None:
    turn.get_by_text("3 rows").click()
    rows = turn.get_by_role("region", name="Rows of q1, 3 rows").get_by_role("row")
    expect(rows).to_have_text(["numberarticletotal", "A-1kettle49.9", "A-2reading lamp120", "A-3null310.5"])
    expect(turn.get_by_role("region", name="Query of q1")).to_have_text("SELECT number, article, total FROM orders")
    expect(turn.get_by_text(re.compile("^[0-9a-f]{64}$"))).to_be_visible()


def test_hostile_words_stay_words(shop: Served, visit: Visit) -> None:
    page = visit(shop, "/?user_id=%3Cimg src=x onerror=harmed=1%3E", expects="Content Security Policy")
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))
    expect(page.get_by_role("region", name="Agents")).to_contain_text(HOSTILE)

    turn = ask(page, f"{HOSTILE} attack")
    expect(turn.locator(".provenance")).to_be_visible()
    expect(turn.locator(".prose")).not_to_have_class(re.compile("plain"))
    expect(turn.get_by_role("link", name="picture")).to_have_count(2)  # of the text and of the insight, both rendered
    for summary in turn.locator("summary").all():
        summary.click()
    expect(turn.get_by_role("region", name="Query of q1")).to_have_text(HOSTILE)
    # question, thought, a tool's name, arguments and summary, text, code, insight, advice, action, rows, query
    assert turn.inner_text().count(HOSTILE) >= 14
    assert page.locator(DANGERS).count() == 0
    assert {urlsplit(url).netloc for url in asked_for} == {urlsplit(shop.address).netloc}
    assert page.evaluate("window.violations") == []
    assert page.evaluate(INSERT_MARKUP) == ["img-src", "script-src-attr"]


def test_what_is_not_answered_offers_what_would_be(shop: Served, visit: Visit) -> None:
    page = visit(shop, "/?user_id=curious")
    turn = ask(page, "How many unicorns do I have?")
    expect(turn.get_by_role("heading", name="Can’t answer this")).to_be_visible()
    facts = turn.locator(".refusal .facts")
    expect(facts).to_contain_text("The data has no such column.")
    expect(facts).to_contain_text("unicorn")
    expect(facts).to_contain_text("2026-10-01 to 2026-11-02")
    expect(turn.get_by_role("button")).to_have_text(["Which orders do I have?", "Which orders are late?"])
    expect(turn.locator(".prose").get_by_text("I can answer")).to_have_count(0)
    expect(turn.locator(".prose")).to_have_text(
        re.compile(r"unicorns\.\s+This is said here only\.\s+This is a shop\.\s*$")
    )
    turn.get_by_role("button", name="Which orders are late?").click()
    answered = page.get_by_role("article").nth(1)
    expect(answered).to_contain_text("Which orders are late?")
    expect(answered.get_by_role("table").first).to_be_visible()


SHADES = "node => getComputedStyle(node).backgroundAttachment"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_narrow_screen_nothing_lies_over_the_answer_and_a_wide_table_shows_that_it_goes_on(
    shop: Served, visit: Visit, scheme: str
) -> None:
    page = visit(shop, f"/?user_id=narrow-{scheme}", viewport={"width": 360, "height": 500}, color_scheme=scheme)
    turn = ask(page, "Which orders do I have?")
    expect(turn.locator(".provenance")).to_be_visible()
    table = turn.get_by_role("region", name="Table in the answer")
    table.scroll_into_view_if_needed()
    assert table.evaluate(SHADES) == "local, local, scroll, scroll", "two lids that move over two shadows that stay"
    latest = page.get_by_role("button", name="Latest")
    expect(latest).to_be_visible()
    log, button = page.locator("#log").bounding_box(), latest.bounding_box()
    assert log is not None
    assert button is not None
    assert log["y"] + log["height"] <= button["y"], "it has a row of its own"
    turn.locator("summary", has_text="3 rows").press("Enter")  # a click would miss it where the page scrolls meanwhile
    turn.get_by_role("region", name="Rows of q1").scroll_into_view_if_needed()
    latest.click()
    expect(latest).to_be_hidden()


def test_an_answer_that_fails_says_so_and_can_be_asked_again(shop: Served, visit: Visit) -> None:
    page = visit(shop, "/?user_id=unlucky")
    turn = ask(page, "break")
    expect(turn.get_by_text("AGENT_FAILED")).to_be_visible()
    turn.get_by_text("1 step, 1 tool error").click()
    expect(turn.get_by_role("listitem")).to_contain_text("find_orders")
    turn.get_by_role("button", name="Ask again").click()
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.get_by_text("AGENT_FAILED")).to_have_count(2)
    expect(turn.get_by_text("Asked again below.")).to_be_visible()
    assert SECRET not in page.content()


def test_a_reload_keeps_the_thread(shop: Served, visit: Visit) -> None:
    page = visit(shop, "/?user_id=reloader")
    expect(ask(page, "Which orders?").locator(".provenance")).to_be_visible()
    expect(ask(page, "Which orders, slowly?").locator("strong")).to_have_text("three")
    address = page.url
    assert "#thread=" in address
    page.reload()
    other = visit(shop, address.removeprefix(shop.address))
    for seen in (page, other):
        expect(seen.locator(".words")).to_have_text(["Which orders?", "Which orders, slowly?"])
        expect(seen.get_by_role("article").last.locator("strong")).to_have_text("three")
        expect(seen.locator(".prose").get_by_role("table")).to_have_count(1)
    shop.tell("reloader.hears_on")
    for seen in (page, other):
        expect(seen.locator(".prose").get_by_role("table")).to_have_count(2)
        expect(seen.locator("strong")).to_have_text(["three", "three"])
    assert page.url == address


def test_the_keyboard_is_enough(shop: Served, visit: Visit) -> None:
    page = visit(shop, "/?user_id=typist")
    message = page.get_by_role("textbox", name="Message")
    expect(message).to_be_focused()
    expect_state(page, "ready")
    page.keyboard.type("Which orders")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("slowly")
    expect(message).to_have_value("Which orders\nslowly")
    page.keyboard.press("Enter")
    turns = page.get_by_role("log", name="Conversation").get_by_role("article")
    expect(turns.locator("strong")).to_have_text("three")
    page.keyboard.press("Escape")
    expect(turns).to_contain_text("Cancelled")
    expect(page.get_by_role("status")).to_have_text("orders was cancelled.")

    page.locator(".skip").focus()
    thread = "Which orders slowly"
    sidebar = ["New conversation", "Search conversations", thread, f"Rename “{thread}”", f"Delete “{thread}”", "Server"]
    turn = ["Copy link", "2 steps", "late", "Ask again"]
    for name in [
        "Skip to the message field",
        "Status",
        "Theme: auto",
        *sidebar,
        "Conversation",
        *turn,
        "Message",
        "Send",
    ]:
        assert focused(page) == name
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Tab")
    turns.get_by_text("2 steps").focus()
    page.keyboard.press("Enter")
    expect(turns.locator(".steps li").first).to_be_visible()
    turns.get_by_role("button", name="Ask again").focus()
    page.keyboard.press("Enter")
    expect(turns).to_have_count(2)
    expect(turns.last.get_by_role("button", name="Cancel")).to_be_enabled()
    page.keyboard.press("Escape")
    expect(turns.last).to_contain_text("Cancelled")


def test_narrow_pages_in_light_and_dark(shop: Served, visit: Visit) -> None:
    page = visit(shop, "/?user_id=narrow", viewport={"width": 320, "height": 640}, color_scheme="light")
    expect(page.get_by_text("Answers from the order history")).to_be_visible()
    assert page.evaluate(TOO_WIDE) == []
    for question in ("Which orders?", "How many unicorns? And one-word-that-is-much-longer-than-a-telephone-is-wide"):
        expect(ask(page, question).locator(".provenance")).to_be_visible()
    for summary in page.locator("#log summary:visible").all():
        summary.click()
    for theme, paper in {"light": "rgb(243, 245, 244)", "dark": "rgb(14, 19, 18)"}.items():
        page.get_by_role("button", name="Theme").click()
        expect(page.get_by_role("button", name=f"Theme: {theme}")).to_be_visible()
        expect(page.locator("body")).to_have_css("background-color", paper)
        assert page.evaluate(TOO_WIDE) == []
        assert page.evaluate(FAINT) == []
    page.get_by_role("link", name="Status").click()
    expect(page.get_by_role("heading", name="Ready")).to_be_visible()
    expect(page.locator("body")).to_have_css("background-color", "rgb(14, 19, 18)")
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate(FAINT) == []


@pytest.mark.skipif(not HAS_ANALYST, reason="there is no analyst")
def test_the_analyst_proves_a_sum(serve: Serve, visit: Visit) -> None:
    page = visit(serve(arguments=("--data", "sample")))
    turn = ask(page, "What did we spend in total?")
    expect(turn.locator(".provenance")).to_contain_text("Answered by analyst")
    turn.locator(".evidence summary").first.click()
    expect(turn.get_by_role("table").first).to_be_visible()


@pytest.mark.skipif(not HAS_ANALYST, reason="there is no analyst")
def test_an_empty_page_offers_questions_that_are_answered(serve: Serve, visit: Visit) -> None:
    page = visit(serve(arguments=("--data", "sample")))
    offered = page.get_by_role("region", name="Agents").get_by_role("button")
    offered.filter(has_text="Spend by model").click()
    turn = page.get_by_role("article")
    expect(turn.locator(".words").first).to_have_text("Spend by model")
    expect(turn.locator(".provenance")).to_contain_text("Answered by analyst")
    expect(offered.first).to_be_hidden()
    assert focused(page) == "Message"
    page.get_by_role("button", name="New conversation").click()
    expect(offered.first).to_be_visible()
