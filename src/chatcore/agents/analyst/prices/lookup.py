"""What a model costs by the list: its rates, since when, at what time of the day, for how long a prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from chatcore.agents.analyst import lexicon
from chatcore.agents.analyst.asking import PER_CALL
from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.base import Draft, IntentKind, Sheets, listed, options_of
from chatcore.agents.analyst.pricebook import PriceBook, PriceKey, Rate
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.listed import (
    MOST_MODELS,
    OFF_PEAK,
    PER_MILLION,
    LookupOptions,
    hull,
    prices_query,
    tiers_query,
)
from chatcore.agents.analyst.prices.lookup_words import Prices
from chatcore.agents.analyst.prices.naming import NamedModel, offers
from chatcore.agents.analyst.prices.questions import LIST, OURS, PAST, PRICE, PriceQuestion
from chatcore.agents.analyst.reading import Reading, blanked
from chatcore.agents.analyst.request import Intent, Period, Refusal
from chatcore.agents.analyst.scoping import AMOUNT, amount_in

# --- recognised -----------------------------------------------------------------------------------------------------

_COSTS = (
    r"\bhow (?:much|expensive|costly|cheap) (?:is|are)\b|\b(?:what|how much) (?:does|do|is|are) .*\bcosts?\b"
    r"|\bcosts? (?:of|for) \S+ per (?:million|1m|mtok)\b|\bhow much per (?:million|1m|mtok)\b"
)
_WOULD_HAVE = r"\bwould\b.*\bhave cost\b"
_THOUSAND = r"\b(?:per|each|every|a|for)\s+(?:1k|1[,.]?000|k|thousand)\s+(?:\w+ )?tokens?\b|\bper (?:1k|ktok)\b"
_A_SINGLE = r"\b(?:per|each|every|a single|one)\s+(?:single )?(?:input |output |prompt |completion |cached )?token\b"
_OFF_PEAK = r"\boff[- ]?peak\b"
_CHARGED = (
    rf"\bhow much (?:does|do) .*\bcharges?\b|{_OFF_PEAK}.*\b(?:discount|tariff)s?\b"
    rf"|\b(?:discount|tariff)s?\b.*{_OFF_PEAK}"
)
_CENTS = r"\bcents?\b|¢"
_CLOCK = re.compile(
    r"(?<![\w:.])(?P<hour>[01]?\d|2[0-3])(?::(?P<minute>[0-5]\d))?\s?(?P<half>am|pm)\b"
    r"|(?<![\w:.])(?P<hours>[01]?\d|2[0-3]):(?P<minutes>[0-5]\d)\b|\b(?P<named>midnight|noon)\b"
)
_OVER = r"(?:over|above|beyond|past|(?:more|longer|larger|bigger|greater) than|exceeding)"
_LONG_PROMPTS = re.compile(
    rf"\b(?:prompts?|contexts?|inputs?|calls?|requests?)\b.{{0,20}}?\b(?:{_OVER}|(?P<is>of|with))\s+{AMOUNT}"
    rf"|\b{_OVER}\s+(?P<alone>\d[\d,]*(?:\.\d+)?\s?(?:k|m)?)\b|\blong(?:er)?[- ](?:prompts?|contexts?|inputs?)\b"
)
"""``prompts over 200k``: of a length for which a price may be another."""
_CHEAPER_THEN = (
    r"\b(?:when|(?:which|what) (?:hours?|times?)(?: of (?:the )?day)?) (?:is|are)\b.*\bcheap(?:er|est)\b"
    r"|\bcheaper\b.*\b(?:hours?|times?|night|day|weekends?)\b"
)
_SELLERS = (
    r"\b(?:who|which|what|where|cheapest|all|every|list|compare|best|other)\b.*\b(?:providers?|sellers?|vendors?|hosts?)\b"
    r"|\bwho (?:sells|offers|hosts|provides)\b|\b(?:sold|offered|hosted) by (?:whom|which)\b"
)
_SPLIT = lexicon.EACH - {"per"}
_OF_USAGE = frozenset(lexicon.GRAINS) | lexicon.CALLS | lexicon.AVERAGE | {"total", "altogether"}


def recognise(reading: Reading) -> Intent | Refusal | None:
    """A question for a model's price: said so, or in the present tense and of nobody's usage."""
    if reading.says(r"\b(?:price|rate|volume|mix)[- ]effects?\b"):
        return None
    sellers = reading.says(_SELLERS)
    said = sellers or reading.says(PRICE) or reading.says(LIST)
    costs = reading.says(_COSTS) or reading.says(_CHARGED) or reading.says(_CHEAPER_THEN)
    if not (said or (costs and not reading.says(PAST))) or reading.says(OURS) or _is_of_usage(reading, said):
        return None
    book = wording.book_of(reading.catalogue, [named.table.name for named in reading.tables])
    if book is None:
        return wording.no_prices(reading.catalogue) if _is_plain(reading) else None
    question = PriceQuestion(reading, book)
    if sellers and (offers := _offers(question)):
        return offers
    return _asked(question, said)


def _offers(question: PriceQuestion) -> Intent | Refusal | None:
    """Who sells a model, cheapest first; None where no model is named."""
    named = question.models
    if len(named) != 1 or question.input_tokens is not None or question.output_tokens is not None:
        return None
    left = [word for word in question.leftover if word.text not in _OF_SELLERS]
    if left:
        return wording.not_in_prices(left[0].original, question.book, question.catalogue)
    rows = offers(named[0].words.lower().split(), question.book)
    keys = list(dict.fromkeys(row.key for row in rows))[:MOST_MODELS]
    options = LookupOptions(keys, rate_of(question.reading), cheapest_first=True)
    intent = intent_of("price_lookup", question.book, keys, [])
    return msgspec.structs.replace(intent, options=msgspec.to_builtins(options)) if keys else None


_OF_SELLERS = frozenset(
    ["sells", "sell", "sold", "offers", "offer", "offered", "hosts", "host", "hosted", "provides", "where"]
)


def _is_of_usage(reading: Reading, said: bool) -> bool:
    """Whether it asks what calls cost, by something or on average: not what is listed."""
    if reading.says(r"\bhow many\b"):
        return True
    if reading.says(LIST):
        return False
    if reading.says(PER_CALL) or reading.says(_WOULD_HAVE):
        return True
    split = reading.has(_SPLIT) and reading.has(lexicon.CONCEPTS)
    if not said and _LONG_PROMPTS.search(reading.text) and not reading.says(PAST):
        return False
    return split or reading.has(lexicon.AVERAGE) or (not said and reading.has(_OF_USAGE))


def _is_plain(reading: Reading) -> bool:
    """Whether a question can only be about the price list."""
    return reading.says(LIST) or reading.says(r"\bprices? (?:of|for)\b|\bpricing\b|\bprice list\b|\bper million\b")


def _asked(question: PriceQuestion, said: bool) -> Intent | Refusal | None:
    reading = question.reading
    if question.input_tokens is not None or question.output_tokens is not None:
        return None
    whole = _whole_seller(question)
    if whole:
        return _looked_up(question, whole, [])
    fault = model_fault(question)
    if not question.models:
        if fault is not None and said:
            return fault
        return wording.no_model(reading.catalogue) if reading.says(LIST) else None
    if fault is not None:
        return fault
    periods = [found.choices[0] for found in question.periods if not found.choices[0].relative]
    if not said and periods:
        return None
    return _looked_up(question, keys_of(question), periods)


def _looked_up(question: PriceQuestion, keys: Sequence[PriceKey], periods: Sequence[Period]) -> Intent:
    """The intent with what is asked of the prices of these models."""
    text = blanked(question.reading.asked or question.reading.text, question.models)
    long = _LONG_PROMPTS.search(text)
    options = LookupOptions(
        list(keys),
        rate_of(question.reading),
        unit_of(question.reading),
        clock=clock_of(text),
        longer_than=_length(long) if long else None,
        in_cents=re.search(_CENTS, text) is not None,
    )
    intent = intent_of("price_lookup", question.book, keys, periods)
    return msgspec.structs.replace(intent, options=msgspec.to_builtins(options))


def _length(match: re.Match[str]) -> int:
    """The tokens that a prompt has more of: one less than it is said to have; 0 where it is only called long."""
    tokens = int(amount_in(match) or amount_in(match, "alone") or 0)
    return tokens - 1 if match["is"] else tokens


def clock_of(text: str) -> str:
    """The one time of the day that is named, as ``18:00``; ``off-peak``; empty without either."""
    if re.search(_OFF_PEAK, text) or re.search(_CHEAPER_THEN, text):
        return OFF_PEAK
    found = list(_CLOCK.finditer(text))
    if len(found) != 1:
        return ""
    match = found[0]
    if match["named"]:
        return "00:00" if match["named"] == "midnight" else "12:00"
    if match["half"] is None:
        return f"{int(match['hours']):02}:{match['minutes']}"
    hour = int(match["hour"]) % 12 + (12 if match["half"] == "pm" else 0)
    return f"{hour:02}:{match['minute'] or '00'}"


def _whole_seller(question: PriceQuestion) -> list[PriceKey]:
    """All that a seller sells, where that is asked for and is not too much for an answer."""
    named = question.models
    seller = question.book.seller(named[0].words.lower()) if len(named) == 1 else None
    if seller is None or question.leftover or not question.reading.says(r"\bmodels\b|\ball\b|\bevery\b"):
        return []
    keys = [row.key for row in question.book.rows if row.priced and row.key.provider == seller]
    return keys if len(keys) <= MOST_MODELS else []


def model_fault(question: PriceQuestion) -> Refusal | None:
    """A name that is unknown or means several, a day that is none, a word that prices say nothing about."""
    book, catalogue = question.book, question.catalogue
    for word in question.leftover:
        if any(c.isdigit() for c in word.text) or not question.models:
            return wording.no_such_price(word.original, book, catalogue)
        return wording.not_in_prices(word.original, book, catalogue)
    unclear = [named for named in question.models if not named.is_clear]
    if unclear:
        return wording.which_model(unclear[0], book, _when(question))
    if any(len(found.choices) != 1 for found in question.periods):
        return _which_day(question)
    return None


def _when(question: PriceQuestion) -> str:
    """The time that a question names, as it follows a noun."""
    if clock := clock_of(question.reading.text):
        return f" {clock}" if clock == OFF_PEAK else f" at {clock} UTC"
    return f" for {question.periods[0].choices[0].words}" if question.periods and question.periods[0].choices else ""


def _which_day(question: PriceQuestion) -> Refusal:
    found = next(found for found in question.periods if len(found.choices) != 1)
    words = question.reading.text[found.start : found.end]
    return Refusal(
        reason="ambiguous" if found.choices else "out_of_range",
        text=f"Which day “{words}” is, is not clear.",
        missing=(words,),
        alternatives=wording.price_questions(question.catalogue),
    )


def keys_of(question: PriceQuestion, models: Sequence[NamedModel] | None = None) -> list[PriceKey]:
    """The models that are named, each once; only ``models`` of them, where given."""
    keys = [row.key for named in (question.models if models is None else models) for row in named.rows]
    return list(dict.fromkeys(keys))[:MOST_MODELS]


def rate_of(reading: Reading) -> Rate | None:
    """The one rate that is asked for."""
    cached = reading.has({"cache", "cached", "caching"})
    if cached:
        return Rate.CACHE_WRITE if reading.has({"write", "writes"}) else Rate.CACHE_READ
    inside, outside = reading.has(lexicon.INPUT), reading.has(lexicon.OUTPUT)
    if inside == outside:
        return None
    return Rate.INPUT if inside else Rate.OUTPUT


def unit_of(reading: Reading) -> int:
    """How many tokens a price is asked for."""
    return 1_000 if reading.says(_THOUSAND) else 1 if reading.says(_A_SINGLE) else PER_MILLION


def intent_of(
    kind: str,
    book: PriceBook,
    keys: Sequence[PriceKey],
    periods: Sequence[Period],
    rate: Rate | None = None,
    tokens: int = PER_MILLION,
) -> Intent:
    """The intent that looks these models up."""
    options = msgspec.to_builtins(LookupOptions(list(keys), rate, tokens))
    return Intent(kind=kind, table=book.columns.table, periods=list(periods), options=options)


# --- asked ----------------------------------------------------------------------------------------------------------


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The prices, newest first, and the tiers that are known of them."""
    book, options = _book(intent, catalogue), options_of(intent, LookupOptions)
    return [prices_query(book, options, hull(intent.periods)), *tiers_query(book, options)]


def _book(intent: Intent, catalogue: Catalogue) -> PriceBook:
    return next(book for book in catalogue.price_books if book.columns.table == intent.table)


# --- worded ---------------------------------------------------------------------------------------------------------


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The newest price in a sentence, all that are asked for in a table."""
    book, options = _book(intent, catalogue), options_of(intent, LookupOptions)
    if not len(sheets["prices"]):
        names = listed([str(key) for key in options.models])
        return wording.no_such_price(names, book, catalogue)
    prices = Prices(book, catalogue, sheets, options, hull(intent.periods))
    return prices.draft()


KIND = IntentKind("price_lookup", "What a model costs by the list", queries, word, recognise, LookupOptions)
