"""What a person would rather look at: the chart beside its table, the rows to take along, and what to ask next."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser_server import Served
from page_objects import FAINT, TOO_WIDE, Visit, ask
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
pytest_plugins = ("browser_fixtures",)

PICTURE = "img => img.complete && img.naturalWidth > 0 && Math.abs(img.naturalWidth - img.clientWidth) < 24"
"""Whether it is drawn, and about as wide as its place: its words are then as large as those of the page."""


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_an_answer_is_drawn_saved_and_asked_on(shop: Served, visit: Visit, width: int, scheme: str) -> None:
    viewport = {"width": width, "height": 800}
    page = visit(shop, f"/?user_id=looker{width}", viewport=viewport, color_scheme=scheme)
    turn = ask(page, "Which orders by a model?")
    picture = turn.get_by_role("img", name="Total by number. Highest: A-3 with 310.")
    expect(picture).to_be_visible()
    page.wait_for_function(f"() => ({PICTURE})(document.querySelector('.chart-picture'))")
    rows = turn.get_by_role("region", name="Total by number, as a table").get_by_role("row")
    expect(rows).to_have_text(["numbertotal", "A-149.90", "A-2120", "A-3310.50"])
    expect(turn.locator(".cost-line")).to_have_text(
        "Model used: tiny \u00b7 2 turns \u00b7 1,234 prompt tokens \u00b7 56 completion tokens"
        " \u00b7 $0.001235 at the list price of shop/tiny"
    )
    with page.expect_download() as saving:
        turn.get_by_role("link", name="Download CSV of q1").click()
    assert saving.value.suggested_filename.endswith("-q1.csv")
    saved = Path(saving.value.path()).read_text(encoding="utf-8")
    assert saved.splitlines()[:2] == ["number,article,total", "A-1,kettle,49.9"]
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate(FAINT) == []

    expect(turn.get_by_role("list").filter(has_text="Order less.")).to_have_text("Order less.")
    turn.get_by_role("button", name="How many unicorns?").click()
    refused = page.get_by_role("article").nth(1)
    expect(refused.locator(".words")).to_have_text("How many unicorns?")
    refused.get_by_role("button", name="Which orders are late?").click()
    expect(page.get_by_role("article").nth(2).locator(".words")).to_have_text("Which orders are late?")
    expect(page.get_by_role("article").nth(2).get_by_role("img")).to_be_visible()
