"""What of a question an answer to it would leave out: it is refused rather than answered in part. Pure.

The grammar passes over words that carry no meaning; a word that it does not know may be a name, and a ``not`` that
led to no name of the data would turn the answer into its opposite.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.left_out_figures import Part, figure_left_out
from chatcore.agents.analyst.mentions import NamedColumn, Span
from chatcore.agents.analyst.phrasing import phrase, sentence
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.reading import Reading, in_table
from chatcore.agents.analyst.request import Intent, Measure, Refusal

_OF_THE_GRAMMAR = frozenset(
    {"total", "by", "trend", "cross", "compare", "versus", "top_calls", "distinct", "column_by"}
)
"""Kinds that the grammar finds by a word or two: what else the question says is not theirs by their patterns."""

_WITH_HOLES = (_OF_THE_GRAMMAR - {"compare"}) | {
    "statistics", "threshold", "groups_beyond", "distribution", "concentration", "clock", "makers", "unit_cost",
}  # fmt: skip
"""Kinds that ask of a period nothing but which rows lie in it."""

_WHOLE = frozenset({"logged_against_list", "zero_cost_at_list", "cost_on_models", "prefix_cache", "frontier", "peak"})
"""Kinds that tell one figure of all that is asked for, and are split by nothing but what their table shows."""

_TOLD_APART = {
    "clock": re.compile(r"\W+(?:the |all |on )*week-?ends?\b"),
    "savings_plan": re.compile(
        r"\W+(?:the |any |all |using |doing )*(?:\w+ )?(?:batch|cach|cap|rout|swap|chang|switch|off.?peak)"
    ),
    "workload_price": re.compile(r"\W+(?:the |any |all )*(?:free|trial|zero[- ]cost)\b"),
}
"""What an answer of a kind tells apart, so that each part can be left out."""

_SUMS = {
    Measure.CALLS: "the calls", Measure.TOKENS: "the tokens", Measure.INPUT_TOKENS: "the tokens in",
    Measure.OUTPUT_TOKENS: "the tokens out",
}  # fmt: skip

_NEAR = 5
"""Characters between a word that leaves out and the period that it does: ``in``, ``the``."""

_DID = r"(?:did|do|does|have|has|had)"
_ABSENT = re.compile(
    r"\b(?:which|what|who|how many)\b(?! (?:calls|requests|queries|prompts|messages|rows)\b)[^?]*?"
    rf"\b(?P<words>(?:{_DID}(?: we| they| i)? (?:not|never)|{_DID}n['’]t|never)(?: \w+)?)"
)
_LEFT_OUT = re.compile(
    r"\b(?:exclud(?:ing|es?|ed)|except(?:ing)?|other than|(?:apart|aside) from|ignoring|omitting|leaving out|but not)\b"
)
_NEGATED = re.compile(
    rf"{_LEFT_OUT.pattern}|\b(?:not|never|without|neither|nor|cannot|(?:is|are|was|were|would|could|can|{_DID})n['’]?t)\b"
)
_HARMLESS = re.compile(
    r"\b(?:if not|or not|why not|not sure|do(?:n't| not) (?:know|mind|care)|not (?:only|just|to mention)|whether or not"
    r"|can(?:'t|not) (?:find|tell|see|remember|say))\b"
    r"|^\W*(?:why )?(?:can|could|wo|would|do)n't (?:you|we)\b"
    r"|\b(?:is|are|was|were|did|do|does)n't (?:it|that|they|we)\W*$"
)
"""Negations of a manner of speaking."""


def find_left_out(found: Intent, reading: Reading, apart: Callable[[Reading], bool]) -> Refusal | None:
    """The part of a question that an intent does not hold, None where it holds all.

    Args:
        found: what the question was taken for.
        reading: the question.
        apart: whether two dates are two periods, as the grammar has it.
    """
    read = in_table(reading, reading.catalogue.table(found.table), apart=apart)
    part = (
        figure_left_out(found, read)
        or _absent(found, read)
        or _supposed(found, read)
        or _sides(found, read)
        or _comparative(found, read)
        or _average(found, read)
        or _hole(found, read)
        or _exclusion(found, read)
        or _split(found, read)
        or _limit(found, read)
        or _unknown(found, read)
    )
    if part is None:
        return None
    asked = [words for each in part.instead if (words := phrase(each, reading.catalogue))]
    first = ranked(reading.catalogue.tables)[0].name == found.table
    return refusals.left_out(part.words, part.why, [*part.asked, *(asked if first else [])], reading.catalogue)


def _absent(found: Intent, reading: Reading) -> Part | None:
    """``which users never used o3``: rows tell who did what, and not who did not."""
    match = _ABSENT.search(reading.text) if found.kind in _OF_THE_GRAMMAR else None
    if match is None:
        return None
    plain = [msgspec.structs.replace(each, exclude=False) for each in found.filters]
    instead = msgspec.structs.replace(found, filters=plain)
    return Part(match["words"], "The rows tell what was used, and not what was not", [instead])


def _supposed(found: Intent, reading: Reading) -> Part | None:
    """``what if we dropped claude``, which no kind of what-if took for its own."""
    asked = found.kind in _OF_THE_GRAMMAR and reading.says(r"\bwhat if\b")
    return Part("what if", "I do not work out what would have been in such a case", []) if asked else None


_TELLS_SIDES = frozenset({"versus", "compare", "by", "cross", "drivers", "makers", "column_by", "threshold"})
_OF_SPEND = frozenset(
    {
        "clock", "concentration", "distribution", "sessions", "token_ratio", "unit_cost", "empty_outputs", "free_calls",
        "odd_days", "implausible", "coverage", "average_per", "leaders", "trend", "statistics", "errors",
    }
)  # fmt: skip


def _sides(found: Intent, reading: Reading) -> Part | None:
    """``gpt vs claude on weekends``, where both would be told as one."""
    match = re.search(r"\b(?:vs|versus|compared? (?:to|with)|compare|comparison|against|or)\b", reading.text)
    if match is None or found.kind not in _OF_SPEND - _TELLS_SIDES or not reading.sides:
        return None
    versus = msgspec.structs.replace(
        found, kind="versus", by=reading.sides[0].column, grain=None, column=None, options={}, limit=None,
        filters=[*reading.sides, *reading.beside],
    )  # fmt: skip
    return Part(match[0], "I set names side by side by their sums, and not by this", [versus])


def _comparative(found: Intent, reading: Reading) -> Part | None:
    """``would deepseek be cheaper``, of one figure that stands beside nothing."""
    match = re.search(
        r"\b(?:cheaper|dearer|pricier|costlier|(?:more|less) expensive)\b"
        r"|\b(?:more|less|fewer|higher|lower|bigger|smaller)\b(?: \w+){1,5} than (?!half\b|[$\d])",
        reading.text,
    )
    if match is None or found.kind != "total":
        return None
    each = msgspec.structs.replace(found, measure=Measure.COST_PER_MILLION_TOKENS)
    return Part(match[0], "A comparison has two sides, and I find one", [each, found])


def _average(found: Intent, reading: Reading) -> Part | None:
    """``average calls per user``, of a list that tells the calls of each."""
    summed = found.measure in (Measure.CALLS, Measure.TOKENS, Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS)
    split = (found.kind == "by" and summed) or found.kind == "cross"
    if not split or not reading.has(lexicon.AVERAGE):
        return None
    return Part(
        "average",
        f"I tell {_SUMS.get(found.measure, 'the spend')} of each `{found.by}`, and no average over them",
        [found],
    )


def _hole(found: Intent, reading: Reading) -> Part | None:
    """A period that is left out of another, where the kind knows whole ones only."""
    holed = [each for each in reading.periods if any(choice.without for choice in each.choices)]
    held = found.kind in _WITH_HOLES and any(period.without for period in found.periods)
    if not holed or held:
        return None
    words = "without " + holed[0].choices[0].words.split("without ")[-1]
    left = [each.choices[0] for each in holed]
    instead = msgspec.structs.replace(
        found, kind="trend", measure=Measure.COST, grain="month", by=None, periods=left[:1]
    )
    return Part(words, "I leave a part of a period out of sums and lists, and not out of this", [instead])


def _exclusion(found: Intent, reading: Reading) -> Part | None:
    """Words that leave something out, where the intent leaves nothing out for them."""
    pattern = _NEGATED if found.kind in _OF_THE_GRAMMAR else _LEFT_OUT
    told = _TOLD_APART.get(found.kind)
    for match in pattern.finditer(reading.text):
        harmless = any(m.start() <= match.start() < m.end() for m in _HARMLESS.finditer(reading.text))
        told_apart = told is not None and told.match(reading.text, match.end())
        if not harmless and not told_apart and not any(_meets(match, span) for span in _excluding(reading)):
            words = _with_object(match, reading.text)
            return Part(words, f"I cannot make out what “{words}” leaves out", _whole_of(found, match, reading))
    return None


def _whole_of(found: Intent, match: re.Match[str], reading: Reading) -> list[Intent]:
    """What is asked with nothing left out; where a period is to be, all of them."""
    periods = [each for each in reading.periods if 0 <= each.start - match.end() <= _NEAR]
    if not periods:
        return [found] if not found.filters else []
    left = [each.choices[0] for each in reading.periods if each not in periods and each.choices]
    return [msgspec.structs.replace(found, kind="trend", grain="month", by=None, periods=left[:1])]


def _excluding(reading: Reading) -> Iterator[Span]:
    """The stretches that leave out what the data has: names, empty values, implausible rows."""
    yield from reading.taken
    yield from reading.exclusions


def _meets(match: re.Match[str], span: Span) -> bool:
    return span.start < match.end() and match.start() < span.end


def _with_object(match: re.Match[str], text: str) -> str:
    """The words with the two after them, which tell what they leave out."""
    rest = re.match(r"(?:\W+[\w.%$-]+){0,3}", text[match.end() :])
    return f"{match[0]}{rest[0] if rest else ''}".strip(" ,.?!")


def _split(found: Intent, reading: Reading) -> Part | None:
    """``by month``, of a figure that is told for all of the time."""
    asking = Asking(reading, reading.catalogue.table(found.table))
    if found.kind not in _WHOLE or asking.grain in (None, found.grain):
        return None
    whole = re.sub(
        rf"[,\s]*\b(?:(?:and|or|,) )?(?:by|per|each|every|for each) (?:the )?{asking.grain}\b", "", reading.text
    )
    why = f"I work that out for a whole period, and not by {asking.grain}"
    asked = [sentence(f"{whole.strip(' ?.!,')}?")] if whole != reading.text else []
    return Part(f"by {asking.grain}", why, asked=asked)


def _limit(found: Intent, reading: Reading) -> Part | None:
    """``top 5 in May``, where one figure would be told: five of what?"""
    if found.kind != "total" or reading.limit is None or reading.limit == 1:
        return None
    table = reading.catalogue.table(found.table)
    columns = [c for m in (Meaning.MODEL, Meaning.USER, Meaning.FEATURE) if (c := table.column(m))]
    splits = [msgspec.structs.replace(found, kind="by", by=column.name) for column in columns]
    return Part(f"top {reading.limit}", f"“Top {reading.limit}” of what is not said", splits)


def _unknown(found: Intent, reading: Reading) -> Part | None:
    """A word that nothing accounts for, in a question that the grammar took for something else without it."""
    if found.kind not in _OF_THE_GRAMMAR:
        return None
    known = [*reading.exclusions, *reading.taken]
    unknown = [word for word, _ in reading.unknown if word.text not in lexicon.PASSED_OVER]
    words = [word.original for word in unknown if not any(s.start < word.end and word.start < s.end for s in known)]
    words += [reading.text[each.start : each.end] for each in reading.columns if not words and _is_dropped(each, found)]
    return Part(words[0], f"I do not know what “{words[0]}” means here", [found]) if words else None


def _is_dropped(named: NamedColumn, found: Intent) -> bool:
    """Whether a column that is named for itself has no part in what is asked: ``which models are deprecated``."""
    used = {found.by, found.column, found.options.get("across"), *(each.column for each in found.filters)}
    return named.column.meaning is Meaning.UNKNOWN and named.column.name not in used
