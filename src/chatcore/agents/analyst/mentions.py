"""What a question names of the data: tables, columns, values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import attrs

from chatcore.agents.analyst.catalogue import Column, Table
from chatcore.agents.analyst.columns import Meaning, flat, name_words
from chatcore.agents.analyst.language import Word
from chatcore.agents.analyst.lexicon import CALLS, CONCEPTS, COST, KNOWN, OTHER_NOUNS, STOP, TOKENS, WHICH

_UNITS = frozenset({"usd", "utc", "id", "ts", "eur"})
"""Words that end a column's name and that a question leaves out."""

_CALLED = frozenset(["call", "calls", "request", "requests"])
"""After a word of everyday that is a value of the feature, it is that value: ``ask calls``."""

_NAMING = frozenset(["vs", "versus", "against", "using", "for"])
"""Words after which a word of everyday is taken for a value, if there is such a value."""

_LONGEST_VALUE_WORDS = 8
_SHORTEST_PART = 2
_SHORTEST_STEM = 4
"""Letters of a word that is cut short in a table's name."""


@attrs.frozen
class Span:
    """A stretch of the question."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def covers(self, word: Word) -> bool:
        """Whether a word lies in it."""
        return self.start <= word.start and word.end <= self.end


@attrs.frozen
class NamedTable(Span):
    """Words that name a table."""

    table: Table


@attrs.frozen
class NamedColumn(Span):
    """Words that name a column, by its name or by what it means; ``is_question``: they ask for it, as ``who`` does."""

    column: Column
    is_question: bool = False


@attrs.frozen
class NamedValues(Span):
    """Words that name values of a column.

    Args:
        column: whose values they are.
        values: one, or all that contain the words.
        words: as the question has them.
        maker: of the models that they are, where it was named instead of them.
    """

    column: Column
    values: tuple[str, ...]
    words: str
    maker: str | None = None


@lru_cache(maxsize=4096)
def _phrase(words: tuple[str, ...]) -> re.Pattern[str]:
    *first, last = map(re.escape, words)
    stem = last[:-1] if last.endswith("s") and len(last) > 3 else last
    ending = "(?:s|es)?" if stem.isalpha() else ""
    if stem.isalpha() and re.search("[^aeiou]y$", stem):
        stem, ending = stem[:-1], "(?:y|ies)"
    return re.compile(r"(?<![a-z0-9])" + r" +".join([*first, stem + ending]) + r"(?![a-z0-9])")


def find_tables(text: str, words: Sequence[Word], tables: Sequence[Table]) -> list[NamedTable]:
    """The tables that are named in full, or by a word that only their names have."""
    full = [
        NamedTable(match.start(), match.end(), table)
        for table in tables
        for match in _phrase(name_words(table.name) or (table.name.lower(),)).finditer(flat(text))
        if _is_meant(text, match, table)
    ]
    if full:
        longest = max(named.end - named.start for named in full)
        return [named for named in full if named.end - named.start == longest]
    return _by_telling_words(words, tables)


def _is_meant(text: str, match: re.Match[str], table: Table) -> bool:
    """Whether words are a table's name: not ``spend`` or ``usage`` by itself, though a table may be called so."""
    everyday = all(word in KNOWN - OTHER_NOUNS for word in name_words(table.name))
    written = re.search(r"[^\w\s]|_", text[match.start() : match.end()])
    led = re.search(r"\b(?:in|from|of|table|file)\s+(?:the\s+)?[`'\"]?$", text[: match.start()])
    return not everyday or bool(written) or bool(led)


def _by_telling_words(words: Sequence[Word], tables: Sequence[Table]) -> list[NamedTable]:
    """Tables by the words of their names that are no words of another kind: ``azure``, ``errors``."""
    left: list[Table] = list(tables)
    telling = {table.name: _telling(table) for table in tables}
    spans: list[Word] = []
    for word in words:
        matching = [table for table in left if word.text in telling[table.name]]
        matching = matching or [table for table in left if spans and _begins_as(word.text, telling[table.name])]
        if matching:
            left, spans = matching, [*spans, word]
    return [NamedTable(spans[0].start, spans[-1].end, table) for table in left] if spans else []


def _begins_as(word: str, telling: set[str]) -> bool:
    """Whether a word is one that a table's name has cut short: ``conversation`` for ``conv``."""
    return any(len(each) >= _SHORTEST_STEM and word.startswith(each) for each in telling)


def _telling(table: Table) -> set[str]:
    words = name_words(table.name)
    own = {w for w in words if w not in KNOWN and not w.isdigit() and w.removesuffix("s") not in COST}
    last = {words[-1], words[-1].removesuffix("s")} if words else set()
    if not last & (COST | CALLS | TOKENS | STOP) and not last & set(CONCEPTS):
        own |= last
    return own


def find_columns(text: str, tables: Iterable[Table]) -> list[NamedColumn]:
    """The columns that are named, longest names first; a part of a name found is not looked at again."""
    found: list[NamedColumn] = []
    columns = [column for table in tables for column in table.columns]
    flattened = flat(text)
    for column in sorted(columns, key=lambda each: -len(each.name)):
        for name in _names(column.name):
            for match in _phrase(name).finditer(flattened):
                span = NamedColumn(match.start(), match.end(), column)
                if not any(_overlap(span, other) and other.column.name != column.name for other in found):
                    found.append(span)
    return sorted(found, key=lambda each: each.start)


@lru_cache(maxsize=4096)
def _names(column: str) -> list[tuple[str, ...]]:
    """How a question may call a column: its name, and its name without the unit; no word of everyday alone."""
    words = name_words(column)
    short = tuple(word for word in words if word not in _UNITS)
    return [name for name in dict.fromkeys((words, short)) if name and (len(name) > 1 or name[0] not in KNOWN - _NOUNS)]


_NOUNS = frozenset(CONCEPTS) | OTHER_NOUNS


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def by_meaning(words: Sequence[Word], table: Table) -> list[NamedColumn]:
    """The columns that are named by what they mean: ``who`` is the user."""
    following = [*(word.text for word in words[1:]), ""]
    return [
        NamedColumn(word.start, word.end, column, word.text in WHICH)
        for word, after in zip(words, following, strict=False)
        if word.text in CONCEPTS and (column := table.column(CONCEPTS[word.text]))
        if not (word.text == "llm" and after in CALLS | COST)  # an LLM call, the LLM bill
        if not (word.text in ("account", "accounts") and after == "for")
    ]


def find_values(text: str, words: Sequence[Word], table: Table) -> list[NamedValues]:
    """The values that are named, longest first: a value as it stands, or else all that have the words in them."""
    found: list[NamedValues] = []
    columns = sorted((c for c in table.columns if c.values), key=lambda c: _RANK.get(c.meaning, len(_RANK)))
    for length in range(min(_LONGEST_VALUE_WORDS, len(words)), 0, -1):
        for run in _runs(words, length):
            span = Span(run[0].start, run[-1].end)
            if any(_overlap(span, other) for other in found):
                continue
            if _values_in(text[span.start : span.end], span, run, words, columns):  # hardly any run names one
                led = sorted(columns, key=lambda column: not _said_of(column, text[: span.start], text[span.end :]))
                found += _values_in(text[span.start : span.end], span, run, words, led)
    return sorted([*found, *_in_lists(text, words, found)], key=lambda each: each.start)


_IN_LIST = re.compile(r"\s*(?:,|&|(?:,\s*)?(?:and|or|nor))\s+(?:the\s+)?")


def _in_lists(text: str, words: Sequence[Word], found: Sequence[NamedValues]) -> Iterator[NamedValues]:
    """Words of everyday that are values in a list with a value of the same column: ``diff and ask``."""
    for word in words:
        if any(_overlap(Span(word.start, word.end), other) for other in found):
            continue
        for other in found:
            exact = other.column.spelt_alike.get(word.text, ())
            gap = text[min(word.end, other.end) : max(word.start, other.start)]
            if exact and _IN_LIST.fullmatch(gap):
                yield NamedValues(word.start, word.end, other.column, exact, exact[0])
                break


def _said_of(column: Column, before: str, after: str) -> bool:
    """Whether a column of several words is named beside: ``weak model gpt-4o-mini``, ``gpt-4o as the weak model``."""
    words = name_words(column.name)
    if len(words) < 2:
        return False
    leading, following = _beside(words)
    return bool(leading.search(before) or following.match(after))


@lru_cache(maxsize=4096)
def _beside(words: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The words at the end of what stands before a value, and after ``as`` behind it."""
    name = r"[ _]".join(map(re.escape, words))
    return re.compile(rf"(?:^|\W){name}\W*$"), re.compile(rf"\W*as (?:an? |the |our )?{name}\b")


_RANK = {Meaning.MODEL: 0, Meaning.USER: 1, Meaning.FEATURE: 2, Meaning.STATUS: 3}


def _runs(words: Sequence[Word], length: int) -> Iterator[Sequence[Word]]:
    return (words[i : i + length] for i in range(len(words) - length + 1))


def _values_in(
    phrase: str, span: Span, run: Sequence[Word], words: Sequence[Word], columns: Sequence[Column]
) -> list[NamedValues]:
    for column in columns:
        exact = column.spelt_alike.get(phrase.lower(), ())
        if exact and (not _everyday(run) or _beside_its_column(run, words, column)):
            return [NamedValues(span.start, span.end, column, exact, exact[0])]
    if _everyday(run) or len(phrase) < _SHORTEST_PART or any(word.text in STOP for word in (run[0], run[-1])):
        return []
    parts = flat(phrase).split()
    if all(part.isdigit() for part in parts):
        return []
    for column in columns:
        containing = column.containing(parts) if "-" in phrase else column.of_family(parts)
        if containing:
            return [NamedValues(span.start, span.end, column, containing, phrase)]
    return []


def _everyday(run: Sequence[Word]) -> bool:
    """Whether the words are all words that mean something else too."""
    return all(word.text in KNOWN or word.text.isdigit() for word in run)


def _beside_its_column(run: Sequence[Word], words: Sequence[Word], column: Column) -> bool:
    """Whether a word for the column stands right before or after, as in ``model None`` or ``ask mode``."""
    first, last = words.index(run[0]), words.index(run[-1])
    beside = [word.text for word in (*words[max(first - 2, 0) : first], *words[last + 1 : last + 2])]
    names = set(name_words(column.name)) - _UNITS
    if column.meaning is Meaning.FEATURE and words[last + 1 : last + 2] and words[last + 1].text in _CALLED:
        return True
    if column.meaning is Meaning.STATUS or (first > 0 and words[first - 1].text in _NAMING):
        return True
    return any(word in names or CONCEPTS.get(word) is column.meaning is not Meaning.UNKNOWN for word in beside)
