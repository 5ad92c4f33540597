"""A maker of models that a question names, ``openai``: its models are meant, whether its name is in theirs or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.language import Word
from chatcore.agents.analyst.mentions import NamedValues
from chatcore.agents.analyst.pricebook.makers import made_by, maker_called
from chatcore.agents.analyst.request import Intent

_SHOWN = 5


def of_makers(
    values: Iterable[NamedValues], free: Iterable[Word], table: Table, catalogue: Catalogue
) -> list[NamedValues]:
    """The named values, with a maker's models where its name stands for them.

    Args:
        values: that were found in the question.
        free: words of the question that may name more.
        table: whose values they are.
        catalogue: what there is; without a price list nothing says who makes a model.
    """
    found, model = list(values), table.column(Meaning.MODEL)
    if model is None or not catalogue.price_books:
        return found
    left = [word for word in free if not any(named.covers(word) for named in found)]
    named = [NamedValues(word.start, word.end, model, (), word.text) for word in left]
    found = [_widened(each, catalogue) if each.column.name == model.name else each for each in found]
    found += [each for word in named if (each := _widened(word, catalogue)).values]
    return sorted(found, key=lambda each: each.start)


def _widened(named: NamedValues, catalogue: Catalogue) -> NamedValues:
    book = catalogue.price_books[0]
    maker = maker_called(named.words, book)
    if maker is None or named.values == (named.words,):
        return named
    made = made_by(maker, named.column.values, book)
    return attrs.evolve(named, values=made, maker=maker) if made else named


def maker_notes(intent: Intent) -> list[str]:
    """What is assumed where a maker was named: which names are taken for its models."""
    found = []
    for each in intent.filters:
        if each.maker is not None:
            shown = ", ".join(f"`{name}`" for name in each.values[:_SHOWN])
            more = " and others, which the evidence lists" if len(each.values) > _SHOWN else ""
            found.append(
                f"`{each.maker}` is taken for who makes the models, whoever sold them, as their names and the price "
                f"list tell: {shown}{more}."
            )
    return found


def makers_in(intents: Sequence[str | None]) -> str | None:
    """Several makers as one name; None where any part of it is no maker."""
    names = [each for each in intents if each]
    return " or ".join(names) if names and len(names) == len(intents) else None
