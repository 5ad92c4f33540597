"""The reference is what the code says, everything a user can name is in it, and every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import attrs
import pytest
import trio
from cyclopts import App

import chatcore
import chatcore.client
from chatcore.application import Application
from chatcore.cli import build_cli
from chatcore.errors import CloseCode, ErrorCode
from chatcore.initialization import breaker, lifecycle
from chatcore.lifespan import site_running
from chatcore.metrics import METRICS
from chatcore.protocol import connection
from chatcore.protocol.asyncapi import CLIENT_FRAMES, SERVER_FRAMES, tag_of
from chatcore.services import Phase, ServiceGraph
from chatcore.settings import Settings
from chatcore.web.app import build_app
from chatcore.web.routes import ROUTES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("bench/*.md"))]
LINK = re.compile(r"\[[^\]]*\]\((?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
CITATION = re.compile(r"(guarantees|protocol|architecture)\.md,? (?:section )?\(?((?:[\d.]+(?:, | and |-)?)+)")


def reference(page: str) -> str:
    """The text of a page of the reference."""
    return (DOCS / "reference" / page).read_text(encoding="utf-8")


def missing(names: Iterable[object], page: str) -> list[str]:
    """Those of ``names`` that a page does not have as code."""
    text = reference(page)
    return [str(name) for name in names if f"`{name}`" not in text]


# --- nothing is stale, nothing is left out ----------------------------------------------------------------------------


def generate(folder: Path) -> subprocess.CompletedProcess[str]:
    """Compare the pages under ``folder`` with the code."""
    command = [sys.executable, str(folder / "generate.py"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_pages_are_what_the_code_says() -> None:
    result = generate(DOCS)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_page_that_is_not_is_named(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "generate.py").write_bytes((DOCS / "generate.py").read_bytes())
    stale = reference("settings.md").replace("`127.0.0.1:8000`", "`0.0.0.0:80`")
    (tmp_path / "docs" / "settings.md").write_text(stale, encoding="utf-8")
    result = generate(tmp_path / "docs")
    assert result.returncode == 1
    assert "settings.md differs from the code" in result.stdout


def test_every_setting_is_documented() -> None:
    keys = [key.name for key in attrs.fields(Settings)]
    assert not missing([*keys, *(f"CHATCORE_{key.upper()}" for key in keys)], "settings.md")


def test_every_frame_is_documented() -> None:
    headings = re.findall(r"^#### (\w+)$", reference("protocol.md"), re.MULTILINE)
    assert [name for name in map(tag_of, (*CLIENT_FRAMES, *SERVER_FRAMES)) if name not in headings] == []


def test_every_code_is_documented() -> None:
    assert not missing([*ErrorCode, *map(int, CloseCode)], "errors.md")


def test_every_metric_is_documented() -> None:
    assert not missing([name for _, name, *_ in METRICS.values()], "metrics.md")


def test_every_state_is_documented() -> None:
    assert not missing([*lifecycle.State, *breaker.BreakerState, *connection.State], "states.md")


def test_every_public_name_is_documented() -> None:
    headings = re.findall(r"^### (\w+)$", reference("python.md"), re.MULTILINE)
    public = [name for module in (chatcore, chatcore.client) for name in module.__all__ if not name.startswith("__")]
    assert [name for name in public if name not in headings] == []


def commands(app: App, *path: str) -> Iterator[str]:
    """Every command under ``app``, as one types it."""
    for name in app:
        if not name.startswith("-"):
            yield " ".join([*path, name])
            yield from commands(app[name], *path, name)


def test_every_command_is_documented() -> None:
    found = list(commands(build_cli(), "chatcore"))
    assert len(found) > 5
    headings = re.findall(r"^#+ (chatcore .+)$", reference("commands.md"), re.MULTILINE)
    assert [command for command in found if command not in headings] == []


def test_every_row_of_the_routes_is_documented() -> None:
    assert not missing([re.sub(r"<(\w+)>", r"{\1}", route.path) for route in ROUTES], "http.md")


class Silent:
    """An agent that has nothing to say; it is never asked."""

    async def respond(self, message: object, run: object) -> chatcore.Answer:
        """Nothing."""
        raise AssertionError


async def test_every_path_that_the_server_answers_is_documented(tmp_path: Path) -> None:
    services = ServiceGraph()

    @services.provide(phase=Phase.SERVICES)
    async def silent() -> AsyncIterator[Silent]:
        yield Silent()

    application = Application(services, agents={"silent": Silent})
    settings = Settings(database_url=f"sqlite:///{tmp_path}/chat.db", log_format="json")
    with trio.fail_after(60):
        async with site_running(application, settings) as site:
            rules = [rule.rule for rule in build_app(site.server).url_map.iter_rules()]
    assert len(rules) > len(ROUTES)
    documented = {re.sub(r"<(\w+)>", r"{\1}", rule) for rule in rules if not rule.startswith("/static/")}
    assert not missing(documented, "http.md")


# --- links and citations ----------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.finditer(text):
        if link["path"].startswith(("http:", "https:")):
            continue
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        assert target.exists(), link[0]
        assert not link["anchor"] or link["anchor"] in anchors(target), link[0]


def test_every_page_can_be_reached() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            links = (page.parent / link["path"] for link in LINK.finditer(page.read_text(encoding="utf-8")))
            ahead += [link.resolve() for link in links if link.suffix == ".md" and link.is_file()]
    assert set(DOCS.rglob("*.md")) <= reached


def sections(name: str) -> set[str]:
    """The numbers that may be cited of a document."""
    page = next(DOCS.rglob(f"{name}.md")).read_text(encoding="utf-8")
    return set(re.findall(r"^(?:#+ )?(\d+(?:\.\d+)?)\.? ", page, re.MULTILINE))


def test_every_citation_in_the_source_leads_somewhere() -> None:
    cited = set()
    for module in (ROOT / "src").rglob("*.py"):
        for name, numbers in CITATION.findall(module.read_text(encoding="utf-8")):
            cited |= {(name, number.strip(".")) for number in re.findall(r"\d+(?:\.\d+)?", numbers)}
    assert len(cited) > 20
    known = {name: sections(name) for name in ("guarantees", "protocol", "architecture")}
    assert sorted(f"{name}.md, {number}" for name, number in cited if number not in known[name]) == []
