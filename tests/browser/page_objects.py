"""What these tests do on a page, and what they measure there."""

from __future__ import annotations

import re
from typing import Any, Protocol

from browser_server import Addressed
from playwright.sync_api import Locator, Page, expect

AWAY = r"net::ERR_|WebSocket connection to|status of 503"
"""What Chromium writes to its console while a server is away."""


class Visit(Protocol):
    """Opens a page of a server; see the fixture ``visit``."""

    def __call__(
        self,
        served: Addressed,
        path: str = "/",
        *,
        beside: Page | None = None,
        expects: str | None = None,
        **context: Any,
    ) -> Page: ...


def ask(page: Page, question: str) -> Locator:
    """Ask, as a person does; the turn that comes of it."""
    turns = page.get_by_role("article")
    before = turns.count()
    page.get_by_role("textbox", name="Message").fill(question)
    page.keyboard.press("Enter")
    expect(turns).to_have_count(before + 1)
    return turns.nth(before)


def expect_state(page: Page, state: str) -> None:
    """Wait for the state that the header shows."""
    expect(page.locator("#state")).to_have_attribute("data-state", state)


def fact(page: Page, name: str) -> Locator:
    """What stands beside a name while the services start."""
    return page.locator(".situation .facts-row > div").filter(has_text=re.compile(f"^{name}")).get_by_role("definition")


def focused(page: Page) -> str:
    """What has the focus, by its label or its words; a thread by its title."""
    name: str = page.evaluate(
        "(({activeElement: at}) => at.labels?.[0]?.textContent || at.ariaLabel || at.title || at.textContent.trim())"
        "(document)"
    )
    return name


# --- scripts: each is a function for the page's own `evaluate` ------------------------------------------------------

NOTE_WORDS = """() => {
  const words = document.querySelector('.situation-words');
  window.noted = [];
  new MutationObserver(() => noted.push(words.textContent)).observe(words, {childList: true});
}"""
"""From now on, what is said of the situation is noted in ``window.noted``, however short it stands there."""

INSERT_MARKUP = """() => new Promise(resolve => {
  const tell = () => resolve(window.violations.splice(0).sort());
  document.addEventListener('securitypolicyviolation', () => window.violations.length === 2 && tell());
  setTimeout(tell, 5000);
  document.body.insertAdjacentHTML('beforeend', '<img src=x: onerror=window.harmed=1>');
})"""
"""Do what no answer may, and return what the content policy says to it."""

TOO_WIDE = """() => [...document.querySelectorAll('*')]
  .filter(node => node.scrollWidth > node.clientWidth && getComputedStyle(node).overflowX !== 'visible')
  .filter(node => !node.closest('.scroll, .unseen'))
  .map(node => node.outerHTML)
  .concat(document.documentElement.scrollWidth > innerWidth ? ['the page'] : [])
"""
"""What is wider than its place and is not made to scroll there."""

FAINT = """() => {
  const light = colour => colour.match(/[0-9.]+/g).map(Number).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = node => {
    const colour = getComputedStyle(node).backgroundColor;
    return colour === 'rgba(0, 0, 0, 0)' ? ground(node.parentElement) : colour;
  };
  const contrast = node => {
    const [one, other] = [light(getComputedStyle(node).color), light(ground(node))];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  };
  const says = node => [...node.childNodes].some(part => part.nodeType === Node.TEXT_NODE && part.data.trim());
  return [...document.body.querySelectorAll('*')].filter(node => node.checkVisibility() && says(node))
    .filter(node => contrast(node) < 4.5).map(node => node.textContent);
}"""
"""Words whose contrast with their ground is below the 4.5 of WCAG AA."""

PIXELS_PER_SECOND = """() => {
  const at = [...document.querySelectorAll('.tick-label')].map(label => parseFloat(label.textContent));
  const xs = [...document.querySelectorAll('.tick')].map(line => line.getBoundingClientRect().x);
  return (xs.at(-1) - xs[0]) / (at.at(-1) - at[0]);
}"""
"""Of the timeline, by what its axis says."""

BARS = """() => {
  const zero = document.querySelector('.tick').getBoundingClientRect().x;
  return [...document.querySelectorAll('rect.bar-ready')].map(bar => bar.getBoundingClientRect())
    .map(({x, width}) => ({x: x - zero, width}));
}"""
"""Of the timeline, from its zero, in pixels."""
