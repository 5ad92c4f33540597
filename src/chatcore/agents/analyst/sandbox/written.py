"""Which numbers a query has written into it, where they may come out as if they were the rows'. Pure; no package.

``SELECT 12345 AS spend FROM usage`` reads a table, and its result has nothing of it. What is looked at is the tree that
DuckDB's own parser makes: every place whose value can come out. Conditions, limits, groups and orders are no such
places, nor are the parameters of a function that is put to a column (``round(cost, 2)``) or the factors of one
(``cost * 1000``): those choose or scale what the rows hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

Tree = Any
"""JSON, as ``json_serialize_sql`` gives it."""

SMALL = 10
"""Whole numbers below it need no proof."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CHOOSING = _words("""
    where_clause having qualify filter filter_expr when_expr condition modifiers group_expressions partitions orders
    order_bys sample start_expr end_expr type_expr pivots
""")
"""Parts of a tree that choose rows, name columns or give types."""

_TRUTHS = _words("""
    COMPARISON CONJUNCTION BETWEEN COMPARE_IN COMPARE_NOT_IN OPERATOR_NOT OPERATOR_IS_NULL OPERATOR_IS_NOT_NULL
""")
"""What comes out true or false."""

_PLACES = _words("ARRAY_EXTRACT ARRAY_SLICE STRUCT_EXTRACT")
"""What takes a part of its first child."""

_ROWS = _words("COLUMN_REF STAR SUBQUERY WINDOW")

_COUNTED_ROWS = _words("count count_star")

_HANDING_ON = _words("""
    + - || concat concat_ws format printf replace if coalesce greatest least list_value list_append list_prepend
    array_append array_prepend list_concat list_cat struct_pack row map map_from_entries arg_max arg_min max_by
    min_by arg_max_null arg_min_null any_value first last lag lead lambda
""")
"""Functions whose value can be that of any argument."""

_OF_TIME = _words("""
    to_years to_months to_weeks to_days to_hours to_minutes to_seconds to_milliseconds to_microseconds make_date
    make_time make_timestamp strptime try_strptime ntile
""")
"""Functions of constants that give a time, or how fine something is cut."""

_HOLDING = _words("list_value row struct_pack map map_from_entries unnest range generate_series coalesce if")
"""Functions whose value is that of their arguments, or between them."""

_OF_TEXT = _words("|| concat concat_ws upper lower trim replace format printf strftime")

_TIMES = _words("DATE TIME TIMESTAMP DATETIME INTERVAL TIMESTAMPTZ")

_NUMBER = re.compile(r"(?<![\w.-])[$€£<>=~≥≤ ]*(\d[\d,_]*(?:\.\d+)?)([kKmM]?)(?![\w:])")
_DIGITS = re.compile(r"\d[\d,]*(?:\.\d+)?")
_IN_NAME = re.compile(r"(?<![A-Za-z\d.,])\d[\d,]*(?:\.\d+)?")
"""Not ``p95``."""
_YEAR = re.compile(r"(?:19|20)\d\d")
_SCALES = {"k": 1e3, "m": 1e6}


def written_numbers(tree: Tree) -> list[str]:
    """The numbers that a query brings along and that may come out of it, as it writes them, each once.

    A label may name the bounds that the query's own conditions have, as in ``'1k-5k'``.

    Args:
        tree: of the query.
    """
    values = list(_values(tree))
    places = {id(value) for value in values}
    bounds = {_number(literal["text"]) for literal in _literals(tree) if id(literal) not in places and _counts(literal)}
    found = [number for literal in values for number in _unproven(literal, bounds)]
    return list(dict.fromkeys(found or _made(tree)))


def named_numbers(tree: Tree, columns: Iterable[str], of_data: Iterable[str]) -> list[str]:
    """The numbers that a query writes into the names of its result's columns, each once: they are shown as titles.

    A name may have the numbers of the query's own conditions and factors in it, as in ``cost_per_1000_tokens``, and
    those of names of the data.

    Args:
        tree: of the query.
        columns: of its result.
        of_data: the names of the columns that there are.
    """
    own = " ".join((*of_data, *(literal["text"] for literal in _literals(tree))))
    known = {_number(digits) for digits in _DIGITS.findall(own)}
    found = [digits for name in columns for digits in _IN_NAME.findall(name) if not _YEAR.fullmatch(digits)]
    return list(dict.fromkeys(each for each in found if (_number(each) or 0) >= SMALL and _number(each) not in known))


def _made(tree: Tree) -> Iterator[str]:
    """What a query computes of nothing but what it says itself, as ``9 * 9 * 9`` and ``length('aaa')``."""
    if isinstance(tree, list):
        for each in tree:
            yield from _made(each)
    elif isinstance(tree, dict) and not _is_truth(tree) and tree.get("class") != "CONSTANT":
        said = [each["text"] for each in _values(tree)] if _computes(tree) else []
        if any(map(_DIGITS.search, said)) or (said and tree["function_name"] not in _OF_TEXT):
            name = tree["function_name"]
            yield f" {name} ".join(said) if tree.get("is_operator") else f"{name}({', '.join(said)})"
        else:
            yield from _made(_parts(tree))


def _computes(tree: Tree) -> bool:
    """Whether a function makes something else of what is put into it, and no row is."""
    if len(tree.get("arguments") or ()) == 1 and tree["function_name"] in "+-":
        return False
    return tree.get("class") == "FUNCTION" and tree["function_name"] not in _HOLDING and not _reads_rows(tree)


def _unproven(literal: Tree, bounds: set[float | None]) -> Iterator[str]:
    text = literal["text"]
    if _counts(literal):
        value = _number(text)
        if value is None or abs(value) >= SMALL or not value.is_integer():
            yield text
        return
    for match in _NUMBER.finditer(text):
        value = _number(match[1])
        scaled = None if value is None else value * _SCALES.get(match[2].lower(), 1)
        is_small = scaled is not None and scaled < SMALL and scaled.is_integer()
        alone = match.group().strip() == text.strip()
        if not is_small and not (_YEAR.fullmatch(match[1]) and not alone) and (alone or scaled not in bounds):
            yield match[1]


def _counts(literal: Tree) -> bool:
    return literal["kind"] in ("INTEGER", "NUMERIC")


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _literals(tree: Tree) -> Iterator[Tree]:
    """All numbers and texts of a tree."""
    if isinstance(tree, list):
        for each in tree:
            yield from _literals(each)
    elif isinstance(tree, dict):
        if tree.get("class") == "CONSTANT" and tree.get("literal", {}).get("text"):
            yield tree["literal"]
        for each in tree.values():
            yield from _literals(each)


def _values(tree: Tree) -> Iterator[Tree]:
    """The literals of a tree whose value may come out."""
    if isinstance(tree, list):
        for each in tree:
            yield from _values(each)
    elif isinstance(tree, dict) and not _is_truth(tree):
        if tree.get("class") == "CONSTANT":
            yield from (each for each in _literals(tree) if each["kind"] in ("INTEGER", "NUMERIC", "STRING"))
        else:
            yield from _values(_parts(tree))


def _is_truth(tree: Tree) -> bool:
    is_test = tree.get("class") == "SUBQUERY" and tree.get("subquery_type") != "SCALAR"
    return is_test or tree.get("class") in _TRUTHS or tree.get("type") in _TRUTHS


def _parts(tree: Tree) -> list[Tree]:
    """What a value of a tree can come from."""
    kind = tree.get("class")
    if kind in ("FUNCTION", "WINDOW"):
        return _arguments(tree)
    if tree.get("type") in _PLACES:
        return list(tree["children"][:1])
    if kind == "CAST" and _type_of(tree) in _TIMES and not _reads_rows(tree["child"]):
        return []
    return [each for name, each in tree.items() if name not in _CHOOSING]


def _arguments(tree: Tree) -> list[Tree]:
    """The arguments of a function that its value can come from."""
    name = tree.get("function_name", "")
    given = [each.get("expression", each) for each in tree.get("arguments") or ()]
    if name in _OF_TIME:
        return []
    if name == "-" and given[:1] and _is_hundred(given[0]):
        return given[1:]
    put_to_rows = any(map(_reads_rows, given)) and name not in _HANDING_ON
    kept = [each for each in given if _reads_rows(each) or not put_to_rows]
    return kept if name not in ("lag", "lead") else [each for i, each in enumerate(given) if i != 1]


def _is_hundred(tree: Tree) -> bool:
    """``100 - share``: a percentage's other part."""
    return any(_number(each["text"]) == 100 for each in _literals(tree)) and tree.get("class") == "CONSTANT"


def _reads_rows(tree: Tree) -> bool:
    """Whether a tree has anything of rows in it."""
    if isinstance(tree, list):
        return any(map(_reads_rows, tree))
    if not isinstance(tree, dict):
        return False
    reads = tree.get("class") in _ROWS or tree.get("function_name") in _COUNTED_ROWS
    return reads or any(_reads_rows(each) for name, each in tree.items() if name != "type_expr")


def _type_of(tree: Tree) -> str:
    return str(tree.get("type_expr", {}).get("type_name", "")).upper()
