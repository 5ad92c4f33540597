"""Which columns of a table are list prices, recognised by their names: a guess, and shown as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

import attrs

from chatcore.agents.analyst.columns import Candidate, Family, currency_of, family_of, name_words
from chatcore.agents.analyst.readings import identifier


class Rate(StrEnum):
    """What a price is for."""

    INPUT = "input"
    OUTPUT = "output"
    CACHE_READ = "cache_read"
    CACHE_WRITE = "cache_write"


@attrs.frozen(kw_only=True)
class PriceColumns:
    """A table of list prices: one row per model and price condition.

    Args:
        table: its name.
        model: the column of the model's id.
        rates: the column of each rate that the table has; input and output at least.
        per_tokens: how many tokens a rate is for, commonly a million.
        currency: the sign of the rates' currency, empty where no name tells one.
        provider: who sells it.
        title: the model's name for people.
        since: the day from which the price holds.
        from_time: the time of the day (UTC) from which it holds.
        to_time: until when.
        tiers: true where a longer prompt costs more than the row says.
        rules: which names a row covers, as JSON.
        relation: SQL for what has these columns, where it is not the table itself.
        order: SQL for the place of a row in the file.
    """

    table: str
    model: str
    rates: Mapping[Rate, str]
    per_tokens: int
    currency: str = ""
    provider: str | None = None
    title: str | None = None
    since: str | None = None
    from_time: str | None = None
    to_time: str | None = None
    tiers: str | None = None
    rules: str | None = None
    relation: str = ""
    order: str = "rowid"

    @property
    def source(self) -> str:
        """SQL for what the rows are selected from."""
        return self.relation or identifier(self.table)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SIZES: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(("mtok", "mtoks", "million", "1m", "m", "mtokens"), 1000000)
    | dict.fromkeys(("ktok", "ktoks", "thousand", "1k", "k", "1000", "ktokens"), 1000)
)
"""How many tokens a price is for, by the word that says so; a price per token says none of these."""

_PRICED = _words("per price prices pricing rate rates cost costs usd eur gbp") | frozenset(_SIZES)
_OTHER_GOODS = _words("audio image images video request requests search session hour minute second training tuning")

_RATE_SIGNS: Mapping[Rate, tuple[frozenset[str], ...]] = MappingProxyType(
    {
        Rate.CACHE_READ: (_words("cache cached caching"), _words("read reads hit hits input cached")),
        Rate.CACHE_WRITE: (_words("cache caching"), _words("write writes creation create storage")),
        Rate.INPUT: (_words("input inputs prompt prompts in"),),
        Rate.OUTPUT: (_words("output outputs completion completions out generated"),),
    }
)
"""Words of which one of each set must be in the name; a column goes to the first rate that it fits."""


def find_prices(table: str, columns: Iterable[Candidate]) -> PriceColumns | None:
    """The list prices that a table holds; None where it does not have a model and a rate for input and output."""
    columns = list(columns)
    rates = _rates(columns)
    model = _first(columns, (("model", "id"), ("model",), ("id",), ("model", "name")), Family.TEXT)
    if model is None or Rate.INPUT not in rates or Rate.OUTPUT not in rates:
        return None
    return PriceColumns(
        table=table,
        model=model,
        rates=MappingProxyType(rates),
        per_tokens=_size(rates[Rate.INPUT]),
        currency=currency_of(rates[Rate.INPUT]),
        provider=_first(columns, (("provider", "id"), ("provider",), ("vendor",), ("provider", "name"))),
        title=_first(columns, (("model", "name"), ("display", "name"), ("title",), ("name",)), but=(model,)),
        since=_day(columns),
        from_time=_first(columns, (("start", "time"), ("from", "time"))),
        to_time=_first(columns, (("end", "time"), ("to", "time"), ("until", "time"))),
        tiers=_first(columns, (("tiers",), ("tiered",))),
        rules=_first(columns, (("match",), ("match", "rules")), Family.TEXT),
    )


def _rates(columns: Sequence[Candidate]) -> dict[Rate, str]:
    found: dict[Rate, str] = {}
    for column in columns:
        words = set(name_words(column.name))
        if family_of(column.type) is not Family.NUMBER or not words & _PRICED or words & _OTHER_GOODS:
            continue
        rate = next((rate for rate, signs in _RATE_SIGNS.items() if all(words & sign for sign in signs)), None)
        if rate is not None:
            found.setdefault(rate, column.name)
    return found


def _size(name: str) -> int:
    return next((_SIZES[word] for word in name_words(name) if word in _SIZES), 1)


def _day(columns: Sequence[Candidate]) -> str | None:
    dated = [column for column in columns if family_of(column.type) is Family.TIME]
    patterns = (("start", "date"), ("effective",), ("since",), ("valid", "from"), ("from",), ("date",))
    return _first(dated, patterns)


def _first(
    columns: Sequence[Candidate],
    patterns: Sequence[Sequence[str]],
    family: Family | None = None,
    but: Sequence[str] = (),
) -> str | None:
    """The first column with all words of a pattern in its name; of several, the one with the fewest other words."""
    able = [c for c in columns if c.name not in but and (family is None or family_of(c.type) is family)]
    for pattern in patterns:
        fitting = [c for c in able if set(pattern) <= set(name_words(c.name))]
        if fitting:
            return min(fitting, key=lambda column: len(name_words(column.name))).name
    return None
