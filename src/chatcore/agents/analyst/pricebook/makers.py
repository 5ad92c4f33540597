"""Who makes a model that usage calls by some name, as a price list and the name tell. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from chatcore.agents.analyst.pricebook.book import MAKERS, PriceBook, maker_of

_BETWEEN_PARTS = re.compile(r"[/.:@]")


def provider_of(name: str, book: PriceBook) -> str | None:
    """Who makes the model, whoever sold it; who sold it, where the name does not tell; None where nothing does.

    Args:
        name: as the usage has it, ``openrouter/anthropic/claude-3.7-sonnet``.
        book: the price list, which knows who sells models.
    """
    parts = [part for part in reversed(_BETWEEN_PARTS.split(name.lower())) if part]
    made = next((maker for part in parts if (maker := maker_of(part))), None)
    return made or next((seller for part in parts if (seller := book.seller(part))), None)


def maker_called(word: str, book: PriceBook) -> str | None:
    """The maker of models that a word names, by the price list's own name for it; ``gemini`` is a family, and none."""
    seller = book.seller(word)
    return seller if seller in MAKERS and _plain(str(seller)) == _plain(word) else None


def made_by(maker: str, names: Iterable[str], book: PriceBook) -> tuple[str, ...]:
    """Those of the names that are models of a maker."""
    return tuple(name for name in names if provider_of(name, book) == maker)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
