"""What an intent is: queries, and the words that are made of their cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import attrs
import msgspec

from chatcore.agents.analyst.catalogue import Catalogue, Column, Table
from chatcore.agents.analyst.columns import Meaning, currency_of, name_words
from chatcore.agents.analyst.evidence import Cell, Query, Sheet
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.protocol.messages import Recommendation

Sheets: TypeAlias = Mapping[str, Sheet]
"""The sheet of each query by the query's name."""

Queries: TypeAlias = Callable[[Intent, Catalogue], Sequence[Query]]


@attrs.frozen
class Draft:
    """An answer in words.

    Args:
        parts: the text (Markdown), in the parts it is said in.
        insights: what stands out.
        action_items: what to do about it.
        recommendations: what would change, with quantities; each quantity is a cell's value, unrounded.
    """

    parts: tuple[str, ...]
    insights: tuple[str, ...] = ()
    action_items: tuple[str, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()


Wording: TypeAlias = Callable[[Intent, Catalogue, Sheets], Draft | Refusal]

Recogniser: TypeAlias = Callable[[Reading], Intent | Refusal | None]
"""What a question asks of one kind, or why that has no answer; None where the question asks for something else."""

Options = TypeVar("Options", bound=msgspec.Struct)


class NoOptions(msgspec.Struct, frozen=True):
    """The options of a kind that takes none."""


@attrs.frozen
class IntentKind:
    """A kind of question that is answered.

    Args:
        name: as in :attr:`Intent.kind`.
        description: what it finds out.
        queries: what to ask the ledger; a query of the name ``totals`` has a column ``calls``.
        word: the answer, made of the cells that came out.
        recognise: finds it in a question, before the planner's own grammar is tried; None where that grammar finds it.
        options: the shape of :attr:`Intent.options`.
    """

    name: str
    description: str
    queries: Queries
    word: Wording
    recognise: Recogniser | None = None
    options: type[msgspec.Struct] = NoOptions


def options_of(intent: Intent, shape: type[Options]) -> Options:
    """What only this kind takes, typed.

    Raises:
        msgspec.ValidationError: names the option that is wrong.
    """
    return msgspec.convert(intent.options, shape)


@attrs.frozen
class Measured:
    """How a measure is found in the evidence, and called.

    Args:
        column: of the evidence.
        words: in a sentence.
        is_money: whether it is an amount.
    """

    column: str
    words: str
    is_money: bool = False


MEASURED: Mapping[Measure, Measured] = {
    Measure.COST: Measured("spend", "spend", is_money=True),
    Measure.CALLS: Measured("calls", "calls"),
    Measure.TOKENS: Measured("tokens", "tokens"),
    Measure.INPUT_TOKENS: Measured("input_tokens", "tokens in"),
    Measure.OUTPUT_TOKENS: Measured("output_tokens", "tokens out"),
    Measure.COST_PER_CALL: Measured("cost_per_call", "cost per call", is_money=True),
    Measure.COST_PER_MILLION_TOKENS: Measured("cost_per_million_tokens", "cost per million tokens", is_money=True),
    Measure.TOKENS_PER_CALL: Measured("tokens_per_call", "tokens per call"),
    Measure.INPUT_TOKENS_PER_CALL: Measured("input_tokens_per_call", "tokens in per call"),
    Measure.OUTPUT_TOKENS_PER_CALL: Measured("output_tokens_per_call", "tokens out per call"),
}


def written(column: str, cell: Cell, currency: str) -> str:
    """A cell of a column of sums, as it is shown; a dash where there is none."""
    if cell.missing:
        return "–"
    if column.endswith("percent"):
        return cell.percent
    return cell.money(currency) if column.startswith(("spend", "cost")) else cell.figure


def code(cell: Cell) -> str:
    """A name as code: it is quoted as it stands, and is no number whatever digits it has."""
    text = str(cell).replace("`", "'").replace("\n", " ")
    return f"`{text}`" if text else "(empty)"


def limits_of(table: Table) -> str:
    """What a table that holds no number and no time is good for, as a sentence; empty for any other."""
    if not table.only_counts:
        return ""
    return f"`{table.name}` has no column of numbers or times: its rows can be counted and grouped, and nothing else."


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is to the left, the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def measured(column: Column, cell: Cell, currency: str) -> str:
    """A cell of a column of numbers in its unit, as far as its meaning and name tell one."""
    if column.meaning is Meaning.COST or currency_of(column.name):
        return cell.money(currency or currency_of(column.name))
    return cell.figure + next((unit for word, unit in _UNITS.items() if word in name_words(column.name)), "")


_UNITS = {"ms": " ms", "milliseconds": " ms", "seconds": " s"}


def plural(cell: Cell, one: str, many: str = "") -> str:
    """A count with its noun: 1 call, 5,522 calls."""
    return f"{cell.count} {one if cell.value == 1 else many or one + 's'}"


def table_of(intent: Intent, catalogue: Catalogue) -> Table:
    """The table that an intent is about."""
    return catalogue.table(intent.table)


def noun_of(table: Table) -> str:
    """What a row of a table is: a call where it has tokens, else what the table's name has many of."""
    if table.has(Meaning.INPUT_TOKENS) or table.has(Meaning.TOTAL_TOKENS):
        return "call"
    words = name_words(table.name)
    return " ".join(words).removesuffix("s") if words and words[-1].endswith("s") else "row"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""
