"""Markdown to HTML that is safe to put into the chat page, so that the page needs no library of its own.

Two walls: the parser makes HTML only from Markdown (HTML in an answer is shown as the text it is, an image as a link),
and what it made passes an allow list that knows no script, style, image, form, frame or relative link.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import nh3
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore

_BLOCKS = frozenset({"blockquote", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "ul"})
_TABLES = frozenset({"table", "tbody", "td", "th", "thead", "tr"})
_WORDS = frozenset({"a", "br", "code", "em", "s", "strong"})
_ALIGNED = frozenset({"align-left", "align-center", "align-right"})
_SCHEMES = frozenset({"http", "https", "mailto"})
# On the page an answer stands under a heading of level 3; its own begin below that.
_HEADINGS_BELOW = 3
_LOWEST_HEADING = 6


def render_markdown(text: str, *, inline: bool = False) -> str:
    """The HTML of an answer, or of one line of it.

    Args:
        text: CommonMark with tables and ``~~strikethrough~~``; may be the beginning of an unfinished answer.
        inline: whether it becomes part of a line: marks of blocks, such as ``#`` and ``-``, are text then.

    Returns:
        HTML made of text-level and table elements alone. Links are absolute, ``http``, ``https`` or ``mailto``, open
        in a tab of their own and pass neither opener nor referrer on.
    """
    render = _parser().renderInline if inline else _parser().render
    return _cleaner().clean(render(text))


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    parser.core.ruler.push("fit_into_page", _fit_into_page)
    return parser


def _fit_into_page(state: StateCore) -> None:
    """Lower headings below the page's own; say a cell's alignment by class, as the page forbids inline styles."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + _HEADINGS_BELOW, _LOWEST_HEADING)}"
        elif token.type in ("th_open", "td_open") and (style := token.attrs.pop("style", "")):
            token.attrSet("class", "align-" + str(style).removeprefix("text-align:"))


@functools.cache
def _cleaner() -> nh3.Cleaner:
    import nh3

    return nh3.Cleaner(
        tags=set(_BLOCKS | _TABLES | _WORDS),
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        allowed_classes={"th": set(_ALIGNED), "td": set(_ALIGNED)},
        url_schemes=set(_SCHEMES),
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
