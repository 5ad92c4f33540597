"""CSV as text: its dialect, its header, and the faults that a reader must not pass over."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import attrs

from chatcore.errors import ConfigurationError

DELIMITERS = (",", ";", "\t", "|")
"""What may separate columns; the one that the header holds most of is meant, the comma where there is none."""

FIELD_LIMIT_CHARACTERS = 1_900_000
"""Longer than any field of real data, and shorter than the longest line that the loader reads."""


@attrs.frozen
class Header:
    """The first line of a CSV file.

    Args:
        columns: the names, in order.
        delimiter: one character.
    """

    columns: tuple[str, ...]
    delimiter: str


def header_of(shown: str, text: str) -> Header:
    """The header of a CSV text that begins with one.

    Raises:
        ConfigurationError: it is blank, a name is blank, or two names are the same but for upper and lower case.
    """
    unquoted = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    delimiter = max(DELIMITERS, key=unquoted.count)
    names = next(_records(shown, io.StringIO(text, newline=""), delimiter), (1, []))[1]
    _check_names(shown, names)
    return Header(tuple(names), delimiter)


def _check_names(shown: str, names: Sequence[str]) -> None:
    remedy = "the first line should name each column once"
    if not any(name.strip() for name in names):
        raise ConfigurationError(shown, "line 1 is blank, not a header", remedy)
    for position, name in enumerate(names, 1):
        if not name.strip():
            raise ConfigurationError(shown, f"line 1: column {position} has a blank name", remedy)
    repeated = [name for name, count in Counter(name.strip().lower() for name in names).items() if count > 1]
    if repeated:
        raise ConfigurationError(shown, f"line 1: two columns are named {repeated[0]!r}", remedy)


def check(shown: str, text: str, *, whole: bool) -> None:
    """Check a CSV text, or the beginning of one.

    Args:
        shown: the file's name as the user wrote it.
        text: decoded, without a byte order mark.
        whole: whether ``text`` is the whole file; the last line of a part may be cut and is not checked.

    Raises:
        ConfigurationError: names the line.
    """
    header = header_of(shown, text)
    kept = text if whole else text[: text.rfind("\n") + 1]
    rows = check_lines(shown, io.StringIO(kept, newline=""), header, whole=whole)
    if whole and not rows:
        raise ConfigurationError(shown, "it has a header and 0 rows", "it needs at least one row of data")


def check_lines(shown: str, lines: Iterable[str], header: Header, *, whole: bool = True) -> int:
    """Check the lines of a CSV file, the header included, and return how many rows follow it.

    Raises:
        ConfigurationError: names the line.
    """
    rows = -1
    for line, fields in _records(shown, lines, header.delimiter, whole=whole):
        if fields and len(fields) != len(header.columns):
            raise _uneven(shown, line, len(fields), len(header.columns))
        rows += 1
    return rows


def _uneven(shown: str, line: int, found: int, expected: int) -> ConfigurationError:
    return ConfigurationError(
        shown,
        f"line {line} has {_columns(found)}",
        f"the header names {expected}; quote a value that holds a delimiter",
    )


def _columns(count: int) -> str:
    return f"{count} column" if count == 1 else f"{count} columns"


def _records(
    shown: str, lines: Iterable[str], delimiter: str, *, whole: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it begins on, blank lines as empty records."""
    csv.field_size_limit(FIELD_LIMIT_CHARACTERS)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 1
    try:
        for fields in reader:
            yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        if whole or "unexpected end" not in str(error):  # a part may end inside a quoted value
            raise _broken(shown, line, str(error)) from None


def _broken(shown: str, line: int, error: str) -> ConfigurationError:
    if "field limit" in error:
        return ConfigurationError(shown, f"line {line} holds an overlong value", "check for a quote that is not closed")
    if "new-line character" in error:
        return ConfigurationError(shown, f"line {line} holds a stray carriage return", "quote it or take it out")
    problem = f"line {line} has a quote that is not closed or not doubled"
    return ConfigurationError(shown, problem, 'quote a value as "…" and write a quote inside it twice')


def line_of(lines: Iterable[str], header: Header, column: int, value: str) -> int | None:
    """The line on which the column at position ``column`` first holds ``value``; None where it never does."""
    for line, fields in _records("", lines, header.delimiter):
        if line > 1 and len(fields) > column and fields[column] == value:
            return line
    return None
