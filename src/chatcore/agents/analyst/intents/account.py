"""What the kinds that look at the shape of the spend share: a table, an intent, and the words for what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import msgspec

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import MAX_EVIDENCE_ROWS, Cell, Query, Sheet
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    NoOptions,
    Recogniser,
    Sheets,
    code,
    markdown_table,
    noun_of,
    plural,
)
from chatcore.agents.analyst.intents.claims import Claim, dimensions_of
from chatcore.agents.analyst.intents.scope import (
    filter_words,
    implausible_words,
    nothing_there,
    period_words,
    relative_words,
)
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.sql import Condition, all_of, implausible, restriction, select, time_of


@attrs.frozen
class Subject:
    """What is asked, and of which table.

    Args:
        intent: what is asked.
        catalogue: what there is.
    """

    intent: Intent
    catalogue: Catalogue

    @property
    def table(self) -> Table:
        """The table that it is about."""
        return self.catalogue.table(self.intent.table)

    @property
    def split(self) -> str | None:
        """The column that rows are split by: the one that is asked for, else the first that tells them apart."""
        return self.intent.by or next((column.name for column in dimensions_of(self.table)), None)

    @property
    def time(self) -> str:
        """SQL for the time of a row; only for a table that has one."""
        return str(time_of(self.table))

    @property
    def rows(self) -> Condition:
        """Where a row is asked for."""
        return restriction(self.intent, self.table)

    @property
    def plausible_rows(self) -> Condition:
        """Where a row is asked for and is not implausible."""
        odd = implausible(self.table)
        return all_of((Condition(f"{odd.sql} IS NOT TRUE", odd.parameters) if odd else None, self.rows))

    @property
    def fractional_tokens(self) -> bool:
        """Whether the table's tokens are no whole numbers."""
        meanings = (Meaning.TOTAL_TOKENS, Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS)
        return any(c is not None and not c.type.endswith(("INT", "INTEGER")) for c in map(self.table.column, meanings))

    def split_by(self, column: str) -> Subject:
        """The same rows, split by a column."""
        return Subject(msgspec.structs.replace(self.intent, by=column), self.catalogue)

    def has(self, *meanings: Meaning) -> bool:
        """Whether the table has a column of each of these meanings."""
        return self.table.has(*meanings)


@attrs.frozen
class Account(Subject):
    """What was found, and the words that every answer about it has.

    Args:
        sheets: the rows that came out, by the name of their query.
    """

    sheets: Sheets

    def sheet(self, name: str) -> Sheet:
        """The rows of a query."""
        return self.sheets[name]

    def cell(self, sheet: str, column: str, row: int = 0) -> Cell:
        """One cell."""
        return self.sheets[sheet].cell(column, row)

    def money(self, cell: Cell) -> str:
        """An amount in the table's currency."""
        return cell.money(self.table.currency)

    @property
    def noun(self) -> str:
        """What a row is called."""
        return noun_of(self.table)

    def calls(self, cell: Cell) -> str:
        """A number of rows with their noun."""
        return plural(cell, self.noun)

    @property
    def scope(self) -> str:
        """The period and the filters, as they follow a noun."""
        return period_words(self.intent) + filter_words(self.intent.filters)

    @property
    def has_implausible(self) -> bool:
        """Whether implausible rows are among those that are asked for."""
        return bool(len(self.sheets.get("implausible", ())))

    @property
    def left_out(self) -> str:
        """What is said after a figure that leaves implausible rows out; empty where there are none."""
        return ", implausible rows left out" if self.has_implausible else ""

    @property
    def odd_part(self) -> tuple[str, ...]:
        """The part of the text that names the implausible rows; none where there are none."""
        words = implausible_words(self.table, self.sheets.get("implausible"))
        return (f"\n{words}",) if words else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What relative words of time were counted from."""
        return tuple(relative_words(self.intent, self.table))

    def shown(self, column: str, cell: Cell) -> str:
        """A cell as a table shows it, by what its column is called."""
        if cell.missing:
            return "–"
        if isinstance(cell.value, str):
            return code(cell) if column == "name" else str(cell)
        if column.endswith("percent"):
            return cell.percent
        return self.money(cell) if column.startswith(_AMOUNTS) else cell.figure

    def divided(self, titles: dict[str, str], most: int) -> list[str]:
        """The figures by steps of time where they were asked for so, else by the column that they are split by.

        Args:
            titles: by column of ``steps`` and of ``groups``.
            most: rows of groups, unless a number was asked for.
        """
        if "steps" in self.sheets:
            return [self.markdown("steps", {"step": str(self.intent.grain), **titles})]
        if self.split is None or "groups" not in self.sheets:
            return []
        return [self.markdown("groups", {"name": self.split, **titles}, self.intent.limit or most)]

    def markdown(self, sheet: str, titles: dict[str, str], limit: int | None = None, *, first: int = 0) -> str:
        """The columns of a sheet as a Markdown table: titles by the columns' names, absent ones left out.

        Args:
            sheet: the name of its query.
            titles: by column.
            limit: how many rows; None for all.
            first: the row to begin with, counted from 0.
        """
        rows = list(self.sheets[sheet])[first:][:limit]
        present = {name: title for name, title in titles.items() if self.sheets[sheet].has(name)}
        shown = [[self.shown(name, row[name]) for name in present] for row in rows]
        return markdown_table(list(present.values()), shown)


_AMOUNTS = ("spend", "cost", "median_cost", "saving", "amount")

AskedOf = Callable[[Subject], Sequence[Query]]
Drafted = Callable[[Account], Draft | Refusal]


def kind_of(
    claim: Claim,
    description: str,
    queries: AskedOf,
    draft: Drafted,
    *,
    recognise: Recogniser | None = None,
    options: type[msgspec.Struct] = NoOptions,
) -> IntentKind:
    """A kind of question that asks nothing of a table that lacks what it needs, and refuses such a table.

    Args:
        claim: what it is recognised by and what it needs.
        description: what it finds out.
        queries: what to ask; one of the name ``totals`` has a column ``calls``.
        draft: the answer, where any row is asked for.
        recognise: as of :class:`IntentKind`; None where the claim alone decides.
        options: the shape of the intent's options.
    """

    def ask(intent: Intent, catalogue: Catalogue) -> Sequence[Query]:
        subject = Subject(intent, catalogue)
        return queries(subject) if claim.allows(subject.table) else []

    def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
        account = Account(intent, catalogue, sheets)
        if not claim.allows(account.table):
            return claim.lacking(account.table, catalogue)
        if account.cell("totals", "calls").value == 0:
            return nothing_there(intent, catalogue)
        return draft(account)

    return IntentKind(claim.name, description, ask, word, recognise or claim.recognise, options)


_CODES = {"$": "USD", "€": "EUR", "£": "GBP"}


def unit_of(table: Table) -> str:
    """The unit of a table's costs, as a recommendation names it."""
    return _CODES.get(table.currency, "as recorded")


def by_column(subject: Subject, columns: dict[str, str], where: Condition, order: str, *, limit: int = 50) -> Query:
    """The values of the column that the intent splits by, as ``name``, each with these figures.

    Args:
        subject: what is asked, with a column to split by.
        columns: SQL by the name of its column in the evidence.
        where: which rows.
        order: SQL that ranks the values; ties go by name.
        limit: how many are fetched.
    """
    name = identifier(str(subject.intent.by))
    sql = (
        f"SELECT CAST({name} AS VARCHAR) AS name, {select(columns)} FROM {identifier(subject.table.name)} "
        f"{where.where} GROUP BY {name} ORDER BY {order}, name NULLS LAST LIMIT {limit}"
    )
    return Query("groups", sql, where.parameters)


def by_step(subject: Subject, columns: dict[str, str], where: Condition) -> Query:
    """The newest steps of time, as ``step``, each with these figures; steps without rows are not there."""
    begin = f"date_trunc('{subject.intent.grain}', {subject.time})"
    timed = all_of((where, Condition(f"{subject.time} IS NOT NULL")))
    steps = (
        f"SELECT {step_name(subject.intent.grain, begin)} AS step, {select(columns)} "
        f"FROM {identifier(subject.table.name)} {timed.where} GROUP BY {begin} ORDER BY step DESC "
        f"LIMIT {MAX_EVIDENCE_ROWS}"
    )
    return Query("steps", f"SELECT * FROM ({steps}) ORDER BY step", timed.parameters)


def step_name(grain: str | None, begin: str) -> str:
    """SQL for the name of a step that begins at a time: 2025-05-07, 2025-W19, 2025-05, 2025-Q2, 2025."""
    formats = {"day": "'%Y-%m-%d'", "week": "'%G-W%V'", "month": "'%Y-%m'", "year": "'%Y'"}
    name = formats.get(str(grain))
    return f"strftime({begin}, {name})" if name else f"strftime({begin}, '%Y-Q') || quarter({begin})"
