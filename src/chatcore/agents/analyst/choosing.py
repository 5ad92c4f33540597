"""Which table a question is about, where it names none or several. Pure."""

from __future__ import annotations

from collections.abc import Set

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.catalogue import Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.mentions import find_columns
from chatcore.agents.analyst.ranking import ranked, score
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Refusal


def choose_table(reading: Reading) -> Table | Refusal:
    """The table that a question is about: the one it names, or the ledger that can answer it."""
    named = list({mention.table.name: mention.table for mention in reading.tables}.values())
    if len(named) == 1:
        return named[0]
    candidates = named or _with_columns(reading) or list(reading.catalogue.tables)
    able = [table for table in candidates if _can_measure(reading, table)]
    if not able and named:
        return ranked(named)[0]  # whichever is meant, it lacks what is asked for
    best = ranked(able or [t for t in reading.catalogue.tables if _can_measure(reading, t)] or candidates)
    if len(best) > 1 and score(best[0]) == score(best[1]) and (named or _is_ledger(best[0])):
        return refusals.which_table(reading, [table for table in best if score(table) == score(best[0])])
    return best[0]


def _is_ledger(table: Table) -> bool:
    return table.has(Meaning.COST) or table.has(Meaning.INPUT_TOKENS)


def _with_columns(reading: Reading) -> list[Table]:
    """The tables with all the columns that the question names by their own names, if it names any."""
    columns = find_columns(reading.text, reading.catalogue.tables)
    names = {each.column.name for each in columns if _is_telling(reading.text[each.start : each.end])}
    return [t for t in reading.catalogue.tables if names and names <= {column.name for column in t.columns}]


def _is_telling(words: str) -> bool:
    """Whether words can only be a column's name: written as one, or with a word that has no other meaning."""
    return "_" in words or any(word not in lexicon.KNOWN - lexicon.OTHER_NOUNS for word in words.split())


def _can_measure(reading: Reading, table: Table) -> bool:
    return can_measure({word.text for word in reading.words}, table)


def can_measure(words: Set[str], table: Table) -> bool:
    """Whether a table has the figures that words ask for: costs, tokens."""
    if words & (lexicon.COST | lexicon.CHEAP) and not table.has(Meaning.COST):
        return False
    tokens = (Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS, Meaning.TOTAL_TOKENS)
    return not words & lexicon.TOKENS or any(table.has(meaning) for meaning in tokens)
