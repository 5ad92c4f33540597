"""Spend, calls or tokens by two things at once: by a column over steps of time, or by one column and another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.account import Account, Subject, kind_of, step_name
from chatcore.agents.analyst.intents.base import MEASURED, Draft, code, markdown_table, options_of
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.scope import gap_query, gap_words, implausible_query, totals_query
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.sql import Condition, aggregates, all_of, exact_sum, parameters_of

COLUMNS = 5
"""Values that stand side by side; the others are summed up."""

ROWS = 12
"""Values that stand one below the other, unless more or fewer were asked for."""

STEPS = 24
"""Steps of time that do so, the newest."""

SUMS = frozenset([Measure.COST, Measure.CALLS, Measure.TOKENS, Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS])
"""What can be split by two things: of a sum, the others are known by what is left."""

CLAIM = Claim(name="cross", what="a split by two things", words=())


class Cross(msgspec.Struct, frozen=True):
    """The options: the column whose values stand side by side, where the rows are of a column and not of steps."""

    across: Annotated[str | None, msgspec.Meta(description="The second column; absent with a grain.")] = None


def _across(intent: Intent) -> str | None:
    """The column whose values stand side by side; None where there is no second thing to split by."""
    across = options_of(intent, Cross).across
    return intent.by if intent.grain is not None else across


def _row_of(subject: Subject) -> str:
    """SQL for what a row of the table of an answer is called."""
    if subject.intent.grain is None:
        return f"coalesce(CAST({identifier(str(subject.intent.by))} AS VARCHAR), '')"
    return step_name(subject.intent.grain, f"date_trunc('{subject.intent.grain}', {subject.time})")


def _amount(subject: Subject) -> str:
    """The column of what is split: of costs, without the implausible rows."""
    column = MEASURED[subject.intent.measure].column
    return "spend_without_implausible" if column == "spend" and subject.table.implausible else column


def _grid(subject: Subject) -> tuple[str, dict[str, object]]:
    """SQL for the figures of each pair, and for the places of the rows and of the columns; and what it binds."""
    name, amount = identifier(str(_across(subject.intent))), _amount(subject)
    timed = Condition(f"{subject.time} IS NOT NULL") if subject.intent.grain else None
    where = all_of((subject.rows, timed))
    order = "row_name DESC" if subject.intent.grain else "sum(amount) DESC NULLS LAST, row_name"
    sql = (
        f"WITH grid AS (SELECT {_row_of(subject)} AS row_name, coalesce(CAST({name} AS VARCHAR), '') AS column_name, "
        f"{aggregates(subject.table)[amount]} AS amount FROM {identifier(subject.table.name)} "
        f"{where.where} GROUP BY 1, 2), "
        f"rows_in_order AS (SELECT row_name, row_number() OVER (ORDER BY {order}) AS row_place FROM "
        "(SELECT row_name, CAST(amount AS DECIMAL(38,12)) AS amount FROM grid) GROUP BY row_name), "
        "columns_in_order AS (SELECT column_name, "
        "row_number() OVER (ORDER BY sum(amount) DESC NULLS LAST, column_name) AS place FROM "
        "(SELECT column_name, CAST(amount AS DECIMAL(38,12)) AS amount FROM grid) GROUP BY column_name), "
        "placed AS (SELECT *, least(place, $columns + 1) AS column_place FROM grid "
        "JOIN rows_in_order USING (row_name) JOIN columns_in_order USING (column_name) WHERE row_place <= $rows) "
    )
    limit = subject.intent.limit
    rows = STEPS if subject.intent.grain else limit or ROWS
    columns = limit or COLUMNS if subject.intent.grain else COLUMNS
    usual = parameters_of(subject.table) if amount.startswith("spend") else {}
    return sql, {**usual, **where.parameters, "rows": rows, "columns": columns}


def queries(subject: Subject) -> list[Query]:
    """The rows with their totals, the figures of each pair, and how many rows and columns there are."""
    across = _across(subject.intent)
    totals = totals_query(subject.intent, subject.catalogue, distinct=across)
    if across is None or subject.intent.by is None or subject.intent.measure not in SUMS:
        return [totals]
    sql, parameters = _grid(subject)
    whole = not (MEASURED[subject.intent.measure].is_money or subject.fractional_tokens)
    figures = f"{exact_sum('amount', 'BIGINT' if whole else 'DOUBLE')} AS {identifier(_amount(subject))}"
    order = "row_name" if subject.intent.grain else "row_place"
    pairs = (
        f"{sql} SELECT row_name, column_place, CASE WHEN column_place <= $columns THEN column_name END AS column_name, "
        f"{figures} FROM placed GROUP BY row_place, row_name, 2, 3 ORDER BY {order}, column_place"
    )
    rows = (
        f"{sql} SELECT row_name, (SELECT count(*) FROM rows_in_order) AS of_rows, {figures} FROM placed "
        f"GROUP BY row_place, row_name ORDER BY {order}"
    )
    return [
        totals,
        Query("rows", rows, parameters),
        Query("pairs", pairs, parameters),
        *implausible_query(subject.intent, subject.catalogue),
        *(gap_query(subject.intent, subject.catalogue) if subject.intent.grain else []),
    ]


def draft(account: Account) -> Draft | Refusal:
    """The largest of all pairs in a sentence, all of them in a table."""
    if "pairs" not in account.sheets:
        return refusals.not_supported("a split by two things, of which one is not named", account.catalogue)
    measured, amount = MEASURED[account.intent.measure], _amount(account)
    left_out = account.left_out if measured.is_money else ""
    total = account.shown(amount, account.cell("totals", amount))
    what = measured.words.replace("call", account.noun).capitalize()
    text = (
        f"{what} by {_rows_title(account)} and `{_across(account.intent)}`{account.scope}: **{total}** in all{left_out}"
    )
    odd = account.odd_part if measured.is_money else ()
    return Draft(
        (f"{text}{_most(account)} (`{account.table.name}`).\n\n", _table(account), *odd), tuple(_notes(account))
    )


def _rows_title(account: Account) -> str:
    return str(account.intent.grain) if account.intent.grain else f"`{account.intent.by}`"


def _most(account: Account) -> str:
    """The largest of the pairs that are shown by name."""
    pairs, amount = account.sheet("pairs"), _amount(account)
    named = [pair for pair in pairs if not (pair["column_name"].missing or pair[amount].missing)]
    if not named:
        return ""
    most = max(named, key=lambda pair: pair[amount].value)
    return f"; the most is **{account.shown(amount, most[amount])}**, {_of(account, most)}"


def _of(account: Account, pair: Mapping[str, Cell]) -> str:
    row = str(pair["row_name"]) if account.intent.grain else code(pair["row_name"])
    if not account.intent.grain:
        return f"of {row} with {code(pair['column_name'])}"
    return f"of {code(pair['column_name'])} {'on' if account.intent.grain == 'day' else 'in'} {row}"


def _table(account: Account) -> str:
    """A row for each step or value, a column for each of the largest values, one for the others and one for all."""
    amount, pairs = _amount(account), list(account.sheet("pairs"))
    titles = {pair["column_place"].value: _title(pair) for pair in pairs}
    places = sorted(titles)
    found = {(str(pair["row_name"]), pair["column_place"].value): pair[amount] for pair in pairs}
    lines = []
    for row in account.sheet("rows"):
        cells = (found.get((str(row["row_name"]), place)) for place in places)
        name = str(row["row_name"]) if account.intent.grain else code(row["row_name"])
        lines.append(
            [name, *(account.shown(amount, c) if c else "–" for c in cells), account.shown(amount, row[amount])]
        )
    first = str(account.intent.grain or account.intent.by)
    return markdown_table([first, *(titles[place] for place in places), "all"], lines)


def _title(pair: Mapping[str, Cell]) -> str:
    return "others" if pair["column_name"].missing else code(pair["column_name"])


def _notes(account: Account) -> list[str]:
    """What is not shown, and what a dash means."""
    rows, values = account.sheet("rows"), account.cell("totals", "groups")
    found = [f"`{_across(account.intent)}` has {values.count} different values here; the largest have a column each."]
    found.append("A dash stands where no row is: no rows is not zero.")
    if len(rows) and rows.cell("of_rows").value > len(rows):
        which = "newest" if account.intent.grain else "first"
        found.append(f"Only the {which} rows of {rows.cell('of_rows').count} are shown.")
    return [*found, *gap_words(account.sheets), *account.notes]


KIND = kind_of(
    CLAIM,
    "Spend, calls or tokens by a column over steps of time, or by two columns at once",
    queries,
    draft,
    options=Cross,
)
