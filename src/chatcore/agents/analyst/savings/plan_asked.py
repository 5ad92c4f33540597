"""The savings plan in the words that it is asked in. Pure."""

from __future__ import annotations

import re

from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.savings.asked import asked_of, names_a_model
from chatcore.agents.analyst.savings.chosen import but, left_out, patterns, together

NAME = "savings_plan"
"""The kind of question."""

_NUMBER = r"\d[\d,]*(?:\.\d+)?"

EVERYTHING = (
    r"\b(?:if we|doing|do|apply|applying|with) (?:do |did |apply |applied |take |took |use |used )?"
    r"(?:everything|(?:all|every one) of (?:this|that|these|those|them)|all (?:the )?(?:measures|savings|ideas)"
    r"|it all)\b.*\bsav\w+|\bsav\w+\b.*\b(?:if we|by) (?:do|did|doing|apply|applied|applying|took|take|taking) "
    r"(?:everything|all|it all)\b(?: of (?:this|that|these|those|them))?"
)
"""All measures together."""

_ASKED = (
    r"\b(?:savings?|cost[- ](?:cutting|reduction|optimi[sz]ation))\b.{0,20}\b(?:plan|options?|ideas?"
    r"|opportunit\w+|potential|measures?|tips?)\b|\bplan\b.{0,20}\bsav\w+",
    r"\btotal savings?\b|\bsaves? (?:us |me )?(?:the )?most\b",
    r"\b(?:recommend|suggest|propose|advise)\w*\b.{0,40}\b(?:sav\w+|cost\w*|bill|spend\w*|cheap\w*|reduc\w*|optimi\w+)\b",
    r"\b(?:how|where|what|which)\b.{0,40}\b(?:can|could|do|to|should|would|might|ways?)\b.{0,40}"
    r"\b(?:sav(?:e|ings?)|spend less|pay less|economi[sz]e)\b",
    r"\b(?:reduc|cut|lower|optimi[sz]|shrink|trim|slash|bring down|minimi[sz]|decreas)\w*\b(?: down| on)?.{0,20}"
    r"\b(?:bills?|costs?|spend(?:ing)?|expenses?|invoice|usage costs?)\b",
    r"\bsave (?:us |me )?(?:some |more |any )?money\b|\bwhere is (?:the|our) money wasted\b",
    r"\b(?:biggest|largest|top|best|main|key|easiest) (?:\w+ )?savings?\b",
    r"\b(?:can|could) (?:we|i) (?:ever |really |possibly )?(?:save|cut|reduce|lower|halve)\b",
    r"\bsavings?\b.{0,30}\boverlap\w*|\boverlap\w*\b.{0,30}\bsavings?\b",
    EVERYTHING,
)
_ONE_THING = r"\bif\b|\bby (?!how\b)\w+ing\b|\b(?:with|using) (?:a|an|the)\b"
"""What asks for one measure, and not for the plan."""


_TARGET = re.compile(
    r"\b(?:sav\w*|cut\w*|reduc\w*|lower\w*|trim\w*|slash\w*|shrink\w*|bring)\b.*?"
    rf"(?:[$€£]\s?(?P<money>{_NUMBER})|\b(?P<dollars>{_NUMBER}) ?(?:dollars|usd|bucks)\b"
    rf"|\b(?P<percent>{_NUMBER}) ?(?:%|percent\b)|\b(?:in|by) (?P<half>half)\b)|\b(?P<halve>halv\w+)\b"
)
"""``save 30%``: whether that much is within reach."""


def recognise(reading: Reading) -> Intent | Refusal | None:
    """How the bill can be made smaller, with nothing named that would do it."""
    several, text = together(reading.text), reading.text
    everything = re.search(EVERYTHING, text) is not None
    apart = names_a_model(reading) or (re.search(_ONE_THING, text) and not everything)
    asked = any(re.search(pattern, text) for pattern in _ASKED)
    if not several and (apart or not asked):
        return None
    gone = left_out(text)
    gone += _CHANGES_ANSWERS if re.search(_SAME_QUALITY, text) else []
    measures = several or (but(gone) if gone else [])
    options = {**({"measures": measures} if measures else {}), **target_of(text)}
    found = asked_of(reading, NAME, (_SAME_QUALITY, *_target_words(text), *patterns(text)), options, understood=_WORDS)
    split = isinstance(found, Intent) and (found.grain or found.by)
    return refusals.not_supported(f"a savings plan by {split}", reading.catalogue) if split else found


_SAME_QUALITY = (
    r"\b(?:without (?:losing|hurting|harming|sacrificing|lowering|reducing|giving up|compromising|(?:any|a) loss of)"
    r"|(?:and|while|but) (?:keep(?:ing)?|maintain(?:ing)?|hold(?:ing)?)|at|with) "
    r"(?:the |our |any |on )*(?:same )?quality\b|\bquality (?:must|should) (?:not|stay)\b(?: \w+){0,2}"
)
_CHANGES_ANSWERS = ["cap", "route"]
"""Measures after which nothing says that the answers are as good."""
_WORDS = frozenset(
    """
    saving savings save saved plan plans option options idea ideas opportunity opportunities potential measure measures
    tip tips total reduction optimization optimisation optimise optimize optimizing optimising cutting reducing lowering
    recommend recommendation recommendations suggest suggestion suggestions propose advise advice should would might
    way ways economise economize reduce cut lower shrink trim slash bring down minimise minimize decrease halve bill
    bills invoice expense expenses money wasted biggest largest top best main key easiest overlap overlaps overlapping
    everything doing apply applying taking these those once without harming without hurting without losing quality
    overpaying overspending cheap cheaper less pay paying costs cost costing spend spending bottom line
    most effective effectively quick quickest quickly fast fastest simplest simple easily low-hanging fruit wins win
    """.split()  # noqa: SIM905
)
"""Words that a plan is asked in, whatever stands between them."""


def target_of(text: str) -> dict[str, float]:
    """What is to be saved: an amount, or a part of the whole in percent; empty where nothing says."""
    match = _TARGET.search(text)
    if match is None:
        return {}
    if match["half"] or match["halve"]:
        return {"target_percent": 50.0}
    amount = match["percent"] or match["money"] or match["dollars"]
    return {"target_percent" if match["percent"] else "target": float(amount.replace(",", ""))}


def _target_words(text: str) -> tuple[str, ...]:
    match = _TARGET.search(text)
    return (re.escape(match[0]),) if match else ()
