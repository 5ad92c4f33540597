"""What the browser tests share: one Chromium, servers that end with their test, and visitors who notice complaints.

A plugin of the test modules, and no conftest: there is one at the top already, and the two would have one name.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from browser_server import EVERYTHING_UP, Addressed, Serve, Served
from page_objects import Visit
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000
"""For a machine that does much else; nothing here takes long by itself."""

BEFORE_THE_PAGE = """
window.violations = [];
document.addEventListener('securitypolicyviolation', event => window.violations.push(event.violatedDirective));
Math.random = () => 0.1;
"""
"""Note what the content policy forbids; and be lucky with the jitter of each reconnection."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Of this module only: while it lasts, an event loop of asyncio claims this thread."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@attrs.define
class Visitor:
    """A page, and what its console had to complain of."""

    page: Page
    expects: str | None
    complaints: list[str] = attrs.field(factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        expected = self.expects is not None and re.search(self.expects, message.text)
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(message.text)


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """Opens a page, as a browser of its own or as a tab ``beside`` another; none has come to harm, nor complained.

    A page ``expects`` complaints that match a pattern; the other options are Playwright's for a context.
    """
    visitors: list[Visitor] = []

    def open_page(
        served: Addressed, path: str = "/", *, beside: Page | None = None, expects: str | None = None, **context: Any
    ) -> Page:
        of = beside.context if beside else chromium.new_context(base_url=served.address, **context)
        page = of.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(BEFORE_THE_PAGE)
        visitor = Visitor(page, expects)
        page.on("console", lambda message: visitor.hear(message))
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        visitors.append(visitor)
        page.goto(path)
        return page

    yield open_page
    harm = [visitor.page.evaluate("[window.harmed, ...window.violations]") for visitor in visitors]
    for visitor in visitors:
        visitor.page.context.close()
    assert harm == [[None] for _ in visitors]
    assert [visitor.complaints for visitor in visitors] == [[] for _ in visitors]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server that lasts as long as the test; told nothing, the shop's services wait."""
    servers: list[Served] = []

    def start(*words: str, **options: Any) -> Served:
        served = Served(tmp_path, **options)
        servers.append(served)
        served.tell(*words)
        served.start()
        return served

    yield start
    for served in servers:
        served.kill()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Served]:
    """One shop for all tests that leave it as it is; each comes as a user of its own."""
    served = Served(tmp_path_factory.mktemp("shop"))
    served.tell(*EVERYTHING_UP)
    served.start()
    yield served
    served.kill()
