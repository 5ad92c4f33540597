"""The sidebar of the chat page, links to an event, and tabs that mirror each other."""

from __future__ import annotations

import re
import shutil

import pytest
from browser_server import EVERYTHING_UP, Serve, Served
from page_objects import AWAY, FAINT, TOO_WIDE, Visit, ask, expect_state, focused
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser
pytest_plugins = ("browser_fixtures",)


def rail(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Conversations")


def listed(page: Page) -> Locator:
    """The titles in the sidebar."""
    return rail(page).locator(".thread-title")


def converse(page: Page, *questions: str) -> None:
    """A conversation for each question."""
    for question in questions:
        rail(page).get_by_role("button", name="New conversation").click()
        expect(page.get_by_role("article")).to_have_count(0)
        expect(ask(page, question).locator(".provenance")).to_be_visible()


def tool(page: Page, name: str, title: str) -> Locator:
    """What can be done with a thread in the sidebar; it shows itself to the pointer that is over it."""
    rail(page).get_by_role("listitem").filter(has_text=title).hover()
    return rail(page).get_by_role("button", name=f"{name} \u201c{title}\u201d")


def test_threads_are_listed_opened_and_searched(shop: Served, visit: Visit) -> None:
    page = visit(shop, "/?user_id=historian")
    converse(page, "Which orders of March?", "How many unicorns?", "Which orders of June?")
    expect(listed(page)).to_have_text(["Which orders of June?", "How many unicorns?", "Which orders of March?"])
    expect(rail(page).locator("time")).to_have_text(["just now"] * 3)

    rail(page).get_by_role("link", name="Which orders of March?").click()
    expect(page.locator(".words")).to_have_text(["Which orders of March?"])
    expect(rail(page).locator("[aria-current=page]")).to_contain_text("Which orders of March?")
    expect(ask(page, "And which orders are late?").locator(".provenance")).to_be_visible()
    expect(listed(page)).to_have_text(["Which orders of March?", "Which orders of June?", "How many unicorns?"])
    page.go_back()
    expect(page.locator(".words")).to_have_text(["Which orders of June?"])

    field = rail(page).get_by_role("searchbox", name="Search conversations")
    field.fill("UNICORN")
    expect(rail(page).get_by_role("status")).to_have_text("1 conversation")
    expect(listed(page)).to_have_text(["How many unicorns?"])
    field.fill("are LATE?")  # said in the conversation, not in its title
    expect(listed(page)).to_have_text(["Which orders of March?"])
    field.fill("100 %")
    expect(rail(page).get_by_role("status")).to_have_text("Nothing holds \u201c100 %\u201d.")
    field.press("Escape")
    expect(field).to_have_value("")
    expect(listed(page)).to_have_count(3)


def test_a_thread_is_renamed_in_place_and_deleted(shop: Served, visit: Visit) -> None:
    page = visit(shop, "/?user_id=editor")
    other = visit(shop, "/?user_id=editor", beside=page)
    page.bring_to_front()  # what is in the background is drawn once a second
    converse(page, "Which orders?", "Which orders are late?")
    expect(listed(other)).to_have_text(["Which orders are late?", "Which orders?"])
    tool(page, "Rename", "Which orders?").click()
    field = rail(page).get_by_role("textbox", name="Title")
    expect(field).to_be_focused()
    field.fill("not kept")
    field.press("Escape")
    expect(listed(page)).to_have_text(["Which orders are late?", "Which orders?"])
    tool(page, "Rename", "Which orders?").click()
    field.fill("  <b>Kettles</b>  ")
    field.press("Enter")
    assert focused(page) == "Rename \u201c<b>Kettles</b>\u201d"
    for seen in (page, other):
        expect(listed(seen)).to_have_text(["Which orders are late?", "<b>Kettles</b>"])

    other.bring_to_front()
    other.get_by_role("link", name="Which orders are late?").click()
    expect(other.locator(".provenance")).to_be_visible()
    page.bring_to_front()
    dialog = page.get_by_role("dialog")
    tool(page, "Delete", "Which orders are late?").click()
    expect(dialog).to_contain_text("Delete \u201cWhich orders are late?\u201d?")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(listed(page)).to_have_count(2)
    tool(page, "Delete", "Which orders are late?").click()
    dialog.get_by_role("button", name="Delete").click()
    for seen in (page, other):
        expect(listed(seen)).to_have_text(["<b>Kettles</b>"])
    expect(page.get_by_role("article")).to_have_count(0)
    assert "#" not in page.url
    expect(other.get_by_role("heading", name="No such conversation")).to_be_visible()
    page.reload()
    expect(listed(page)).to_have_text(["<b>Kettles</b>"])


def test_a_shared_link_opens_a_thread_at_an_event(shop: Served, visit: Visit) -> None:
    page = visit(shop, "/?user_id=sharer", permissions=["clipboard-read", "clipboard-write"])
    for question in ("Which orders?", "Which orders now?", "Which orders then?"):
        turn = ask(page, question)
        expect(turn.locator(".provenance")).to_be_visible()
    second = page.get_by_role("article").nth(1)
    second.hover()
    second.get_by_role("link", name="Copy link").click()
    expect(page.locator("#announcer")).to_have_text("The link is copied.")
    link = page.evaluate("navigator.clipboard.readText()")
    seq = int(link.rpartition("event=")[2])
    assert seq > 1

    there = visit(shop, "/status?user_id=sharer")
    marked = there.locator(".linked")

    def follow(event: int) -> None:
        there.goto("/status")  # a page that changes only what stands behind the # is not loaded anew
        there.goto(link.replace(f"event={seq}", f"event={event}"))

    follow(seq)
    expect(marked.locator(".words")).to_have_text("Which orders now?")
    expect(marked).to_be_focused()
    expect(marked.locator(".words")).to_be_in_viewport()
    expect(there.locator(".words")).to_have_count(3)
    follow(seq + 2)  # the tool's start
    expect(marked).to_have_class(re.compile("step tool"))
    expect(marked).to_be_in_viewport()
    follow(999)
    expect(there.locator("#notice")).to_contain_text("This conversation has no such event to show.")
    expect(marked).to_have_count(0)
    there.evaluate(f"location.hash = location.hash.replace('999', '{seq}')")
    expect(marked.locator(".words")).to_have_text("Which orders now?")


def test_tabs_mirror_each_other_and_their_queue(shop: Served, visit: Visit) -> None:
    page = visit(shop, "/?user_id=twin")
    first = ask(page, "Which orders, slowly?")
    expect(first.locator("strong")).to_have_text("three")
    other = visit(shop, page.url.removeprefix(shop.address), beside=page)
    expect(other.locator("strong")).to_have_text("three")
    page.bring_to_front()
    for question in ("Which orders of March?", "Which orders of April?", "Which orders of May?"):
        ask(page, question)
    for seen in (page, other):
        waiting = seen.get_by_role("article")
        expect(waiting.nth(1)).to_contain_text("Waiting: next in line.")
        expect(waiting.nth(2)).to_contain_text("Waiting: 2nd in line.")
        expect(waiting.nth(3)).to_contain_text("Waiting: 3rd in line.")
    other.bring_to_front()
    other.get_by_role("article").nth(2).get_by_role("button", name="Cancel").click()
    expect(other.get_by_role("article").nth(2)).to_contain_text("Cancelling: it is not to be run.")
    expect(other.get_by_role("article").nth(3)).to_contain_text("Waiting: 2nd in line.")
    shop.tell("twin.hears_on")
    for seen in (page, other):
        turns = seen.get_by_role("article")
        expect(turns.nth(3).locator(".provenance")).to_be_visible()
        expect(turns.nth(2).locator(".problem")).to_contain_text("Cancelled")
        expect(seen.locator(".provenance")).to_have_count(3)
        questions = ["Which orders, slowly?", *(f"Which orders of {month}?" for month in ("March", "April", "May"))]
        expect(seen.locator(".words")).to_have_text(questions)


def test_what_is_held_for_the_services_can_be_cancelled(serve: Serve, visit: Visit) -> None:
    served = serve()
    page = visit(served, "/?user_id=undecided")
    first, second = ask(page, "Which orders?"), ask(page, "Which orders now?")
    expect(second).to_contain_text("Held: 2nd to run when the services are up.")
    first.get_by_role("button", name="Cancel").click()
    expect(first).to_contain_text("Cancelling: it is not to be run.")
    expect(second).to_contain_text("Held: runs when the services are up.")
    served.tell(*EVERYTHING_UP)
    expect(second.locator(".provenance")).to_be_visible()
    expect(first.locator(".problem")).to_contain_text("Cancelled")
    expect(first.locator(".prose").get_by_role("table")).to_have_count(0)


def test_the_sidebar_is_a_drawer_on_a_phone(shop: Served, visit: Visit) -> None:
    page = visit(shop, "/?user_id=walker", viewport={"width": 320, "height": 640}, has_touch=True)
    expect(ask(page, "Which orders?").locator(".provenance")).to_be_visible()
    opener = page.get_by_role("button", name="Conversations")
    expect(opener).to_have_attribute("aria-expanded", "false")
    expect(rail(page)).to_be_hidden()
    opener.focus()
    page.keyboard.press("Enter")
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(listed(page)).to_have_text(["Which orders?"])
    for theme in ("light", "dark"):
        page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        assert page.evaluate(TOO_WIDE) == []
        assert page.evaluate(FAINT) == []
    seen: list[str] = []
    for _ in range(6):
        seen.append(focused(page))
        page.keyboard.press("Tab")
    assert seen[:3] == ["Close", "Search conversations", "Which orders?"], seen
    assert "Message" not in seen, "what is behind cannot be reached"
    rail(page).get_by_role("searchbox").focus()
    page.keyboard.press("Escape")
    expect(rail(page)).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    rail(page).get_by_role("button", name="New conversation").click()
    expect(rail(page)).to_be_hidden()
    opener.click()
    rail(page).get_by_role("link", name="Which orders?").click()
    expect(rail(page)).to_be_hidden()
    expect(page.locator(".provenance")).to_be_visible()


def test_what_cannot_be_replayed_is_shown_as_it_stands(serve: Serve, visit: Visit) -> None:
    """The server comes back from a backup that is older than what the page has seen."""
    served = serve(*EVERYTHING_UP)
    page = visit(served, "/?user_id=survivor", expects=AWAY)
    expect(ask(page, "Which orders?").locator(".provenance")).to_be_visible()
    served.terminate()
    served.exit_code()
    backup = served.folder / "backup"
    shutil.copytree(
        served.folder, backup, ignore=lambda _, names: {name for name in names if "chatcore.db" not in name}
    )
    served.start()
    expect_state(page, "ready")
    expect(ask(page, "Which orders now?").locator(".provenance")).to_be_visible()
    served.kill()
    for file in served.folder.glob("chatcore.db*"):
        file.unlink()
    for file in backup.glob("chatcore.db*"):
        shutil.copy(file, served.folder)
    served.start()
    expect(page.get_by_text("The server could not replay this conversation")).to_be_visible()
    expect(page.locator(".words")).to_have_text(["Which orders?"])
    expect(page.locator(".prose").get_by_role("table")).to_have_count(1)
    expect(ask(page, "Which orders then?").locator(".provenance")).to_be_visible()
    expect(page.locator(".words")).to_have_text(["Which orders?", "Which orders then?"])
