"""The model that calls would go to, by what a question calls it: one, or which one is asked back, or none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.phrasing import sentence
from chatcore.agents.analyst.pricebook import PriceRow
from chatcore.agents.analyst.prices import naming, wording
from chatcore.agents.analyst.request import Refusal
from chatcore.agents.analyst.savings.priced import Priced


def target_of(name: str, priced: Priced, question: Callable[[str], str] | None = None) -> str | Refusal:
    """The name by which a model has a price.

    Args:
        name: as it is called, in one word or several.
        priced: the calls and the prices.
        question: the question with another name in its place, to ask back with; one about all calls unless given.
    """
    listed = _listed(name, priced)
    if listed is not None:
        return listed
    rows, is_clear = naming.resolve(name.split(), priced.book)
    if rows and is_clear:
        return wording.shortest(rows[0], priced.book)
    asked = question or (lambda each: f"What if we had used {each} for everything in {priced.table.name}?")
    return which_target(name, rows, priced, asked) if rows else no_such_price(name, priced)


def _listed(name: str, priced: Priced) -> str | None:
    """A name as it stands, joined by hyphens, or as the ledger has it, if it has a price so."""
    joined = name.replace(" ", "-")
    column = next((c for c in priced.table.columns if joined in c.spelt_alike), None)
    known = column.spelt_alike[joined] if column else ()
    return next((each for each in (name, joined, *known) if priced.book.match(each)), None)


def can_mean_a_model(name: str, catalogue: Catalogue) -> bool:
    """Whether a list of prices has a model that is called so, or several."""
    return any(naming.resolve(name.split(), book)[0] for book in catalogue.price_books)


def which_target(name: str, rows: Sequence[PriceRow], priced: Priced, question: Callable[[str], str]) -> Refusal:
    """A name that several models have; those that are in use come first."""
    used = set(priced.matches().values())
    first = sorted(rows, key=lambda row: row.key not in used)
    shown, more = wording.choices(first)
    return Refusal(
        reason="ambiguous",
        text=f"“{name}” can be {more}: which one is meant?",
        missing=("model",),
        alternatives=tuple(sentence(question(wording.shortest(row, priced.book))) for row in shown),
    )


def no_such_price(name: str, priced: Priced) -> Refusal:
    """A model that the list prices do not have."""
    names = {row.key.model.lower(): row.key.model for row in priced.book.rows}
    close = [names[each] for each in get_close_matches(name, names, n=3, cutoff=0.5)]
    table = priced.table.name
    return Refusal(
        reason="no_rows",
        text=f"`{priced.book.columns.table}` has no price for “{name}”: I cannot say what calls would cost on it.",
        missing=(name,),
        alternatives=tuple(f"What if we had used {each} for everything in {table}?" for each in close)
        or ("How can we reduce our bill?",),
    )
