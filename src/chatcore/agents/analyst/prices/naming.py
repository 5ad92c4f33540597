"""The models that a question names, found in a table of list prices. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

import attrs

from chatcore.agents.analyst.columns import flat
from chatcore.agents.analyst.language import Word
from chatcore.agents.analyst.lexicon import KNOWN
from chatcore.agents.analyst.mentions import Span
from chatcore.agents.analyst.pricebook import PriceBook, PriceRow
from chatcore.agents.analyst.pricebook.book import maker_of

MOST_WORDS = 6
"""Of a model's name: ``claude opus 4.5 thinking preview`` has five."""

_NO_START = re.compile(r"[\d.,]+(?:k|m|%|st|nd|rd|th)?$|[$€£]")
_DATE = re.compile(r"(?:19|20)\d\d(?:-\d\d)*$|\d\d?:\d\d")
_SELLER_LED = re.compile(r"\b(?:on|via|from|at|through|by|using|sold by)\s+(?:the\s+)?$")


@attrs.frozen
class NamedModel(Span):
    """Words that name a model.

    Args:
        words: as the question has them.
        rows: one where it is clear; several sellers of it where nobody makes it who sells; else all that it can be.
        is_clear: whether ``rows`` are one model.
    """

    words: str
    rows: tuple[PriceRow, ...]
    is_clear: bool


@attrs.frozen
class NamedSeller(Span):
    """Words that name a seller."""

    seller: str


def find_sellers(text: str, words: Iterable[Word], book: PriceBook) -> list[NamedSeller]:
    """The sellers that are named by a word after ``on``, ``via`` and the like."""
    led = [word for word in words if _SELLER_LED.search(text[: word.start])]
    found = [(word, book.seller(word.text)) for word in led]
    return [NamedSeller(word.start, word.end, seller) for word, seller in found if seller]


def beside(words: Sequence[Word], models: Sequence[NamedModel], book: PriceBook) -> list[NamedSeller]:
    """The sellers whose name is no part of a model's and stands right before one: ``bedrock claude-3-5-haiku``."""
    starts = {named.start for named in models}
    pairs = zip(words, (*words[1:], None), strict=False)
    before = [word for word, after in pairs if after is not None and after.start in starts]
    found = [(word, book.seller(word.text)) for word in before if not any(named.covers(word) for named in models)]
    return [NamedSeller(word.start, word.end, seller) for word, seller in found if seller]


def find_models(words: Sequence[Word], book: PriceBook, seller: str | None = None) -> list[NamedModel]:
    """The models that are named, longest names first looked for.

    Args:
        words: of the question, without those that are taken for something else.
        book: the prices.
        seller: only this one's.
    """
    found: list[NamedModel] = []
    for length in range(min(MOST_WORDS, len(words)), 0, -1):
        for run in _runs(words, length, book):
            span = Span(run[0].start, run[-1].end)
            if any(span.start < other.end and other.start < span.end for other in found):
                continue
            rows, clear = resolve([word.text for word in run], book, seller)
            if rows:
                found.append(NamedModel(span.start, span.end, " ".join(w.original for w in run), rows, clear))
    return sorted(found, key=lambda each: each.start)


def _runs(words: Sequence[Word], length: int, book: PriceBook) -> Iterator[Sequence[Word]]:
    """Words side by side that may be a name: the first is no word of everyday by itself."""
    for i in range(len(words) - length + 1):
        run = words[i : i + length]
        if _begins(run[0], book) and all(_goes_on(word, book) for word in run[1:]):
            yield run


def _begins(word: Word, book: PriceBook) -> bool:
    if _NO_START.match(word.text) or _DATE.match(word.text):
        return False
    return word.text not in KNOWN or word.text in book.names


def _goes_on(word: Word, book: PriceBook) -> bool:
    return not _DATE.match(word.text) and (word.text not in KNOWN or word.text in book.words)


def resolve(words: Sequence[str], book: PriceBook, seller: str | None = None) -> tuple[tuple[PriceRow, ...], bool]:
    """The models that words can mean, and whether that is one model."""
    for form in _forms(words):
        rows = _sold(book.sellers(form), seller)
        if rows and (seller or "/" in form or rows[0].key.provider == maker_of(form) or form in rows[0].names):
            return (rows[:1] if rows[0].is_makers else rows), True
    return _by_words(words, book, seller)


def _forms(words: Sequence[str]) -> list[str]:
    """How a name of several words is written in one: ``claude 3.5 sonnet`` as ``claude-3.5-sonnet``."""
    if len(words) == 1:
        return list(words)
    return [f"{words[0]}/{'-'.join(words[1:])}", "-".join(words), " ".join(words)]


def _sold(rows: Iterable[PriceRow], seller: str | None) -> tuple[PriceRow, ...]:
    return tuple(row for row in rows if seller is None or row.key.provider == seller)


def _by_words(words: Sequence[str], book: PriceBook, seller: str | None) -> tuple[tuple[PriceRow, ...], bool]:
    wanted = frozenset(flat(" ".join(words)).split())
    if all(word in _VERSIONS or word.isdigit() for word in wanted):
        return (), False
    rows = _sold((row for row in book.rows if row.priced and wanted <= row.words), seller)
    rows = tuple(row for row in rows if row.is_makers) or rows
    called = [row for row in rows if frozenset(flat(row.title).split()) == wanted]
    if len(called) == 1:
        return tuple(called), True
    numbered = any(character.isdigit() for word in wanted for character in word)
    rows = (tuple(row for row in rows if _is_just(row, wanted, book)) if numbered else ()) or rows
    return rows, len({_bare(row) for row in rows}) == 1


def offers(words: Sequence[str], book: PriceBook) -> list[PriceRow]:
    """Every seller's models that words can mean."""
    parts = Counter(flat(" ".join(words)).split())
    exact = [row for form in _forms(words) for row in book.sellers(form) if row.priced]
    just = (row for row in book.rows if row.priced and _is_just(row, frozenset(parts), book))
    return [*exact, *(row for row in just if row not in exact and parts <= Counter(flat(row.key.model).split()))]


def _is_just(row: PriceRow, wanted: frozenset[str], book: PriceBook) -> bool:
    """Whether a row is of the model that these words name, and of none of its versions."""
    return wanted <= row.words and all(_tells_nothing(word, book) for word in row.words - wanted)


def _tells_nothing(word: str, book: PriceBook) -> bool:
    """Whether a word of a model's name says where or how it is sold, and not which it is."""
    dated = word.isdigit() and len(word) in (4, 6, 8)
    return word in _SOLD_AS or dated or book.seller(word) is not None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SOLD_AS = _words(
    "instruct it chat latest turbo fast free versatile fp8 hf meta global regional us eu apac v1 v2 0 maas on demand "
    "beta llama anthropic openai google bedrock"
)

_VERSIONS = _words(
    "mini nano micro tiny small medium large big max pro plus ultra lite light flash turbo fast slow long short high "
    "low chat code coder coding instruct preview latest beta exp experimental free vision image images audio video "
    "text thinking reasoning search embedding embeddings base deep research extended online live model v1 v2 v3 v4 b"
)
"""Words that tell the versions of a model apart: a name does not consist of these alone."""


def _bare(row: PriceRow) -> str:
    return flat(row.key.model.rsplit("/", 1)[-1])


def nearest(word: str, book: PriceBook, count: int = 3) -> list[PriceRow]:
    """The models whose names are most like a word, their makers' first."""
    names = {row.key.model.lower(): row for row in reversed(book.rows) if row.priced and row.is_makers}
    names = names or {row.key.model.lower(): row for row in reversed(book.rows) if row.priced}
    return [names[name] for name in get_close_matches(word.lower(), names, n=count, cutoff=0.5)]
