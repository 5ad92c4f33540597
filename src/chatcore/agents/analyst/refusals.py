"""Why a question has no answer, in words, and questions beside it that do have one. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from chatcore.agents.analyst.catalogue import Catalogue, Column, Table
from chatcore.agents.analyst.columns import Family, Meaning, name_words
from chatcore.agents.analyst.periods import Found
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Period, Refusal

MAX_GROUPED = 1_000
"""A column with more different values is no help as an alternative."""


def suggestions(catalogue: Catalogue) -> tuple[str, ...]:
    """Questions that this data answers."""
    table = ranked(catalogue.tables)[0]
    if table.has(Meaning.COST):
        asked = ["What did we spend in total?"]
    else:
        asked = [f"How many {_plain(each)} are there?" for each in catalogue.tables if _countable(each)][:3]
    return (*asked, *groupings(table)[:2], "What data is there?")


def _countable(table: Table) -> bool:
    return name_words(table.name)[-1:] != () and name_words(table.name)[-1].endswith("s")


def _plain(table: Table) -> str:
    return " ".join(name_words(table.name))


def _things(table: Table) -> str:
    """What a table is asked about: its spend, or else its rows by their name."""
    if table.has(Meaning.COST):
        return "Spend"
    return "Calls" if table.has(Meaning.INPUT_TOKENS) else _plain(table).capitalize()


def groupings(table: Table) -> list[str]:
    """Questions that split a table by what it can be split by."""
    verb = _things(table)
    columns = [c for m in (Meaning.MODEL, Meaning.USER, Meaning.FEATURE, Meaning.STATUS) if (c := table.column(m))]
    asked = [f"{verb} by {column.name}" for column in columns if column.distinct <= MAX_GROUPED]
    return [*asked, *([f"{verb} by month"] if table.covered_from else [])]


def not_understood(catalogue: Catalogue) -> Refusal:
    """The question is about something else, or in words that are not known."""
    return Refusal(
        reason="not_supported",
        text="I answer questions about usage data: spend, calls, tokens, trends, comparisons and data quality. "
        "I could not make one of these of that question.",
        alternatives=suggestions(catalogue),
    )


def not_in_english(catalogue: Catalogue) -> Refusal:
    """The question is in another language."""
    return Refusal(
        reason="not_supported",
        text="I read questions in English only, and would rather not guess at those in another language.",
        missing=("a question in English",),
        alternatives=suggestions(catalogue),
    )


def left_out(words: str, why: str, asked: Sequence[str], catalogue: Catalogue) -> Refusal:
    """A part of the question that the answer would leave out.

    Args:
        words: that part, as the question has it.
        why: it would be left out, in a clause.
        asked: questions beside it that have an answer.
        catalogue: what there is to ask about.
    """
    return Refusal(
        reason="not_supported",
        text=f"{why}: I would rather not answer as if that had not been asked.",
        missing=(words,),
        alternatives=tuple(dict.fromkeys([*asked, *suggestions(catalogue)])),
    )


def several_things(unanswered: Sequence[str], answered: Sequence[str], catalogue: Catalogue) -> Refusal:
    """Several questions at once, which no single answer covers.

    Args:
        unanswered: those of them that have no answer.
        answered: those that have, each as a question by itself.
        catalogue: what there is to ask about.
    """
    lacking = " and ".join(f"“{each}”" for each in unanswered)
    text = f"That asks several things, and I have no answer to {lacking}." if lacking else "That asks several things."
    return Refusal(
        reason="not_supported",
        text=f"{text} I answer one at a time, rather than half of them.",
        missing=tuple(unanswered) or ("one question at a time",),
        alternatives=tuple(dict.fromkeys(answered)) or suggestions(catalogue),
    )


def too_long(catalogue: Catalogue) -> Refusal:
    """More than a question."""
    return Refusal(
        reason="not_supported",
        text="That is longer than a question that I read: ask it in a sentence or two, one thing at a time.",
        missing=("a shorter question",),
        alternatives=suggestions(catalogue),
    )


def nothing_before(catalogue: Catalogue) -> Refusal:
    """A question that leans on an earlier one, where none was answered."""
    return Refusal(
        reason="not_supported",
        text="That goes on from an earlier question, and there is none in this conversation that I answered.",
        missing=("an earlier question",),
        alternatives=suggestions(catalogue),
    )


def unclear_follow_up(catalogue: Catalogue) -> Refusal:
    """A question that leans on an earlier one and changes nothing of it that is known."""
    return Refusal(
        reason="not_supported",
        text="That goes on from the question before, and I could not make out what it changes: a period, a name, "
        "a split or a figure.",
        missing=("what to change of the question before",),
        alternatives=suggestions(catalogue),
    )


def no_reason(asked: Sequence[str], catalogue: Catalogue) -> Refusal:
    """Why a price, a saving or a verdict is what it is."""
    return Refusal(
        reason="not_supported",
        text="What it comes from is all in the answer: the prices, the calls and what is assumed of them. I work out "
        "no reason behind these.",
        missing=("the reason behind a figure",),
        alternatives=(*asked, *suggestions(catalogue)),
    )


def not_on_top() -> Refusal:
    """One measure on top of another that was asked for with a length, a model or a discount of its own."""
    return Refusal(
        reason="not_supported",
        text="What one measure would save on top of that one I do not work out: their savings are not to be added up. "
        "A plan sets the usual measures side by side, with each call under one of them.",
        missing=("several measures on top of each other",),
        alternatives=("How can we reduce our bill?", "What would batching and caching save together?"),
    )


def which_place(asked: Sequence[str], words: str) -> Refusal:
    """A name that can take the place of either of two in the question before."""
    return Refusal(
        reason="ambiguous",
        text=f"“{words.strip(' ?.!')}” can be meant in two ways: which one?",
        missing=("what it takes the place of",),
        alternatives=tuple(asked),
    )


def which_name(asked: Sequence[str], words: str) -> Refusal:
    """What is asked of “it”, after a question with several names."""
    return Refusal(
        reason="ambiguous",
        text=f"Which one is “it” in “{words.strip(' ?.!')}”? The question before has several names.",
        missing=("what “it” stands for",),
        alternatives=tuple(asked),
    )


def nothing_to_rank(table: Table, catalogue: Catalogue) -> Refusal:
    """The first few are asked for of an answer that is no list."""
    return Refusal(
        reason="not_supported",
        text="The answer before is no list, so there is no top of it: a split has one.",
        missing=("a list",),
        alternatives=tuple(groupings(table)[:3]) or suggestions(catalogue),
    )


def not_supported(what: str, catalogue: Catalogue) -> Refusal:
    """The question asks for something that is not answered."""
    plan = ("How can we reduce our bill?",) if what in _OF_SAVING and catalogue.price_books else ()
    return Refusal(
        reason="not_supported",
        text=f"That asks for {what}, which I do not work out: I report what the rows say.",
        missing=(what,),
        alternatives=(*plan, *suggestions(catalogue)),
    )


_OF_SAVING = frozenset({"a recommendation", "what would have been otherwise"})
"""What is not worked out as it was asked, though a plan of savings is."""


def no_such_column(word: str, table: Table, catalogue: Catalogue) -> Refusal:
    """The rows do not say what the question is about."""
    columns = ", ".join(f"`{column.name}`" for column in table.columns)
    return Refusal(
        reason="no_such_column",
        text=f"`{table.name}` has nothing about “{word}”. Its columns are {columns}.",
        missing=(word,),
        alternatives=tuple(groupings(table)[:3]) if _is_first(table, catalogue) else suggestions(catalogue),
    )


def _is_first(table: Table, catalogue: Catalogue) -> bool:
    return ranked(catalogue.tables)[0].name == table.name and bool(groupings(table))


def no_such_value(word: str, table: Table, catalogue: Catalogue) -> Refusal:
    """A name that no row has."""
    named = sorted((column for column in table.columns if column.values), key=lambda c: c.meaning is not Meaning.MODEL)
    values = {value.lower(): (column, value) for column in reversed(named) for value in column.values}
    close = [values[each] for each in get_close_matches(word.lower(), values, n=3, cutoff=0.5)]
    verb = "What did we spend on" if table.has(Meaning.COST) else "How many calls were there for"
    asked = [f"{verb} {_name(column)} {value}?" for column, value in close]
    return Refusal(
        reason="no_rows",
        text=f"No row of `{table.name}` is about “{word}”. That is not the same as zero.",
        missing=(word,),
        covered=table.covered,
        alternatives=tuple(asked) or suggestions(catalogue),
    )


def _name(column: Column) -> str:
    return str(column.meaning) if column.meaning is not Meaning.UNKNOWN else column.name


def one_side_of_cost(table: Table, named: Sequence[str], catalogue: Catalogue) -> Refusal:
    """What tokens in, or out, cost by themselves, of rows that have one cost for both; ``named``: of these models."""
    asked = ["Cost per million tokens?", *(["Cost per million tokens by month"] if table.covered_from else [])]
    asked += _listed_prices(table, named, catalogue)
    return Refusal(
        reason="no_such_column",
        text=f"`{table.name}` has one cost for a call, and does not say what of it is for tokens in and what for out. "
        "What is known is what was paid for both together, and what the list asks for each.",
        missing=("the cost of tokens in and of tokens out",),
        alternatives=tuple(asked) if _is_first(table, catalogue) else suggestions(catalogue),
    )


def _listed_prices(table: Table, named: Sequence[str], catalogue: Catalogue) -> list[str]:
    """The price of a model that is named, or the commonest that a list has, in and out."""
    column = table.column(Meaning.MODEL)
    names = (*named, *(column.values if column else ()))
    known = (name for name in names if any(book.match(name) for book in catalogue.price_books))
    return [f"What is the list price of {name}?" for name in known][:1]


def no_such_day(words: str, table: Table, catalogue: Catalogue) -> Refusal:
    """A date that the calendar does not have: a day, a week, a month."""
    kinds = {"week": r"week|w\d", "month": r"(?:\d{4}[-/]\d\d?|\d\d?[./]\d{4})$", "quarter": r"q\d", "half": r"h\d"}
    unit = next((unit for unit, pattern in kinds.items() if re.search(pattern, words)), "day")
    return Refusal(
        reason="out_of_range",
        text=f"There is no such {unit} as “{words}”.",
        missing=(words,),
        covered=table.covered,
        alternatives=suggestions(catalogue),
    )


def no_time(table: Table, reading: Reading) -> Refusal:
    """The rows do not say when they were."""
    return Refusal(
        reason="no_such_column",
        text=f"The rows of `{table.name}` do not say when they were: it has no column of dates or times.",
        missing=("time",),
        alternatives=suggestions(reading.catalogue),
    )


def out_of_range(period: Period, table: Table, catalogue: Catalogue) -> Refusal:
    """The period lies outside what the rows cover."""
    first, last = str(table.covered_from)[:10], str(table.covered_to)[:10]
    noun = "What did we spend" if table.has(Meaning.COST) else "How many calls were there"
    return Refusal(
        reason="out_of_range",
        text=f"There is nothing in {period.words}: `{table.name}` covers {first} to {last}. No rows is not zero.",
        missing=(period.words,),
        covered=table.covered,
        alternatives=(f"{noun} in {table.months[-1]}?", f"{noun} in total?")
        if table.months
        else suggestions(catalogue),
    )


def which_year(reading: Reading, found: Found, table: Table, asked: Sequence[str] = ()) -> Refusal:
    """A month that the data has in several years; ``asked``: the questions with each of them, where it is known."""
    years = [period.year for period in found.choices]
    words = reading.text[found.start : found.end].strip()
    text = reading.asked or reading.text
    head, tail = text[: found.start], text[found.end :]
    return Refusal(
        reason="ambiguous",
        text=f"The data has “{words}” in {' and '.join(years)}: which one is meant?",
        missing=("year",),
        covered=table.covered,
        alternatives=tuple(asked) or tuple(_sentence(f"{head}{words} {year}{tail}") for year in years),
    )


def best_by_what(column: Column, table: Table) -> Refusal:
    """The best of something, and nothing says by which figure."""
    figures = ["Spend"] if table.has(Meaning.COST) else []
    figures += ["Calls"] + (["Tokens"] if table.has(Meaning.INPUT_TOKENS) or table.has(Meaning.TOTAL_TOKENS) else [])
    return Refusal(
        reason="ambiguous",
        text=f"Best by what? The rows have {', '.join(figure.lower() for figure in figures)}, and no judgement.",
        missing=("a figure to judge by",),
        alternatives=tuple(f"{figure} by {column.name}" for figure in figures),
    )


def better_by_what(names: Sequence[str], table: Table, catalogue: Catalogue) -> Refusal:
    """Which of some names is better; a table of usage does not say how good they are."""
    asked = " and ".join(names)
    figures = ["spend", "calls"] if table.has(Meaning.COST) else ["calls"]
    asked_of_each = "Compare {figure} of {names}" if len(names) > 1 else "{figure} of {names}"
    return Refusal(
        reason="ambiguous",
        text=f"Better by what? `{table.name}` has figures for {asked}, and no judgement of how good they are.",
        missing=("a figure to judge by",),
        alternatives=(
            *(_sentence(asked_of_each.format(figure=figure, names=asked)) for figure in figures),
            *(("Which models are on the quality-cost frontier?",) if _has_scores(catalogue) else ()),
        ),
    )


def _has_scores(catalogue: Catalogue) -> bool:
    return any(re.search(r"quality|score|pass_?rate|accuracy", c.name) for t in catalogue.tables for c in t.columns)


def which_table(reading: Reading, tables: Sequence[Table]) -> Refusal:
    """Several tables can answer alike: each one's name is offered in the place of the words that fit all of them."""
    names = " or ".join(f"`{table.name}`" for table in tables)
    question = (reading.asked or reading.text).rstrip(" ?.!")
    begin, end = min(((named.start, named.end) for named in reading.tables), default=(len(question), len(question)))
    head, tail = question[:begin] if begin < end else f"{question} in ", question[end:]
    return Refusal(
        reason="ambiguous",
        text=f"The question fits {names}: which one is meant?",
        missing=("table",),
        alternatives=tuple(_sentence(f"{head}{table.name}{tail}?") for table in tables),
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def one_split_at_a_time(columns: Sequence[Column], grain: str | None, table: Table, catalogue: Catalogue) -> Refusal:
    """Sums are split by two things at most, and what is no sum by one."""
    names = [column.name for column in columns] + ([grain] if grain else [])
    asked = [f"{_things(table)} by {column.name}" for column in columns if column.family is not Family.NUMBER]
    asked += [f"{_things(table)} by {grain}"] if grain else []
    return Refusal(
        reason="not_supported",
        text=f"I do not split that by {' and '.join(f'`{name}`' for name in names)} together: spend, calls and tokens "
        "I split by two things at most, and anything else by one.",
        missing=tuple(names),
        alternatives=tuple(asked) or suggestions(catalogue),
    )


def names_or_periods(asked: Sequence[str]) -> Refusal:
    """Several names in several periods at once."""
    return Refusal(
        reason="ambiguous",
        text="I set names side by side in one period, or one name in two periods: which of these is meant?",
        missing=("names or periods to compare",),
        alternatives=tuple(asked),
    )


def too_many_periods(catalogue: Catalogue, asked: Sequence[str] = ()) -> Refusal:
    """More than two periods are not compared; ``asked`` has what tells them all."""
    return Refusal(
        reason="not_supported",
        text="I compare two periods; for more of them, a trend shows all.",
        missing=("a comparison of more than two periods",),
        alternatives=tuple(asked) or suggestions(catalogue),
    )
