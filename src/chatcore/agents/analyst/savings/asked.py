"""The what-ifs in the words they are asked in, and why one has no answer. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.catalogue import Table
from chatcore.agents.analyst.choosing import choose_table
from chatcore.agents.analyst.intents.base import Recogniser
from chatcore.agents.analyst.prices.on_models import USUAL_DISCOUNT
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.savings import chosen, unanswered
from chatcore.agents.analyst.savings.measures import USUAL_SMALL
from chatcore.agents.analyst.savings.priced import Priced, can_be_priced, find_priced
from chatcore.agents.analyst.savings.target import can_mean_a_model, target_of
from chatcore.agents.analyst.scoping import AMOUNT, amount_in, apart_from, led_columns, scope_of


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PARTS = (
    "mini|nano|micro|pro|flash|lite|ultra|turbo|sonnet|haiku|opus|instant|large|small|medium|chat|reasoner|coder|instruct"
    "|preview|maverick|scout|thinking|fast|beta|exp"
)
_NO_START = r"(?!(?:with|on|by|to|the|an?|for|all|we|i|had|have|been|us(?:e|ed|ing)|[a-z]+ing)\b)"
_NAME = rf"{_NO_START}(?P<to>[a-z0-9][\w./:@+-]*+(?: (?:(?=[a-z.+_-]*+\d)[\w.+-]++|(?:{_PARTS})\b)){{0,4}})"
"""A model's name, in one word or several: ``gpt-4o-mini``, ``claude 3.5 haiku``. Each word is taken whole, so that a
question made to mislead is given up in time."""

_INSTEAD = r"(?:instead of|in place of|rather than|in lieu of)"
_MOVE = r"(?:swap|replac|substitut|exchang|mov|migrat|switch|port|shift|transfer|downgrad|upgrad|convert)\w*"
_ON = (
    r"(?:us(?:e|ed|ing)|r[au]n(?:ning)?(?: on)?|(?:been|were|was)(?: on)?|(?:switch|mov)\w* to"
    r"|gone (?:to|with)|went (?:to|with)|chosen?)"
)
_CHEAPER = (
    r"(?:a |the |some )?(?:cheap(?:er|est)|less expensive|smaller|better value)\s+"
    r"(?:model|llm|one|alternative|option)s?"
)
_SWAPS = (
    rf"\b{_MOVE}\b(?:(?!\b(?:with|by|for|to|onto)\b).)*\b(?:with|by|for|to|onto)\s+(?:the )?{_NAME}",
    rf"(?:\b(?:{_ON}|with|by)\s+)?(?<![\w.-]){_NAME}\s+(?:model |calls? )?{_INSTEAD}\b",
    rf"\b{_INSTEAD}\b.+?\b{_ON}\s+{_NAME}",
    rf"\b{_INSTEAD}\b[^?]+?,? what would (?:the )?{_NAME}(?= (?:have )?costs?\b)",
    rf"\b(?:if|had)\b.*?\b{_ON}\s+(?=\S*[\d/-]){_NAME}",
    rf"\b(?:if|had)\b.*?\b{_ON}\s+{_NAME}(?=\s+(?:for|on) (?:everything|every|all|each)\b)",
)
_SUPPOSED = rf"\b(?:if|had|suppose|imagine)\b.*?\b{_ON}\s+{_NAME}"
_SAVED_WITH = rf"\bsav\w+\b.*?\b(?:us(?:e|ed|ing)|with|on|by (?:using|choosing|picking))\s+(?:only )?{_NAME}"
_NO_LONGER = r"\b(?:stop(?:ped|s)?|quit|without|(?:had|have|did)n't|not|never) us(?:ed|ing|e)\b"
_ABOVE = (
    rf"\b(?:above|over|more than|longer than|larger than|bigger than|at least)\s+{AMOUNT}\s*(?:\w+ )?tok(?:en)?s?\b"
)
_IN_A_PART = (
    r"\b(?:as|for) (?:an? |the |our )?(?!(?:main|default|only|primary|new|our|this|that|other|another|same)\b)"
    r"(?P<part>\w+)[ _-]model\b(?! calls)"
)
"""``gpt-4o as the weak model``: one of several models of a call, and not the one that is priced."""
_ONTO = rf"\b(?:with|by|for|to|onto)\s+(?:the )?{_NAME}"
_AS = r"\b(?:at least |just )?as (?:good|strong|capable|smart|accurate) as(?: the)?\b"
_AS_GOOD = rf"\b(?:cheap\w*|less expensive)\b[^?]*?{_AS}|{_AS}(?=[^?]*\bcheap)"
_CHEAPER_ONES = rf"\b(?:{_MOVE}|{_ON}|find|are there|is there|pick|choose)\b.*\b{_CHEAPER}\b|\bcheaper alternatives?\b"
_CLEARLY = (
    r"\b(?:(?:impact|effect|cost) of|what if|if|suppose|imagine|simulate|sav\w+|swap\w*|replac\w+|substitut\w+"
    rf"|{_INSTEAD})\b"
)
"""What only another model can be meant by, whether it has a price or not."""

_NO_NAME = _words("""
    a an the any all it them they we less more cheaper another other batch batches cache cached fewer shorter small
    smaller instead that this one model
""")
_TIMES = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)(?:uary|ruary|ch|il|e|y|ust|tember|ober|ember)?\b"
    r"|(?:19|20)\d\d\b(?!-\d{4})|q[1-4]\b|h[12]\b|(?:last|this|next|previous)\b"
)
_WHAT_IF = r"\b(?:what if|if|would|could|should|can|suppose|imagine|simulate|effect|impact)\b"
_VERBS = (
    r"\b(?:sav\w+|reduce|rout\w+|sen[dt]|sending|cut|worth|benefit|gain|cap\w*|limit|trim|mov\w+|shift\w*|r[au]n|running"
    r"|switch\w*)\b"
)
_TOKENS = r"\s*(?:input |prompt )?tok(?:en)?s?\b"
_LESS = r"(?:below|under|less than|fewer than|smaller than|shorter than|up to|of at most|within)"
_BELOW = rf"(?:\b{_LESS}\s+|<\s*){AMOUNT}{_TOKENS}"
_ASKINGS = r"(?:prompts?|calls?|requests?|queries|questions|inputs?)"
_SMALL = rf"\b(?:small|short|tiny|little|simple|easy)(?:er)?\s+{_ASKINGS}\b|{_BELOW}"
_PROMPTS = rf"\b{_ASKINGS}\b"
_ROUTE_TO = rf"\b(?:to|on|onto|with|by|through|us(?:e|ed|ing)|through)\s+(?:the )?{_NAME}"
_CUT = r"(?:cap(?:s|ped|ping)?|limit(?:s|ed|ing)?|trim\w*|truncat\w*|cut(?:s|ting)?|shorten\w*|restrict\w*)"
_CAPS = (
    rf"\b{_CUT}\b.{{0,30}}?\b(?:prompts?|contexts?|inputs?|prompt length|context length)\b",
    r"\b(?:prompts?|contexts?|inputs?)\b.{0,25}?\b(?:capped|limited|trimmed|truncated|cut|shortened)\b",
    rf"\b(?:no|any) prompts?\b.{{0,20}}?\b(?:longer|larger|bigger|more|over|above)\b.{{0,8}}?{AMOUNT}",
    rf"\bprompts?\b.{{0,20}}?\b(?:at most|no (?:more|longer) than)\s+{AMOUNT}",
    rf"\b(?:no|any) (?:\S+ )?prompts?\b.{{0,20}}?\b(?:exceed(?:s|ed|ing)?|went (?:over|beyond|past))\s+{AMOUNT}",
    rf"\bprompts?\b.{{0,20}}?\b(?:never|not|n't)\b.{{0,12}}?\b(?:exceed(?:s|ed)?|gone? (?:over|past))\s+{AMOUNT}",
)
_CAP_AT = (
    r"\b(?:at|to|of|below|under|over|above|than|most|exceed(?:s|ed|ing)?|beyond|past)\s+"
    rf"{AMOUNT}(?:{_TOKENS})?(?![\w.-]*\w)"
)
_BATCH = r"\bbatch(?:es|ed|ing)?\b(?: api| mode| jobs?| requests?| calls?| processing)?"
_BATCHED = r"^\W*(?:please )?batch\b|\bbatched\b"
_PERCENT = r"(?P<amount>\d+(?:\.\d+)?)\s?(?:%|percent)(?: discount| off| cheaper)?"
_CACHE = r"\b(?:prompt |input |context )?cach(?:e|ed|es|ing)\b"
_AS_A_SHARE = r"\b(?:in|as) (?:a )?(?:%|percent(?:age|s)?\b|per cent\b)"
_SHARE = r"(?P<amount>\d+(?:\.\d+)?)\s?(?:%|percent\b)"
HIT_PERCENT = (
    rf"\b(?:hit[- ]?(?:rate|ratio)s?|hits?)(?: were| was| is| of| at)*\s+{_SHARE}",
    rf"{_SHARE}(?: cache)?(?: hits?(?:[- ](?:rate|ratio))?\b"
    r"| (?:of )?(?:the |our |all )*(?:input|prompts?|tokens|prompt tokens|input tokens) "
    r"(?:(?:was|were|is|are|came|read|served|could be) )*(?:from (?:the |a )?)?cached?\b)",
)
"""How much of the input is read from the cache."""
_PART = (
    r"\b(?P<part>half|(?:a|one|two|three) (?:thirds?|quarters?|fifths?|tenths?)|\d+(?:\.\d+)?\s?(?:%|percent)"
    r"|(?:some|most|part)(?= of\b)|some(?= calls?\b))"
    r"(?: of)?(?: the| our| my| all| these| those)* (?:\w+ )?"
    r"(?:calls?|requests?|traffic|usage|prompts?|volume|workload|spend\w*|it|them)\b"
)
"""A part of the calls, and nothing that tells which."""
_CACHE_MOST = r"\b(?:ceiling|at most|maximum|potential|worth|benefit|gain|effect|reduce|sav\w+)\b"
_OFF_PEAK = (
    r"\boff[- ]?peak\b(?: hours?| times?| pric\w+| rates?)?|\b(?:cheaper|cheapest|discounted|low[- ]price) hours\b"
    r"|\bat night\b|\bovernight\b|\btime[- ]of[- ]day pric\w+|\b(?:another|other|different) times? of (?:the )?day\b"
)
_PRICE_OF = r"\b(?:price|rate)s? (?:of|for)\b|\bwhat does\b.*\bcost\b"
_KNOWN = _words("""
    what if instead place rather swap replace route routed routing send sent cap capped capping trim batch cached
    peak off hours times cheaper prompt prompts calls traffic everything small short simple easy long longest tokens
    measure measures gone been had shift max maximum length longer discount api through ceiling potential worth benefit
""")


def asked_of(
    reading: Reading, kind: str, taken: Sequence[str], options: Mapping[str, Any], named: re.Match[str] | None = None
) -> Intent | Refusal:
    """The intent, once the period and the names are found in what the what-if left of the question."""
    left = apart_from(reading, (*taken, _VERBS, rf"\b{_MOVE}\b", _AS_A_SHARE))
    if (part := re.search(_PART, reading.text)) is not None and "hit_percent" not in options:
        return unanswered.partly(part, kind)
    table = _table(left)
    if isinstance(table, Refusal):
        return table
    priced = find_priced(reading.catalogue, table)
    if isinstance(priced, Refusal):
        return priced
    to = _target(named, priced) if named else None
    if isinstance(to, Refusal):
        return to
    scope = scope_of(left, table, _KNOWN)
    if isinstance(scope, Refusal):
        return scope
    columns, grain = led_columns(scope.asking), scope.asking.grain
    if len(columns) + (grain is not None) > 1:
        return refusals.one_split_at_a_time(columns, grain, table, reading.catalogue)
    return Intent(
        kind=kind,
        table=table.name,
        by=columns[0].name if columns else None,
        grain=grain,
        limit=reading.limit,
        periods=scope.periods,
        filters=scope.filters,
        options={**options, **({"to": to} if to else {})},
    )


def _target(named: re.Match[str], priced: Priced) -> str | Refusal:
    """The model that a question names, or the question with each of those that it can mean."""
    name, start = _name(named), named.start("to")
    head, tail = named.string[:start], named.string[start + len(name) :]
    return target_of(name, priced, lambda model: f"{head}{model}{tail}".strip())


def _name(named: re.Match[str]) -> str:
    return named["to"].rstrip(".:/-")


def _table(reading: Reading) -> Table | Refusal:
    """The table of calls that is named, or the likeliest one whose calls can be priced."""
    named = [mention.table for mention in reading.tables if can_be_priced(mention.table)]
    able = [table for table in reading.catalogue.tables if can_be_priced(table)]
    return named[0] if len(named) == 1 else ranked(able)[0] if able and not named else choose_table(reading)


def _has_price(name: str, reading: Reading) -> bool:
    """Whether a list of prices knows a model of that name."""
    spelt = (name, name.replace(" ", "-"))
    return any(book.match(each) for book in reading.catalogue.price_books for each in spelt)


def _is_what_if(text: str) -> bool:
    """Whether something is asked that was not so, and not what was."""
    return re.search(_WHAT_IF, text) is not None or re.search(_VERBS, text) is not None


def _named(text: str, patterns: Sequence[str]) -> re.Match[str] | None:
    """The first of the patterns that finds a model's name, and not a word of everyday."""
    for pattern in patterns:
        for match in re.finditer(pattern, text):
            everyday = match["to"] in _NO_NAME or re.match(_TIMES, match["to"])
            if not everyday and not re.match(_CHEAPER, text[match.start("to") :]):
                return match
    return None


def _family(reading: Reading) -> re.Match[str] | None:
    """A name that tells no model by itself, ``deepseek``, of which a list of prices has some."""
    found = (_named(reading.text, (pattern,)) for pattern in (_SUPPOSED, _SAVED_WITH))
    return next((named for named in found if named and can_mean_a_model(_name(named), reading.catalogue)), None)


def names_a_model(reading: Reading) -> bool:
    """Whether it is asked what a model that is named would save: that is no plan."""
    return _family(reading) is not None


def _whole_of(match: re.Match[str] | None) -> tuple[str, ...]:
    """A pattern for the words that were found."""
    return (re.escape(match[0]),) if match else ()


def _only(match: re.Match[str]) -> str:
    """A pattern that takes out the name that was found, and nothing else."""
    return rf"(?<![\w.-])({re.escape(_name(match))})(?![\w-]|\.\w)"


def _all_onto(reading: Reading) -> list[str]:
    """The models with a price that calls are to go to."""
    onto = (match["to"] for match in re.finditer(_ONTO, reading.text))
    return list(dict.fromkeys(name for name in onto if _has_price(name, reading)))


def recognise_swap(reading: Reading) -> Intent | Refusal | None:
    """Another model instead of the ones that were used."""
    text = reading.text
    if any(re.search(pattern, text) for pattern in (_CACHE, _BATCH, _OFF_PEAK, _NO_LONGER)):
        return None
    if (part := re.search(_IN_A_PART, text)) and (re.search(_CLEARLY, text) or re.search(rf"\b{_MOVE}\b", text)):
        return refusals.not_supported(f"another {part['part']} model", reading.catalogue)
    named, onto = _named(text, _SWAPS), _all_onto(reading)
    if named is not None and len(onto) > 1 and re.search(rf"\b{_MOVE}\b", text):
        return unanswered.one_swap_at_a_time(onto)
    if named is None or not (_has_price(named["to"], reading) or re.search(_CLEARLY, text)):
        named = _family(reading)
    if named is not None and (above := re.search(_ABOVE, text)):
        known = _has_price(_name(named), reading)
        return unanswered.long_ones_only(above["amount"].strip(), _name(named)) if known else None
    if named is not None:
        return asked_of(reading, "swap", (_only(named), _INSTEAD), {}, named)
    if re.search(_AS_GOOD, text) and not re.search(rf"(?:{_AS_GOOD})\W*(?:ours|now|before|it|that|this)\b", text):
        return asked_of(reading, "swap", (_AS_GOOD,), {})
    return asked_of(reading, "swap", (_CHEAPER_ONES,), {}) if re.search(_CHEAPER_ONES, text) else None


def recognise_route(reading: Reading) -> Intent | Refusal | None:
    """Small prompts to a cheaper model."""
    text = reading.text
    if not re.search(_SMALL, text) or not re.search(_PROMPTS, text) or not _is_what_if(text):
        return None
    if re.search(_CUT, text) and not re.search(r"\b(?:rout|send|sent|mov|switch)\w*\b", text):
        return None
    below = amount_in(re.search(_BELOW, text))
    named = _named(text, (_ROUTE_TO,))
    taken = [_SMALL, _CHEAPER, *([_only(named)] if named else [])]
    options = {"below": int(below) if below else USUAL_SMALL}
    return asked_of(reading, "route", taken, options, named)


def recognise_cap(reading: Reading) -> Intent | Refusal | None:
    """Prompts cut to a length."""
    text = reading.text
    if not any(re.search(pattern, text) for pattern in _CAPS):
        return None
    at = amount_in(re.search(_CAP_AT, text)) or amount_in(re.search(rf"{AMOUNT}{_TOKENS}", text))
    taken = (_CAP_AT, rf"{AMOUNT}{_TOKENS}", rf"\b{_CUT}\b")
    return asked_of(reading, "cap", taken, {"at": int(at) if at else None})


def recognise_batch(reading: Reading) -> Intent | Refusal | None:
    """Calls that can wait, in batches."""
    text = reading.text
    if not re.search(_BATCH, text) or not (_is_what_if(text) or re.search(rf"\bbatching\b|{_BATCHED}", text)):
        return None
    discount = amount_in(re.search(_PERCENT, re.sub(_PART, "", text)))
    discount = USUAL_DISCOUNT if discount is None else discount
    options = {"discount_percent": discount}
    return asked_of(reading, "batch", (_BATCH, _PERCENT), options)


def recognise_cache(reading: Reading) -> Intent | Refusal | None:
    """All input from a cache."""
    if not re.search(_CACHE, reading.text) or not re.search(
        rf"{_WHAT_IF}|{_CACHE_MOST}|^\W*(?:cache (?:the|all|our|every|my)|caching)\b", reading.text
    ):
        return None
    hits = next((found for each in HIT_PERCENT if (found := re.search(each, reading.text))), None)
    options = {"hit_percent": amount_in(hits)} if hits else {}
    return asked_of(reading, "cache_ceiling", (*(_whole_of(hits)), _CACHE), options)


def recognise_off_peak(reading: Reading) -> Intent | Refusal | None:
    """Calls at the hours when their model is cheaper."""
    text = reading.text
    if not re.search(_OFF_PEAK, text) or not _is_what_if(text) or re.search(_PRICE_OF, text):
        return None
    return asked_of(reading, "off_peak", (_OFF_PEAK,), {})


def _prices_a_trace(reading: Reading) -> bool:
    """Whether it is asked what calls without models would cost, which is a price, at a discount or without."""
    bare = [named for named in reading.tables if not can_be_priced(named.table)]
    return bool(bare) and bool(re.search(r"\b(?:costs?|prices?)\b", reading.text)) and "sav" not in reading.text


def _alone(recognise: Recogniser) -> Recogniser:
    """Of one measure only: several together, or all but one, are a plan."""

    def recognised(reading: Reading) -> Intent | Refusal | None:
        of_several = chosen.together(reading.text) or chosen.left_out(reading.text)
        return None if of_several or _prices_a_trace(reading) else recognise(reading)

    return recognised


RECOGNISERS: Mapping[str, Recogniser] = MappingProxyType(
    {
        "route": _alone(recognise_route),
        "cap": _alone(recognise_cap),
        "batch": _alone(recognise_batch),
        "cache_ceiling": _alone(recognise_cache),
        "off_peak": _alone(recognise_off_peak),
        "swap": _alone(recognise_swap),
    }
)
