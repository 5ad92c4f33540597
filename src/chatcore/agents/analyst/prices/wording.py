"""What answers about prices say alike: rates, conditions, where the prices come from. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.evidence import Cell
from chatcore.agents.analyst.intents.base import code, listed
from chatcore.agents.analyst.pricebook import PriceBook, PriceKey, PriceRow
from chatcore.agents.analyst.prices.naming import NamedModel, nearest
from chatcore.agents.analyst.prices.questions import usage_tables
from chatcore.agents.analyst.refusals import suggestions
from chatcore.agents.analyst.request import Refusal

SHOWN_CHOICES = 6
"""Models that a question asks back with."""

_KNOWN_MODELS = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro", "o3")
"""Models that examples are made with, where the prices have them."""


def rate(cell: Cell, currency: str) -> str:
    """A price as it is listed, to as many digits as it has: $0.075; a dash where there is none."""
    if cell.missing:
        return "–"
    whole, _, digits = f"{cell.value:,.10f}".rstrip("0").partition(".")
    return f"{currency}{whole}.{digits:0<2}"


def amount(cell: Cell, currency: str) -> str:
    """What something costs: to the cent, below a dollar to four significant digits."""
    if cell.missing or abs(cell.value) >= 1 or cell.value == 0:
        return cell.money(currency)
    decimals = 3 - math.floor(math.log10(abs(cell.value)))
    whole, _, digits = f"{abs(cell.value):.{decimals}f}".rstrip("0").partition(".")
    return f"{'-' if cell.value < 0 else ''}{currency}{whole}.{digits:0<2}"


def name_of(key: PriceKey) -> str:
    """A model and who sells it, as code."""
    return f"`{key.model}` of `{key.provider}`" if key.provider else f"`{key.model}`"


def model_of(row: Mapping[str, Cell]) -> str:
    """The same of a row of evidence."""
    return f"{code(row['model'])} of {code(row['provider'])}" if row["provider"].value else code(row["model"])


def holds(row: Mapping[str, Cell], siblings: Sequence[Mapping[str, Cell]]) -> str:
    """When a price holds: its dates and its time of the day."""
    since, until = str(row["since"])[:10], str(row["until"])[:10]
    dates = "" if row["since"].missing else f"since {since}"
    if not row["until"].missing:
        dates = f"{since} to before {until}" if dates else f"before {until}"
    clock = ""
    if not row["from_time"].missing:
        clock = f"{str(row['from_time'])[:5]} to {str(row['to_time'])[:5]} UTC"
    elif any(not other["from_time"].missing for other in siblings):
        clock = "at other times of the day"
    return ", ".join(filter(None, (dates, clock)))


def source_note(book: PriceBook, catalogue: Catalogue) -> str:
    """Where the prices come from."""
    return (
        f"Prices are those of `{book.columns.table}` as it was attached (data version "
        f"`{catalogue.data_version[:12]}`): list prices, not a quotation."
    )


def book_of(catalogue: Catalogue, tables: Sequence[str] = ()) -> PriceBook | None:
    """The table of prices that is meant: one that is named, or else the first."""
    books = catalogue.price_books
    return next((book for book in books if book.columns.table in tables), books[0] if books else None)


# --- refusals -------------------------------------------------------------------------------------------------------


def no_prices(catalogue: Catalogue) -> Refusal:
    """There is no table of prices."""
    return Refusal(
        reason="no_such_column",
        text="No table that is attached has list prices: it needs a column of models and one each for the price of "
        "input and of output tokens, such as `input_usd_per_mtok`. Attach one beside the usage, with "
        "`--data model_prices.csv`.",
        missing=("list prices",),
        alternatives=suggestions(catalogue),
    )


def price_questions(catalogue: Catalogue) -> tuple[str, ...]:
    """Questions about prices that are answered."""
    book = book_of(catalogue)
    if book is None:
        return suggestions(catalogue)
    asked = [f"What is the list price of {name}?" for name in known_models(book)]
    return (*asked, *(["What would our usage cost at list price?"] if usage_tables(catalogue) else []))


def known_models(book: PriceBook) -> list[str]:
    """Two models that examples are made with."""
    known = [name for name in _KNOWN_MODELS if book.match(name)]
    return (known or [str(row.key) for row in book.rows if row.priced])[:2]


def which_model(named: NamedModel, book: PriceBook, when: str = "") -> Refusal:
    """A name that several models have; ``when`` is the time that was asked for."""
    shown, names = choices(named.rows)
    return Refusal(
        reason="ambiguous",
        text=f"“{named.words}” can be {names}: which one is meant?",
        missing=("model",),
        alternatives=tuple(f"What is the list price of {shortest(row, book)}{when}?" for row in shown),
    )


def choices(rows: Sequence[PriceRow]) -> tuple[Sequence[PriceRow], str]:
    """The first models of those that a name can mean, and these in words."""
    shown = rows[:SHOWN_CHOICES]
    more = " and others" if len(rows) > len(shown) else ""
    return shown, f"{listed([name_of(row.key) for row in shown])}{more}"


def no_model(catalogue: Catalogue) -> Refusal:
    """A question about a price that names no model."""
    return Refusal(
        reason="ambiguous",
        text="Which model's price is meant?",
        missing=("model",),
        alternatives=price_questions(catalogue),
    )


def no_such_price(word: str, book: PriceBook, catalogue: Catalogue) -> Refusal:
    """A name that no row of the prices covers."""
    near = [f"What is the list price of {shortest(row, book)}?" for row in nearest(word, book)]
    return Refusal(
        reason="no_rows",
        text=f"`{book.columns.table}` has no price for “{word}”. That is not the same as free.",
        missing=(word,),
        alternatives=tuple(near) or price_questions(catalogue),
    )


def not_in_prices(word: str, book: PriceBook, catalogue: Catalogue) -> Refusal:
    """A word of a question about prices that the prices say nothing about."""
    return Refusal(
        reason="not_supported",
        text=f"`{book.columns.table}` says nothing about “{word}”: it has a price for input, output and cached tokens "
        "by model, seller, date and time of the day.",
        missing=(word,),
        alternatives=price_questions(catalogue),
    )


def shortest(row: PriceRow, book: PriceBook) -> str:
    """The shortest name that leads to this row: the model's own where its maker sells it."""
    plain = row.key.model
    return plain if row.is_makers and book.match(plain) is row else str(row.key)


def no_usage(catalogue: Catalogue) -> Refusal:
    """There are prices, and no calls that they could be put to."""
    return Refusal(
        reason="no_such_column",
        text="No table that is attached has calls that can be priced: it needs a model and the tokens in and out of "
        "each call.",
        missing=("usage",),
        alternatives=price_questions(catalogue),
    )
