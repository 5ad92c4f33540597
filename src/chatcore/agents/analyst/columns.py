"""What a column means, recognised by its name and type: a guess, and shown as one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

import attrs


class Family(StrEnum):
    """What kind of values a column holds."""

    NUMBER = "number"
    TEXT = "text"
    TIME = "time"
    OTHER = "other"


class Meaning(StrEnum):
    """What the analyst takes a column for; the value is the word it is shown by."""

    TIME = "time"
    MODEL = "model"
    USER = "user"
    FEATURE = "feature"
    INPUT_TOKENS = "tokens in"
    OUTPUT_TOKENS = "tokens out"
    TOTAL_TOKENS = "tokens in total"
    COST = "cost"
    DURATION = "duration"
    STATUS = "status"
    UNKNOWN = "not recognised"


_NUMERIC = re.compile(
    r"(TINY|SMALL|BIG|HUGE|U\w*)?INT(EGER)?|U?BIGINT|UHUGEINT|DOUBLE|FLOAT|REAL|DECIMAL\(.*\)|DECIMAL"
)
_TEMPORAL = ("TIMESTAMP", "DATE")


def family_of(type_name: str) -> Family:
    """The family of a DuckDB type, given by its name."""
    if type_name.startswith(_TEMPORAL):
        return Family.TIME
    if type_name == "VARCHAR":
        return Family.TEXT
    return Family.NUMBER if _NUMERIC.fullmatch(type_name) else Family.OTHER


@attrs.frozen
class Sign:
    """How a meaning shows in a name.

    Args:
        family: the family the column must be of.
        strong: words of which one must be there.
        also: further words of which one must be there, where not empty.
        against: words that rule it out.
    """

    family: Family
    strong: frozenset[str]
    also: frozenset[str] = frozenset()
    against: frozenset[str] = frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RATE = "per rate unit mtok ktok price prices limit budget"
_COUNTED = _words("token tokens length len toks")
_USED = _COUNTED | {"usage"}

SIGNS: Mapping[Meaning, Sign] = MappingProxyType(
    {
        Meaning.TIME: Sign(
            Family.TIME, _words("time timestamp ts date datetime day at when created started start utc hour month")
        ),
        Meaning.COST: Sign(
            Family.NUMBER,
            _words(
                "cost costs spend spent charge charged charges amount billed bill expense expenses fee usd eur cents "
                "total"
            ),
            against=_words(f"{_RATE} session cumulative running tokens token count rows calls seconds cases"),
        ),
        Meaning.INPUT_TOKENS: Sign(
            Family.NUMBER,
            _words("prompt prompts input inputs context in request"),
            _USED,
            _words(f"{_RATE} cost usd cache cached output completion thinking"),
        ),
        Meaning.OUTPUT_TOKENS: Sign(
            Family.NUMBER,
            _words("completion completions output outputs generated generation out response"),
            _USED,
            _words(f"{_RATE} cost usd cache cached input prompt thinking"),
        ),
        Meaning.TOTAL_TOKENS: Sign(
            Family.NUMBER,
            _words("total tokens token"),
            _words("tokens token"),
            _words(
                f"{_RATE} cost usd cache cached input prompt output completion context generated thinking reasoning"
            ),
        ),
        Meaning.DURATION: Sign(
            Family.NUMBER,
            _words("duration latency elapsed seconds ms milliseconds runtime"),
            against=_words("usd cost tokens"),
        ),
        Meaning.MODEL: Sign(Family.TEXT, _words("model models engine deployment"), against=_words("match")),
        Meaning.USER: Sign(
            Family.TEXT, _words("user users username email member employee developer person engineer author")
        ),
        Meaning.FEATURE: Sign(
            Family.TEXT, _words("feature features usecase purpose endpoint format mode operation task activity")
        ),
        Meaning.STATUS: Sign(Family.TEXT, _words("status outcome state result"), against=_words("code")),
    }
)

_NUMBERS_AS_NAMES = frozenset({Meaning.USER, Meaning.MODEL, Meaning.FEATURE})
"""Meanings that a column of numbers may have too, as with numbered users."""

_PLAIN: Mapping[Meaning, tuple[str, ...]] = MappingProxyType(
    {
        Meaning.COST: ("cost", "usd", "spend", "total"),
        Meaning.TIME: ("timestamp", "ts", "time", "created", "at", "date", "utc"),
        Meaning.MODEL: ("model", "name", "id"),
        Meaning.USER: ("user", "id", "name"),
        Meaning.FEATURE: ("feature",),
        Meaning.DURATION: ("duration", "seconds"),
    }
)
"""Words that make a name plainer: of two candidates, the one with fewer other words is meant."""


_BY_TYPE_ALONE = 10.0
"""Further from a meaning than any name that tells it."""


@lru_cache(maxsize=4096)
def name_words(name: str) -> tuple[str, ...]:
    """The words of a column's or table's name, in lower case: ``inputTokens``, ``input_tokens`` -> input, tokens."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(re.findall(r"[a-z0-9]+", spaced.lower()))


def flat(text: str) -> str:
    """The text in lower case with every sign that joins words as a space: of the same length, so positions stay."""
    return re.sub(r"[^a-z0-9]", " ", text.lower())


@attrs.frozen
class Candidate:
    """A column as far as its meaning goes by it: its name and DuckDB type."""

    name: str
    type: str


def recognise(columns: Iterable[Candidate], given: Mapping[str, Meaning] | None = None) -> dict[str, Meaning]:
    """The meaning of each column by its name; each meaning is given to one column, the plainest.

    Columns beyond it are UNKNOWN: a running total beside a cost, a second model.

    Args:
        columns: of one table.
        given: what somebody has said that columns mean; the others are guessed.
    """
    columns, given = list(columns), given or {}
    meanings = dict.fromkeys((column.name for column in columns), Meaning.UNKNOWN) | dict(given)
    for meaning in SIGNS:
        if meaning in given.values():
            continue
        ranked = sorted(
            (score, position, column.name)
            for position, column in enumerate(columns)
            if column.name not in given
            and meanings[column.name] is Meaning.UNKNOWN
            and (score := _distance(column, meaning)) is not None
        )
        if ranked:
            meanings[ranked[0][2]] = meaning
    return meanings


def may_mean(column: Candidate, meaning: Meaning) -> bool:
    """Whether the values of a column can be what a meaning says; times may be numbers since 1970."""
    if meaning is Meaning.UNKNOWN:
        return True
    family, right = family_of(column.type), SIGNS[meaning].family
    return family is right or (family is Family.NUMBER and meaning in (*_NUMBERS_AS_NAMES, Meaning.TIME))


def _distance(column: Candidate, meaning: Meaning) -> float | None:
    """How far a column is from plainly having a meaning; None where it cannot have it."""
    sign = SIGNS[meaning]
    words = name_words(column.name)
    family = family_of(column.type)
    if family is not sign.family and not (family is Family.NUMBER and meaning in _NUMBERS_AS_NAMES):
        return None
    present = sign.strong.intersection(words)
    if meaning is Meaning.TIME and not present:
        return _BY_TYPE_ALONE  # a column of times is a time by its type, if no other is one by its name
    if not present or sign.against.intersection(words) or (sign.also and not sign.also.intersection(words)):
        return None
    return _extra(words, meaning) - (0.5 if column.type.startswith("TIMESTAMP") else 0.0)


def _extra(words: tuple[str, ...], meaning: Meaning) -> float:
    plain = _PLAIN.get(meaning, ())
    extra = sum(word not in plain for word in words)
    rank = min((plain.index(word) for word in words if word in plain), default=len(plain))
    return extra + rank / 100.0


def currency_of(name: str) -> str:
    """The sign of the currency that a cost column's name tells, empty where it tells none."""
    words = name_words(name)
    return next((sign for word, sign in _CURRENCIES.items() if word in words), "")


CENTS = "¢"
"""The sign of hundredths of a dollar or a euro; sums of them are told as they are."""

_CURRENCIES = MappingProxyType(
    {"cents": CENTS, "cent": CENTS, "usd": "$", "dollars": "$", "eur": "€", "euro": "€", "gbp": "£"}
)


def says_time(name: str) -> bool:
    """Whether a column's name alone says that it holds times."""
    return bool(SIGNS[Meaning.TIME].strong.intersection(name_words(name)))


def is_measured(name: str, type_name: str) -> bool:
    """Whether a column of this name and type measures something, so that a word in it is a fault of the file."""
    distances = (_distance(Candidate(name, type_name), meaning) for meaning in _MEASURED)
    return any(distance is not None and distance < _BY_TYPE_ALONE for distance in distances)


_MEASURED = (
    Meaning.TIME,
    Meaning.COST,
    Meaning.INPUT_TOKENS,
    Meaning.OUTPUT_TOKENS,
    Meaning.TOTAL_TOKENS,
    Meaning.DURATION,
)
