"""The planner: from a question to what it asks for, or to why it is not answered. Pure, and no language model.

A question that leans on the ones before it is taken with them, and one of several clauses is answered whole or not at
all; the rest is the grammar's (:mod:`~chatcore.agents.analyst.grammar`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
import msgspec

from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.continuing import added_to, asks_how_good, elsewhere, family, goes_on, on_top
from chatcore.agents.analyst.followups import (
    Asked,
    asks_why,
    is_fragment,
    is_plain,
    leans,
    measured_anew,
    points_back,
    reworded,
    supposed,
    within_last,
)
from chatcore.agents.analyst.grammar import apart, plan_in
from chatcore.agents.analyst.kinds import FAMILIES
from chatcore.agents.analyst.merging import merge, of_the_same_year
from chatcore.agents.analyst.nearest import plan_alone
from chatcore.agents.analyst.parting import clauses, covering, without_sum
from chatcore.agents.analyst.phrasing import phrase, sentence, why
from chatcore.agents.analyst.pronouns import named_instead, refers
from chatcore.agents.analyst.reading import Reading, in_table, is_too_long, read
from chatcore.agents.analyst.request import Intent, Refusal

_LOOKED_BACK = 8
"""Earlier questions that a follow-up may lean on: who goes on from further back says so."""


def plan(question: str, catalogue: Catalogue, earlier: Sequence[str] = ()) -> Intent | Refusal:
    """What a question asks for.

    Args:
        question: as written.
        catalogue: what there is to ask about.
        earlier: the questions before it, oldest first; only one that :func:`leans_on_earlier` is read with them.

    Returns:
        An intent that the data allows, or why there is none, with alternatives that are answered.
    """
    if is_too_long(question):
        return refusals.too_long(catalogue)
    if earlier:
        return _plan(question, catalogue, earlier)
    planned: Intent | Refusal = catalogue.plans.find(question, lambda: _plan(question, catalogue, ()))
    return planned


def _plan(question: str, catalogue: Catalogue, earlier: Sequence[str]) -> Intent | Refusal:
    reading = read(question, catalogue)
    if not _leans(reading):
        return _plan_whole(reading)
    asked = _last_asked(earlier, catalogue)
    return _without_earlier(reading) if asked is None else _follow(asked, reading).found


def leans_on_earlier(question: str, catalogue: Catalogue) -> bool:
    """Whether a question means something else with the questions before it: only then are they needed."""
    if is_too_long(question):
        return False
    return catalogue.leanings.find(question, lambda: _leans(read(question, catalogue)))


def _leans(reading: Reading) -> bool:
    return leans(reading) or refers(reading)


def _without_earlier(reading: Reading) -> Intent | Refusal:
    """A follow-up to nothing: what it is by itself, or else that something is lacking before it."""
    alone = _plan_whole(reading)
    understood = isinstance(alone, Intent) or alone.missing or not points_back(reading)
    return alone if understood else refusals.nothing_before(reading.catalogue)


@attrs.frozen
class _Followed:
    """What a question came to, and the words it then has."""

    text: str
    found: Intent | Refusal


def _last_asked(earlier: Sequence[str], catalogue: Catalogue) -> Asked | None:
    """The last of the earlier questions that was understood, follow-ups among them taken with what they lean on."""
    asked: Asked | None = None
    for question in _from_last_whole(earlier[-_LOOKED_BACK:], catalogue):
        reading = read(question, catalogue)
        went_on = asked is not None and _leans(reading)
        found = _follow(asked, reading) if asked and went_on else _Followed(question, plan_alone(reading))
        if isinstance(found.found, Intent):
            asked = Asked(found.text, found.found)
    return asked


def _from_last_whole(earlier: Sequence[str], catalogue: Catalogue) -> Sequence[str]:
    """The questions from the last one on that is understood by itself."""
    earlier = [question for question in earlier if not is_too_long(question)]
    for number in range(len(earlier) - 1, -1, -1):
        reading = read(earlier[number], catalogue)
        if not _leans(reading) and isinstance(plan_alone(reading), Intent):
            return earlier[number:]
    return earlier


def _follow(asked: Asked, reading: Reading) -> _Followed:
    """What a follow-up asks for."""
    repeated = _Followed(asked.text, asked.intent) if asks_how_good(asked.intent, reading) else None
    of_it = repeated or _of_it(asked, reading)
    found = of_it or _changing(asked, reading)
    if of_it is not None or found.found == plan_alone(reading):
        found = _scoped(asked, reading, found)
    lacking = isinstance(found.found, Refusal) and found.found.reason == "no_such_column"
    if not lacking or is_fragment(reading):
        return found
    elsewhere = _elsewhere(asked.intent, reading)
    return _in_words(elsewhere, reading) if isinstance(elsewhere, Intent) else found


def _scoped(asked: Asked, reading: Reading, found: _Followed) -> _Followed:
    """What takes nothing from the question before, in its period: ``how much of it was on weekends?``."""
    alone = found.found
    return attrs.evolve(found, found=within_last(asked.intent, alone, reading)) if isinstance(alone, Intent) else found


def _in_words(found: Intent | Refusal, reading: Reading) -> _Followed:
    words = phrase(found, reading.catalogue) if isinstance(found, Intent) else None
    return _Followed(words or reading.text, found)


def _of_it(asked: Asked, reading: Reading) -> _Followed | None:
    """What is asked of “it”, by its name; None where it stands for nothing that the question before named."""
    texts = named_instead(asked, reading)
    found = [(text, plan_alone(read(text, reading.catalogue))) for text in texts]
    if len(found) == 1 and (isinstance(found[0][1], Intent) or not leans(reading)):
        return _Followed(*found[0])
    choice = [sentence(f"{text}?") for text, planned in found if isinstance(planned, Intent)]
    return _Followed(reading.text, refusals.which_name(choice, reading.text)) if len(choice) > 1 else None


def _changing(asked: Asked, reading: Reading) -> _Followed:
    """What a follow-up that stands on the whole question before makes of it."""
    if refers(reading) and not leans(reading):
        return _Followed(reading.text, _plan_whole(reading))
    last, table = asked.intent, reading.catalogue.table(asked.intent.table)
    if goes_on(last) and (found := _continued(asked, reading)):
        return found
    if any(named.table.name != table.name for named in reading.tables):
        return _in_words(_elsewhere(last, reading), reading)
    if asks_why(reading) and (question := why(last)) is not None:
        return _Followed(question, plan_alone(read(question, reading.catalogue)))
    asking = Asking(in_table(reading, table, apart=apart), table)
    alone = plan_in(reading, asking)
    if not is_plain(last):
        return _reworded(asked, of_the_same_year(last, asking), alone)
    return _in_words(merge(last, asking, alone), reading)


def _continued(asked: Asked, reading: Reading) -> _Followed | None:
    """A follow-up to a price, a what-if or a decision, where it is one by a part that it changes or adds."""
    last, catalogue = asked.intent, reading.catalogue
    if asks_why(reading):
        question = why(last)
        answered = [question] if question and isinstance(plan_alone(read(question, catalogue)), Intent) else []
        return _Followed(reading.text, refusals.no_reason(answered, catalogue))
    together = on_top(last, reading)
    if together is not None:
        return _together(together, reading)
    found = (
        _going_on(asked, elsewhere(asked, reading), catalogue)
        or _what_if(last, reading)
        or _reworded_alike(asked, reading)
    )
    if found is not None and isinstance(found.found, Intent):
        return found
    return _going_on(asked, added_to(asked, reading), catalogue) or found or _refused_alike(asked, reading)


def _refused_alike(asked: Asked, reading: Reading) -> _Followed | None:
    """Why the question before has no answer with what the follow-up adds, where that is known of its kind."""
    if asked.intent.kind != "prefix_cache":
        return None
    texts = added_to(asked, reading)
    planned = (_Followed(text, plan_alone(read(text, reading.catalogue))) for text in texts)
    return next((each for each in planned if isinstance(each.found, Refusal) and each.found.reason == _KNOWN), None)


_KNOWN = "not_supported"


def _together(question: str, reading: Reading) -> _Followed:
    """Two measures on the same calls, in a plan that counts nothing twice."""
    found = plan_alone(read(question, reading.catalogue)) if question else None
    if isinstance(found, Intent):
        return _Followed(question, found)
    return _Followed(reading.text, refusals.not_on_top())


def _going_on(asked: Asked, texts: Iterable[str], catalogue: Catalogue) -> _Followed | None:
    """The first of these questions that is understood as one of the same family, and is another than before."""
    planned = (_Followed(text, plan_alone(read(text, catalogue))) for text in texts)
    return next((each for each in planned if _goes_on_from(asked.intent, each.found)), None)


def _goes_on_from(last: Intent, found: Intent | Refusal) -> bool:
    if isinstance(found, Refusal):
        return False
    return family(found.kind) == family(last.kind) and found.bare != last.bare


def _reworded_alike(asked: Asked, reading: Reading) -> _Followed | None:
    """The question before with a period, a name or a split of the follow-up; None where nothing of it would change."""
    table = reading.catalogue.table(asked.intent.table)
    asking = of_the_same_year(asked.intent, Asking(in_table(reading, table, apart=apart), table))
    found = _reworded(asked, asking, refusals.unclear_follow_up(reading.catalogue))
    if isinstance(found.found, Refusal):
        return found if found.found.reason == "ambiguous" else None
    return found if found.found.bare != asked.intent.bare else None


def _elsewhere(last: Intent, reading: Reading) -> Intent | Refusal:
    """``and how much did we spend?`` after errors: what another table has, in the time that was asked about."""
    found = plan_alone(reading)
    if isinstance(found, Refusal) or reading.catalogue.table(found.table).first_day is None:
        return found
    kept = last.periods if len(last.periods) == 1 else []
    return msgspec.structs.replace(found, periods=found.periods or kept)


def _what_if(last: Intent, reading: Reading) -> _Followed | None:
    """Another way to save, of the same calls: ``and caching?`` after what batching would save."""
    kinds = {kind.name for kind in FAMILIES["what if"]}
    texts = supposed(last, reading) if last.kind in kinds else []
    kinds -= {last.kind, _OF_ALL_WAYS}
    planned = ((text, plan_alone(read(text, reading.catalogue))) for text in texts)
    found = (_Followed(text, each) for text, each in planned if isinstance(each, Intent) and each.kind in kinds)
    return next(found, None)


_OF_ALL_WAYS = "savings_plan"
"""The kind that ``save`` alone asks for, whatever stands beside it."""


def _reworded(asked: Asked, asking: Asking, alone: Intent | Refusal) -> _Followed:
    """The last question put again in words, with what a follow-up names; asked back where that fits two places."""
    catalogue = asking.reading.catalogue
    again_measured = measured_anew(asked.intent, asking)
    if again_measured is not None:
        return _Followed(asked.text, again_measured)
    before = in_table(read(asked.text, catalogue), asking.table, apart=apart)
    texts = reworded(before, asking, asked.intent)
    found = [(text, intent) for text in texts if isinstance(intent := plan_alone(read(text, catalogue)), Intent)]
    alike = [(text, intent) for text, intent in found if intent.kind == asked.intent.kind]
    if len(alike) > 1:
        choice = [sentence(f"{text}?") for text, _ in alike]
        return _Followed(asking.reading.text, refusals.which_place(choice, asking.reading.text))
    if alike:
        return _Followed(*alike[0])
    again = plan_alone(read(texts[0], catalogue)) if texts else alone
    if isinstance(alone, Intent) and is_fragment(asking.reading) and texts:
        return _Followed(asking.reading.text, again if isinstance(again, Refusal) else alone)
    return _Followed(asking.reading.text, alone if isinstance(alone, Intent) else again)


def _plan_whole(reading: Reading) -> Intent | Refusal:
    """What a question asks for by itself; where it asks several things, all of them or none."""
    summed = without_sum(reading.text) if reading.limit is not None else reading.text
    reading = reading if summed == reading.text else read(summed, reading.catalogue)
    parts = clauses(reading)
    if len(parts) == 1:
        return plan_alone(reading)
    first = plan_alone(read(parts[0], reading.catalogue))
    found = [first, *(_next_part(part, parts[0], first, reading.catalogue) for part in parts[1:])]
    intents = [each for each in found if isinstance(each, Intent)]
    if len(intents) < len(parts):
        return plan_alone(reading) if not intents else _in_part(parts, found, reading.catalogue)
    one = covering(intents) or covering(_scoped_alike(intents))
    return one or _in_part(parts, _within_one_time(intents), reading.catalogue)


def _scoped_alike(intents: Sequence[Intent]) -> list[Intent]:
    """``how many calls and how many tokens in 2025``: what closes the last clause is meant for all of them."""
    last = intents[-1]
    open_ones = all(not (each.periods or each.filters) for each in intents[:-1])
    scope = {"periods": last.periods, "filters": last.filters}
    return [msgspec.structs.replace(each, **scope) if open_ones else each for each in intents]


def _within_one_time(intents: Sequence[Intent]) -> list[Intent]:
    """``cost and number of errors in May``: the time that closes the last clause is meant for those without one."""
    last = intents[-1].periods
    return [each if each.periods else msgspec.structs.replace(each, periods=last) for each in intents]


def _next_part(part: str, before: str, first: Intent | Refusal, catalogue: Catalogue) -> Intent | Refusal:
    """A further clause: it is about the period and the names of the first where it has none of its own."""
    reading = read(part, catalogue)
    alone = None if is_fragment(reading) or refers(reading) else plan_alone(reading)
    if not isinstance(first, Intent) or isinstance(alone, Refusal):
        return alone or plan_alone(reading)
    found = _follow(Asked(before, first), reading).found
    return found if alone is None or isinstance(found, Intent) else alone


def _meaning(found: Intent | Refusal, asked: Sequence[str | None], catalogue: Catalogue) -> str:
    """The first of these questions that asks just this by itself; empty where none does."""
    if isinstance(found, Refusal):
        return ""
    planned = ((question, plan(question, catalogue)) for question in asked if question)
    return next((words for words, each in planned if isinstance(each, Intent) and each.bare == found.bare), "")


def _in_part(parts: Sequence[str], found: Sequence[Intent | Refusal], catalogue: Catalogue) -> Refusal:
    asked = [phrase(each, catalogue) if isinstance(each, Intent) else None for each in found]
    own = [sentence(f"{part.strip(' ,.?!')}?") for part in parts]
    whole = [_meaning(each, words, catalogue) for each, *words in zip(found, asked, own, strict=True)]
    answered = [words for words in whole if words]
    open_parts = [part.strip(" ,.?!") for part, each in zip(parts, found, strict=True) if isinstance(each, Refusal)]
    return refusals.several_things(open_parts, answered, catalogue)
