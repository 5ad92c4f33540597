"""Questions that are not answered whatever the table is: another language, SQL, a judgement. Pure."""

from __future__ import annotations

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.currencies import NO_RATE, no_rate, other_currency
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.reading import Reading, blanked
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.tongues import is_foreign

_SQL = (
    r"\bselect\b.+\bfrom\b|\b(?:drop|alter|create|truncate) (?:table|view|schema|database)\b|\bdelete from\b"
    r"|\binsert into\b|\bupdate \w+ set\b"
)
_PER_MONEY = r"\bper (?:dollar|usd|buck|euro|cent|\$|€)(?!\w)"
_JUDGEMENT = (
    r"\b(?:too|so) (?:much|high|expensive|many|costly)\b|\bworth (?:it|the money|having)\b"
    r"|\b(?:is|are|was|were) .*\b(?:reasonable|justified|acceptable|normal|fair|sensible)\b"
)
_OTHER_PRICES = (
    r"\bwould\b.*\bcosts?(?: \w+)? (?:today|now|nowadays)\b"
    r"|\bat (?:today|current|new|newest|latest|present)(?:'s)? (?:list )?(?:prices?|rates?)\b"
)
NEW = (
    r"\b(?:which|what) (?:models?|users?|features?|formats?)\b.* "
    r"(?:new|stop(?:ped)? using|start(?:ed)? using|no longer)\b"
    r"|\b(?:models?|users?|features?|formats?) (?:\w+ ){0,3}"
    r"(?:first (?:used|seen|appeared)|introduced|dropped|retired|gone)\b"
)
_OTHERWISE = (
    r"\b(?:if|had) (?:we|i|they|you|everyone|everybody|everything|all|every)\b[^?.;]*?"
    r"\b(?:used|run|ran|gone|went|been|moved|switched|chosen|chose|sent|put|picked|taken|bought)\b"
    r"|\bif (?:we|i|they|you) (?:had|were)\b"
)
_HOURS_APART = r"\b\d{1,2}(?::\d\d)? ?[ap]m\b"
_CHANGE = r"^\W*(?:please )?(?:delete|truncate|drop|remove|erase|insert|update|wipe|overwrite)\b"
_ONCE = r"\b(?:only|just|exactly|at least|more than) (?:once|twice|one time)\b"
_NOT_ANSWERED = (
    (_ONCE, "a threshold"),
    (r"\bdo you (?:cost|charge)\b|\byour (?:price|cost|fee)s?\b", "what I cost myself"),
    (_SQL, "SQL"),
    (_HOURS_APART, "hours from one time of the day to another"),
    (_PER_MONEY, "something per amount of money"),
    (_JUDGEMENT, "a judgement"),
    (_OTHER_PRICES, "past usage at the prices of another day"),
    (_OTHERWISE, "what would have been otherwise"),
    (NEW, "what is new and what is gone"),
    (_CHANGE, "a change to the data"),
)
"""Words that ask for what is not answered, with how it is called."""


def foreign(reading: Reading) -> Refusal | None:
    """A question in another language: a word of it that is also a name must not be taken for one."""
    if not is_foreign(reading.asked or reading.text, reading.words, reading.catalogue.vocabulary):
        return None
    return refusals.not_in_english(reading.catalogue)


def in_other_money(found: Intent | Refusal, reading: Reading) -> Intent | Refusal | None:
    """Spend in euros, of costs in dollars: that is another figure than the one that would be told."""
    own = reading.catalogue.table(found.table) if isinstance(found, Intent) else None
    table = own if own is not None and own.has(Meaning.COST) else ranked(reading.catalogue.tables)[0]
    if isinstance(found, Refusal) and NO_RATE in found.missing:
        return None
    other = other_currency(blanked(reading.text, reading.tables), table.currency) if table.currency else ""
    return no_rate(table, f"the question is of {other}", refusals.suggestions(reading.catalogue)) if other else None


def beyond_any_table(reading: Reading) -> Refusal | None:
    """What is not answered whatever the table is."""
    if not reading.words:
        return refusals.not_understood(reading.catalogue)
    asked = [what for pattern, what in _NOT_ANSWERED if reading.says(pattern)]
    if not reading.tables:
        asked += [lexicon.UNSUPPORTED[word.text] for word in reading.words if word.text in lexicon.UNSUPPORTED]
    if not asked and reading.threshold:
        asked = ["a threshold"]
    return refusals.not_supported(asked[0], reading.catalogue) if asked else None
