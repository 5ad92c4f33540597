"""What columns mean, said in a file where guessing by their names fails: ``[table]`` and ``column = "meaning"``."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from chatcore.agents.analyst.columns import Candidate, Family, Meaning, family_of, may_mean
from chatcore.errors import ConfigurationError

Meanings: TypeAlias = Mapping[str, Meaning]
"""What columns of one table mean, by their names."""

MAPPING = "mapping"
"""The name of the setting, by which every fault of the file begins."""

_FAMILIES = {
    Family.NUMBER: "numbers",
    Family.TEXT: "text",
    Family.TIME: "times",
    Family.OTHER: "neither numbers, nor times, nor text",
}


def read_mapping(file: str, tables: Sequence[str]) -> dict[str, Meanings]:
    """The mapping in a file, checked as far as that goes without the columns.

    Args:
        file: its path, as the user wrote it.
        tables: the names of the tables there are.

    Raises:
        ConfigurationError: names the file, the table, the column or the meaning that is wrong, and what would be right.
    """
    return {_table(name, tables): _meanings(name, columns) for name, columns in _document(file).items()}


def _document(file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(MAPPING, f"{file} cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(MAPPING, f"{file} is not valid TOML: {error}") from None


def _table(name: str, tables: Sequence[str]) -> str:
    if name not in tables:
        raise ConfigurationError(MAPPING, f"[{name}]: there is no such table", _there_are(name, tables))
    return name


def _meanings(table: str, columns: Any) -> Meanings:
    if not isinstance(columns, dict):
        problem = f"{table}: this is no table of columns"
        raise ConfigurationError(MAPPING, problem, f'write [{table}] and, below it, column = "meaning"')
    meanings = {column: _meaning(f"[{table}] {column}", meaning) for column, meaning in columns.items()}
    for meaning in meanings.values():
        alike = [column for column, other in meanings.items() if other is meaning is not Meaning.UNKNOWN]
        if len(alike) > 1:
            problem = f"[{table}]: {' and '.join(alike)} are both said to be the {meaning}"
            raise ConfigurationError(MAPPING, problem, "a meaning belongs to one column")
    return meanings


def _meaning(where: str, word: Any) -> Meaning:
    try:
        return Meaning(word)
    except ValueError:
        problem = f"{where}: {word!r} is no meaning"
        raise ConfigurationError(MAPPING, problem, _there_are(str(word), [str(each) for each in Meaning])) from None


def check_columns(table: str, meanings: Meanings, columns: Iterable[str]) -> None:
    """Check that a table has the columns of its mapping.

    Raises:
        ConfigurationError: names the first that it has not.
    """
    known = list(columns)
    for column in meanings:
        if column not in known:
            raise ConfigurationError(MAPPING, f"[{table}] {column}: there is no such column", _there_are(column, known))


def check_types(table: str, meanings: Meanings, candidates: Sequence[Candidate]) -> None:
    """Check that a table's columns can mean what its mapping says.

    Raises:
        ConfigurationError: names the first that is missing or of the wrong type.
    """
    check_columns(table, meanings, (candidate.name for candidate in candidates))
    for candidate in candidates:
        meaning = meanings.get(candidate.name, Meaning.UNKNOWN)
        if not may_mean(candidate, meaning):
            problem = f"[{table}] {candidate.name}: it is said to be the {meaning} and holds "
            problem += _FAMILIES[family_of(candidate.type)]
            raise ConfigurationError(MAPPING, problem, "name a column whose values can be that, or leave it out")


def _there_are(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"there are {', '.join(map(repr, known))}"
