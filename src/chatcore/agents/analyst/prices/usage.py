"""The calls that a question about prices is about: a table of usage, its period, its filters. Pure."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.catalogue import Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.faults import find_scope_fault
from chatcore.agents.analyst.mentions import NamedTable, Span, find_tables
from chatcore.agents.analyst.prices.questions import WORDS_OF_PRICES, counts_tokens, is_amount
from chatcore.agents.analyst.ranking import ranked, score
from chatcore.agents.analyst.reading import Reading, in_table, sells
from chatcore.agents.analyst.request import Refusal


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OF_USAGE = _words("""
    would repriced reprice repricing revalue logged recorded actual actually billed charged match matches agree agrees
    differ differs difference differences deviate deviates deviation discrepancy discrepancies gap workload traffic
    trace traces worth valued value tokens calls conversation swap switched moved had been instead everything same
    unmatched matched matching unpriced zero nothing tolerance by more than
""")
"""Words that questions about the price of usage may have besides."""


def usage_of(reading: Reading, able: Callable[[Table], bool]) -> Table | Refusal | None:
    """The table whose calls are meant, of those that can be priced; None where there is none.

    Args:
        reading: the question.
        able: whether a table has what it takes.
    """
    prices = reading.catalogue.price_tables
    named = [each.table for each in named_tables(reading)]
    tables = ranked([t for t in named or reading.catalogue.tables if t.name not in prices and able(t)])
    if len(tables) > 1 and score(tables[0]) == score(tables[1]):
        return refusals.which_table(reading, [t for t in tables if score(t) == score(tables[0])])
    if not tables and named:
        return _lacking(named[0], reading)
    return tables[0] if tables else None


def named_tables(reading: Reading) -> list[NamedTable]:
    """The tables that a question names, those of prices aside: ``price`` is no name of one here."""
    tables = [table for table in reading.catalogue.tables if table.name not in reading.catalogue.price_tables]
    named = find_tables(reading.text, reading.words, tables)
    return [each for each in named if not sells(each, reading.text, reading.catalogue)]


def _lacking(table: Table, reading: Reading) -> Refusal:
    """The table that is named cannot be priced."""
    lacks = [m for m in (Meaning.MODEL, Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS) if not table.has(m)]
    return refusals.no_such_column(str(lacks[0]) if lacks else "cost", table, reading.catalogue)


def asked_of(reading: Reading, table: Table, spans: tuple[Span, ...] = ()) -> Asking | Refusal:
    """The question put to a table; or why its period or a name of it is not there.

    Args:
        reading: the question.
        table: its calls are meant.
        spans: stretches that are taken for something else, as the models that calls are priced on.
    """
    amounts = {word.text for word in reading.words if is_amount(word)}
    taken = amounts | {word.text for word in reading.words if any(span.covers(word) for span in spans)}
    known = attrs.evolve(
        reading, tables=tuple(named_tables(reading)), understood=frozenset(WORDS_OF_PRICES | OF_USAGE | taken)
    )
    inside = in_table(known, table, apart=lambda _: False)
    kept = tuple(v for v in inside.values if not any(_meet(v, span) for span in spans))
    asking = Asking(attrs.evolve(inside, values=kept), table)
    return find_scope_fault(asking) or asking


def _meet(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def is_priceable(table: Table) -> bool:
    """Whether each call can be priced by its own model."""
    return table.has(Meaning.MODEL) and counts_tokens(table)


def is_logged(table: Table) -> bool:
    """Whether each call can be priced, and has a cost to put beside."""
    return is_priceable(table) and table.has(Meaning.COST)
