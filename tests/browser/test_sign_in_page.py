"""The page where the server wants tokens: it signs in, stays signed in, and signs in again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from browser_server import EVERYTHING_UP, Serve
from page_objects import Visit, ask, expect_state
from playwright.sync_api import Page, expect

from issuer import SECRET, claims, mac

pytestmark = pytest.mark.browser
pytest_plugins = ("browser_fixtures",)

JWT = {"CHATCORE_AUTH": "jwt", "CHATCORE_JWT_SECRET": SECRET}
UNAUTHORIZED = "401"
"""What a browser complains of when the page finds out that it has to sign in."""


def sign_in(page: Page, token: str) -> None:
    dialog = page.get_by_role("dialog", name="Sign in")
    dialog.get_by_label("Token").fill(token)
    dialog.get_by_role("button", name="Sign in").click()


def test_a_token_is_asked_for_and_kept_for_this_tab(serve: Serve, visit: Visit) -> None:
    served = serve(*EVERYTHING_UP, settings=JWT)
    page = visit(served, "/?user_id=mallory", expects=UNAUTHORIZED)
    expect(page.get_by_role("dialog", name="Sign in")).to_contain_text("wants to know who you are")
    sign_in(page, mac(SECRET, claims(exp=1)))
    expect(page.get_by_role("alert").filter(has_text="it has expired")).to_be_visible()
    sign_in(page, mac(SECRET))
    expect_state(page, "ready")
    expect(page.locator("#fact-user")).to_have_text("ann")
    expect(ask(page, "Which orders do I have?").locator("strong")).to_have_text("three")
    expect(page.locator(".threads li")).to_have_count(1)
    page.reload()
    expect_state(page, "ready")
    expect(page.get_by_role("dialog", name="Sign in")).to_have_count(0)
    assert "token" not in page.url
    assert "ey" not in (served.folder / "server.log").read_text(encoding="utf-8")


def test_a_token_that_expires_is_asked_for_again_and_nothing_is_lost(serve: Serve, visit: Visit) -> None:
    served = serve(*EVERYTHING_UP, settings=JWT)
    page = visit(served, expects=UNAUTHORIZED)
    sign_in(page, mac(SECRET, claims(exp=time.time() + 8)))
    turn = ask(page, "Which orders do I have?")
    expect(turn.locator("strong")).to_have_text("three")
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
    sign_in(page, mac(SECRET))
    expect_state(page, "ready")
    expect(ask(page, "And now?")).to_be_visible()
    expect(turn.locator("strong")).to_have_text("three")


def test_what_one_user_left_unsent_is_not_sent_as_another(serve: Serve, visit: Visit) -> None:
    served = serve(*EVERYTHING_UP, settings=JWT)
    page = visit(served, expects=UNAUTHORIZED)
    sign_in(page, mac(SECRET, claims(exp=time.time() + 6)))
    expect_state(page, "ready")
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
    page.evaluate("sessionStorage.setItem('chatcore.outbox.', JSON.stringify([{messageId: 'm', content: 'mine'}]))")
    sign_in(page, "no token at all")
    expect(page.get_by_role("alert").filter(has_text="no signed token")).to_be_visible()
    sign_in(page, mac(SECRET, claims(sub="bob")))
    expect(page.locator("#fact-user")).to_have_text("bob")
    assert page.evaluate("sessionStorage.getItem('chatcore.outbox.')") is None
    expect(page.get_by_role("article")).to_have_count(0)


def test_the_operator_s_own_way_to_sign_in(serve: Serve, visit: Visit, tmp_path: Path) -> None:
    module = tmp_path / "own.js"
    module.write_text(f"export const signIn = async () => {mac(SECRET)!r};\n", encoding="utf-8")
    page = visit(serve(*EVERYTHING_UP, settings={**JWT, "CHATCORE_SIGNIN": str(module)}), expects=UNAUTHORIZED)
    expect_state(page, "ready")
    expect(page.locator("#fact-user")).to_have_text("ann")
