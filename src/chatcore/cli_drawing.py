"""Markdown and tables on a terminal, where no figure is ever shortened: a cell that is too narrow for one folds it."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, MarkdownElement, TableElement
from rich.table import Table

from chatcore.cli_text import printable


def drawn(text: str) -> Markdown:
    """Markdown that came from elsewhere."""
    return _WholeMarkdown(printable(text), hyperlinks=False)


def unshortened(table: Table) -> Table:
    """``table``, in which nothing is cut off, however narrow it is drawn."""
    for column in table.columns:
        column.overflow = "fold"
    return table


class _WholeTable(TableElement):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            yield unshortened(part) if isinstance(part, Table) else part


class _WholeMarkdown(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {**Markdown.elements, "table_open": _WholeTable}
