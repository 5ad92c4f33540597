"""What is asked in words that many ask in and that no figure answers: the nearest questions that have one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import attrs

from chatcore.agents.analyst import grammar
from chatcore.agents.analyst.beyond import NEW as NEW_OR_GONE
from chatcore.agents.analyst.phrasing import during
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.reading import Reading, in_table, read
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.turns import NO_TOKENS, WITHOUT_FREE

_TAKEN_FOR = frozenset(["total", "by"])
_OPEN = frozenset(["not_supported", "no_such_column"])


def _compiled(words: str) -> re.Pattern[str]:
    return re.compile(words)


@attrs.frozen
class Nearest:
    """A way of asking, and the questions beside it.

    Args:
        words: a regular expression of it.
        asked: questions that may have an answer, by ``|``; ``{when}`` stands for the period, and names for groups.
        text: why there is no answer, where the words would be taken for another question; empty where they are not.
        missing: what that text asks for.
    """

    words: re.Pattern[str] = attrs.field(converter=_compiled)
    asked: str
    text: str = ""
    missing: str = ""


_NAME = r"[a-z][\w./:-]*\w"
_AMOUNT = re.compile(r"^[$€£]?\d[\d.,]*[%km]?$")
"""An amount that was looked for as a name, as nothing else was made of it."""
_DEARER = r"(?:expensive|costly|dearer|costlier|pricier|cheaper)"
_OTHER_MONEY = r"[€£¥₹]|\b(?:eur|euros?|gbp|pounds?|sterling|quid|jpy|yen|cny|rmb|yuan|chf|francs?|inr|rupees?)\b"
NEAREST = (
    Nearest(_OTHER_MONEY, "What did we spend{when}?|Spend by model{when}|Spend by month"),
    Nearest(
        r"\b(?:rate[- ]?limit\w*|time-?outs?|overload\w*|connection|authentication|ssl|quota|[45]\d\d)\b.*\berrors?\b",
        "What kinds of errors did we get{when}?|Errors by month|What is the error rate?",
    ),
    Nearest(
        WITHOUT_FREE,
        "Cost per paid call{when}|How many calls were free{when}?|Average cost per call{when}?|Spend by model{when}",
    ),
    Nearest(
        r"\b(?:weeks?|months?|hours?)\b.*\b(?:unusual|odd|strange|weird|abnormal|anomal\w+)\b"
        r"|\b(?:unusual|odd|strange|weird|abnormal|anomalous) (?:weeks?|months?|hours?)\b",
        "Which days were unusual{when}?|Spend by week{when}|Spend by month{when}|Any implausible calls{when}?",
    ),
    Nearest(
        rf"\b(?:is|are|was|were) (?:the )?(?P<name>{_NAME})(?: models?)? worth\b",
        "Which models are on the quality-cost frontier?|What did we spend on {name}{when}?"
        "|What if we had used a cheaper model instead of {name}{when}?|Average cost per call for {name}{when}",
    ),
    Nearest(
        r"\b(?:sav\w*|cut\w*|reduc\w*|lower\w*|halv\w*|trim\w*)\b.*"
        r"(?:[$]\d|\b\d+(?:\.\d+)? ?(?:%|percent|dollars)|\bhalf\b)",
        "How can we cut our bill{when}?|How much would batching save{when}?|How much would caching save at most{when}?"
        "|Is there a cheaper model that is as good?",
    ),
    Nearest(
        r"\bcalls\b.*\b(?:together|combined|altogether|add up to)\b|\b(?:sum|total) of the (?:top|\d+)\b",
        "How concentrated is our spend{when}?|What are our most expensive calls{when}?|What did we spend{when}?",
    ),
    Nearest(
        rf"\b(?:what if|if) (?:we|i) (?:had )?(?:dropped?|stop(?:ped)?(?: using)?|removed?|banned|got rid of|cut"
        rf"|(?:hadn't|had not|never|didn't|did not)(?: \w+)? us(?:ed?|ing)|hadn't used) (?P<name>{_NAME})",
        "What did we spend excluding {name}{when}?|What did we spend on {name}{when}?"
        "|What if we had used a cheaper model instead of {name}{when}?",
    ),
    Nearest(
        r"\b(?:pass rates?|scores?|scored|benchmarks?|accuracy)\b|\bwhich (?:model|llm)s? should (?:we|i)\b"
        r"|\brecommend\w* .*\bmodels?\b|\b(?:quality|smartest|strongest) (?:of|models?)\b",
        "Which models are on the quality-cost frontier?|Which model is the best value for money?"
        "|Is there a cheaper model that is as good?|What does a solved case cost?",
    ),
    Nearest(
        r"\b\d{1,2}(?::\d\d)? ?[ap]m\b|\b(?:between|from) \d{1,2}(?::\d\d)? (?:and|to) \d{1,2}(?::\d\d)?\b",
        "Spend by hour of the day{when}|Calls in the afternoon{when}|Spend at night{when}",
    ),
    Nearest(
        r"\bwast(?:e|es|ed|ing|age|eful)\b|\bsquander\w*\b|\bdown the drain\b",
        "Which calls returned nothing{when}?|How can we cut our bill?|How many calls were free{when}?"
        "|Which days were unusual?",
        "What counts as waste no row says. What the rows do tell is what was paid for calls that gave nothing, and "
        "what would have made the bill smaller.",
        "what counts as waste",
    ),
    Nearest(
        rf"\b(?:got|gotten|getting|became|become|becoming|grew|grown)\b(?: \w+)? {_DEARER}\b",
        "Which models drove the change in spend{change}?|Which list prices changed?|Cost per million tokens by model",
        "That can mean what was spent, or what a token is listed at. Which change is meant, and between when?",
        "what changed, and between when",
    ),
    Nearest(
        NO_TOKENS,
        "Which calls returned nothing{when}?|How many calls have less than 5 tokens{when}?"
        "|Distribution of tokens{when}",
    ),
    Nearest(
        r"\b(?:free|unpriced|zero[- ]cost)\b",
        "How many calls were free{when}?|Free calls by model{when}|What would the free calls cost at list price{when}?",
    ),
    Nearest(
        r"\bsessions?\b",
        "How many sessions were there{when}?|Average cost per session{when}|Average number of calls per session{when}"
        "|Most expensive sessions{when}",
    ),
    Nearest(
        NEW_OR_GONE,
        "Which models drove the change in spend{change}?|How many different models did we use by month?"
        "|Most used model each month{when}|Spend by model{when}",
    ),
    Nearest(
        r"\bspik\w+|\bjumps?\b|\bsurges?\b|\bbursts?\b",
        "Which days were unusual by calls{when}?|Which days were unusual{when}?|Calls by day{when}",
    ),
    Nearest(
        r"\bwhy\b|\b(?:too|so) (?:much|high|expensive|many|costly|big|large)\b",
        "How concentrated is our spend?|Spend by model{when}|What are our most expensive calls{when}?"
        "|How can we cut our bill?",
    ),
    Nearest(
        rf"\b(?:switch|move|migrate|change|go) from (?P<old>{_NAME}) to (?P<new>{_NAME})",
        "What if we had used {new} instead of {old}{when}?|Compare spend of {old} and {new}{when}"
        "|Which models are on the quality-cost frontier?|How can we cut our bill?",
    ),
    Nearest(
        r"\bper (?:dollar|usd|buck|euro|cent|\$|€)(?!\w)",
        "Cost per million tokens{when}?|Cost per million tokens by model{when}|Average cost per call{when}?",
    ),
    Nearest(
        r"\bwhat(?:'s| has| was| is| all)? (?:happened|happen|going on|went on|went wrong|up)\b",
        "What did we spend{when}?|Spend by model{when}|Which days were unusual?|Any implausible calls?",
    ),
    Nearest(
        r"\b(?:fail\w*|unsuccessful)\b",
        "Which calls returned nothing{when}?|How many calls were free{when}?|How good is the data quality?",
    ),
)
"""Tried in this order."""


def plan_alone(reading: Reading) -> Intent | Refusal:
    """What a question asks for by itself; where nothing does, the nearest that has an answer is offered."""
    planned = _asked_back(grammar.plan_alone(reading), reading)
    near = _nearest_to(reading, planned)
    asked = [_answered(each, reading) for each in _candidates(near, reading)] if near else []
    answered = tuple(dict.fromkeys(question for each in asked for question in each))
    return _refused(near, planned, answered) if near and answered else planned


def _asked_back(planned: Intent | Refusal, reading: Reading) -> Intent | Refusal:
    """Of what a question can mean, that which has an answer; where none of it has, why the first has none."""
    if isinstance(planned, Intent) or planned.reason != "ambiguous" or not planned.alternatives:
        return planned
    found = {each: _planned(each, reading) for each in planned.alternatives}
    answered = tuple(each for each, meant in found.items() if isinstance(meant, Intent))
    return attrs.evolve(planned, alternatives=answered) if answered else next(iter(found.values()))


def _answered(question: str, reading: Reading) -> list[str]:
    """The question, where it has an answer; where it can mean several things, the first of those that have."""
    planned = _planned(question, reading)
    if isinstance(planned, Intent):
        return [question]
    if planned.reason != "ambiguous":
        return []
    return list(islice((each for each in planned.alternatives if isinstance(_planned(each, reading), Intent)), 1))


def _planned(question: str, reading: Reading) -> Intent | Refusal:
    return grammar.plan_alone(read(question, reading.catalogue))


def _nearest_to(reading: Reading, planned: Intent | Refusal) -> Nearest | None:
    """What a question comes near to, where it has no answer or was taken for a plain total; None for any other."""
    found = next((each for each in NEAREST if each.words.search(reading.text)), None)
    if found is None:
        return None
    if isinstance(planned, Intent):
        return found if found.text and planned.kind in _TAKEN_FOR else None
    unread = planned.reason == "no_rows" and any(_AMOUNT.search(word) for word in planned.missing)
    return found if planned.reason in _OPEN or unread else None


def _candidates(near: Nearest, reading: Reading) -> Iterator[str]:
    """The questions beside one, with its period and its names."""
    match = near.words.search(reading.text)
    table = ranked(reading.catalogue.tables)[0]
    periods = in_table(reading, table, apart=lambda _: False).periods
    when = during(periods[0].choices[0]) if len(periods) == 1 else ""
    change = when or (f" from {table.months[-2]} to {table.months[-1]}" if len(table.months) > 1 else "")
    names = {name: word or "" for name, word in (match.groupdict() if match else {}).items()}
    for question in near.asked.split("|"):
        yield question.format(when=when, change=change, **names)


def _refused(near: Nearest, planned: Intent | Refusal, answered: tuple[str, ...]) -> Refusal:
    """The refusal that offers what has an answer."""
    if isinstance(planned, Refusal) and not near.text:
        return attrs.evolve(planned, alternatives=answered)
    return Refusal(reason="ambiguous", text=near.text, missing=(near.missing,), alternatives=answered)
