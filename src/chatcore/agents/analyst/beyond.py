"""Questions that are not answered whatever the table is: another language, SQL, a judgement. Pure."""

from __future__ import annotations

import re

import msgspec

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.columns import SEVERAL, Meaning
from chatcore.agents.analyst.currencies import NO_RATE, no_rate, other_currency, several_currencies
from chatcore.agents.analyst.kinds import FAMILIES
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.reading import Reading, blanked
from chatcore.agents.analyst.request import Filter, Intent, Measure, Refusal
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
_NEW = (
    r"\b(?:which|what) (?:models?|users?|features?|formats?)\b.* "
    r"(?:new|stop(?:ped)? using|start(?:ed)? using|no longer)\b"
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
    (_NEW, "what is new and what is gone"),
    (_CHANGE, "a change to the data"),
)
"""Words that ask for what is not answered, with how it is called."""


def foreign(reading: Reading) -> Refusal | None:
    """A question in another language: a word of it that is also a name must not be taken for one."""
    if not is_foreign(reading.asked or reading.text, reading.words, reading.catalogue.vocabulary):
        return None
    return refusals.not_in_english(reading.catalogue)


def in_other_money(found: Intent | Refusal, reading: Reading) -> Intent | Refusal | None:
    """Spend in euros, of costs in dollars: that is another figure than the one that would be told.

    Of costs in several currencies those in one are told, where the question names it.
    """
    if isinstance(found, Intent) and reading.catalogue.table(found.table).currency == SEVERAL:
        return _in_one_currency(found, reading)
    own = reading.catalogue.table(found.table) if isinstance(found, Intent) else None
    table = own if own is not None and own.has(Meaning.COST) else ranked(reading.catalogue.tables)[0]
    if isinstance(found, Refusal) and NO_RATE in found.missing:
        return None
    other = other_currency(blanked(reading.text, reading.tables), table.currency) if table.currency else ""
    if other and table.currency == SEVERAL and table.currency_column:
        return several_currencies(table.currency_column, table.name)
    return no_rate(table, f"the question is of {other}", refusals.suggestions(reading.catalogue)) if other else None


def _in_one_currency(found: Intent, reading: Reading) -> Intent | Refusal | None:
    """The same of the rows in the currency that is named; refused where none is."""
    column = reading.catalogue.table(found.table).currency_column
    if column is None or found.kind in _WITHOUT_MONEY or found.measure not in _MONEY:
        return None
    if any(each.column == column.name and len(each.values) == 1 and not each.exclude for each in found.filters):
        return None
    named = [value for value in column.values if reading.says(rf"\b{re.escape(value.lower())}\b")]
    if len(named) != 1:
        return several_currencies(column, found.table)
    only = Filter(column=column.name, values=named, words=named[0])
    return msgspec.structs.replace(found, filters=[*found.filters, only])


_MONEY = (Measure.COST, Measure.COST_PER_CALL, Measure.COST_PER_MILLION_TOKENS)
_WITHOUT_MONEY = frozenset(
    [kind.name for name in ("prices", "what if") for kind in FAMILIES[name]]
    + ["description", "quality", "coverage", "distinct", "peak", "frontier", "errors", "token_ratio", "column_by"]
)
"""Kinds that add up no costs as they were recorded."""


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
