"""A question read against the data: what each of its words is taken for. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property

import attrs

from chatcore.agents.analyst import lexicon
from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Family
from chatcore.agents.analyst.currencies import named_currencies
from chatcore.agents.analyst.holes import with_holes
from chatcore.agents.analyst.language import Word, split_words
from chatcore.agents.analyst.making import makers_in, of_makers
from chatcore.agents.analyst.mentions import (
    NamedColumn,
    NamedTable,
    NamedValues,
    Span,
    by_meaning,
    find_columns,
    find_tables,
    find_values,
)
from chatcore.agents.analyst.periods import Calendar, Found, find_periods
from chatcore.agents.analyst.request import Filter

_EXCLUDED = re.compile(
    r"(?:\b(?:without|w/o|ex(?:cl)?\.?|not counting|leaving aside|exclu(?:ding|des?|ded)|except(?: for)?|excepting"
    r"|other than|but not|besides|(?:apart|aside) from"
    r"|ignoring|omitting|leaving out|minus|not|nor|(?:everything|anything|all|every)(?: \w+)? but(?: for)?)"
    r"|(?:not|never|n['’]t)(?: (?:sen[dt]|go(?:ne|ing)?|went|made?|r[au]n|us(?:e|ed|ing)|done|be|been|came?|come|served"
    r"|answered|handled|billed|spent))+(?= (?:to|on|with|from|by|for|via|through|using|in) )|(?:^|\s)non)"
    r"(?:\s+|(?<=non)-)(?:(?:the|any|all|either|models?|users?|those|calls|of|on|in|with|from|by|using|for|to)\s+)*$"
)
EXCLUDING = re.compile(r"without|w/o|ex(?:cl)?|exclu(?:ding|des?|ded)|except(?:ing)?|besides|ignoring|omitting|non")
"""Words that leave something out."""
_LISTED = re.compile(r"\W*(?:and|or|nor|&|plus)?\s*(?:(?:the|any|all|models?|users?|modes?|of|on|in|with|from)\s+)*")
"""What stands between two names of one list: what leaves out the first leaves out the next."""
_LISTED_ON = re.compile(r"(?:,\s*(?:and|or)?|\s(?:and|or|nor|&|plus))\s+(?:(?:the|any|all|models?|users?|modes?)\s+)*")
"""The same after a period: ``without May and o3``, and not ``without May on o3``."""

_BLAMELESS = re.compile(
    r"\b(without|exclud(?:ing|es?|ed)|ex(?:cl)?\.?|w/o|except(?: for)?|ignor(?:ing|es?)|minus|less|not counting"
    r"|leav(?:ing|es?) (?:out|aside)|(?:apart|aside) from|other than|disregard(?:ing)?)\s+"
    r"(?:the\s+|any\s+|all\s+|that\s+|those\s+)*"
    r"(?:(?:one|single|known|obvious) )?(?:implausible|wrong|bad|broken|weird|odd|strange|suspicious|anomalous|crazy"
    r"|bogus|faulty|erroneous|incorrect|freak|corrupt(?:ed)?|buggy|nonsensical)?"
    r"\s*(?:[$€£]?\d[\d,.]*\s+)?(?:outliers?|rows?|records?|entr(?:y|ies)|charges?|anomal(?:y|ies)|calls?|values?|ones?)\b"
    r"|\bclean(?:ed)? (?=total|spend|cost|figure)"
)
_BLAMED = re.compile(
    r"outlier|anomal|implausible|wrong|bad|broken|weird|odd|strange|suspicious|crazy|bogus|faulty|erroneous|incorrect"
    r"|freak|corrupt|buggy|nonsens"
)
_LIMITS = (
    r"\b(?:top|first|largest|biggest|highest|bottom|lowest|smallest|cheapest|worst|best)[ -]({count})\b",
    r"\b(?:most expensive|most costly|costliest|priciest|dearest|which) ({count})\b",
    r"\b({count}) (?:days|weeks|months|quarters|models|users|people|modes|features|calls|requests|sessions)"
    r" (?:with|that have|that had|having) (?:the )?(?:most|least|highest|lowest|fewest|largest|biggest|smallest)\b",
    r"\b({count}) (?:most|least|largest|biggest|highest|lowest|cheapest|costliest|priciest|smallest|dearest|top)\b",
)
_COUNTS = r"\d{1,4}|" + "|".join(lexicon.NUMBERS)
_PLACES = {"second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "fifth": 5, "5th": 5}
_PLACE = re.compile(
    rf"\b({'|'.join(_PLACES)})[- ](?:most|least|highest|lowest|biggest|largest|smallest|cheapest|costliest|priciest"
    r"|dearest|busiest|best|worst|longest|top|place)\b|\bnumber (two|three|four|five)\b"
)
_THRESHOLD = re.compile(
    r"\b(above|over|under|below|exceeding|exceeded|more than|less than|fewer than|greater than|at least|at most)\s+"
    r"(?:(?:an?|one|half an?) (?:dollar|cent|buck|euro)\b|[$€£]?\d)"
    r"[\d,.]*(?!\d*\s*(?:days?|weeks?|months?|quarters?|years?))"
)


@attrs.frozen(kw_only=True)
class Reading:
    """What a question says.

    Args:
        text: the question in lower case, its misspelt words corrected; dots where a recogniser accounts for words.
        asked: the same without such dots; empty where there are none.
        words: of it.
        catalogue: what it was read against.
        tables: those that are named.
        table: the one that is meant; set once it is chosen.
        columns: of that table that are named, by name or meaning, in the question's order.
        values: of that table that are named.
        periods: that are named.
        holes: the stretches that leave something out of them.
        limit: how many are asked for.
        understood: words that a recogniser accounts for, besides those of the lexicon.
    """

    text: str
    words: tuple[Word, ...]
    catalogue: Catalogue
    tables: tuple[NamedTable, ...] = ()
    table: Table | None = None
    columns: tuple[NamedColumn, ...] = ()
    values: tuple[NamedValues, ...] = ()
    periods: tuple[Found, ...] = ()
    holes: tuple[Span, ...] = ()
    limit: int | None = None
    taken: tuple[Span, ...] = ()
    understood: frozenset[str] = frozenset()
    asked: str = ""

    def has(self, words: Iterable[str]) -> bool:
        """Whether one of these words is there, other than as a name, a value or a time."""
        return bool(self.free.intersection(words))

    @cached_property
    def free(self) -> set[str]:
        """The words that no table, value or period has taken."""
        return {word.text for word in self.words if not self._is_taken(word)}

    def _is_taken(self, word: Word) -> bool:
        return any(span.covers(word) for span in self.taken)

    def says(self, pattern: str) -> bool:
        """Whether the question has such words."""
        return re.search(pattern, self.text) is not None

    @property
    def place(self) -> int | None:
        """The one place of a ranking that is asked for: 2 for ``second most expensive``."""
        match = _PLACE.search(self.text)
        return (_PLACES.get(match[1]) or lexicon.NUMBERS[match[2]]) if match else None

    @property
    def threshold(self) -> bool:
        """Whether it asks for rows above or below an amount."""
        return _THRESHOLD.search(self.text) is not None

    @property
    def aside(self) -> list[Span]:
        """The stretches that leave implausible rows out: they ask for no outliers."""
        spans = [Span(*match.span()) for match in _BLAMELESS.finditer(self.text)]
        return [span for span in spans if _BLAMED.search(self.text[span.start : span.end])]

    @property
    def without_outliers(self) -> bool:
        """Whether implausible rows are to be left out: they always are beside, so it changes nothing."""
        return _BLAMELESS.search(self.text) is not None

    @cached_property
    def filters(self) -> list[Filter]:
        """What the named values restrict the rows to: values of one column join, words side by side narrow."""
        merged: dict[tuple[str, bool], Filter] = {}
        ends: dict[tuple[str, bool], int] = {}
        for named, excluded in zip(self.values, self._left_out, strict=True):
            key = (named.column.name, excluded)
            known, adjacent = merged.get(key), self.text[ends.get(key, 0) : named.start].strip() == ""
            merged[key] = _join(known, named, key[1], narrow=adjacent)
            ends[key] = named.end
        return list(merged.values())

    @cached_property
    def _left_out(self) -> list[bool]:
        """Whether each named value is one that the rows are to be without; in a list, what the first one is."""
        found: list[bool] = []
        for number, named in enumerate(self.values):
            before = self.values[number - 1] if number else None
            in_list = before is not None and before.column.name == named.column.name and found[-1]
            gap = self.text[before.end : named.start] if before is not None and in_list else ""
            listed = bool(in_list and _LISTED.fullmatch(gap))
            after = any(_LISTED_ON.fullmatch(self.text[hole.end : named.start]) for hole in self.holes)
            found.append(listed or after or bool(_EXCLUDED.search(self.text[: named.start])))
        return found

    @property
    def exclusions(self) -> list[Span]:
        """The stretches that leave out named values: the word that does and the name."""
        left_out = [named for named, excluded in zip(self.values, self._left_out, strict=True) if excluded]
        led = ((_EXCLUDED.search(self.text[: named.start]), named) for named in left_out)
        return [Span(match.start() if match else named.start, named.end) for match, named in led]

    @property
    def sides(self) -> list[Filter]:
        """The named values apart, where two or more of one column are set against each other."""
        counted = Counter(named.column.name for named in self.values)
        several = [name for name, count in counted.items() if count > 1]
        if len(several) != 1:
            return []
        left_out = zip(self.values, self._left_out, strict=True)
        sides = [each for each in self.values if each.column.name == several[0]]
        if any(excluded and each in sides for each, excluded in left_out):
            return []
        return [Filter(column=v.column.name, values=list(v.values), words=v.words, maker=v.maker) for v in sides]

    @property
    def beside(self) -> list[Filter]:
        """What restricts the rows of all :attr:`sides`."""
        columns = {side.column for side in self.sides}
        return [each for each in self.filters if each.column not in columns]

    def _is_understood(self, word: Word) -> bool:
        if word.text[:1].isdecimal() and self.says(
            rf"\b(?:per|an?|each|every) {re.escape(word.text)}\b(?=\W+(?:{_SIDES}\W+)?(?:tok|call|req|mill|thou))"
        ):
            return True
        if word.text in _ADDS and self.says(r"\badd(?:s|ed)? up\b"):
            return True
        if word.text in _PLACES and self.place is not None:
            return True
        if word.text.isdecimal():
            return int(word.text) == self.limit
        known = word.text in self.understood or word.text in lexicon.KNOWN - _QUESTIONED
        return known or word.text.endswith("ly")

    @cached_property
    def unknown(self) -> list[tuple[Word, str]]:
        """The words that nothing accounts for, each with the word that leads to it."""
        found, lead = [], ""
        for word in self.words:
            taken = self._is_taken(word) or any(column.covers(word) for column in self.columns)
            if not taken and not self._is_understood(word):
                found.append((word, lead))
            if word.text not in _ARTICLES:
                lead = word.text
        return found


_ADDS = frozenset({"add", "adds", "added"})
_SIDES = r"(?:input|output|prompt|completion)"
_QUESTIONED = (
    lexicon.OTHER_NOUNS | lexicon.STATUS | (lexicon.TELLING - lexicon.QUALITY - lexicon.STATISTIC - lexicon.OTHER_KNOWN)
)
"""Words that are spelt right and mean something only if the data has it."""

_ARTICLES = frozenset(["a", "an", "the", "our", "my", "all", "this", "that", "any", "different"])


def _join(known: Filter | None, named: NamedValues, exclude: bool, *, narrow: bool) -> Filter:
    values, words = list(named.values), named.words
    if known is not None:
        both = [value for value in known.values if value in values]
        values = both if narrow and both else list(dict.fromkeys([*known.values, *values]))
        words = f"{known.words} {words}" if narrow and both else f"{known.words} or {words}"
    maker = makers_in([named.maker] if known is None else [known.maker, named.maker])
    return Filter(column=named.column.name, values=values, words=words, exclude=exclude, maker=maker)


MOST_CHARACTERS = 400
MOST_WORDS = 60
"""A question of that length is read within 50 ms; what a person asks in one breath is far shorter."""


def is_too_long(question: str) -> bool:
    """Whether a question is longer than one that is read."""
    return len(question) > MOST_CHARACTERS or len(question.split()) > MOST_WORDS


def read(question: str, catalogue: Catalogue) -> Reading:
    """Read a question as far as no table need be chosen for it."""
    known = catalogue.vocabulary
    question = _HYPHENATED.sub("non ", question)
    corrected = _corrected(question, split_words(question, known))
    words = tuple(split_words(corrected, known))
    tables = tuple(
        each for each in find_tables(corrected, words, catalogue.tables) if not sells(each, corrected, catalogue)
    )
    limit = next((_number(m[1]) for p in _LIMITS if (m := re.search(p.format(count=_COUNTS), corrected))), None)
    return Reading(text=corrected, words=words, catalogue=catalogue, tables=tables, limit=limit)


_SOLD = re.compile(r"\b(?:on|via|from|through|by|at|using)\s+(?:the\s+)?$")
_PRICED = re.compile(r"\b(?:prices?|pricing|priced|rates?|costs?|sell\w*|list(?:ed)?)\b")
_ROWS = re.compile(r"\b(?:traces?|calls|usage|tokens? in|workload|traffic|requests|rows|table)\b")


def sells(named: NamedTable, text: str, catalogue: Catalogue) -> bool:
    """Whether what names a table names a seller: ``the price of o3 on azure``, beside a trace of Azure's."""
    seller = any(book.seller(text[named.start : named.end]) for book in catalogue.price_books)
    of_prices = _PRICED.search(text) and not _ROWS.search(text)
    return bool(seller and of_prices and _SOLD.search(text[: named.start]))


_HYPHENATED = re.compile(r"\bnon-(?=\w)", re.IGNORECASE)
"""``non-openai`` is two words."""


def _corrected(question: str, words: Iterable[Word]) -> str:
    text, end = "", 0
    for word in words:
        text += question[end : word.start].lower() + word.text
        end = word.end
    return text + question[end:].lower()


def _number(word: str) -> int:
    return int(word) if word.isdigit() else lexicon.NUMBERS[word]


def in_table(reading: Reading, table: Table, *, apart: Callable[[Reading], bool]) -> Reading:
    """Read on, with the table that the question is about.

    Args:
        reading: so far.
        table: chosen.
        apart: whether two dates are two periods, once values are known.
    """
    free = [word for word in reading.words if not any(named.covers(word) for named in _distinct_names(reading, table))]
    values = of_makers(find_values(reading.text, free, table), free, table, reading.catalogue)
    unnamed = blanked(reading.text, _distinct_names(reading, table))
    named_columns = find_columns(unnamed, [table])
    values = [v for v in values if not any(_within(v, c) for c in named_columns)]
    values += [v for v in named_currencies(reading.text, table) if not any(_overlap(v, each) for each in values)]
    columns = [c for c in named_columns if not any(_inside(c, v) for v in values)]
    empty = _without_a_value(reading, [*columns, *by_meaning(free, table)], values)
    values, columns = [*values, *empty], [c for c in columns if not any(_overlap(c, v) for v in empty)]
    values.sort(key=lambda each: each.start)
    named = {column.column.name for column in columns}
    words = [word for word in free if not any(span.covers(word) for span in (*values, *columns))]
    columns += [column for column in by_meaning(words, table) if column.column.name not in named]
    read_on = attrs.evolve(
        reading,
        table=table,
        values=tuple(values),
        columns=tuple(sorted(columns, key=lambda column: column.start)),
        taken=(*_distinct_names(reading, table), *values, *_blameless(reading)),
    )
    return _with_periods(read_on, table, apart(read_on))


_LACKING = re.compile(r"\b(?:without|with no|(?:have|has|had|having) no|lack(?:s|ing)?)\s+(?:an? |any |the |known )?$")


def _without_a_value(
    reading: Reading, columns: Iterable[NamedColumn], values: Iterable[NamedValues]
) -> list[NamedValues]:
    """``rows without a user``: those whose value of a column is empty; not ``without user bob``."""
    found = {}
    for each in columns:
        lacking = _LACKING.search(reading.text[: each.start])
        led = any(0 <= value.start - each.end <= 1 or _overlap(value, each) for value in values)
        if lacking and not led and each.column.family is Family.TEXT and not reading.text[each.end :].startswith("s "):
            words = f"no {each.column.name}"
            found[each.column.name] = NamedValues(lacking.start(), each.end, each.column, ("",), words)
    return list(found.values())


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def _blameless(reading: Reading) -> list[Span]:
    """``without the weird $9,990 call``: its words are of no figure that is asked for."""
    match = _BLAMELESS.search(reading.text)
    return [Span(match.start(), match.end())] if match else []


def blanked(text: str, spans: Iterable[Span]) -> str:
    """The text with dots in place of these stretches, so that positions stay."""
    for span in spans:
        text = text[: span.start] + "." * (span.end - span.start) + text[span.end :]
    return text


def _distinct_names(reading: Reading, table: Table) -> list[NamedTable]:
    return [named for named in reading.tables if named.table.name == table.name]


def _inside(column: NamedColumn, values: NamedValues) -> bool:
    return values.start <= column.start and column.end <= values.end


def _within(values: NamedValues, column: NamedColumn) -> bool:
    """Whether a value is only a part of a column's name: ``editor`` in ``editor model``."""
    return column.start <= values.start and values.end <= column.end and len(column) > len(values)


def _with_periods(reading: Reading, table: Table, apart: bool) -> Reading:
    if table.first_day is None or table.last_day is None:
        return reading
    text = blanked(reading.text, reading.taken)
    if reading.limit is not None:
        text = re.sub(r"\b(top|first|bottom) \d{4}\b", lambda match: "." * len(match[0]), text)
    known = Calendar(table.first_day, table.last_day, table.months)
    periods, left_out = with_holes(text, find_periods(text, known, apart=apart))
    taken = (*reading.taken, *left_out, *(Span(found.start, found.end) for found in periods))
    return attrs.evolve(reading, periods=tuple(periods), holes=tuple(left_out), taken=taken)
