"""A question that leans on the one before it: ``and by month?``, ``what about o3?``, ``top 3 of those``. Pure.

What it names takes the place of what the last question named of that sort, and the rest stays. A question that
stands by itself is never bent by what was asked before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs
import msgspec

from chatcore.agents.analyst import lexicon
from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.mentions import Span
from chatcore.agents.analyst.merging import PLAIN, asks_for_the_peak
from chatcore.agents.analyst.phrasing import scope
from chatcore.agents.analyst.reading import Reading, blanked
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.savings.chosen import named_measures

_POLITE = r"(?:(?:ok(?:ay)?|thanks?(?: you)?|thx|great|cool|nice|good|hm+|right|well|so|oh|ah|please)\b[\s,.!:–-]*)*"
_MARK = re.compile(
    rf"^\W*{_POLITE}(?:and|&|but|also|plus|or|then|only|just|instead(?! of)|same|the same|(?:what|how) about"
    r"|vs\.?|versus|compared (?:to|with)|compared? (?:it |that |this |them |those )?(?:with|to|against)|against"
    r"|(?:in|as) (?:tokens|calls|dollars)\b"
    r"|(?:sort|order|rank)(?:ed)? (?:it |them |that )?by|excluding|without|except(?: for)?|ignoring|not counting)\b"
)
_ONLY_MARKS = re.compile(
    rf"^\W*{_POLITE}(?:(?:and|but|also|plus|or|then|just|only|(?:what|how) about|what if|with|we|by|using)\b\s*)*"
)
"""What leads to what a follow-up is about."""

_DRAWN = re.compile(
    rf"^\W*{_POLITE}(?:(?:show|draw|plot|give|make|put|display) )?(?:me )?(?:it |that |this |them |those )?"
    r"(?:as |in |on )?(?:an? )?(?:line |bar |pie )?(?:charts?|graphs?|plots?|diagram)(?: please)?\W*$"
)
_PLACES_OF = re.compile(
    rf"^\W*{_POLITE}(?:the |our )?(?:top|bottom|biggest|largest|cheapest|costliest|most expensive) (?:\w+ )?"
    rf"(?:{'|'.join(sorted(lexicon.CONCEPTS))})(?: please)?\W*$"
)
"""``top 3 models``: a heading more than a question, which takes its period from what was asked before."""
_POINTS_BACK = re.compile(
    r"\b(?:of|for|in|by|on|with|than|to|among|about) (?:those|them|these|that|it)\b(?! (?:are|is|were|was|cost))"
    r"|\bhow (?:much|many) of (?:it|that|this|those|them)\b"
    r"|\bthe same\b|\b(?:was|is|were|are) (?:that|those|they)\b|\b(?:that|those) (?:month|year|day|week|period|one)s?\b"
    r"|\bwho (?:\w+ ){1,2}(?:it|that|them|those|this)\b"
    r"|\b(?:split|break|broken|group|sort|rank|show|list|divide) (?:it|that|this|them|those)\b|\binstead\b(?! of\b)"
)
_BARE_PLACES = re.compile(r"^\W*(?:the )?(?:top|bottom|first|last|cheapest|worst|biggest|next|\d+)(?: \w+)?\W*$")
_BARE_AMOUNTS = re.compile(
    r"\W*(?:(?:and|for|with|at|of|by|but|say|to)\s+)*"
    r"(?:(?:(?:and|with|plus|,)\s*)?[$€£]?\d[\d,]*(?:\.\d+)?\s?(?:k|m|million|thousand)?\s*"
    r"(?:%|percent|(?:input|output|in|out|prompt|completion)(?: tokens?)?|tokens?(?: in| out)?|calls?|requests?)"
    r"(?: discount| off| a month| each| instead)?\W*)+"
)
"""``for 1000 calls?``, ``with 5k out and 2k in?``: amounts with what they are of, and nothing else."""
_LEADS = frozenset(
    ["by", "per", "for", "in", "on", "of", "with", "from", "to", "at", "each", "every", "only", "and", "the", "a", "an"]
)
_TELLING = (
    lexicon.COST | lexicon.CHEAP | lexicon.CALLS | lexicon.TOKENS | lexicon.QUALITY | lexicon.STATISTIC
    | lexicon.AVERAGE | lexicon.TREND | lexicon.COMPARE | lexicon.SLOW | lexicon.FAST | lexicon.STATUS
    | lexicon.LOW | lexicon.SPLIT | {"most", "top", "data", "table", "tables", "columns", "column", "help", "highest"}
)  # fmt: skip
"""Words of which a question that stands by itself has one."""

_TWO = 2
_MOST_FRAGMENT_WORDS = 8
_ONE_FIGURE = (
    lexicon.COST | lexicon.CALLS | lexicon.TOKENS | lexicon.INPUT | lexicon.OUTPUT | lexicon.STATISTIC | lexicon.AVERAGE
)


@attrs.frozen
class Asked:
    """What was asked before, and is leant on.

    Args:
        text: the whole question, in words.
        intent: what it was taken for.
    """

    text: str
    intent: Intent


def leans(reading: Reading) -> bool:
    """Whether a question leans on an earlier one, by its own words alone."""
    return is_marked(reading) or is_fragment(reading)


def points_back(reading: Reading) -> bool:
    """Whether it cannot be a question by itself, whatever its names are."""
    return bool(reading.words) and (is_marked(reading) or _BARE_PLACES.search(reading.text) is not None)


def is_marked(reading: Reading) -> bool:
    """Whether it begins as a follow-up does, or points back."""
    marks = (_MARK, _POINTS_BACK)
    marked = any(mark.search(reading.text) for mark in marks)
    return marked or asks_to_draw(reading) or asks_for_the_peak(reading)


def asks_to_draw(reading: Reading) -> bool:
    """Whether it asks for nothing but the last answer as a chart."""
    return _DRAWN.search(reading.text) is not None


def is_fragment(reading: Reading) -> bool:
    """Whether it only names something, and asks nothing of it: ``May 2025?``, ``by user``, ``tokens``, ``why?``."""
    words = [word.text for word in reading.words]
    if not words or len(words) > _MOST_FRAGMENT_WORDS or reading.tables:
        return False
    if (
        _BARE_AMOUNTS.fullmatch(reading.text)
        or _BARE_PLACES.search(reading.text)
        or _PLACES_OF.search(reading.text)
        or words in (["why"], ["how"], ["how", "so"], ["how", "come"])
    ):
        return True
    if len(words) <= _TWO and set(words) <= lexicon.WHICH | set(lexicon.CONCEPTS):
        return True
    telling = [word for word in words if word in _TELLING]
    asks = [word for word in words if word in lexicon.WHICH | lexicon.SENTENCE]
    if not telling and not asks and not set(words) & set(lexicon.UNSUPPORTED):
        return True
    rest = [word for word in words if word not in _LEADS]
    return len(rest) == 1 and rest[0] in _ONE_FIGURE


def is_plain(intent: Intent) -> bool:
    """Whether a follow-up can change an intent part by part; of other kinds, the question is put again in words."""
    return intent.kind in PLAIN


_MEASURABLE = frozenset({"clock", "odd_days", "average_per", "leaders"})
"""Kinds that are not plain, and are asked of spend, calls or tokens alike."""


def measured_anew(last: Intent, asking: Asking) -> Intent | None:
    """``and by calls?`` after a question of such a kind; None where anything else is named."""
    reading = asking.reading
    named = reading.periods or reading.values or asking.group_columns or asking.grain or reading.limit is not None
    figures = lexicon.COST | lexicon.CALLS | lexicon.TOKENS
    if last.kind not in _MEASURABLE or named or not reading.has(figures) or not leans(reading):
        return None
    return msgspec.structs.replace(last, measure=asking.summed_measure)


def within_last(last: Intent, found: Intent, reading: Reading) -> Intent:
    """What was made of a follow-up by itself, in the period and of the names of the question before it."""
    own = found.periods or found.filters or found.table != last.table or found.kind not in _WITHIN
    if own or len(last.periods) > 1 or reading.says(_OVERALL):
        return found
    filters = last.beside if last.kind == "versus" else last.filters
    figures = lexicon.COST | lexicon.CALLS | lexicon.TOKENS
    measure = found.measure if reading.has(figures) or found.kind not in _MEASURABLE else last.measure
    return msgspec.structs.replace(found, periods=last.periods, filters=filters, measure=measure)


_OVERALL = (
    r"\b(?:overall|altogether|in total|total|ever|all[- ]time|everything|in all"
    r"|all (?:of )?(?:the )?(?:years|data|rows))\b"
)
_WITHIN = frozenset(
    {
        "clock", "total", "odd_days", "sessions", "empty_outputs", "free_calls", "implausible", "concentration",
        "distribution", "token_ratio", "unit_cost", "top_calls", "leaders", "average_per",
    }
)  # fmt: skip


def asks_why(reading: Reading) -> bool:
    """Whether it asks for nothing but the reason of the last answer."""
    return (
        re.fullmatch(r"\W*(?:and |but )?(?:why|how come|how so)(?: (?:is|was) (?:that|it|this))?\W*", reading.text)
        is not None
    )


def reworded(asked: Reading, asking: Asking, intent: Intent) -> list[str]:
    """The last question with the names, times and splits of a follow-up in place of its own, or after them.

    Args:
        asked: the last question, read against its table.
        asking: the follow-up, read against the same table.
        intent: what the last question was taken for; it may have a name besides its values: the model to move to.

    Returns:
        None of them where the follow-up names nothing; two questions where a name can take the place of two.
    """
    reading, target = asking.reading, str(intent.options.get("to", ""))
    changes = [*_new_period(asked, reading), *_new_values(asked, reading)]
    changes += [] if changes else _new_amount(asked, reading)
    text = asked.text.rstrip(" ?.!")
    splits = [named.column.name for named in asking.group_columns] + ([asking.grain] if asking.grain else [])
    by = "".join(f" by {name}" for name in splits[:1])
    texts = [_changed(text, changes) + by] if changes or by else []
    if target and reading.values and target.lower() in text:
        texts = [] if _TO.search(reading.text[: reading.values[0].start]) else texts
        texts.append(_changed(text.replace(target.lower(), reading.values[0].words), [*_new_period(asked, reading)]))
    if target and reading.values and _OF.search(reading.text[: reading.values[0].start]):
        when = scope(msgspec.structs.replace(intent, filters=[])) if not reading.periods else ""
        texts = [f"what if we had used {target} instead of {reading.values[0].words}{when}"]
    others = [word.text for word, _ in reading.unknown if _has_price(word.text, reading)]
    if target and not reading.values and len(others) == 1 and target.lower() in text:
        texts.append(text.replace(target.lower(), others[0]))
    return list(dict.fromkeys(texts))


_TO = re.compile(r"\b(?:with|to|onto|us(?:e|ing)) (?:the )?$")
"""What leads to the model that calls are moved to, and to none that they were on."""

_OF = re.compile(r"\b(?:for|of|instead of) (?:the |only |just )*$")
"""What leads to the model that the calls were on."""


_LESS = re.compile(r"(?:without|excluding|except|no|not|minus|other than|leaving out)\b")
"""What leads to a measure that is to be left, and not taken."""


def supposed(last: Intent, reading: Reading) -> list[str]:
    """What a follow-up would save of the calls that a what-if before it was about, in the ways to ask that.

    Args:
        last: the what-if before it.
        reading: the follow-up.
    """
    core = _ONLY_MARKS.sub("", reading.text).strip(" ?.!,")
    if _LESS.match(core):
        return []
    core = re.sub(r"\b(?:instead|as well|too|also|then)$", "", core).strip()
    measures = named_measures(core)
    if len(measures) == 1 and not re.search(r"\d", core):
        core = measures[0]
    return [f"what would {core} save{scope(last)}", f"what if {core}{scope(last)}"] if core else []


def _has_price(name: str, reading: Reading) -> bool:
    return any(book.match(name) is not None for book in reading.catalogue.price_books)


_AMOUNT = re.compile(r"(?<![\w.,-])[$€£]?\d[\d,]*(?:\.\d+)?(?:\s?[km%])?(?![\w%-]|[.,]\d)")


def _new_amount(asked: Reading, reading: Reading) -> Iterator[tuple[int, int, str]]:
    """The one number of a follow-up, as ``and 16k?``, in place of the one number of the last question."""
    old, new = (list(_AMOUNT.finditer(_untimed(each))) for each in (asked, reading))
    if len(old) == len(new) == 1:
        sign = old[0][0][:1] if old[0][0][:1] in "$€£" and new[0][0][:1] not in "$€£" else ""
        yield old[0].start(), old[0].end(), sign + new[0][0]


def _untimed(reading: Reading) -> str:
    return blanked(reading.text, (*reading.values, *(Span(found.start, found.end) for found in reading.periods)))


def _changed(text: str, changes: Sequence[tuple[int, int, str]]) -> str:
    for start, end, words in sorted(changes, key=lambda change: -change[0]):
        text = f"{text[:start]}{words}{text[end:]}"
    return text


def _new_period(asked: Reading, reading: Reading) -> Iterator[tuple[int, int, str]]:
    end = len(asked.text.rstrip(" ?.!"))
    for found in reading.periods[:1]:
        single = found.choices[0] if len(found.choices) == 1 and not found.choices[0].relative else None
        words = single.words if single else reading.text[found.start : found.end]
        old = asked.periods[-1:]
        yield (old[0].start, old[0].end, words) if old else (end, end, f" in {words}")


def _new_values(asked: Reading, reading: Reading) -> Iterator[tuple[int, int, str]]:
    end = len(asked.text.rstrip(" ?.!"))
    for named in reading.values[:1]:
        old = [value for value in asked.values if value.column.name == named.column.name][-1:]
        if any(span.start < named.end and named.start < span.end for span in reading.exclusions):
            yield end, end, f" excluding {named.words}"
            continue
        yield (old[0].start, old[0].end, named.words) if old else (end, end, f" for {named.words}")
