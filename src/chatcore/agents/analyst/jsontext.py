"""JSON and JSON Lines as text: the faults that a reader must not pass over."""

from __future__ import annotations

import json

import msgspec

from chatcore.errors import ConfigurationError

_OBJECTS = "it should be an array of objects, or one object a line"


def check_document(shown: str, text: str, *, whole: bool) -> None:
    """Check a ``.json`` file: an array of objects, one object, or one object a line.

    Args:
        shown: the file's name as the user wrote it.
        text: decoded.
        whole: whether ``text`` is the whole file; of a part only what it begins with is checked.

    Raises:
        ConfigurationError: names the line where there is one.
    """
    beginning = text.lstrip()[:1]
    if beginning not in ("[", "{"):
        raise ConfigurationError(shown, "it does not begin with an object or an array of objects", _OBJECTS)
    if not whole:
        return
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        _explain(shown, text)
    else:
        _check_records(shown, document if isinstance(document, list) else [document])


def _check_records(shown: str, records: list[object]) -> None:
    if not records:
        raise ConfigurationError(shown, "the array has 0 rows", "it needs at least one object")
    for position, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise ConfigurationError(shown, f"element {position} of the array is not an object", _OBJECTS)
    if not any(records):
        raise ConfigurationError(shown, "its objects have no names", _OBJECTS)


def _explain(shown: str, text: str) -> None:
    """Say where a document that is not one JSON value is broken, unless it is one object a line."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if not error.msg.startswith("Extra data"):
            raise ConfigurationError(shown, f"line {error.lineno} is not JSON", _OBJECTS) from None
    check_lines(shown, text, whole=True)


def check_lines(shown: str, text: str, *, whole: bool) -> None:
    """Check JSON Lines: an object on each line that is not blank.

    Raises:
        ConfigurationError: names the line.
    """
    lines = text.split("\n")
    if not whole:
        lines.pop()  # it may be cut
    decoder = msgspec.json.Decoder()
    rows = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            _check_line(shown, number, line, decoder)
            rows += 1
    if whole and not rows:
        raise ConfigurationError(shown, "it has 0 rows", "it needs at least one line with an object")


def _check_line(shown: str, number: int, line: str, decoder: msgspec.json.Decoder[object]) -> None:
    try:
        value = decoder.decode(line)
    except msgspec.DecodeError:
        raise ConfigurationError(shown, f"line {number} is not JSON", "each line should be one object") from None
    if not isinstance(value, dict):
        raise ConfigurationError(shown, f"line {number} is not an object", "each line should be one object")
