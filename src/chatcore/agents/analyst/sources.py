"""Which files hold the data, and whether they can be read at all: checked before anything is started.

Nothing here imports DuckDB: ``chatcore serve`` calls it before the port opens.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import attrs

from chatcore.agents.analyst import delimited, jsontext
from chatcore.errors import ConfigurationError

WHOLE_FILE_BYTES = 8 * 1024 * 1024
"""Files up to this size are checked whole, so that their faults are named before the port opens."""

SAMPLE_BYTES = 1024 * 1024
"""How much of a larger file is checked; the rest is checked while it is loaded."""

CHECK_BUDGET_BYTES = 24 * 1024 * 1024
"""What is checked over all files; past it only a head of each, because the port waits for it."""

HEAD_BYTES = 64 * 1024
"""How much of a file is checked once the budget is spent."""

_PARQUET_MAGIC = b"PAR1"
_PARQUET_SMALLEST = 12  # the magic at both ends and the length of the footer between them


class Kind(StrEnum):
    """How a file is read."""

    CSV = "CSV"
    PARQUET = "Parquet"
    JSON = "JSON"
    JSON_LINES = "JSON Lines"


KINDS = {
    ".csv": Kind.CSV,
    ".parquet": Kind.PARQUET,
    ".json": Kind.JSON,
    ".jsonl": Kind.JSON_LINES,
    ".ndjson": Kind.JSON_LINES,
}
_ACCEPTED = "a CSV (.csv), Parquet (.parquet), JSON (.json) or JSON Lines (.jsonl, .ndjson) file"


@attrs.frozen
class Source:
    """One data file.

    Args:
        path: where it is.
        shown: its name as the user wrote it; errors name it so.
        kind: how it is read.
        size_bytes: its size when it was found.
    """

    path: Path
    shown: str
    kind: Kind
    size_bytes: int


def find_sources(paths: Sequence[Path]) -> tuple[Source, ...]:
    """The data files that ``paths`` name: files in the order given, folders as their data files, sorted by name.

    Raises:
        ConfigurationError: a path is missing, of a kind that is not read, or a folder without any data file.
    """
    found = [source for path in paths for source in _expand(Path(path))]
    return tuple({source.path.resolve(): source for source in reversed(found)}.values())[::-1]


def _expand(path: Path) -> Iterator[Source]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in KINDS and file.is_file())
        if not files:
            raise ConfigurationError(str(path), "the folder holds no data file", f"it needs {_ACCEPTED}")
        yield from map(_source, files)
    elif not path.exists():
        raise ConfigurationError(str(path), "there is no such file or folder", "name one that exists")
    elif path.suffix.lower() not in KINDS:
        raise ConfigurationError(str(path), "files of this kind are not read", f"give {_ACCEPTED}")
    else:
        yield _source(path)


def _source(path: Path) -> Source:
    return Source(path, str(path), KINDS[path.suffix.lower()], path.stat().st_size)


def validate_sources(sources: Sequence[Source]) -> None:
    """Check that each file can be read: whole where it is small, its beginning where it is large.

    Raises:
        ConfigurationError: names the file, the fault, the line where there is one, and what would be right.
    """
    budget = CHECK_BUDGET_BYTES
    for source in sources:
        budget -= _validate(source, budget)


def _validate(source: Source, budget: int) -> int:
    """Check one file and return how many bytes were read for it."""
    if source.size_bytes == 0:
        raise ConfigurationError(source.shown, "the file is empty", f"it should be {source.kind} with at least one row")
    if source.kind is Kind.PARQUET:
        _check_parquet(source)
        return _PARQUET_SMALLEST
    limit = source.size_bytes if source.size_bytes <= WHOLE_FILE_BYTES else SAMPLE_BYTES
    content = _read(source, limit if limit <= budget else HEAD_BYTES)
    _check_text(source, content)
    return len(content)


def _check_text(source: Source, content: bytes) -> None:
    whole = len(content) >= source.size_bytes
    text = decode(source.shown, content, whole=whole)
    if source.kind is Kind.CSV:
        delimited.check(source.shown, text, whole=whole)
    elif source.kind is Kind.JSON:
        jsontext.check_document(source.shown, text, whole=whole)
    else:
        jsontext.check_lines(source.shown, text, whole=whole)


def _read(source: Source, limit: int) -> bytes:
    try:
        with source.path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise ConfigurationError(source.shown, "the file cannot be read", _advice(error)) from None


def _advice(error: OSError) -> str:
    return "make it readable for this user" if isinstance(error, PermissionError) else "check the disk and the path"


def decode(shown: str, content: bytes, *, whole: bool) -> str:
    """The text of ``content``, which must be UTF-8; a character cut at the end of a sample is left out.

    Raises:
        ConfigurationError: names the first line that is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not whole and error.start > len(content) - 4:  # a character has at most four bytes
            return content[: error.start].decode("utf-8-sig")
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(shown, f"line {line} is not UTF-8", "save the file as UTF-8") from None


def _check_parquet(source: Source) -> None:
    try:
        with source.path.open("rb") as file:
            head = file.read(len(_PARQUET_MAGIC))
            file.seek(-min(source.size_bytes, _PARQUET_SMALLEST - 4), os.SEEK_END)
            tail = file.read()
    except OSError as error:
        raise ConfigurationError(source.shown, "the file cannot be read", _advice(error)) from None
    framed = head == _PARQUET_MAGIC and tail.endswith(_PARQUET_MAGIC)
    if not framed or int.from_bytes(tail[:4], "little") > source.size_bytes - _PARQUET_SMALLEST:
        problem = "it is not a Parquet file, or it was cut off"
        raise ConfigurationError(source.shown, problem, "write it again, or name the file after what it holds")
