"""Turns of phrase that the grammar tells one kind of question from another by. Data only."""

from __future__ import annotations

from chatcore.agents.analyst.asking import ROW_NOUNS

_SUPERLATIVE = r"(?:most expensive|costliest|priciest|dearest|largest|biggest|longest|heaviest|cheapest|smallest)"
SINGLE_ROWS = (
    rf"\b(?:{_SUPERLATIVE}|expensive|single|top(?: \w+)?|highest[- ]cost|cost(?:ing)?)\s+"
    rf"(?:\d+ |single |individual |llm |api )*(?:{ROW_NOUNS})\b"
    rf"|\b(?:{ROW_NOUNS}) (?:were|was|are|is) (?:the )?{_SUPERLATIVE}\b"
    rf"|\b(?:{ROW_NOUNS}) (?:that |which )?cost(?:s|ing)? (?:us )?(?:the )?most\b"
    rf"|\b(?:which|what) (?:single )?(?:{ROW_NOUNS}) (?:had|has|have|used|took|sent|produced|generated|consumed|with) "
    rf"(?:the )?(?:most|highest|largest|biggest|fewest|least|lowest)\b"
    rf"|\b(?:{ROW_NOUNS}) with (?:the )?(?:most|highest|largest|biggest|fewest|least|lowest) "
    r"(?:number of |count of )?(?:\w+ )?tokens?\b"
)
THAN_LAST = (
    r"\b(?:more|less|fewer|higher|lower|cheaper|dearer) than (?:in |during )?(?:the )?(?:last|previous|past) \w+\W*$"
)
OVER_TIME = (
    r"\bover time\b|\bpeak(?:ed|s)?\b|\b(?:by|per) (?:date|time)\b"
    r"|\b(?:go|goes|going|gone|went) (?:up|down)\b|\bup or down\b"
    r"|\b(\w+)[- ](?:over|by|to|on)[- ]\1\b"
    r"|\bwhen (?:did|do|have|was|were|is)\b.*\b(?:most|least|highest|lowest|biggest|fewest|peak|dearest|costliest)\b"
)
HOW_LONG = r"\bhow (?:long|fast|slow)\b"
HOW_ENDED = r"\bhow did\b.*\bend(?:ed)?\b|\b(?:success|failure|error) rate\b"
EXTREME = (
    r"\b(?:highest|lowest|largest|smallest|biggest) (?:single )?"
    r"(?:costs?|charge|price|expense|(?:(?:input|output|prompt|completion)[ _])?tokens?)\b"
    r"|\b(?:highest|largest|biggest|most|lowest|fewest) (?:(?:number|amount|count) of )?tokens? "
    r"(?:in|of|for|on|with) (?:a|an|one|any|each) "
)
_THINGS = r"\b(data|tables?|columns?|fields?|files?|dataset|period|dates?|months?|years?|range)\b"
_AMISS = r"(?:off|fishy|funny|amiss|wrong|weird|strange|odd|right|okay|ok|fine)"
OFF = (
    rf"\b(?:anything|something|everything|all)(?: \w+)? {_AMISS}\b|\blooks? {_AMISS}\b"
    r"|\b(?:off|wrong|fishy) (?:with|about|in) (?:our|the|my)\b"
)
DESCRIPTION = (
    rf"\b(what|which|how much)\b.*{_THINGS}.*"
    r"\b(have|there|is|are|covers?|covered|contain|attached|available|loaded|know|got|in|does)\b"
    r"|\b(describe|show|list|explain|about)\b.*\b(data|tables?|columns?|schema|dataset|files?)\b"
    r"|\bwhat'?s? (is )?in (the|this|that|my|our|your)?\b|\bschema\b|\bhow far back\b|\bdate range\b"
    r"|\b(?:who|what) are you\b"
    r"|\bwhat can (you|i)\b|\b(first|last|latest|earliest|newest|oldest) (row|record|entry|call|date|day)\b"
    r"|^\s*(help|hello|hi|hey|data|tables|columns|schema)\b|\bwhat do you (know|have|see)\b"
    r"|\bwhere (?:do|does|did|are|is) (?:the|these|this|those|that|your|our) \w+(?: \w+)? (?:come|came) from\b"
    r"|\b(?:is|are) (?:this|the|these|that) (?:data|numbers?|figures?|rows?) (?:real|made up|generated|fake|genuine)\b"
    r"|\bhow many (tables|columns|files)\b|\bhow (much|many \w+ of) data\b"
)
RISING = (
    r"\bascending\b|\b(?:low(?:est)?|small(?:est)?|least|cheap(?:est)?) (?:to|first)\b"
    r"|\bfrom (?:the )?(?:cheapest|lowest|smallest|least)\b"
)
"""The least first."""

EACH_OF = r"\b(?:(?:for|in|of|per|by|on|within|across|during) )?(?:each|every|per)"
_LEADS = r"(?:top|first|biggest|largest|highest|heaviest|dearest|cheapest|costliest|priciest|lowest|fewest|least|most)"
WITHIN_EACH = rf"\b{_LEADS}\b.*{EACH_OF}\b"
"""What leads in each of several."""
SUM_PER = (
    r"\b(?:tokens?|calls?|requests?|spend|spending) (?:per|for each|of each|of every) (?!call|request|row|message)"
)
"""A sum of each of several, of which an average is not one over single rows."""
WITHOUT_FREE = (
    r"\b(?:without|exclud\w+|except(?: for)?|ignoring|not counting|leaving out|minus|ex|w/o) (?:the |all |any |our )*"
    r"(?:free|unpriced|zero[- ]cost|\$?0(?: dollar)?)\b"
)
"""Rows that cost nothing are to be left out."""
NO_TOKENS = (
    r"\b(?:zero|no|0) (?:input |output |prompt |total )?tokens?\b|\btokens? (?:were|are|was|is|being) (?:zero|0)\b"
)
