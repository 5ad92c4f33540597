"""``chatcore.web.markdown``: what an answer may become on the page, and that nothing else can."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.web.markdown import render_markdown

BLOCKS = {"blockquote", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "ul"}
TABLES = {"table", "tbody", "td", "th", "thead", "tr"}
WORDS = {"a", "br", "code", "em", "s", "strong"}
ATTRIBUTES = {"a": {"href", "title", "target", "rel"}, "ol": {"start"}, "td": {"class"}, "th": {"class"}}


class Elements(HTMLParser):
    """Every element of a fragment as (tag, attributes)."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(markdown: str) -> list[tuple[str, dict[str, str | None]]]:
    return Elements(render_markdown(markdown)).found


def tags(markdown: str) -> list[str]:
    return [tag for tag, _ in elements(markdown)]


def assert_safe(markdown: str) -> None:
    for tag, attributes in [*elements(markdown), *Elements(render_markdown(markdown, inline=True)).found]:
        assert tag in BLOCKS | TABLES | WORDS
        assert set(attributes) <= ATTRIBUTES.get(tag, set())
        href = attributes.get("href")
        assert href is None or href.lower().startswith(("http:", "https:", "mailto:"))


def test_commonmark() -> None:
    html = render_markdown("**Total**: `sum(cost)`\n\n1. one\n2. *two*\n\n> quoted\n\n---")
    assert "<strong>Total</strong>: <code>sum(cost)</code>" in html
    assert "<li><em>two</em></li>" in html.replace("\n", "")
    assert "<blockquote>" in html
    assert "<hr>" in html


def test_an_unfinished_answer_renders() -> None:
    assert render_markdown("") == ""
    assert "**half" in render_markdown("one **half")
    assert tags("```sql\nselect") == ["pre", "code"]


def test_a_table_keeps_the_alignment_of_its_columns_without_inline_style() -> None:
    html = render_markdown("| model | cost |\n|:--|--:|\n| a | 12.50 |")
    assert '<td class="align-left">a</td>' in html
    assert '<td class="align-right">12.50</td>' in html
    assert "style" not in html


@pytest.mark.parametrize(("level", "expected"), [(1, "h4"), (2, "h5"), (3, "h6"), (6, "h6")])
def test_headings_begin_below_those_of_the_page(level: int, expected: str) -> None:
    assert tags(f"{'#' * level} Title") == [expected]
    assert f"<{expected}>Title</{expected}>" in render_markdown(f"{'#' * level} Title")


@pytest.mark.parametrize("address", ["https://example.org/a?b=c", "http://example.org", "mailto:a@example.org"])
def test_a_link_opens_apart_and_passes_nothing_on(address: str) -> None:
    [(_, attributes)] = [found for found in elements(f"[text]({address})") if found[0] == "a"]
    assert attributes["href"] == address
    assert attributes["target"] == "_blank"
    assert set(str(attributes["rel"]).split()) == {"noopener", "noreferrer", "nofollow"}


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java&#10;script:alert(1)",
        "javascript&colon;alert(1)",
        "vbscript:x",
        "data:text/html;base64,PHNjcmlwdD4=",
        "file:///etc/passwd",
        "blob:https://example.org/1",
        "ftp://example.org",
        "//example.org/x",
        "/api/threads",
        "?user_id=other",
        "#thread=other",
    ],
)
def test_any_other_address_is_no_link(address: str) -> None:
    for markdown in (f"[text]({address})", f"<{address}>", f"[text][1]\n\n[1]: {address}"):
        assert all("href" not in attributes for _, attributes in elements(markdown))


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<style>body{display:none}</style>",
        '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
        '<form action="//example.org"><input name=token></form>',
        '<a href="javascript:alert(1)" onclick="alert(1)">x</a>',
        '<div style="position:fixed">x</div>',
        "<!-- <script> --> <?php ?> <![CDATA[<b>]]>",
        "| <b onmouseover=alert(1)> |\n|-|\n| <script>1</script> |",
        "```<script>\nalert(1)\n```",
        '[x](https://example.org "\\"onmouseover=alert(1)")',
        "`<script>alert(1)</script>`",
    ],
)
def test_html_in_an_answer_is_text(markdown: str) -> None:
    assert_safe(markdown)
    assert "<script" not in render_markdown(markdown)


def test_a_line_has_words_and_no_blocks() -> None:
    assert render_markdown("`cost` in **May**", inline=True) == "<code>cost</code> in <strong>May</strong>"
    assert render_markdown("# 1. - > | a |\n\nb", inline=True) == "# 1. - &gt; | a |\n\nb"


def test_html_is_shown_as_it_was_written() -> None:
    assert render_markdown("a <b>bold</b> claim") == "<p>a &lt;b&gt;bold&lt;/b&gt; claim</p>\n"


def test_an_image_becomes_a_link_so_that_nothing_is_fetched() -> None:
    found = elements("![chart](https://example.org/pixel.png)")
    assert [tag for tag, _ in found] == ["p", "a"]


MARKUP = st.lists(
    st.sampled_from(
        [
            *("<", ">", "[x](", ")", "![", "|", "|-|", "\n", "`", "```", "*", "_", '"', "'", "\\", "# ", "> ", "- "),
            *("<script", "</", "<svg ", "<a href=", "on=", "javascript:", "&#x6A;", "&Tab;", "http://a", "mailto:"),
            *("\x00", "\u202e", "\U0001f600"),
        ]
    ),
    max_size=30,
).map("".join)


@given(st.one_of(MARKUP, st.text(max_size=200)))
def test_no_text_renders_to_anything_but_the_allowed_elements(markdown: str) -> None:
    assert_safe(markdown)


def test_the_parser_is_imported_only_when_something_is_rendered() -> None:
    program = "import sys, chatcore.web.markdown; sys.exit('markdown_it' in sys.modules or 'nh3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
