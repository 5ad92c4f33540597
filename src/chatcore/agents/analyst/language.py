"""The words that questions are asked in, and what they point to. Pure data, and the spelling of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator

import attrs

from chatcore.agents.analyst.columns import Meaning


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COST = _words(
    "spend spends spent spending cost costs costing costed costly pay pays paid paying bill bills billed billing"
    " expense expenses expensive expenditure expenditures money dollar dollars usd bucks charge charges charged"
    " burn burned burnt outlay invoice price priced"
)
CHEAP = _words("cheap cheaper cheapest inexpensive")
CALLS = _words(
    "call calls request requests query queries message messages row rows record records entry entries invocation"
    " invocations event events prompt prompts transaction transactions interaction interactions usage used times"
    " popular often frequently busiest active volume"
)
SINGLE = _words(
    "call calls request requests query queries message messages row rows record records entry entries invocation"
    " invocations prompt prompts transaction transactions interaction interactions"
)
TOKENS = _words("token tokens toks")
INPUT = _words("input prompt context incoming sent")
OUTPUT = _words("output completion generated response outgoing produced")
AVERAGE = _words("average avg mean typical typically averages")
STATISTIC = _words("median distribution percentile percentiles p95 p50 p99 spread maximum minimum max min")
HIGH = _words(
    "most highest biggest largest top maximum max expensive costliest priciest best dearest greatest leading main popular busiest"
)
LOW = _words("least lowest smallest fewest bottom minimum min cheapest rarest worst quietest")
TOP = _words("top biggest largest costliest priciest dearest highest")
COUNT = _words("many number count counts amount")
EACH = _words("by per each every across")
SPLIT = _words(
    "breakdown break broken split group grouped distribution distributed divide divided share shares ranking rank ranked"
)
WHICH = _words("which what who whose whom")
TREND = _words(
    "trend trends trending timeline evolution evolve evolved develop developed development history chart"
    " graph growth course progression rising falling climbing declining growing"
)
COMPARE = _words(
    "compare compares compared comparing comparison vs versus against difference differ differs change changes"
    " changed increase increased decrease decreased grow grew grown rise rose risen fall fell fallen drop dropped"
)
QUALITY = _words(
    "quality missing null nulls empty blank duplicate duplicates duplicated gap gaps outlier outliers implausible"
    " anomaly anomalies anomalous suspicious reliable trust trustworthy complete completeness incomplete valid"
    " invalid inconsistent wrong dirty weird strange odd clean plausible problems issues free unpriced zero"
)
DESCRIBE = _words(
    "data table tables column columns schema dataset datasets file files field fields attached loaded cover covers"
    " covered coverage structure contents contain contains fields available"
)
HELP = _words("help hello hi hey capabilities")

GRAINS = {
    "day": "day", "days": "day", "daily": "day",
    "week": "week", "weeks": "week", "weekly": "week",
    "month": "month", "months": "month", "monthly": "month",
    "quarter": "quarter", "quarters": "quarter", "quarterly": "quarter",
    "year": "year", "years": "year", "yearly": "year", "annual": "year", "annually": "year",
}  # fmt: skip

CONCEPTS: dict[str, Meaning] = {
    **dict.fromkeys(["model", "models", "llm", "llms", "engine", "engines"], Meaning.MODEL),
    **dict.fromkeys(
        ["user", "users", "person", "people", "who", "whose", "whom", "developer", "developers", "member", "members", "employee", "employees", "colleague", "colleagues", "engineer", "engineers", "account", "accounts", "someone", "anyone"],
        Meaning.USER,
    ),
    **dict.fromkeys(
        ["feature", "features", "format", "formats", "mode", "modes", "purpose", "purposes", "endpoint", "endpoints", "task", "tasks", "activity", "activities"],
        Meaning.FEATURE,
    ),
    **dict.fromkeys(["status", "statuses", "outcome", "outcomes", "state", "states"], Meaning.STATUS),
    **dict.fromkeys(["duration", "durations", "latency", "latencies", "runtime"], Meaning.DURATION),
}
"""Words for a column by what it means, whatever its name is."""

OTHER_NOUNS = _words(
    "team teams project projects department departments customer customers client clients region regions country"
    " countries city cities office offices company companies organization organizations organisation organisations"
    " org orgs product products service services environment environments env session sessions conversation"
    " conversations thread threads vendor vendors provider providers application applications app apps key keys"
    " cluster clusters tenant tenants workspace workspaces repo repos repository repositories branch branches"
    " language languages tag tags label labels version versions role roles group groups category categories"
    " division divisions host hosts machine machines tier tiers plan plans contract contracts tool tools agent"
    " agents error errors failure failures exception exceptions speed cached caching cache"
)
"""What else usage is asked about: a name for a column, which this data may not have."""

UNSUPPORTED = {
    **dict.fromkeys(
        ["forecast", "forecasts", "predict", "prediction", "project", "projected", "projection", "estimate", "expect", "expected", "will", "tomorrow", "next", "future", "extrapolate"],
        "a forecast",
    ),
    **dict.fromkeys(["why", "because", "reason", "reasons", "cause", "caused", "explain"], "the reason behind a figure"),
    **dict.fromkeys(
        ["save", "saving", "savings", "optimize", "optimise", "optimization", "cheaper", "reduce", "reducing", "cut", "lower", "recommend", "recommendation", "recommendations", "suggest", "should", "switch", "alternative"],
        "a recommendation",
    ),
    **dict.fromkeys(["budget", "budgets", "quota", "limit", "limits", "allowance"], "a budget"),
    **dict.fromkeys(
        ["hour", "hours", "hourly", "weekday", "weekdays", "weekend", "weekends", "morning", "afternoon", "evening", "night", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
        "hours and weekdays",
    ),
    **dict.fromkeys(["correlation", "correlate", "correlated", "correlates", "regression"], "a correlation"),
    **dict.fromkeys(["delete", "remove", "insert", "update"], "a change to the data"),
}
"""Words that ask for what is not answered, with how it is called."""

STOP = _words(
    "a an the of for to in on at by with from and or is are was were be been being am do does did done have has had"
    " it its this that these those there here i we us our ours you your my me mine they them their he she his her"
    " one ones any all total totals overall sum altogether together combined entire whole everything much so far up"
    " please can could would tell show give list find get see know let lets want need like about how when where"
    " just only also now currently current ever yet then than as if not no yes ok thanks thank what's whats which"
    " what who ai api openai usage use uses using per each every some few lot lots kind kinds type types sort"
    " sorts figure figures number numbers amount amounts value values stats statistics summary overview report"
    " result results info information detail details really exactly actually roughly approximately around quite"
    " very most least highest lowest go goes went going gone make makes made take takes took happen happened look"
    " looks looked run ran running period time times date dates range between during within out into back over"
    " rank ranked sorted order ordered descending ascending across different distinct unique various separate other"
    " answer question calculate compute say display print single individual record recorded raw per-call i'd we've"
    " i'm much? break down start starts started begin begins began end ends ended first last latest newest oldest"
    " recent recently since until till before after again same share percentage percent proportion part fraction"
    " including included include along well both either cents me? s t re ve ll d m company-wide hello hi hey there's none ask asked more less million thousand billion"
    " come comes came cause contribute contributed account accounted accounts responsible belong belongs own"
)
"""Words that carry no meaning of their own here."""

PREPOSITIONS = _words("by per for on of from with using in via through to at each every across which what about")
"""What follows one of these names something: a word there that is not understood changes the question."""

NUMBERS = {
    word: number
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"]
    )
}

_SHORTEST_CORRECTED = 4
_CLOSE = 0.82
"""How alike a misspelt word must be: ``spnd`` is ``spend``, ``team`` is not ``term``."""


@attrs.frozen
class Word:
    """A word of a question.

    Args:
        text: in lower case, corrected where it was misspelt.
        start: where it begins in the question.
        end: where it ends.
        original: as it was written.
    """

    text: str
    start: int
    end: int
    original: str


_WORD = re.compile(r"[A-Za-z0-9_$€£%][\w$./:@#+%'’-]*")


def split_words(question: str, vocabulary: Collection[str]) -> list[Word]:
    """The words of a question, those that are close to a known one corrected to it.

    Args:
        question: as written.
        vocabulary: words that are known besides those of this module, in lower case.
    """
    return [_word(match, vocabulary) for match in _WORD.finditer(question)]


def _word(match: re.Match[str], vocabulary: Collection[str]) -> Word:
    original = match.group().rstrip(".:'’-/")
    text = original.lower().replace("’", "'").removesuffix("'s")
    return Word(correct(text, vocabulary), match.start(), match.start() + len(original), original)


def correct(word: str, vocabulary: Collection[str]) -> str:
    """The known word that a misspelt one is closest to; the word itself where it is known, short or like none."""
    if word in KNOWN or word in vocabulary or len(word) < _SHORTEST_CORRECTED or not word.isalpha():
        return word
    swapped = [known for known in CORRECTABLE if sorted(known) == sorted(word)]
    if swapped:
        return swapped[0]
    found = difflib.get_close_matches(word, [*CORRECTABLE, *vocabulary], n=1, cutoff=_CLOSE)
    return found[0] if found else word


def _all_words() -> Iterator[str]:
    for group in (COST, CHEAP, CALLS, SINGLE, TOKENS, INPUT, OUTPUT, AVERAGE, STATISTIC, HIGH, LOW, TOP, COUNT, EACH):
        yield from group
    for group in (SPLIT, WHICH, TREND, COMPARE, QUALITY, DESCRIBE, HELP):
        yield from group
    yield from (*GRAINS, *CONCEPTS, *NUMBERS, *_MONTH_NAMES)


_MONTH_NAMES = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december", "yesterday", "today"]
CORRECTABLE = sorted({word for word in _all_words() if len(word) >= _SHORTEST_CORRECTED})
"""What a misspelt word can be meant as."""

KNOWN = frozenset({*_all_words(), *STOP, *OTHER_NOUNS, *UNSUPPORTED, *PREPOSITIONS})
"""Words that are spelt right."""
